/**
 * Who may ask a kubelet what: client certificates of the cluster's authority, bearer tokens by TokenReview; rights by SubjectAccessReview on
 * nodes/<subresource>, remembered for a while. Source: pkg/kubelet/server/auth.go, cmd/kubelet/app/auth.go.
 */
import { createHash } from 'node:crypto';
import type { ApiRequest } from '../../api/exchange.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';

export interface KubeletUser {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface KubeletAuthOptions {
  readonly client: Client;
  readonly nodeName: string;
  readonly clock: Clock;
  /** Callers without credentials are system:anonymous instead of being refused. */
  readonly anonymous?: boolean;
  readonly tokenTtlMs?: number;
  readonly allowedTtlMs?: number;
  readonly deniedTtlMs?: number;
}

export interface KubeletAuth {
  /** @returns undefined for 401. @throws ApiError, TransportError when the API server must be asked and cannot. */
  authenticate(request: ApiRequest): Promise<KubeletUser | undefined>;
  /** One of the path's subresources is enough. */
  authorize(user: KubeletUser, request: ApiRequest): Promise<boolean>;
}

/** At most this many answers are remembered of each kind; the oldest goes first. */
const rememberedMax = 1000;

export function createKubeletAuth({
  client,
  nodeName,
  clock,
  anonymous = false,
  tokenTtlMs = 120_000,
  allowedTtlMs = 300_000,
  deniedTtlMs = 30_000,
}: KubeletAuthOptions): KubeletAuth {
  const users = remember<KubeletUser | undefined>(clock, (user) => (user ? tokenTtlMs : 10_000));
  const rights = remember<boolean>(clock, (allowed) => (allowed ? allowedTtlMs : deniedTtlMs));

  const review = async (token: string, signal: AbortSignal): Promise<KubeletUser | undefined> => {
    const { status } = await client
      .resource(resources.tokenReviews)
      .create(
        { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } },
        { signal },
      );
    const user = status?.user;
    if (!status?.authenticated || !user?.username) return undefined;
    return {
      name: user.username,
      groups: user.groups ?? [],
      ...(user.uid ? { uid: user.uid } : {}),
      ...(user.extra ? { extra: user.extra } : {}),
    };
  };

  return {
    async authenticate({ peer, headers, signal }) {
      if (peer) {
        // A certificate that does not verify says nothing about who sent it.
        if (peer.verificationError !== undefined) return undefined;
        return { name: peer.commonName, groups: [...peer.organizations, 'system:authenticated'] };
      }
      const token = /^Bearer\s+(\S.*)$/i.exec(headers.authorization ?? '')?.[1]?.trim();
      if (token === undefined)
        return anonymous ? { name: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
      return users(createHash('sha256').update(token).digest('base64'), () => review(token, signal));
    },

    async authorize(user, request) {
      if (user.groups.includes('system:masters')) return true;
      const verb = verbOf(request.method);
      for (const subresource of subresourcesOf(request.path)) {
        const allowed = await rights(JSON.stringify([user, verb, subresource]), async () => {
          const { status } = await client.resource(resources.subjectAccessReviews).create(
            {
              apiVersion: 'authorization.k8s.io/v1',
              kind: 'SubjectAccessReview',
              metadata: {},
              spec: {
                user: user.name,
                groups: user.groups,
                ...(user.uid ? { uid: user.uid } : {}),
                ...(user.extra ? { extra: user.extra } : {}),
                resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName },
              },
            },
            { signal: request.signal },
          );
          return status?.allowed === true;
        });
        if (allowed) return true;
      }
      return false;
    },
  };
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
export const verbOf = (method: string): string => verbs[method] ?? '';

/** The finer one first; `proxy` allows everything that has no coarse name of its own (KEP-2862). */
export function subresourcesOf(path: string): readonly string[] {
  switch (path.split('/')[1]) {
    case 'pods':
    case 'runningpods':
      return ['pods', 'proxy'];
    case 'healthz':
      return ['healthz', 'proxy'];
    case 'configz':
      return ['configz', 'proxy'];
    case 'stats':
      return ['stats'];
    case 'metrics':
      return ['metrics'];
    case 'logs':
      return ['log'];
    case 'checkpoint':
      return ['checkpoint'];
    case 'statusz':
      return ['statusz'];
    case 'flagz':
      return ['configz'];
    default:
      return ['proxy'];
  }
}

/** Answers by key for as long as `ttl` says; failures are not remembered. */
function remember<T>(clock: Clock, ttlMs: (value: T) => number) {
  const known = new Map<string, { readonly value: T; readonly untilMs: number }>();
  return async (key: string, ask: () => Promise<T>): Promise<T> => {
    const hit = known.get(key);
    if (hit && clock.monotonic() < hit.untilMs) return hit.value;
    const value = await ask();
    known.delete(key);
    known.set(key, { value, untilMs: clock.monotonic() + ttlMs(value) });
    if (known.size > rememberedMax) known.delete(known.keys().next().value!);
    return value;
  };
}
