/** `bireme token create | list | delete`: the Secrets behind bootstrap tokens. Source of names and words: kubeadm. */
import {
  type BootstrapToken,
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  isBootstrapGroup,
  parseBootstrapToken,
  tokenExpiry,
  tokenField,
  tokenIdPattern,
} from '../../api/bootstrap-token.ts';
import { isAlreadyExists, isNotFound } from '../../api/errors.ts';
import type { Secret } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { ClusterError } from '../cluster-error.ts';
import { nodeTokenGroup } from './cluster-objects.ts';

export interface TokenRequest {
  /** Absent: a new one. */
  readonly token?: string;
  /** 0: never expires. */
  readonly ttlMs: number;
  readonly usages?: readonly ('signing' | 'authentication')[];
  readonly groups?: readonly string[];
  readonly description?: string;
}

export interface TokenInfo {
  readonly token: string;
  readonly ttl: string;
  readonly expires: string;
  readonly usages: readonly string[];
  readonly description: string;
  readonly extraGroups: readonly string[];
}

export const tokenTtlDefaultMs = 24 * 3_600_000;

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Of 22 characters; 252 is the last multiple of 36 below 256, so each is as likely as the others. */
export function generateToken(random: Random): BootstrapToken {
  const characters = (count: number): string => {
    let text = '';
    while (text.length < count)
      for (const byte of random.bytes(count)) if (byte < 252 && text.length < count) text += alphabet[byte % 36];
    return text;
  };
  return { id: characters(6), secret: characters(16) };
}

/** @returns the token and its Secret. @throws ClusterError for a bad token or group, or one that exists. */
export async function createToken(
  client: Client,
  request: TokenRequest,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<{ readonly token: string; readonly secret: Secret }> {
  const token = request.token === undefined ? generateToken(random) : parseToken(request.token);
  const groups = request.groups ?? [nodeTokenGroup];
  for (const group of groups)
    if (!isBootstrapGroup(group))
      throw new ClusterError(
        `Bootstrap group "${group}" is invalid`,
        'groups of tokens start with "system:bootstrappers:"',
      );
  const data: Record<string, string> = {
    'token-id': token.id,
    'token-secret': token.secret,
    ...(request.description ? { description: request.description } : {}),
    ...(request.ttlMs > 0 ? { expiration: formatSeconds(clock.now() + request.ttlMs) } : {}),
    ...(groups.length > 0 ? { 'auth-extra-groups': groups.join(',') } : {}),
  };
  for (const usage of request.usages ?? ['signing', 'authentication']) data[`usage-bootstrap-${usage}`] = 'true';
  try {
    const secret = await client.resource(resources.secrets).create({
      metadata: { name: bootstrapTokenPrefix + token.id, namespace: bootstrapTokenNamespace },
      type: bootstrapTokenType,
      data: Object.fromEntries(
        Object.entries(data).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
      ),
    });
    return { token: `${token.id}.${token.secret}`, secret };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    throw new ClusterError(
      `A token with id "${token.id}" already exists`,
      `delete it with "bireme token delete ${token.id}", or let one be made up`,
      { cause: error },
    );
  }
}

export async function listTokens(client: Client, now: number): Promise<readonly TokenInfo[]> {
  const { items } = await client
    .resource(resources.secrets)
    .list({ namespace: bootstrapTokenNamespace, fieldSelector: `type=${bootstrapTokenType}` });
  return items.map((secret) => {
    const expiry = tokenExpiry(secret);
    const usages = ['authentication', 'signing'].filter(
      (usage) => tokenField(secret, `usage-bootstrap-${usage}`) === 'true',
    );
    return {
      token: `${tokenField(secret, 'token-id')}.${tokenField(secret, 'token-secret')}`,
      ttl: expiry === undefined ? '<forever>' : expiry > now ? shortDuration(expiry - now) : '<invalid>',
      expires: expiry === undefined ? '<never>' : tokenField(secret, 'expiration'),
      usages,
      description: tokenField(secret, 'description'),
      extraGroups: tokenField(secret, 'auth-extra-groups').split(',').filter(Boolean),
    };
  });
}

/** @param token the whole of it or its id. @throws ClusterError when there is none. */
export async function deleteToken(client: Client, token: string): Promise<string> {
  const id = tokenIdPattern.test(token) ? token : parseToken(token).id;
  try {
    await client.resource(resources.secrets).delete(bootstrapTokenPrefix + id, { namespace: bootstrapTokenNamespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new ClusterError(`There is no token "${id}"`, 'see them with "bireme token list"', { cause: error });
  }
  return id;
}

/** @throws ClusterError */
export function parseToken(text: string): BootstrapToken {
  const token = parseBootstrapToken(text);
  if (token) return token;
  throw new ClusterError(
    `The bootstrap token "${text.slice(0, 6)}..." does not have the form "abcdef.0123456789abcdef"`,
    'make a new one on a control-plane host: bireme token create --print-join-command',
  );
}

const formatSeconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** As kubectl writes ages. */
function shortDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
