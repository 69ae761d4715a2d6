/**
 * A pod's API status from its spec, what the runtime has and what the kubelet knows besides (why a container waits, whether it is ready).
 * Pure. Source of the rules: kubelet_pods.go (getPhase, convertToAPIContainerStatuses) and status/generate.go.
 */
import type {
  ContainerState as ApiContainerState,
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
  PodIP,
  PodStatus,
  ResourceRequirements,
} from '../../api/types/core-v1.ts';
import type { PodRuntimeStatus, RuntimeContainer } from '../containers/runtime-status.ts';
import { isHostNetwork, isSidecar, isTerminalPhase } from './pod-info.ts';
import { podLevelStatus } from './pod-level.ts';
import { qosClass } from './qos.ts';
import { type Allocation, type PendingResize, withAllocation } from './resize.ts';
import {
  allContainersRestarting,
  couldRestartAll,
  isCleared,
  mustRestartAll,
  restartingAllContainers,
  restartsAfter,
} from './restart-rules.ts';
import { isRejection, type Verdict } from './verdict.ts';

export interface StatusInputs {
  readonly runtime: PodRuntimeStatus;
  /** The status last written or computed: what happened before is not forgotten. */
  readonly previous: PodStatus | undefined;
  readonly nodeIPs: readonly string[];
  /** `containerd`, `hollow`: the scheme of container ids. */
  readonly runtimeName: string;
  /** Why a container is not running, from the last try to start it. */
  waiting(container: string): { readonly reason: string; readonly message: string } | undefined;
  /** The readiness and startup probes' answers for a running container. */
  ready(container: RuntimeContainer, spec: Container): { readonly ready: boolean; readonly started: boolean };
  /** The termination message, when it was read already. */
  message(container: RuntimeContainer): string | undefined;
  readonly nowMs: number;
  /** The pod is ending: nothing will be started again. */
  readonly terminal: boolean;
  /** What each container's cgroup has, by name; absent: what the spec says. */
  readonly applied?: Allocation;
  readonly pendingResize?: PendingResize;
  readonly resizeInProgress?: boolean;
  /** All containers go and start over; found out here. */
  readonly restartingAll?: boolean;
  /** The kubelet decided about the pod as a whole: rejected, evicted, past its deadline. */
  readonly verdict?: Verdict;
}

export function generatePodStatus(pod: Pod, given: StatusInputs): PodStatus {
  const { runtime, previous, nowMs } = given;
  const spec = pod.spec ?? { containers: [] };
  const now = rfc3339(nowMs);
  const generation = pod.metadata.generation;
  if (given.verdict && isRejection(given.verdict) && runtime.containers.length === 0) {
    const { phase, reason, message } = given.verdict;
    return {
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      phase,
      message,
      reason,
      startTime: previous?.startTime ?? now,
      qosClass: qosClass(pod),
      conditions: pod.status?.conditions ?? [],
    };
  }
  const inits = spec.initContainers ?? [];
  const inputs: StatusInputs = { ...given, restartingAll: mustRestartAll(pod, runtime, previous) };
  const initStatuses = inits.map((c) => containerStatus(pod, c, previous?.initContainerStatuses, inputs, true));
  const statuses = spec.containers.map((c) => containerStatus(pod, c, previous?.containerStatuses, inputs, false));
  const ephemeral = ((spec.ephemeralContainers ?? []) as readonly Container[]).map((c) =>
    containerStatus(pod, c, previous?.ephemeralContainerStatuses, inputs, false),
  );
  let phase = podPhase(pod, initStatuses, statuses, inputs.terminal);
  // A phase that is final stays: what the runtime says afterwards (containers removed) changes nothing.
  if (isTerminalPhase(previous?.phase)) phase = previous!.phase!;
  // The pod has failed only when nothing of it runs any more; until then it is as it was.
  const alive = runtime.containers.some((container) => container.state === 'running');
  const verdict = alive ? undefined : inputs.verdict;
  if (verdict) phase = verdict.phase;

  const sandbox = runtime.sandboxes[0];
  const sandboxReady = sandbox?.ready === true && (sandbox.hostNetwork || sandbox.ips.length > 0);
  const ips = podIPs(pod, inputs);
  const own: PodCondition[] = [
    condition('PodReadyToStartContainers', sandboxReady && !(inputs.terminal && isTerminalPhase(phase))),
    // While all containers start over, the pod stays what it once was: initialized.
    couldRestartAll(pod) && previous?.conditions?.some((c) => c.type === 'Initialized' && c.status === 'True')
      ? condition('Initialized', true, phase === 'Succeeded' ? 'PodCompleted' : undefined)
      : initializedCondition(inits, initStatuses, statuses, phase),
    ...readyConditions(pod, initStatuses, statuses, phase),
    condition('PodScheduled', true),
  ];
  if (couldRestartAll(pod))
    own.push(
      inputs.restartingAll && !isCleared(pod, runtime)
        ? condition(
            allContainersRestarting,
            true,
            'RestartAllContainersStarted',
            'container exited with restart policy rule',
          )
        : condition(allContainersRestarting, false),
    );
  if (inputs.pendingResize)
    own.push(condition('PodResizePending', true, inputs.pendingResize.reason, inputs.pendingResize.message));
  if (inputs.verdict?.disruption)
    own.push(condition('DisruptionTarget', true, inputs.verdict.disruption.reason, inputs.verdict.disruption.message));
  if (inputs.resizeInProgress) own.push(condition('PodResizeInProgress', true));
  const conditions = mergeConditions(
    { before: previous?.conditions ?? [], others: pod.status?.conditions ?? [] },
    own,
    now,
    generation,
  );
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions,
    ...(verdict ? { message: verdict.message, reason: verdict.reason } : carryReason(previous)),
    ...(previous?.nominatedNodeName ? { nominatedNodeName: previous.nominatedNodeName } : {}),
    ...(inputs.nodeIPs.length > 0 ? { hostIP: inputs.nodeIPs[0]!, hostIPs: inputs.nodeIPs.map((ip) => ({ ip })) } : {}),
    ...(ips.length > 0 ? { podIP: ips[0]!.ip, podIPs: ips } : {}),
    startTime: previous?.startTime ?? now,
    ...(inits.length > 0 ? { initContainerStatuses: initStatuses } : {}),
    ...(verdict && runtime.containers.length === 0 ? {} : { containerStatuses: statuses }),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: qosClass(pod),
    ...podLevelStatus(pod, withAllocation(pod, inputs.applied ?? noAllocation), previous?.phase === 'Running'),
  };
}

const noAllocation: Allocation = new Map();

const carryReason = (previous: PodStatus | undefined): Pick<PodStatus, 'reason' | 'message'> =>
  previous?.phase === 'Failed' && previous.reason
    ? { reason: previous.reason, ...(previous.message ? { message: previous.message } : {}) }
    : {};

function podIPs(pod: Pod, { runtime, nodeIPs, previous }: StatusInputs): readonly PodIP[] {
  if (isHostNetwork(pod)) return runtime.sandboxes.length > 0 || previous?.podIP ? nodeIPs.map((ip) => ({ ip })) : [];
  const sandbox = runtime.sandboxes[0];
  if (sandbox && sandbox.ips.length > 0) return sandbox.ips.map((ip) => ({ ip }));
  // An ended sandbox has no address any more; the pod keeps telling the one it had.
  return previous?.podIPs ?? [];
}

/** Milliseconds to `2026-01-02T03:04:05Z`. */
export const rfc3339 = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

// ---------------------------------------------------------------------------------------------------------------- container statuses

function containerStatus(
  pod: Pod,
  spec: Container,
  previous: readonly ContainerStatus[] | undefined,
  inputs: StatusInputs,
  init: boolean,
): ContainerStatus {
  const history = inputs.runtime.containers.filter((container) => container.name === spec.name);
  const before = previous?.find((status) => status.name === spec.name);
  const current = history[0];
  const last = history[1];
  const reason = inputs.waiting(spec.name);
  const actual = inputs.applied?.get(spec.name) ?? spec.resources ?? {};
  const base = {
    name: spec.name,
    ...(current
      ? {
          image: current.image || (spec.image ?? ''),
          imageID: current.imageRef,
          containerID: `${inputs.runtimeName}://${current.id}`,
          restartCount: current.restartCount,
        }
      : {
          image: spec.image ?? '',
          imageID: before?.containerID ? before.imageID : '',
          ...(before?.containerID ? { containerID: before.containerID } : {}),
          restartCount: before?.restartCount ?? 0,
        }),
    ...(current ? resourcesOf(spec, current.state === 'running' ? actual : spec.resources) : {}),
    ...(current?.user ? { user: userOf(current.user) } : {}),
    ...(spec.volumeMounts && spec.volumeMounts.length > 0
      ? {
          volumeMounts: spec.volumeMounts.map(({ name, mountPath, readOnly }) => ({
            name,
            mountPath,
            ...(readOnly ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
          })),
        }
      : {}),
  };
  const finish = (
    state: ApiContainerState,
    lastState: ApiContainerState,
    flags: { readonly ready: boolean; readonly started: boolean },
  ): ContainerStatus => ({ ...base, state, lastState, ready: flags.ready, started: flags.started });
  const off = { ready: false, started: false };

  if (!current) {
    if (
      inputs.restartingAll &&
      before &&
      !before.state?.waiting &&
      (before.state?.running || before.state?.terminated)
    ) {
      const message = 'The container is removed because RestartAllContainers in place';
      return {
        ...finish(
          { waiting: { reason: restartingAllContainers, message } },
          { terminated: { reason: restartingAllContainers, message, exitCode: 137 } },
          off,
        ),
        restartCount: before.restartCount + 1,
      };
    }
    if (before?.state?.terminated)
      return finish(before.state, before.lastState ?? {}, { ready: before.ready, started: false });
    if (before?.state?.running) {
      // It ran, and the runtime no longer knows it: its end was not seen.
      const lost = lostContainer(base.containerID, inputs.terminal ? 'terminated' : 'deleted');
      if (inputs.terminal) return finish({ terminated: lost }, {}, off);
      return finish({ waiting: reason ?? defaultWaiting(pod) }, { terminated: lost }, off);
    }
    if (inputs.terminal && !init && isTerminalPhase(before?.state ? undefined : inputs.previous?.phase))
      return finish({ waiting: reason ?? defaultWaiting(pod) }, before?.lastState ?? {}, off);
    return finish({ waiting: reason ?? defaultWaiting(pod) }, before?.lastState ?? {}, off);
  }
  const lastState: ApiContainerState =
    last?.state === 'exited'
      ? { terminated: terminated(last, inputs) }
      : before?.lastState && current.restartCount === before.restartCount
        ? before.lastState
        : {};
  switch (current.state) {
    case 'running': {
      const flags = init && !isSidecar(spec) ? { ready: false, started: true } : inputs.ready(current, spec);
      return finish({ running: { startedAt: rfc3339(current.startedAtMs) } }, lastState, flags);
    }
    case 'exited': {
      const ended: ApiContainerState = { terminated: terminated(current, inputs) };
      const waits = reason !== undefined && !inputs.terminal;
      if (waits) return finish({ waiting: reason }, ended, off);
      // A finished init container is ready in upstream's sense: it did what it had to.
      return finish(ended, lastState, { ready: init && current.exitCode === 0, started: false });
    }
    case 'created':
      return finish({ waiting: reason ?? defaultWaiting(pod) }, lastState, off);
    case 'unknown':
      return finish({ terminated: lostContainer(base.containerID, 'located') }, lastState, off);
  }
}

/** An empty list is left out, the object never: upstream's is always there. */
const resourcesOf = (
  spec: Container,
  actual: ResourceRequirements | undefined,
): Pick<ContainerStatus, 'allocatedResources' | 'resources'> => ({
  ...(spec.resources?.requests ? { allocatedResources: spec.resources.requests } : {}),
  resources: {
    ...(actual?.limits ? { limits: actual.limits } : {}),
    ...(actual?.requests ? { requests: actual.requests } : {}),
  },
});

const userOf = ({ linux }: NonNullable<RuntimeContainer['user']>): NonNullable<ContainerStatus['user']> =>
  linux
    ? {
        linux: {
          uid: linux.uid,
          gid: linux.gid,
          ...(linux.supplementalGroups.length > 0 ? { supplementalGroups: linux.supplementalGroups } : {}),
        },
      }
    : {};

const defaultWaiting = (pod: Pod): { reason: string } => ({
  reason: (pod.spec?.initContainers ?? []).length > 0 ? 'PodInitializing' : 'ContainerCreating',
});

function terminated(container: RuntimeContainer, inputs: StatusInputs): NonNullable<ApiContainerState['terminated']> {
  const message = inputs.message(container) ?? container.message;
  return {
    exitCode: container.exitCode,
    reason: container.reason || (container.exitCode === 0 ? 'Completed' : 'Error'),
    ...(message === '' ? {} : { message }),
    // A container that never started did so in 1970, as upstream has it.
    startedAt: rfc3339(container.startedAtMs),
    ...(container.finishedAtMs > 0 ? { finishedAt: rfc3339(container.finishedAtMs) } : {}),
    containerID: `${inputs.runtimeName}://${container.id}`,
  };
}

function lostContainer(containerID: string | undefined, when: 'terminated' | 'deleted' | 'located') {
  const message =
    when === 'located'
      ? 'The container could not be located when the pod was deleted.  The container used to be Running'
      : `The container could not be located when the pod was ${when}`;
  return { exitCode: 137, reason: 'ContainerStatusUnknown', message, ...(containerID ? { containerID } : {}) };
}

// -------------------------------------------------------------------------------------------------------------------------- phase

/** @param terminal nothing will be started again. */
export function podPhase(
  pod: Pod,
  inits: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  terminal: boolean,
): string {
  const spec = pod.spec!;
  let pendingInit = 0;
  let failedInit = 0;
  let failedForGood = 0;
  const failed = (container: Container, ended: NonNullable<ApiContainerState['terminated']>): void => {
    if (ended.exitCode === 0) return;
    failedInit++;
    if (ended.reason !== restartingAllContainers && !restartsAfter(pod, container, ended.exitCode)) failedForGood++;
  };
  for (const [i, status] of inits.entries()) {
    const container = spec.initContainers![i]!;
    const state = status.state ?? {};
    if (isSidecar(container)) {
      if (!status.started && !state.terminated) pendingInit++;
      continue;
    }
    if (state.running) pendingInit++;
    else if (state.terminated) failed(container, state.terminated);
    else if (status.lastState?.terminated) failed(container, status.lastState.terminated);
    else pendingInit++;
  }
  let waiting = 0;
  let running = 0;
  let stopped = 0;
  let succeeded = 0;
  for (const { state, lastState } of statuses) {
    if (state?.running) running++;
    else if (state?.terminated) {
      stopped++;
      if (state.terminated.exitCode === 0) succeeded++;
    } else if (lastState?.terminated) stopped++;
    else waiting++;
  }
  if (failedForGood > 0) return 'Failed';
  const initialized = running + stopped > 0;
  if (pendingInit + failedInit > 0 && !initialized && !terminal) return 'Pending';
  if (waiting > 0) {
    if (terminal) return 'Failed';
    return 'Pending';
  }
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  if (terminal) return stopped === succeeded ? 'Succeeded' : 'Failed';
  const willRestart = spec.containers.some((container, i) => {
    const ended = statuses[i]?.state?.terminated ?? statuses[i]?.lastState?.terminated;
    return ended?.reason === restartingAllContainers || restartsAfter(pod, container, ended?.exitCode ?? 0);
  });
  if (willRestart) return 'Running';
  return stopped === succeeded ? 'Succeeded' : 'Failed';
}

// --------------------------------------------------------------------------------------------------------------------- conditions

type Draft = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

const condition = (type: string, ok: boolean, reason?: string, message?: string): Draft => ({
  type,
  status: ok ? 'True' : 'False',
  ...(reason ? { reason } : {}),
  ...(message ? { message } : {}),
});

function initializedCondition(
  inits: readonly Container[],
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  phase: string,
): Draft {
  const incomplete: string[] = [];
  for (const [i, status] of initStatuses.entries()) {
    const done = isSidecar(inits[i]!) ? status.started === true : status.state?.terminated?.exitCode === 0;
    if (!done) incomplete.push(status.name);
  }
  if (phase === 'Succeeded') return condition('Initialized', true, 'PodCompleted');
  // Init containers whose records are gone were needed only until the first container started.
  const started = statuses.some(
    (status) => status.state?.running || status.state?.terminated || status.lastState?.terminated,
  );
  if (incomplete.length === 0 || (started && incomplete.every((name) => !isSidecarNamed(inits, name))))
    return condition('Initialized', true);
  return condition(
    'Initialized',
    false,
    'ContainersNotInitialized',
    `containers with incomplete status: [${incomplete.join(' ')}]`,
  );
}

const isSidecarNamed = (inits: readonly Container[], name: string): boolean =>
  inits.some((container) => container.name === name && isSidecar(container));

function readyConditions(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  phase: string,
): Draft[] {
  const both = (make: (type: string) => Draft): Draft[] => [make('Ready'), make('ContainersReady')];
  if (phase === 'Succeeded') return both((type) => condition(type, false, 'PodCompleted'));
  if (phase === 'Failed') return both((type) => condition(type, false, 'PodFailed'));
  const inits = pod.spec?.initContainers ?? [];
  const unready: string[] = [];
  for (const [i, status] of initStatuses.entries())
    if (isSidecar(inits[i]!) && !status.ready) unready.push(status.name);
  for (const status of statuses) if (!status.ready) unready.push(status.name);
  if (unready.length > 0)
    return both((type) =>
      condition(type, false, 'ContainersNotReady', `containers with unready status: [${unready.join(' ')}]`),
    );
  const missing = (pod.spec?.readinessGates ?? [])
    .filter(({ conditionType }) => pod.status?.conditions?.find((c) => c.type === conditionType)?.status !== 'True')
    .map(({ conditionType }) => {
      const found = pod.status?.conditions?.find((c) => c.type === conditionType);
      return found
        ? `the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`
        : `corresponding condition of pod readiness gate "${conditionType}" does not exist.`;
    });
  const ready =
    missing.length > 0
      ? condition('Ready', false, 'ReadinessGatesNotReady', missing.join(', '))
      : condition('Ready', true);
  return [ready, condition('ContainersReady', true)];
}

/** The kubelet's own conditions first, with their transition times kept; those of others (readiness gates, DisruptionTarget) stay as they are. */
function mergeConditions(
  { before, others }: { readonly before: readonly PodCondition[]; readonly others: readonly PodCondition[] },
  own: readonly Draft[],
  now: string,
  generation: number | undefined,
): PodCondition[] {
  const merged: PodCondition[] = own.map((draft) => {
    const old = before.find((c) => c.type === draft.type);
    return {
      type: draft.type,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      status: draft.status,
      lastTransitionTime: old && old.status === draft.status ? (old.lastTransitionTime ?? now) : now,
      ...(draft.reason ? { reason: draft.reason } : {}),
      ...(draft.message ? { message: draft.message } : {}),
    };
  });
  for (const old of others)
    if (!old.type.startsWith('PodResize') && !own.some((draft) => draft.type === old.type)) merged.push(old);
  return merged;
}
