/** Carries out what `computePodActions` decided, in upstream's order. A container that cannot start does not keep the others from it. */
import type { Container, Pod, Secret } from '../../api/types/core-v1.ts';
import type { EventRecorder } from '../../client/events.ts';
import { StartError } from '../containers/container-events.ts';
import type { ContainerRunner, SandboxStart } from '../containers/container-runner.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import type { ContainerToKill, PodActions } from './compute-pod-actions.ts';
import { isHostNetwork } from './pod-info.ts';

export interface PerformContext {
  readonly runner: ContainerRunner;
  readonly events: EventRecorder;
  pullSecrets(): Promise<readonly Secret[]>;
  /** Why containers are not running; kept up to date here. */
  readonly waiting: Map<string, { readonly reason: string; readonly message: string }>;
  /** A container was started with the resources of its spec. */
  onStarted(container: Container): void;
  readonly signal: AbortSignal;
}

export interface Performed {
  /** The runtime's state is another now. */
  readonly changed: boolean;
  /** There may be more to do at once. */
  readonly again: boolean;
  /** When trying again makes sense for what failed. */
  readonly retryAfterMs: number | undefined;
}

/** @throws what ends the whole step: the sandbox cannot be made or ended, or the signal aborted. */
export async function performActions(
  pod: Pod,
  status: PodRuntimeStatus,
  actions: PodActions,
  context: PerformContext,
): Promise<Performed> {
  const { runner, events, waiting, signal } = context;
  let changed = false;
  let retryAfterMs: number | undefined;

  if (actions.killPod) {
    const alive = status.sandboxes.some((s) => s.ready) || status.containers.some((c) => c.state === 'running');
    if (actions.createSandbox && status.sandboxes.length > 0)
      events.event(pod, {
        type: 'Normal',
        reason: 'SandboxChanged',
        message: 'Pod sandbox changed, it will be killed and re-created.',
      });
    if (alive || (actions.createSandbox && status.sandboxes.length > 0)) {
      await runner.killPod(pod, status, { signal });
      changed = true;
    }
    if (!actions.createSandbox) return { changed, again: changed, retryAfterMs };
  } else {
    for (const { container, message, reason } of actions.containersToKill) {
      const graceSeconds = probeGraceSeconds(pod, container.name, reason);
      await runner.kill(pod, container, { message, signal, ...(graceSeconds === undefined ? {} : { graceSeconds }) });
      changed = true;
    }
  }
  const toStart = [
    ...actions.ephemeralContainersToStart,
    ...actions.initContainersToStart,
    ...actions.containersToStart,
  ];
  if (toStart.length === 0 && !actions.createSandbox) return { changed, again: false, retryAfterMs };

  let sandbox: Pick<SandboxStart, 'id' | 'config'>;
  let podIPs: readonly string[];
  if (actions.createSandbox) {
    const created = await runner.createSandbox(pod, actions.attempt, signal);
    sandbox = created;
    podIPs = created.ips;
    changed = true;
  } else {
    const current = status.sandboxes[0]!;
    sandbox = { id: actions.sandboxId!, config: await runner.sandboxConfig(pod, actions.attempt) };
    podIPs = current.ips;
  }
  if (isHostNetwork(pod)) podIPs = [];

  const pullSecrets = toStart.length > 0 ? await context.pullSecrets() : [];
  const start = async (container: Container): Promise<boolean> => {
    try {
      await runner.start(pod, container, { status, sandbox, podIPs, pullSecrets, signal });
      waiting.delete(container.name);
      context.onStarted(container);
      changed = true;
      return true;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      waiting.set(container.name, { reason: error.reason, message: error.message });
      // A failed create or start leaves a container behind; back-off and missing images leave nothing.
      if (error.reason !== 'CrashLoopBackOff' && error.reason !== 'ImagePullBackOff') changed = true;
      const after = error.retryAfterMs ?? defaultRetryMs;
      retryAfterMs = retryAfterMs === undefined ? after : Math.min(retryAfterMs, after);
      return false;
    }
  };
  for (const container of actions.ephemeralContainersToStart) await start(container);
  // Init containers in order: one that cannot start keeps the later ones waiting.
  for (const container of actions.initContainersToStart) if (!(await start(container))) break;
  for (const container of actions.containersToStart) await start(container);
  return {
    changed,
    again: changed && retryAfterMs === undefined && actions.initContainersToStart.length > 0,
    retryAfterMs,
  };
}

/** A probe may give its container another grace period than the pod's. */
function probeGraceSeconds(pod: Pod, name: string, reason: ContainerToKill['reason']): number | undefined {
  const container = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((c) => c.name === name);
  const seconds =
    reason === 'liveness-probe'
      ? container?.livenessProbe?.terminationGracePeriodSeconds
      : reason === 'startup-probe'
        ? container?.startupProbe?.terminationGracePeriodSeconds
        : undefined;
  return seconds === undefined ? undefined : Number(seconds);
}

/** Upstream's pod worker tries again after about ten seconds. */
const defaultRetryMs = 10_000;
