/**
 * Authentication and authorization by asking the API server, for components with a port of their own: client certificates that the port has
 * verified, bearer tokens by TokenReview, rights by SubjectAccessReview; answers are remembered for a while.
 * Source of behaviour: k8s.io/apiserver/pkg/authentication/authenticatorfactory, authorization/authorizerfactory.
 */
import { createHash } from 'node:crypto';
import type { ApiRequest } from '../api/exchange.ts';
import type { SubjectAccessReviewSpec } from '../api/types/authorization-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Client } from './client.ts';
import { createReviewMeters } from './delegated-metrics.ts';

export interface DelegatedUser {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What is asked for: one of the two. */
export type AccessAttributes = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>;

export interface DelegatedAuthOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** Callers without credentials are system:anonymous instead of being refused. */
  readonly anonymous?: boolean;
  readonly tokenTtlMs?: number;
  readonly allowedTtlMs?: number;
  readonly deniedTtlMs?: number;
  /** Absent: nothing is counted. */
  readonly metrics?: MetricsRegistry | undefined;
}

export interface DelegatedAuth {
  /** @returns undefined for 401. @throws ApiError, TransportError when the API server must be asked and cannot. */
  authenticate(request: ApiRequest): Promise<DelegatedUser | undefined>;
  /** `system:masters` may do everything, unasked. */
  authorize(user: DelegatedUser, attributes: AccessAttributes, signal: AbortSignal): Promise<boolean>;
}

/** At most this many answers are remembered of each kind; the oldest goes first. */
const rememberedMax = 1000;
const unknownTokenTtlMs = 10_000;

export function createDelegatedAuth({
  client,
  clock,
  anonymous = false,
  tokenTtlMs = 120_000,
  allowedTtlMs = 300_000,
  deniedTtlMs = 30_000,
  metrics,
}: DelegatedAuthOptions): DelegatedAuth {
  const meters = metrics && createReviewMeters(metrics, clock);
  const users = remember<DelegatedUser | undefined>(
    clock,
    (user) => (user ? tokenTtlMs : unknownTokenTtlMs),
    meters?.token,
  );
  const rights = remember<boolean>(clock, (allowed) => (allowed ? allowedTtlMs : deniedTtlMs));

  const review = async (token: string, signal: AbortSignal): Promise<DelegatedUser | undefined> => {
    const ask = () =>
      client
        .resource(resources.tokenReviews)
        .create(
          { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } },
          { signal },
        );
    const { status } = await (meters ? meters.authentication(ask) : ask());
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
        if (peer.verificationError !== undefined || peer.commonName === '') return undefined;
        return { name: peer.commonName, groups: [...peer.organizations, 'system:authenticated'] };
      }
      const token = /^Bearer\s+(\S.*)$/i.exec(headers.authorization ?? '')?.[1]?.trim();
      if (token === undefined)
        return anonymous ? { name: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
      return users(createHash('sha256').update(token).digest('base64'), () => review(token, signal));
    },

    async authorize(user, attributes, signal) {
      if (user.groups.includes('system:masters')) return true;
      return rights(JSON.stringify([user, attributes]), async () => {
        const ask = () =>
          client.resource(resources.subjectAccessReviews).create(
            {
              apiVersion: 'authorization.k8s.io/v1',
              kind: 'SubjectAccessReview',
              metadata: {},
              spec: {
                user: user.name,
                groups: user.groups,
                ...(user.uid ? { uid: user.uid } : {}),
                ...(user.extra ? { extra: user.extra } : {}),
                ...attributes,
              },
            },
            { signal },
          );
        const { status } = await (meters ? meters.authorization(ask) : ask());
        return status?.allowed === true;
      });
    },
  };
}

/** Answers by key for as long as `ttl` says; failures are not remembered. */
function remember<T>(
  clock: Clock,
  ttlMs: (value: T) => number,
  measured: (hit: boolean, answer: () => Promise<T>) => Promise<T> = (_, answer) => answer(),
) {
  const known = new Map<string, { readonly value: T; readonly untilMs: number }>();
  return async (key: string, ask: () => Promise<T>): Promise<T> => {
    const hit = known.get(key);
    if (hit && clock.monotonic() < hit.untilMs) return measured(true, () => Promise.resolve(hit.value));
    const value = await measured(false, ask);
    known.delete(key);
    known.set(key, { value, untilMs: clock.monotonic() + ttlMs(value) });
    if (known.size > rememberedMax) known.delete(known.keys().next().value!);
    return value;
  };
}
