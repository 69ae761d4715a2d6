/**
 * `/exec`, `/attach` and `/portForward`: the runtime says where it serves a stream, and the caller's connection is joined to that place byte by byte, so
 * whatever the caller and the runtime speak passes (SPDY/3.1, WebSocket). Source: pkg/kubelet/server/server.go (getExec ...), kubelet_pods.go.
 */
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { type CriCallOptions, CriError, type CriRuntime } from '../../runtime/cri.ts';
import { requestUpgrade } from '../../serve/upgrade/request-upgrade.ts';
import { forwardedHeaders, offered, requestedProtocol, tunnelled } from '../../serve/upgrade/tunnel.ts';
import { findContainer, type PodRuntimeStatus } from '../containers/runtime-status.ts';
import { podUid } from '../pods/pod-info.ts';
import { Refused } from './refused.ts';

export type StreamingRuntime = Pick<CriRuntime, 'exec' | 'attach' | 'portForward'>;

export interface StreamingOptions {
  readonly pods: { get(namespace: string, name: string): Pod | undefined };
  runtimeStatus(uid: string): Promise<PodRuntimeStatus>;
  /** Absent: containers of this node are no processes. */
  readonly streaming?: StreamingRuntime;
  readonly clock: Clock;
}

export const streamingPaths: ReadonlySet<string> = new Set(['exec', 'attach', 'portForward']);

/** For the runtime to say where, and for its streaming server to answer. */
const timeoutMs = 30_000;

/**
 * @param parts decoded path segments, as many as `mux.ts` lets pass: kind, namespace, pod, [uid,] container (none for portForward)
 * @throws Refused
 */
export async function streamingAnswer(
  parts: readonly string[],
  request: ApiRequest,
  options: StreamingOptions,
): Promise<ApiResponse> {
  const [kind = '', namespace = '', name = '', ...rest] = parts;
  // A uid may stand before the container: only port-forward looks at it.
  const container = kind === 'portForward' ? '' : (rest.at(-1) ?? '');
  const uid = kind === 'portForward' ? rest[0] : undefined;
  const query = new URLSearchParams(request.query);
  const url = await locate(kind, query, request, async () => {
    const pod = options.pods.get(namespace, name);
    if (!pod) throw new Refused(404, 'pod does not exist');
    if (uid !== undefined && uid !== podUid(pod)) throw new Refused(404, 'pod not found');
    if (!options.streaming)
      throw new Refused(
        501,
        // Without a colon: client-go reads "a: b" as the YAML of a Status and shows nothing.
        kind === 'portForward'
          ? `a hollow pod has no network (pod ${JSON.stringify(name)})`
          : `a hollow container has no processes (container ${JSON.stringify(container)})`,
      );
    return { status: await options.runtimeStatus(podUid(pod)), runtime: options.streaming, container, name, namespace };
  });
  const { hostname, port, pathname, search } = new URL(url);
  const answer = await requestUpgrade(
    { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) },
    {
      method: request.method,
      path: `${pathname}${search}`,
      headers: forwardedHeaders(request),
      signal: request.signal,
      clock: options.clock,
      timeoutMs,
    },
  );
  return tunnelled(answer, options.clock);
}

interface Place {
  readonly status: PodRuntimeStatus;
  readonly runtime: StreamingRuntime;
  readonly namespace: string;
  readonly name: string;
  readonly container: string;
}

async function locate(
  kind: string,
  query: URLSearchParams,
  request: ApiRequest,
  find: () => Promise<Place>,
): Promise<string> {
  const call: CriCallOptions = { timeoutMs, signal: request.signal };
  const upgrade = requestedProtocol(request);
  const ports = upgrade === 'websocket' && kind === 'portForward' ? portsOf(query) : [];
  const streams = kind === 'portForward' ? undefined : streamsOf(query);
  const { runtime, status, ...place } = await find();
  try {
    if (kind === 'portForward') {
      const sandbox = status.sandboxes.find(({ ready }) => ready);
      if (!sandbox) throw new Refused(500, `failed to find running sandbox for pod "${place.name}_${place.namespace}"`);
      if (upgrade === undefined) throw upgradeRequired();
      return (await runtime.portForward({ podSandboxId: sandbox.id, port: ports }, call)).url;
    }
    const container = findContainer(status, place.container);
    if (container?.state !== 'running')
      throw new Refused(500, `container not found (${JSON.stringify(place.container)})`);
    if (upgrade === undefined) throw upgradeRequired();
    if (kind === 'attach') return (await runtime.attach({ containerId: container.id, ...streams }, call)).url;
    return (await runtime.exec({ containerId: container.id, cmd: query.getAll('command'), ...streams }, call)).url;
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    const codes: Readonly<Record<string, number>> = { NOT_FOUND: 404, RESOURCE_EXHAUSTED: 429 };
    throw new Refused(codes[error.code] ?? 500, error.message);
  }
}

const upgradeRequired = (): Refused => new Refused(500, 'Upgrade request required\n');

function streamsOf(query: URLSearchParams) {
  const on = (name: string): boolean => query.get(name) === '1';
  const tty = on('tty');
  // A terminal has one output.
  const streams = { tty, stdin: on('input'), stdout: on('output'), stderr: on('error') && !tty };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new Refused(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return streams;
}

/** A WebSocket has its ports from the start; SPDY names them stream by stream. */
function portsOf(query: URLSearchParams): readonly number[] {
  const ports = query.getAll('port').flatMap(offered);
  if (ports.length === 0) throw new Refused(400, 'query parameter "port" is required');
  return ports.map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65_535) throw new Refused(400, `invalid port ${JSON.stringify(text)}`);
    return port;
  });
}
