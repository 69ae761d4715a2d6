/** Who was let in and what was allowed, under upstream's names. Source: apiserver/pkg/endpoints/filters/metrics.go, authentication/request/x509. */
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Tally } from '../base/tallies.ts';
import type { Timing } from '../base/timings.ts';
import type { UserInfo } from './authentication/authenticator.ts';
import type { Authenticate } from './authentication/chain.ts';
import type { AuthorizationDecision, Authorizer } from './authorization/authorizer.ts';

/** 1 ms doubling to 16 s. */
const doubling = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);
const hour = 3600;
const day = 24 * hour;
const certificateBuckets = [
  0,
  hour / 2,
  hour,
  2 * hour,
  6 * hour,
  12 * hour,
  day,
  2 * day,
  4 * day,
  7 * day,
  30 * day,
  90 * day,
  180 * day,
  360 * day,
];
const filterBuckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30];

interface Outcome {
  readonly attempts: Tally;
  readonly took: Timing;
}

export interface SecurityMeters {
  authenticate(inner: Authenticate): Authenticate;
  authorizer(inner: Authorizer): Authorizer;
}

export function createSecurityMeters(metrics: MetricsRegistry, clock: Clock): SecurityMeters {
  const filters = metrics.timings<'filter'>({
    name: 'apiserver_request_filter_duration_seconds',
    help: 'Request filter latency distribution in seconds, for each filter type',
    labels: ['filter'],
    buckets: filterBuckets,
  });
  return {
    authenticate: measuredAuthentication(metrics, clock, filters.child({ filter: 'authentication' })),
    authorizer: measuredAuthorization(metrics, clock, filters.child({ filter: 'authorization' })),
  };
}

function measuredAuthentication(
  metrics: MetricsRegistry,
  clock: Clock,
  filter: Timing,
): (inner: Authenticate) => Authenticate {
  const attempts = metrics.tallies<'result'>({
    name: 'authentication_attempts',
    help: 'Counter of authenticated attempts.',
    labels: ['result'],
  });
  const durations = metrics.timings<'result'>({
    name: 'authentication_duration_seconds',
    help: 'Authentication duration in seconds broken out by result.',
    labels: ['result'],
    buckets: doubling,
  });
  const users = metrics.tallies<'username'>({
    name: 'authenticated_user_requests',
    help: 'Counter of authenticated requests broken out by username.',
    labels: ['username'],
  });
  const left = metrics
    .timings<never>({
      name: 'apiserver_client_certificate_expiration_seconds',
      help: 'Distribution of the remaining lifetime on the certificate used to authenticate a request.',
      labels: [],
      buckets: certificateBuckets,
    })
    .child({} as Record<never, string>);
  const outcomeOf = lazily(attempts, durations);
  const byUser = new Map<string, Tally>();
  const success = (user: UserInfo, startMs: number): UserInfo => {
    const seconds = (clock.monotonic() - startMs) / 1000;
    const { attempts: count, took } = outcomeOf('success');
    count.add();
    took.observe(seconds);
    filter.observe(seconds);
    const name = publicName(user.name);
    let tally = byUser.get(name);
    if (!tally) byUser.set(name, (tally = users.child({ username: name })));
    tally.add();
    return user;
  };
  const failed = (startMs: number): void => {
    const seconds = (clock.monotonic() - startMs) / 1000;
    const { attempts: count, took } = outcomeOf('error');
    count.add();
    took.observe(seconds);
    filter.observe(seconds);
  };
  return (inner) => (request) => {
    const startMs = clock.monotonic();
    const notAfterMs = request.peer?.notAfterMs;
    if (notAfterMs !== undefined) left.observe((notAfterMs - clock.now()) / 1000);
    let result: UserInfo | Promise<UserInfo>;
    try {
      result = inner(request);
    } catch (error) {
      failed(startMs);
      throw error;
    }
    if (!(result instanceof Promise)) return success(result, startMs);
    return result.then(
      (user) => success(user, startMs),
      (error: unknown) => {
        failed(startMs);
        throw error;
      },
    );
  };
}

const resultOf = { allow: 'allowed', deny: 'denied', noOpinion: 'no-opinion' } as const;

function measuredAuthorization(
  metrics: MetricsRegistry,
  clock: Clock,
  filter: Timing,
): (inner: Authorizer) => Authorizer {
  const outcomeOf = lazily(
    metrics.tallies<'result'>({
      name: 'authorization_attempts_total',
      help: "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.",
      labels: ['result'],
    }),
    metrics.timings<'result'>({
      name: 'authorization_duration_seconds',
      help: 'Authorization duration in seconds broken out by result.',
      labels: ['result'],
      buckets: doubling,
    }),
  );
  const settled = (result: string, startMs: number): void => {
    const seconds = (clock.monotonic() - startMs) / 1000;
    const { attempts, took } = outcomeOf(result);
    attempts.add();
    took.observe(seconds);
    filter.observe(seconds);
  };
  return (inner) => ({
    authorize(attributes, signal) {
      const startMs = clock.monotonic();
      const decision = inner.authorize(attributes, signal);
      if (!(decision instanceof Promise)) {
        settled(resultOf[decision.kind], startMs);
        return decision;
      }
      return decision.then(
        (known) => {
          settled(resultOf[known.kind], startMs);
          return known;
        },
        (error: unknown) => {
          settled('error', startMs);
          throw error;
        },
      );
    },
  });
}

/** Decisions of one of several authorizers, under the type and name a configuration gives it. Source: authorization/metrics. */
export function countedDecisions(
  inner: Authorizer,
  { metrics, type, name }: { readonly metrics: MetricsRegistry; readonly type: string; readonly name: string },
): Authorizer {
  const decisions = metrics.tallies<'type' | 'name' | 'decision'>({
    name: 'apiserver_authorization_decisions_total',
    help: 'Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.',
    labels: ['type', 'name', 'decision'],
  });
  let allowed: Tally | undefined;
  let denied: Tally | undefined;
  const count = (decision: AuthorizationDecision): AuthorizationDecision => {
    if (decision.kind === 'allow') (allowed ??= decisions.child({ type, name, decision: 'allowed' })).add();
    else if (decision.kind === 'deny') (denied ??= decisions.child({ type, name, decision: 'denied' })).add();
    return decision;
  };
  return {
    authorize(attributes, signal) {
      const decision = inner.authorize(attributes, signal);
      return decision instanceof Promise ? decision.then(count) : count(decision);
    },
  };
}

function lazily(
  attempts: { child(labels: { readonly result: string }): Tally },
  durations: { child(labels: { readonly result: string }): Timing },
): (result: string) => Outcome {
  const known = new Map<string, Outcome>();
  return (result) => {
    let outcome = known.get(result);
    if (!outcome)
      known.set(result, (outcome = { attempts: attempts.child({ result }), took: durations.child({ result }) }));
    return outcome;
  };
}

const telling: ReadonlySet<string> = new Set([
  'admin',
  'client',
  'kube_proxy',
  'kubelet',
  'system:serviceaccount:kube-system:default',
]);
/** Names are many and somebody's own: a few are known, an address is told to be one, all others are one. */
const publicName = (name: string): string => (telling.has(name) ? name : name.includes('@') ? 'email_id' : 'other');
