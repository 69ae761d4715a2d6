/**
 * Bootstrap tokens: `ID.SECRET`, kept as Secrets `bootstrap-token-ID` in kube-system, with which a host that has no certificate yet shows that
 * it may ask for one. Source: k8s.io/cluster-bootstrap/token.
 */
import { createHmac } from 'node:crypto';
import type { Secret } from './types/core-v1.ts';

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';
export const bootstrapTokenPrefix = 'bootstrap-token-';
export const bootstrapTokenNamespace = 'kube-system';
export const bootstrapGroup = 'system:bootstrappers';
export const bootstrapUserPrefix = 'system:bootstrap:';
/** The ConfigMap in kube-public that joining hosts read, and its keys. */
export const clusterInfoName = 'cluster-info';
export const clusterInfoKubeconfig = 'kubeconfig';
export const clusterInfoSignaturePrefix = 'jws-kubeconfig-';

const tokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
export const tokenIdPattern = /^[a-z0-9]{6}$/;
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** @returns undefined when the text has not the form of a token. */
export function parseBootstrapToken(text: string): BootstrapToken | undefined {
  const [, id, secret] = tokenPattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** A field of the token's Secret, decoded; empty when absent. */
export function tokenField(secret: Pick<Secret, 'data'>, field: string): string {
  return Buffer.from(secret.data?.[field] ?? '', 'base64').toString();
}

/** Milliseconds since the epoch; undefined: never expires. NaN: the Secret says something that is no time, which counts as expired. */
export function tokenExpiry(secret: Pick<Secret, 'data'>): number | undefined {
  const text = tokenField(secret, 'expiration');
  return text === '' ? undefined : Date.parse(text);
}

export function isTokenExpired(secret: Pick<Secret, 'data'>, now: number): boolean {
  const expiry = tokenExpiry(secret);
  return expiry !== undefined && !(expiry > now);
}

/** @param use `authentication` or `signing`. */
export const isTokenFor = (secret: Pick<Secret, 'data'>, use: string): boolean =>
  tokenField(secret, `usage-bootstrap-${use}`) === 'true';

/** The groups a token's bearer is in. @throws Error when the Secret names one outside `system:bootstrappers:`. */
export function tokenGroups(secret: Pick<Secret, 'data'>): readonly string[] {
  const extra = tokenField(secret, 'auth-extra-groups');
  const groups = new Set([bootstrapGroup]);
  for (const group of extra === '' ? [] : extra.split(',')) {
    if (!isBootstrapGroup(group))
      throw new Error(`bootstrap group ${JSON.stringify(group)} is invalid (must match ${groupPattern.source})`);
    groups.add(group);
  }
  return [...groups].sort();
}

export const isBootstrapGroup = (group: string): boolean => groupPattern.test(group);

/** A compact JWS (HS256, the token's secret as key) without its content. */
export function detachedSignature(content: string, { id, secret }: BootstrapToken): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  const header = encode(JSON.stringify({ alg: 'HS256', kid: id }));
  const signature = createHmac('sha256', secret)
    .update(`${header}.${encode(content)}`)
    .digest('base64url');
  return `${header}..${signature}`;
}
