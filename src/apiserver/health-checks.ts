/**
 * The API server's own health checks, under upstream's names and in its order. Upstream's `poststarthook/NAME` says that the hook has run; here
 * it says that the part which does that work has begun or has been done, and is still there. `loopback-serving-certificate` stands for how callers in this
 * process are let in: they need no certificate, but the server must not have stopped. Source: kube-apiserver's `/livez?verbose`.
 */
import type { HealthCheck, HealthEndpoint } from '../serve/health.ts';

export interface ServerState {
  readonly storeAnswers: () => Promise<string | undefined>;
  readonly cacheFilled: () => boolean;
  /** Custom resources are followed, and all that was stored is served. */
  readonly customServed: () => boolean;
  /** Admission follows its policies. */
  readonly admissionStarted: () => boolean;
  /** Aggregation, flow control. */
  readonly followersStarted: () => boolean;
  /** Other servers' discovery and documents are read. */
  readonly aggregating: () => boolean;
  /** The groups of custom resources have their APIServices. */
  readonly registered: () => boolean;
  /** Why the log cannot be written. */
  readonly logFailure: () => string | undefined;
  readonly stopping: () => boolean;
  /** A client certificate for extension API servers was given. */
  readonly proxyCertificate: boolean;
  /** Of whoever started the server. Absent: it starts nothing beside it. */
  readonly beside?: BesideServer | undefined;
}

/** What stands beside the server: what was written before its start, and what runs as long as it does. */
export interface BesideServer {
  /** The default objects are stored. */
  readonly written: () => boolean;
  /** Endpoints, identity and repairs have had their first turn. */
  readonly turned: () => boolean;
}

/** A hook by its name, without the prefix. */
const hook = (name: string, done: () => boolean): HealthCheck => ({
  name: `poststarthook/${name}`,
  check: () => (done() ? undefined : 'not finished'),
});
const readyOnly: readonly HealthEndpoint[] = ['readyz'];
const untilReady: readonly HealthEndpoint[] = ['healthz', 'livez'];

export function serverChecks(state: ServerState): readonly HealthCheck[] {
  const { cacheFilled, customServed, followersStarted, aggregating, stopping, beside } = state;
  return [
    { name: 'ping', check: () => undefined },
    { name: 'log', check: state.logFailure },
    {
      name: 'loopback-serving-certificate',
      on: untilReady,
      check: () => (stopping() ? 'callers in this process are not answered any more' : undefined),
    },
    { name: 'etcd', check: state.storeAnswers },
    { name: 'etcd-readiness', on: readyOnly, check: state.storeAnswers },
    {
      name: 'informer-sync',
      on: readyOnly,
      check: () => (cacheFilled() ? undefined : 'the watch cache is not filled yet'),
    },
    hook('start-apiserver-admission-initializer', state.admissionStarted),
    hook('generic-apiserver-start-informers', cacheFilled),
    hook('priority-and-fairness-config-consumer', followersStarted),
    hook('priority-and-fairness-filter', followersStarted),
    hook('storage-object-count-tracker-hook', cacheFilled),
    hook('start-apiextensions-informers', cacheFilled),
    hook('start-apiextensions-controllers', customServed),
    hook('crd-informer-synced', customServed),
    ...(beside ? besideChecks(beside, () => cacheFilled() && customServed()) : []),
    ...(state.proxyCertificate ? [hook('aggregator-reload-proxy-client-cert', followersStarted)] : []),
    hook('start-kube-aggregator-informers', followersStarted),
    hook('apiservice-status-local-available-controller', aggregating),
    hook('apiservice-status-remote-available-controller', aggregating),
    hook('apiservice-registration-controller', aggregating),
    hook('apiservice-wait-for-first-sync', followersStarted),
    hook('apiservice-discovery-controller', aggregating),
    hook('kube-apiserver-autoregistration', aggregating),
    { name: 'autoregister-completion', check: () => (state.registered() ? undefined : 'missing APIService') },
    hook('apiservice-openapi-controller', aggregating),
    hook('apiservice-openapiv3-controller', aggregating),
    {
      name: 'shutdown',
      on: readyOnly,
      check: () => (stopping() ? 'process is shutting down' : undefined),
    },
  ];
}

function besideChecks({ written, turned }: BesideServer, storageReady: () => boolean): readonly HealthCheck[] {
  return [
    hook('start-system-namespaces-controller', written),
    hook('peer-endpoint-reconciler-controller', turned),
    hook('start-cluster-authentication-info-controller', written),
    hook('start-kube-apiserver-identity-lease-controller', turned),
    hook('start-kube-apiserver-identity-lease-garbage-collector', turned),
    hook('storage-readiness', storageReady),
    hook('start-legacy-token-tracking-controller', written),
    hook('start-service-ip-repair-controllers', turned),
    hook('rbac/bootstrap-roles', written),
    hook('scheduling/bootstrap-system-priority-classes', written),
    hook('priority-and-fairness-config-producer', written),
    hook('bootstrap-controller', turned),
    hook('start-kubernetes-service-cidr-controller', written),
  ];
}

/** `/livez/ping` and so on, for `/`. */
export const checkPaths = (checks: readonly HealthCheck[]): readonly string[] =>
  (['healthz', 'livez', 'readyz'] as const).flatMap((endpoint) => [
    `/${endpoint}`,
    ...checks.filter(({ on }) => on === undefined || on.includes(endpoint)).map(({ name }) => `/${endpoint}/${name}`),
  ]);
