/**
 * The kubelet's own API (port 10250): logs, exec, attach, port-forward, pods, statistics, health, metrics. An ApiHandler, so `serve/` puts it on
 * a TLS port and an API server in the same process calls it directly. Source: pkg/kubelet/server/server.go.
 */
import type { ApiHandler, ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { createHealthSlis, type HealthSlis } from '../../base/health-slis.ts';
import type { Logger } from '../../base/log.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';
import { type HealthCheck, health } from '../../serve/health.ts';
import { findContainer, labels, type PodRuntimeStatus, type RuntimeContainer } from '../containers/runtime-status.ts';
import type { PodSource } from '../pod-source.ts';
import { podUid } from '../pods/pod-info.ts';
import { cadvisorPage } from '../stats/cadvisor-page.ts';
import type { GroupDetail } from '../stats/group-detail.ts';
import { resourceMetrics } from '../stats/metrics-text.ts';
import { type StatsProvider, summaryJson } from '../stats/stats-provider.ts';
import type { LogContext, LogOptions } from './container-log.ts';
import { containerLogs } from './container-logs-endpoint.ts';
import { createHttpMeter } from './http-metrics.ts';
import { createKubeletAuth, type KubeletAuthOptions, subresourcesOf, verbOf } from './kubelet-auth.ts';
import { movedTo, notFound, pageOf } from './mux.ts';
import { nodeLogs } from './node-logs.ts';
import { Refused } from './refused.ts';
import { type StreamingRuntime, streamingAnswer, streamingPaths } from './streaming.ts';

export interface KubeletHandlerOptions {
  readonly nodeName: string;
  readonly client: Client;
  readonly pods: PodSource;
  /** The runtime's view of a pod; fresh. */
  runtimeStatus(uid: string): Promise<PodRuntimeStatus>;
  /** How a container's log is read; hollow containers have theirs in memory. */
  readLog?(container: RuntimeContainer, options: LogOptions, context: LogContext): AsyncIterable<Uint8Array>;
  /** Where exec, attach and port-forward go; absent on hollow nodes. */
  readonly streaming?: StreamingRuntime;
  /** For `/run`, `/runningpods` and `/checkpoint`. */
  readonly runtime?: CriRuntime;
  readonly stats?: StatsProvider;
  /** For `/metrics/cadvisor`. */
  readonly machine?: MachineInfo;
  /** The version told there. */
  readonly version?: string;
  /** Why pods are not looked after; undefined when they are. */
  readonly syncLoop?: () => string | undefined;
  /** Gathers what a scrape cannot read at once. */
  readonly beforeMetrics?: () => Promise<void>;
  /** Control groups, where the node has them. */
  readonly groups?: GroupDetail | undefined;
  /** The KubeletConfiguration in force, as upstream writes it. */
  configuration?(): JsonObject;
  /** Series of probes; `/metrics/probes`. */
  readonly probeMetrics?: MetricsRegistry;
  /** The folder behind `/logs`; absent: there is none. */
  readonly logFolder?: string;
  /** False: logs, exec and their like are refused. */
  readonly debugging?: boolean;
  /** Where checkpoints are written. */
  readonly checkpointFolder?: string;
  readonly auth?: Pick<KubeletAuthOptions, 'anonymous' | 'tokenTtlMs' | 'allowedTtlMs' | 'deniedTtlMs'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

const callTimeoutMs = 120_000;

export function createKubeletHandler(options: KubeletHandlerOptions): ApiHandler {
  const auth = createKubeletAuth({
    ...options.auth,
    client: options.client,
    nodeName: options.nodeName,
    clock: options.clock,
    metrics: options.metrics,
  });
  const slis = createHealthSlis();
  const meter = createHttpMeter(options.metrics, options.clock);
  return async (request) => {
    const done = meter(request);
    try {
      return await answer(request);
    } finally {
      done();
    }
  };
  async function answer(request: ApiRequest): Promise<ApiResponse> {
    try {
      let user: Awaited<ReturnType<typeof auth.authenticate>>;
      try {
        user = await auth.authenticate(request);
      } catch (error) {
        options.log.error('Unable to authenticate the request due to an error', { error });
        user = undefined;
      }
      if (!user) return text(401, 'Unauthorized');
      let allowed: boolean;
      try {
        allowed = await auth.authorize(user, request);
      } catch (error) {
        const subresources = subresourcesOf(request.path).join(' ');
        options.log.error('Authorization error', { user: user.name, error });
        return text(
          500,
          `Authorization error (user=${user.name}, verb=${verbOf(request.method)}, resource=nodes, subresource(s)=[${subresources}])`,
        );
      }
      if (!allowed)
        return text(
          403,
          `Forbidden (user=${user.name}, verb=${verbOf(request.method)}, resource=nodes, subresource(s)=[${subresourcesOf(request.path).join(' ')}])\n`,
        );
      return await route(request, options, slis);
    } catch (error) {
      if (error instanceof Refused) return text(error.status, error.message);
      options.log.error('Kubelet server failed', { path: request.path, error });
      return text(500, `Internal error: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function route(request: ApiRequest, options: KubeletHandlerOptions, slis: HealthSlis): Promise<ApiResponse> {
  const moved = movedTo(request.path);
  if (moved !== undefined) return redirect(request.query === '' ? moved : `${moved}?${request.query}`);
  const { name, rest } = pageOf(request.method, request.path, { debugging: options.debugging !== false });
  if (streamingPaths.has(name)) return streamingAnswer([name, ...rest], request, options);
  switch (name) {
    case 'run':
      return runCommand(rest, request, options);
    case 'checkpoint':
      return checkpoint(rest, request, options);
    case 'healthz': {
      const failed = (check: string, reason: string): void => options.log.warn('Health check fails', { check, reason });
      const query = new URLSearchParams(request.query);
      const well = await health(request.path, query, checksOf(options), failed, slis.observe);
      return well ?? text(404, '404 page not found\n');
    }
    case 'pods':
      return json(`${JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: podItems(options) })}\n`);
    case 'runningpods':
      return json(`${JSON.stringify(await runningPods(options, request.signal))}\n`);
    case 'configz':
      if (!options.configuration) throw notFound();
      return json({ kubeletconfig: options.configuration() });
    case 'metrics':
      return metricsPage(rest[0] ?? '', options, slis);
    case 'stats': {
      if (!options.stats) throw notFound();
      const only = new URLSearchParams(request.query).get('only_cpu_and_memory');
      const cpuAndMemoryOnly = only === 'true' || only === '1' || only === 't' || only === 'T' || only === 'True';
      return json(JSON.stringify(summaryJson(await options.stats.summary({ cpuAndMemoryOnly })), null, 1));
    }
    case 'logs':
      if (options.logFolder === undefined) throw new Refused(405, 'logs endpoint is disabled.\n');
      return nodeLogs(options.logFolder, rest);
    case 'containerLogs': {
      const [namespace = '', pod = '', container = ''] = rest;
      return containerLogs({ namespace, name: pod, container }, request, options);
    }
    default:
      throw notFound();
  }
}

/** Items of a list carry neither kind nor version. */
const podItems = ({ pods }: KubeletHandlerOptions): object[] =>
  pods.list().map(({ kind: _, apiVersion: _version, ...pod }) => pod);

/** As Go's http.Redirect. */
const redirect = (location: string): ApiResponse => ({
  status: 307,
  headers: { 'content-type': 'text/html; charset=utf-8', location },
  body: {
    kind: 'bytes',
    bytes: Buffer.from(`<a href="${location.replaceAll('&', '&amp;')}">Temporary Redirect</a>.\n\n`),
  },
});

/** Source: pkg/kubelet/server, `syncLoopHealthCheck`. */
const checksOf = ({ log, syncLoop }: KubeletHandlerOptions): readonly HealthCheck[] => [
  { name: 'ping', check: () => undefined },
  { name: 'log', check: () => log.failure?.() },
  { name: 'syncloop', check: () => syncLoop?.() },
];

async function metricsPage(name: string, options: KubeletHandlerOptions, slis: HealthSlis): Promise<ApiResponse> {
  const page = (body: string): ApiResponse => ({
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: { kind: 'bytes', bytes: Buffer.from(body) },
  });
  switch (name) {
    case '':
      await options.beforeMetrics?.();
      return page(await options.metrics.text());
    case 'slis':
      return page(await slis.text());
    case 'probes':
      return page((await options.probeMetrics?.text()) ?? '');
    case 'resource':
      if (options.stats) return page(resourceMetrics(await options.stats.summary({ cpuAndMemoryOnly: true })));
      break;
    case 'cadvisor':
      if (options.stats && options.machine) {
        const byUid = new Map(options.pods.list().map((pod) => [podUid(pod), pod]));
        return page(
          await cadvisorPage(await options.stats.summary(), options.machine, {
            version: options.version ?? '',
            nowMs: options.clock.now(),
            pod: (uid) => byUid.get(uid),
            detail: options.groups,
          }),
        );
      }
      break;
  }
  throw notFound();
}

/** What the runtime runs, whether or not the API knows it. */
async function runningPods(options: KubeletHandlerOptions, signal: AbortSignal): Promise<object> {
  const items = new Map<string, { metadata: object; spec: { containers: object[] } }>();
  const listed = await options.runtime?.listContainers(
    { filter: { state: { state: 'CONTAINER_RUNNING' } } },
    { signal, timeoutMs: callTimeoutMs },
  );
  for (const { labels: own, image } of listed?.containers ?? []) {
    const uid = own[labels.podUid] ?? '';
    let item = items.get(uid);
    if (!item) {
      const metadata = { name: own[labels.podName], namespace: own[labels.podNamespace], uid };
      items.set(uid, (item = { metadata, spec: { containers: [] } }));
    }
    item.spec.containers.push({
      name: own[labels.containerName],
      image: image?.userSpecifiedImage || image?.image,
      resources: {},
    });
  }
  const pods = [...items.values()].map((item) => ({ ...item, status: {} }));
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: pods };
}

interface Target {
  readonly pod: Pod;
  readonly container: RuntimeContainer;
  readonly runtime: CriRuntime;
}

/** @param parts namespace, pod, [uid, which nobody looks at,] container. @throws Refused 404, `missing` for a container that does not run. */
async function targetOf(
  parts: readonly string[],
  options: KubeletHandlerOptions,
  missing: (container: string) => Refused,
): Promise<Target> {
  const [namespace = '', name = ''] = parts;
  const container = parts.at(-1) ?? '';
  const pod = options.pods.get(namespace, name);
  if (!pod) throw new Refused(404, 'pod does not exist');
  const found = findContainer(await options.runtimeStatus(podUid(pod)), container);
  if (found?.state !== 'running' || !options.runtime) throw missing(container);
  return { pod, container: found, runtime: options.runtime };
}

/** One command, its output as the answer. */
async function runCommand(
  parts: readonly string[],
  request: ApiRequest,
  options: KubeletHandlerOptions,
): Promise<ApiResponse> {
  const missing = (name: string): Refused => new Refused(500, `container not found (${JSON.stringify(name)})`);
  const { container, runtime } = await targetOf(parts, options, missing);
  const line = new URLSearchParams(request.query).get('cmd') ?? '';
  try {
    const { stdout, stderr, exitCode } = await runtime.execSync(
      { containerId: container.id, cmd: line.split(' '), timeout: 0 },
      { signal: request.signal, timeoutMs: callTimeoutMs },
    );
    const output = Buffer.concat([stdout, stderr]);
    if (exitCode !== 0) throw new Refused(500, `command '${line}' exited with ${exitCode}: ${output.toString()}`);
    return { status: 200, headers: { 'content-type': 'application/json' }, body: { kind: 'bytes', bytes: output } };
  } catch (error) {
    if (error instanceof CriError) throw new Refused(500, error.message);
    throw error;
  }
}

async function checkpoint(
  parts: readonly string[],
  request: ApiRequest,
  options: KubeletHandlerOptions,
): Promise<ApiResponse> {
  const missing = (absent: string): Refused => new Refused(404, `container ${absent} does not exist`);
  const { pod, container, runtime } = await targetOf(parts, options, missing);
  const { name, namespace } = pod.metadata;
  const stamp = `${new Date(options.clock.now()).toISOString().slice(0, 19)}Z`;
  const location = `${options.checkpointFolder ?? ''}/checkpoint-${name}_${namespace}-${container.name}-${stamp}.tar`;
  const seconds = new URLSearchParams(request.query).get('timeout') ?? '0';
  if (!/^\d+$/.test(seconds)) throw new Refused(400, `cannot parse the timeout ${JSON.stringify(seconds)}`);
  try {
    await runtime.checkpointContainer(
      { containerId: container.id, location, timeout: Number(seconds) },
      { signal: request.signal, timeoutMs: Math.max(callTimeoutMs, Number(seconds) * 1000) },
    );
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    throw new Refused(500, `checkpointing of ${namespace}/${name}/${container.name} failed (${error.message})`);
  }
  return json({ items: [location] });
}

const text = (status: number, message: string): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: { kind: 'bytes', bytes: Buffer.from(message) },
});
const json = (value: object | string): ApiResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: { kind: 'bytes', bytes: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) },
});
