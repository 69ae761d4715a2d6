/**
 * The API server's own health checks, under upstream's names and in its order. Upstream's `poststarthook/NAME` says that the hook has run; here
 * it says that the part which does that work has begun. What has no counterpart here (a loopback certificate, tracking of old tokens) is not listed:
 * a check that cannot fail would be a lie. Source: kube-apiserver's `/livez?verbose`.
 */
import type { HealthCheck, HealthEndpoint } from './health.ts';

export interface ServerState {
  readonly storeAnswers: () => Promise<string | undefined>;
  readonly cacheFilled: () => boolean;
  /** Custom resources are followed, and all that was stored is served. */
  readonly customServed: () => boolean;
  /** Aggregation, flow control. */
  readonly followersStarted: () => boolean;
  readonly stopping: () => boolean;
  /** Checks of whoever started the server: what it wrote before, and does beside it. */
  readonly hooks: readonly HealthCheck[];
}

/** A hook by its name, without the prefix. */
export const hook = (name: string, done: () => boolean): HealthCheck => ({
  name: `poststarthook/${name}`,
  check: () => (done() ? undefined : 'not finished'),
});
const readyOnly: readonly HealthEndpoint[] = ['readyz'];

export function serverChecks(state: ServerState): readonly HealthCheck[] {
  const { cacheFilled, customServed, followersStarted } = state;
  return [
    { name: 'ping', check: () => undefined },
    { name: 'etcd', check: state.storeAnswers },
    { name: 'etcd-readiness', on: readyOnly, check: state.storeAnswers },
    {
      name: 'informer-sync',
      on: readyOnly,
      check: () => (cacheFilled() ? undefined : 'the watch cache is not filled yet'),
    },
    hook('generic-apiserver-start-informers', cacheFilled),
    hook('priority-and-fairness-config-consumer', followersStarted),
    hook('priority-and-fairness-filter', followersStarted),
    hook('start-apiextensions-informers', cacheFilled),
    hook('start-apiextensions-controllers', customServed),
    hook('crd-informer-synced', customServed),
    ...state.hooks,
    hook('start-kube-aggregator-informers', followersStarted),
    hook('apiservice-status-local-available-controller', followersStarted),
    hook('apiservice-status-remote-available-controller', followersStarted),
    hook('apiservice-registration-controller', followersStarted),
    hook('apiservice-discovery-controller', followersStarted),
    hook('kube-apiserver-autoregistration', followersStarted),
    {
      name: 'shutdown',
      on: readyOnly,
      check: () => (state.stopping() ? 'process is shutting down' : undefined),
    },
  ];
}

/** `/livez/ping` and so on, for `/`. */
export const checkPaths = (checks: readonly HealthCheck[]): readonly string[] =>
  (['healthz', 'livez', 'readyz'] as const).flatMap((endpoint) => [
    `/${endpoint}`,
    ...checks.filter(({ on }) => on === undefined || on.includes(endpoint)).map(({ name }) => `/${endpoint}/${name}`),
  ]);
