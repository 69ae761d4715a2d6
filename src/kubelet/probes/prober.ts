/**
 * Probes containers on their schedules. Per container and probe: wait initialDelaySeconds, then every periodSeconds; a verdict changes after
 * `successThreshold` or `failureThreshold` like results in a row. Liveness and readiness wait for the startup probe.
 * Source: pkg/kubelet/prober/worker.go.
 */
import type { Container, Pod, Probe } from '../../api/types/core-v1.ts';
import { containerEvents } from '../containers/container-events.ts';
import { findContainer, type PodRuntimeStatus, type RuntimeContainer } from '../containers/runtime-status.ts';
import { isSidecar, podUid } from '../pods/pod-info.ts';
import type { ProbeContext, ProbeManager } from './probe-manager.ts';
import { type ProbeResult, type ProbeTarget, probeOnce } from './probe-request.ts';

type Kind = 'liveness' | 'readiness' | 'startup';

interface Worker {
  readonly kind: Kind;
  readonly uid: string;
  readonly pod: Pod;
  readonly container: string;
  readonly containerId: string;
  verdict: boolean;
  readonly stop: AbortController;
}

const fieldOf = { liveness: 'livenessProbe', readiness: 'readinessProbe', startup: 'startupProbe' } as const;

export function createProbeManager(context: ProbeContext): ProbeManager {
  const { clock, log, signal } = context;
  /** `<kind> <container id>` -> worker. */
  const workers = new Map<string, Worker>();
  const targets = new Map<string, ProbeTarget>();

  const run = async (worker: Worker, probe: Probe, container: RuntimeContainer): Promise<void> => {
    const stop = worker.stop.signal;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    const startAt = container.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000;
    await clock.sleep(Math.max(0, startAt - clock.now()), stop);
    let same = 0;
    let last: boolean | undefined;
    while (!stop.aborted) {
      const target = targets.get(worker.containerId);
      if (!target) return;
      // Nothing but the startup probe counts before it has succeeded; then the others begin at once.
      if (worker.kind !== 'startup' && !manager.started(worker.containerId, target.container))
        await startedOrEnd(worker.containerId, stop);
      if (stop.aborted) return;
      if (worker.kind === 'startup' || manager.started(worker.containerId, target.container)) {
        const startedMs = clock.monotonic();
        const result = await probeWithTries(probe, target, stop);
        if (stop.aborted) return;
        context.onResult?.({
          kind: worker.kind,
          result: result.ok ? 'successful' : result.unknown ? 'unknown' : 'failed',
          pod: target.pod,
          container: target.container.name,
          tookMs: clock.monotonic() - startedMs,
        });
        if (result.ok || !result.unknown) {
          if (result.ok === last) same++;
          else same = 1;
          last = result.ok;
          tell(worker.kind, target, result);
          const threshold = result.ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
          if (same >= threshold && worker.verdict !== result.ok) {
            worker.verdict = result.ok;
            log.debug('Probe verdict changed', {
              pod: worker.uid,
              container: target.container.name,
              kind: worker.kind,
              ok: result.ok,
            });
            context.wake(worker.uid);
          } else if (same >= threshold && !result.ok && worker.kind !== 'readiness') context.wake(worker.uid);
          if (!result.ok && same >= threshold && worker.kind !== 'readiness') {
            failed.set(worker.containerId, worker.kind);
            context.wake(worker.uid);
            // The container will be ended; whatever comes next is another container.
            return;
          }
          if (result.ok && worker.kind === 'startup' && worker.verdict) {
            for (const go of waiting.get(worker.containerId) ?? []) go();
            waiting.delete(worker.containerId);
            return;
          }
        }
      }
      await clock.sleep(periodMs, stop);
    }
  };
  /** Those that wait for a container's startup probe. */
  const waiting = new Map<string, (() => void)[]>();
  const startedOrEnd = (containerId: string, stop: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const list = waiting.get(containerId) ?? [];
      list.push(resolve);
      waiting.set(containerId, list);
      stop.addEventListener('abort', () => resolve(), { once: true });
    });
  /** Containers whose liveness or startup probe failed for good. */
  const failed = new Map<string, 'liveness' | 'startup'>();

  const probeWithTries = async (probe: Probe, target: ProbeTarget, stop: AbortSignal): Promise<ProbeResult> => {
    let result: ProbeResult = { ok: false, output: '', unknown: true };
    // A probe that could not be made is tried again at once, three times in all.
    for (let tries = 0; tries < 3; tries++) {
      result = await probeOnce(probe, target, { runtime: context.runtime, clock, signal: stop });
      if (result.ok || !result.unknown || stop.aborted) return result;
    }
    return result;
  };

  const tell = (kind: Kind, { pod, container }: ProbeTarget, result: ProbeResult): void => {
    const name = kind[0]!.toUpperCase() + kind.slice(1);
    const events = containerEvents(context.events, pod);
    if (!result.ok) events.warning(container, 'Unhealthy', `${name} probe failed: ${result.output}`);
    else if (result.warning) events.warning(container, 'ProbeWarning', `${name} probe warning: ${result.warning}`);
  };

  const ensure = (kind: Kind, pod: Pod, container: Container, found: RuntimeContainer): void => {
    const probe = container[fieldOf[kind]];
    const key = `${kind} ${found.id}`;
    if (!probe || workers.has(key)) return;
    const worker: Worker = {
      kind,
      uid: podUid(pod),
      pod,
      container: container.name,
      containerId: found.id,
      // Alive until proven otherwise; ready and started only when proven.
      verdict: kind === 'liveness',
      stop: new AbortController(),
    };
    workers.set(key, worker);
    void run(worker, probe, found).catch((error) => {
      if (!worker.stop.signal.aborted)
        log.error('A prober failed', { pod: worker.uid, container: container.name, error });
    });
  };
  const end = (key: string, worker: Worker): void => {
    context.onEnd?.({ kind: worker.kind, pod: worker.pod, container: worker.container });
    worker.stop.abort();
    workers.delete(key);
    targets.delete(worker.containerId);
    failed.delete(worker.containerId);
    waiting.delete(worker.containerId);
  };

  const manager: ProbeManager = {
    failed: (containerId) => failed.get(containerId),
    started: (containerId, container) =>
      !container.startupProbe || workers.get(`startup ${containerId}`)?.verdict === true,
    readiness(containerId, container) {
      const started = manager.started(containerId, container);
      const ready = started && (!container.readinessProbe || workers.get(`readiness ${containerId}`)?.verdict === true);
      return { ready, started };
    },
    update(pod, status) {
      if (signal.aborted) return;
      const uid = podUid(pod);
      const podIP = podIPOf(pod, status);
      const alive = new Set<string>();
      const probed = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)];
      for (const container of probed) {
        const found = findContainer(status, container.name);
        if (found?.state !== 'running') continue;
        alive.add(found.id);
        targets.set(found.id, { pod, container, containerId: found.id, podIP });
        for (const kind of ['startup', 'liveness', 'readiness'] as const) ensure(kind, pod, container, found);
      }
      for (const [key, worker] of workers) if (worker.uid === uid && !alive.has(worker.containerId)) end(key, worker);
    },
    stop(uid) {
      // Readiness goes on during termination upstream; the endpoints are taken out by the deletion itself.
      for (const [key, worker] of workers) if (worker.uid === uid) end(key, worker);
    },
    close() {
      for (const [key, worker] of workers) end(key, worker);
    },
  };
  return manager;
}

/** Pods on the host's network are probed at the host. */
function podIPOf(pod: Pod, status: PodRuntimeStatus): string {
  return status.sandboxes[0]?.ips[0] ?? pod.status?.podIP ?? pod.status?.hostIP ?? '127.0.0.1';
}
