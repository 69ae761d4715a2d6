/** `/containerLogs/<namespace>/<pod>/<container>` and its options. Source: kubelet_pods.go (GetKubeletContainerLogs, validateContainerLogStatus). */
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { PodRuntimeStatus, RuntimeContainer } from '../containers/runtime-status.ts';
import { podUid } from '../pods/pod-info.ts';
import { type LogContext, type LogOptions, readContainerLog } from './container-log.ts';
import { Refused } from './refused.ts';

export interface LogsOptions {
  readonly pods: { get(namespace: string, name: string): Pod | undefined };
  /** The runtime's view of a pod; fresh. */
  runtimeStatus(uid: string): Promise<PodRuntimeStatus>;
  /** How a container's log is read; hollow containers have theirs in memory. */
  readLog?(container: RuntimeContainer, options: LogOptions, context: LogContext): AsyncIterable<Uint8Array>;
  readonly clock: Clock;
  readonly log: Logger;
}

export async function containerLogs(
  target: { readonly namespace: string; readonly name: string; readonly container: string },
  request: ApiRequest,
  options: LogsOptions,
): Promise<ApiResponse> {
  const query = new URLSearchParams(request.query);
  const logOptions = parseLogOptions(query, options.clock);
  const previous = isTrue(query.get('previous'));
  const pod = options.pods.get(target.namespace, target.name);
  if (!pod) throw new Refused(404, `pod ${JSON.stringify(target.name)} does not exist`);
  const spec = pod.spec;
  const names = [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
  if (!names.some((container) => container.name === target.container))
    throw new Refused(
      404,
      `container ${JSON.stringify(target.container)} not found in pod ${JSON.stringify(target.name)}`,
    );

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

/** @throws Refused 400 for what cannot be read, 422 for what makes no sense: upstream says no more than that. */
function parseLogOptions(query: URLSearchParams, clock: Clock): LogOptions {
  const number = (name: string): number | undefined => {
    const value = query.get(name);
    if (value === null || (name === 'tailLines' && value === 'all')) return undefined;
    if (!/^[+-]?\d+$/.test(value)) throw new Refused(400, '{"message": "Unable to decode query."}');
    return Number(value);
  };
  const sinceSeconds = number('sinceSeconds');
  const tailLines = number('tailLines');
  const limitBytes = number('limitBytes');
  const sinceTime = query.get('sinceTime');
  const since = sinceTime ? Date.parse(sinceTime) : undefined;
  if (since !== undefined && Number.isNaN(since)) throw new Refused(400, '{"message": "Unable to decode query."}');
  const stream = query.get('stream') ?? 'All';
  if (
    (tailLines ?? 0) < 0 ||
    (limitBytes ?? 1) < 1 ||
    (sinceSeconds ?? 1) < 1 ||
    (sinceSeconds !== undefined && since !== undefined) ||
    (stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr') ||
    (stream !== 'All' && tailLines !== undefined)
  )
    throw new Refused(422, '{"message": "Invalid request."}');
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines,
    limitBytes,
    sinceMs: since ?? (sinceSeconds === undefined ? undefined : clock.now() - sinceSeconds * 1000),
    stream,
  };
}

/** Any value but these two. Source: apimachinery's conversion of queries. */
const isTrue = (value: string | null): boolean => value !== null && value.toLowerCase() !== 'false' && value !== '0';
