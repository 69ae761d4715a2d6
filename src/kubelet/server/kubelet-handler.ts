/**
 * The kubelet's own API (port 10250): logs, exec, attach, port-forward, pods, health, metrics. An ApiHandler, so `serve/` puts it on a TLS port and an API server in the
 * same process calls it directly. Who may call: client certificates of group system:masters, others by TokenReview and SubjectAccessReview
 * (resource nodes, subresource log, metrics, stats or proxy), as upstream delegates.
 */
import type { ApiHandler, ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import type { PodRuntimeStatus, RuntimeContainer } from '../containers/runtime-status.ts';
import type { PodSource } from '../pod-source.ts';
import { podUid } from '../pods/pod-info.ts';
import { type LogContext, type LogOptions, readContainerLog } from './container-log.ts';
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
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

export function createKubeletHandler(options: KubeletHandlerOptions): ApiHandler {
  return async (request) => {
    try {
      if (request.path === '/healthz' && request.method === 'GET') return text(200, 'ok');
      const user = await authenticate(request, options);
      if (!user) return text(401, 'Unauthorized');
      const verb =
        { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[request.method] ??
        'get';
      const subresource = subresourceOf(request.path);
      if (!(await authorize(user, verb, subresource, request, options)))
        return text(
          403,
          `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])`,
        );
      return await route(request, options);
    } catch (error) {
      if (error instanceof Refused) return text(error.status, error.message);
      options.log.error('Kubelet server failed', { path: request.path, error });
      return text(500, `Internal error: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
}

async function route(request: ApiRequest, options: KubeletHandlerOptions): Promise<ApiResponse> {
  const parts = request.path.split('/').slice(1).map(decodeURIComponent);
  if (streamingPaths.has(parts[0] ?? '')) return streamingAnswer(parts, request, options);
  if (request.method !== 'GET') throw new Refused(405, '405: Method Not Allowed');
  switch (parts[0]) {
    case 'pods':
      return json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: options.pods.list() });
    case 'metrics':
      return {
        status: 200,
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        body: { kind: 'bytes', bytes: Buffer.from(await options.metrics.text()) },
      };
    case 'containerLogs': {
      const [, namespace, name, container] = parts;
      if (!namespace) throw new Refused(400, '{"message": "missing podNamespace."}');
      if (!name) throw new Refused(400, '{"message": "missing podID."}');
      if (!container) throw new Refused(400, '{"message": "missing containerName."}');
      return containerLogs({ namespace, name, container }, request, options);
    }
    case 'run':
    case 'stats':
    case 'checkpoint':
      throw new Refused(501, `This kubelet does not serve /${parts[0]} yet`);
    default:
      throw new Refused(404, '404 page not found');
  }
}

async function containerLogs(
  target: { readonly namespace: string; readonly name: string; readonly container: string },
  request: ApiRequest,
  options: KubeletHandlerOptions,
): Promise<ApiResponse> {
  const pod = options.pods.get(target.namespace, target.name);
  if (!pod) throw new Refused(404, `pod ${JSON.stringify(target.name)} does not exist`);
  const spec = pod.spec;
  const names = [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
  if (!names.some((container) => container.name === target.container))
    throw new Refused(
      404,
      `container ${JSON.stringify(target.container)} not found in pod ${JSON.stringify(target.name)}`,
    );
  const query = new URLSearchParams(request.query);
  const logOptions = parseLogOptions(query, options.clock);
  const previous = isTrue(query.get('previous'));

  const status = await options.runtimeStatus(podUid(pod));
  const history = status.containers.filter((container) => container.name === target.container);
  const container = previous
    ? (history.find((c, i) => i > 0 && c.state === 'exited') ?? endedAndWaiting(pod, history, target.container))
    : history[0];
  if (!container) {
    if (previous)
      throw new Refused(
        400,
        `previous terminated container ${JSON.stringify(target.container)} in pod ${JSON.stringify(target.name)} not found`,
      );
    const waiting = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
      (s) => s.name === target.container,
    )?.state?.waiting;
    throw new Refused(
      400,
      waiting
        ? `container ${JSON.stringify(target.container)} in pod ${JSON.stringify(target.name)} is waiting to start: ${waiting.message || waiting.reason}`
        : `container ${JSON.stringify(target.container)} in pod ${JSON.stringify(target.name)} is not available`,
    );
  }
  // While following, the runtime's newest word says whether more can come; it is asked once a second.
  let running = container.state === 'running';
  let askedAtMs = options.clock.monotonic();
  const context: LogContext = {
    clock: options.clock,
    signal: request.signal,
    running() {
      if (running && options.clock.monotonic() - askedAtMs > 1000) {
        askedAtMs = options.clock.monotonic();
        void options.runtimeStatus(podUid(pod)).then(
          (now) => {
            running = now.containers.find((c) => c.id === container.id)?.state === 'running';
          },
          (error) => options.log.debug('Cannot ask for the state of a container whose log is followed', { error }),
        );
      }
      return running;
    },
  };
  const read = options.readLog ?? ((c, o, x) => readContainerLog(c.logPath, o, x));
  return {
    status: 200,
    headers: { 'content-type': 'text/plain' },
    body: { kind: 'stream', stream: read(container, logOptions, context) },
  };
}

/** In back-off the newest container is the one that ended: it is what `--previous` means then. */
function endedAndWaiting(pod: Pod, history: readonly RuntimeContainer[], name: string): RuntimeContainer | undefined {
  const status = pod.status?.containerStatuses?.find((s) => s.name === name);
  return status?.state?.waiting && history[0]?.state === 'exited' ? history[0] : undefined;
}

/** @throws Refused 400 */
function parseLogOptions(query: URLSearchParams, clock: Clock): LogOptions {
  const number = (name: string, least: number): number | undefined => {
    const value = query.get(name);
    if (value === null || value === '' || (name === 'tailLines' && value === 'all')) return undefined;
    const parsed = Number(value);
    if (!Number.isInteger(parsed) || parsed < least)
      throw new Refused(400, `{"message": "Invalid value ${JSON.stringify(value)} for ${name}"}`);
    return parsed;
  };
  const sinceSeconds = number('sinceSeconds', 1);
  const sinceTime = query.get('sinceTime');
  const since = sinceTime ? Date.parse(sinceTime) : undefined;
  if (since !== undefined && Number.isNaN(since))
    throw new Refused(400, `{"message": "Invalid value ${JSON.stringify(sinceTime)} for sinceTime"}`);
  const stream = query.get('stream');
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines: number('tailLines', 0),
    limitBytes: number('limitBytes', 1),
    sinceMs: since ?? (sinceSeconds === undefined ? undefined : clock.now() - sinceSeconds * 1000),
    ...(stream === 'Stdout' || stream === 'Stderr' ? { stream } : {}),
  };
}

const isTrue = (value: string | null): boolean => value === 'true' || value === '1' || value === '';

async function authenticate(request: ApiRequest, { client }: KubeletHandlerOptions): Promise<User | undefined> {
  if (request.peer)
    return { name: request.peer.commonName, groups: [...request.peer.organizations, 'system:authenticated'] };
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) return undefined;
  const review = await client
    .resource(resources.tokenReviews)
    .create(
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } },
      { signal: request.signal },
    );
  const user = review.status?.user;
  if (!review.status?.authenticated || !user?.username) return undefined;
  return { name: user.username, groups: user.groups ?? [], ...(user.uid ? { uid: user.uid } : {}) };
}

async function authorize(
  user: User,
  verb: string,
  subresource: string,
  request: ApiRequest,
  { client, nodeName }: KubeletHandlerOptions,
): Promise<boolean> {
  if (user.groups.includes('system:masters')) return true;
  const review = await client.resource(resources.subjectAccessReviews).create(
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: user.name,
        groups: user.groups,
        ...(user.uid ? { uid: user.uid } : {}),
        resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName },
      },
    },
    { signal: request.signal },
  );
  return review.status?.allowed === true;
}

/** Source: pkg/kubelet/server/auth.go. */
function subresourceOf(path: string): string {
  const first = path.split('/')[1];
  switch (first) {
    case 'stats':
      return 'stats';
    case 'metrics':
      return 'metrics';
    case 'logs':
      return 'log';
    case 'checkpoint':
      return 'checkpoint';
    default:
      return 'proxy';
  }
}

const text = (status: number, message: string): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: { kind: 'bytes', bytes: Buffer.from(message) },
});
const json = (value: object): ApiResponse => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(value)) },
});
