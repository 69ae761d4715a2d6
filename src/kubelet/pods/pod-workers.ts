/**
 * One worker per pod uid: it steps a pod towards what it should be, one step at a time, whatever woke it.
 *
 *                 seen                     deleted, gone, finished,            nothing runs any more
 *   (none) ─────────────────> syncing ───── rejected, past deadline ──> terminating ──────────────────> terminated ──> (none)
 *                             │    ^                                     │       ^                        │   the API object is gone:
 *                             └────┘ step: look, act, look again         └───────┘ end containers         │   remove containers and logs
 *                                                                                                         └── status written, API object
 *                                                                                                             removed when it is being deleted
 * A pod created again under its name has another uid, so it has another worker: the old one ends beside it.
 *
 * Invariants: a worker takes at most one step at a time; a state never goes back; a step may be cut off anywhere and repeated.
 */
import type { Container, Pod, PodCondition, Secret } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EventRecorder } from '../../client/events.ts';
import { type CriRuntime, isCriNotFound } from '../../runtime/cri.ts';
import { StartError } from '../containers/container-events.ts';
import type { ContainerRunner } from '../containers/container-runner.ts';
import { leftovers } from '../containers/leftovers.ts';
import { fetchPodRuntimeStatus, findContainer, type PodRuntimeStatus } from '../containers/runtime-status.ts';
import { EnvironmentError, type PodEnvironment } from '../environment.ts';
import type { ProbeManager } from '../probes/probe-manager.ts';
import { isStaticPod } from '../static/static-pods.ts';
import { generatePodStatus } from './api-status.ts';
import { computePodActions } from './compute-pod-actions.ts';
import { performActions } from './perform-actions.ts';
import { needsStep } from './pod-change.ts';
import { gracePeriodSeconds, isHostNetwork, isTerminalPhase, podRef, podUid } from './pod-info.ts';
import {
  decideResize,
  effectiveResources,
  type PendingResize,
  resizable,
  resizeMethod,
  sameResources,
  wholePod,
  withAllocation,
} from './resize.ts';
import { allContainersRestarting, containersToReset } from './restart-rules.ts';
import type { StatusManager } from './status-manager.ts';
import type { Admission, Judgement, Verdict } from './verdict.ts';
import { newWorker, type Worker } from './worker.ts';

export interface PodWorkersOptions {
  readonly runtime: CriRuntime;
  readonly runtimeName: string;
  readonly runner: ContainerRunner;
  readonly environment: PodEnvironment;
  readonly statuses: StatusManager;
  readonly probes: ProbeManager;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeIPs: readonly string[];
  readonly timeoutMs: number;
  /** Each pod is looked at again after this long; 0 switches it off (a runtime that tells every change). */
  readonly resyncMs: number;
  /** Fraction in [0, 1) for spreading resyncs. */
  jitter(): number;
  /** Whether the node takes the pod, asked once when it is first seen; perhaps only after others have ended. */
  admit(pod: Pod): Admission | undefined;
  /** Why a running pod cannot have the resources it wants now. */
  fitResize(pod: Pod): PendingResize | undefined;
  /** Changes a running container's limits. */
  updateResources(pod: Pod, container: Container, containerId: string, signal: AbortSignal): Promise<void>;
  /** Why pods cannot get a network now, undefined when they can. */
  networkProblem(): string | undefined;
  pullSecrets(pod: Pod, signal: AbortSignal): Promise<readonly Secret[]>;
  readonly signal: AbortSignal;
}

export interface PodWorkers {
  /** The pod as the API has it now. */
  update(pod: Pod): void;
  /** The pod is gone from the API. */
  gone(pod: Pod): void;
  /** Something about the pod may have changed; `runtimeChanged` drops what was remembered of its containers. */
  wake(uid: string, options?: { readonly runtimeChanged?: boolean }): void;
  wakeAll(): void;
  /** Ends a pod for the node's own reasons (eviction, preemption). */
  /** @returns false when it is ending already. */
  evict(uid: string, verdict: Verdict, options?: { readonly graceSeconds?: number }): boolean;
  /** Resolves when nothing of the pod runs any more, or the signal aborts. */
  ended(uid: string, signal: AbortSignal): Promise<void>;
  has(uid: string): boolean;
  /** Pods the node has to keep room for: not those whose containers have ended, nor those taken out of the API by force, as upstream. */
  active(): readonly Pod[];
  runtimeStatus(uid: string): PodRuntimeStatus | undefined;
  /** Waits until no step is under way. Steps in flight are cut off by the options' signal. */
  settled(): Promise<void>;
  readonly size: number;
}

export function createPodWorkers(options: PodWorkersOptions): PodWorkers {
  const { runtime, runner, environment, statuses, probes, clock, log, signal, events } = options;
  const workers = new Map<string, Worker>();

  const look = async (worker: Worker, step: AbortSignal): Promise<PodRuntimeStatus> => {
    let seen = worker.runtime;
    if (!seen) {
      const { changes } = worker;
      seen = await fetchPodRuntimeStatus(runtime, worker.uid, { signal: step, timeoutMs: options.timeoutMs });
      // Told of a change meanwhile: what we have may be from before it, so the next look asks again.
      if (changes === worker.changes) worker.runtime = seen;
    }
    for (const container of seen.containers) {
      if (container.state !== 'exited' || worker.messages.has(container.id)) continue;
      worker.messages.set(container.id, (await environment.terminationMessage(container)) ?? container.message);
    }
    return seen;
  };

  const tell = (worker: Worker, seen: PodRuntimeStatus, { terminal }: { readonly terminal: boolean }): string => {
    const { pod } = worker;
    const status = generatePodStatus(withAllocation(pod, worker.allocation), {
      runtime: seen,
      previous: statuses.get(worker.uid) ?? pod.status,
      nodeIPs: options.nodeIPs,
      runtimeName: options.runtimeName,
      waiting: (name) => worker.waiting.get(name),
      ready: (container, spec) => probes.readiness(container.id, spec),
      message: (container) => worker.messages.get(container.id),
      nowMs: clock.now(),
      terminal,
      applied: worker.applied,
      ...(worker.pendingResize ? { pendingResize: worker.pendingResize } : {}),
      resizeInProgress: worker.resizing,
      ...(worker.verdict ? { verdict: worker.verdict } : {}),
    });
    statuses.set(pod, status);
    return status.phase ?? 'Pending';
  };

  const mustEnd = ({ pod, gone, verdict }: Worker): boolean =>
    gone || verdict !== undefined || pod.metadata.deletionTimestamp !== undefined || isTerminalPhase(pod.status?.phase);

  /** @returns milliseconds until the next look, undefined for none, 0 for at once. */
  const step = async (worker: Worker, stepSignal: AbortSignal): Promise<number | undefined> => {
    switch (worker.state) {
      case 'syncing': {
        if (mustEnd(worker)) {
          worker.state = 'terminating';
          return 0;
        }
        return sync(worker, stepSignal);
      }
      case 'terminating':
        return terminate(worker, stepSignal);
      case 'terminated':
        if (worker.gone) await bury(worker);
        else statuses.finish(worker.pod);
        return undefined;
    }
  };

  /** Gives containers the resources they were allocated. @returns those that must restart for it. */
  const resize = async (
    worker: Worker,
    pod: Pod,
    status: PodRuntimeStatus,
    stepSignal: AbortSignal,
  ): Promise<ReadonlySet<string>> => {
    const restarts = new Set<string>();
    const updates: { readonly container: Container; readonly id: string }[] = [];
    for (const container of resizable(pod)) {
      const found = findContainer(status, container.name);
      const before = worker.applied.get(container.name);
      if (found?.state !== 'running' || before === undefined) continue;
      const method = resizeMethod(
        container,
        effectiveResources(before, worker.applied.get(wholePod)),
        effectiveResources(container.resources ?? {}, pod.spec!.resources),
      );
      if (method === 'restart') restarts.add(container.name);
      if (method === 'update') updates.push({ container, id: found.id });
    }
    const whole = pod.spec!.resources;
    const podChanges = whole !== undefined && !sameResources(whole, worker.applied.get(wholePod) ?? {});
    if (updates.length === 0 && restarts.size === 0 && !podChanges && !worker.resizing) return restarts;
    worker.resizing = true;
    tell(worker, status, { terminal: false });
    await environment.resize(pod, { lifted: true });
    for (const { container, id } of updates) {
      await options.updateResources(pod, container, id, stepSignal);
      worker.applied.set(container.name, container.resources ?? {});
    }
    // The kernel takes no limit of the pod below one of a container: those that restart for theirs come first.
    if (restarts.size === 0) await settleResize(worker, pod);
    return restarts;
  };

  /** All containers have what they were given: now the pod's own limits. */
  const settleResize = async (worker: Worker, pod: Pod): Promise<void> => {
    await environment.resize(pod, { lifted: false });
    if (pod.spec!.resources) worker.applied.set(wholePod, pod.spec!.resources);
    worker.resizing = false;
  };

  const sync = async (worker: Worker, stepSignal: AbortSignal): Promise<number | undefined> => {
    if (worker.ask) {
      const answer = await worker.ask(stepSignal);
      worker.ask = undefined;
      settle(worker, answer);
      return 0;
    }
    // Others must leave first: their room is this pod's, or it is their next version.
    if (worker.after.some(running)) return 200;
    const decision = decideResize(worker.pod, worker.allocation, options.fitResize);
    worker.allocation = decision.allocation;
    worker.pendingResize = decision.pending;
    const { pod } = decision;
    const status = await look(worker, stepSignal);
    const phase = tell(worker, status, { terminal: false });
    if (isTerminalPhase(phase)) {
      worker.state = 'terminating';
      return 0;
    }
    if (statuses.get(worker.uid)?.conditions?.some(isRestartingAll)) {
      await resetContainers(worker, pod, status, stepSignal);
      return 0;
    }
    const deadlineMs = activeDeadlineMs(worker);
    if (deadlineMs !== undefined && deadlineMs <= 0) {
      worker.verdict = {
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      };
      events.event(pod, { type: 'Normal', reason: 'DeadlineExceeded', message: worker.verdict.message });
      return 0;
    }
    const problem = isHostNetwork(pod) ? undefined : options.networkProblem();
    if (problem !== undefined) {
      if (clock.monotonic() - worker.networkEventAtMs > 10_000)
        events.event(pod, { type: 'Warning', reason: 'NetworkNotReady', message: `network is not ready: ${problem}` });
      worker.networkEventAtMs = clock.monotonic();
      // Woken when the network comes up; the timer is for a runtime that does not tell.
      return 5000;
    }
    if (!worker.prepared) {
      await environment.prepare(pod, stepSignal);
      worker.prepared = true;
      worker.refreshedAtMs = clock.monotonic();
    } else if (options.resyncMs > 0 && clock.monotonic() - worker.refreshedAtMs >= options.resyncMs / 2) {
      await environment.refresh(pod, stepSignal);
      worker.refreshedAtMs = clock.monotonic();
    }
    const restarts = await resize(worker, pod, status, stepSignal);
    const actions = computePodActions(pod, status, probes, restarts);
    const done = await performActions(pod, status, actions, {
      runner,
      events,
      pullSecrets: () => options.pullSecrets(pod, stepSignal),
      waiting: worker.waiting,
      onStarted: (container) => {
        worker.applied.set(container.name, container.resources ?? {});
      },
      signal: stepSignal,
    });
    if (worker.resizing) await settleResize(worker, pod);
    if (done.changed) worker.runtime = undefined;
    const seen = await look(worker, stepSignal);
    probes.update(pod, seen);
    if (done.changed) await collectDead(worker, seen);
    const after = tell(worker, seen, { terminal: false });
    if (isTerminalPhase(after)) return 0;
    if (done.again) return 0;
    return soonest(
      done.retryAfterMs,
      deadlineMs,
      // Room may come when another pod leaves.
      decision.pending?.reason === 'Deferred' ? 10_000 : undefined,
      options.resyncMs > 0 ? options.resyncMs * (0.5 + options.jitter()) : undefined,
    );
  };

  /** All containers go, without a grace period; their logs stay. The next step starts them again. */
  const resetContainers = async (
    worker: Worker,
    pod: Pod,
    status: PodRuntimeStatus,
    stepSignal: AbortSignal,
  ): Promise<void> => {
    for (const { id, name, running: alive } of containersToReset(pod, status)) {
      const found = status.containers.find((container) => container.id === id)!;
      if (alive) await runner.kill(pod, found, { message: 'killing', graceSeconds: 0, signal: stepSignal });
      await removeContainer(id);
      worker.messages.delete(id);
      worker.waiting.delete(name);
    }
    worker.runtime = undefined;
  };

  /** A static pod's next version starts when the last has ended: they share their names, ports and files. */
  const earlierVersions = (pod: Pod): { readonly after: readonly string[] } | undefined => {
    if (!isStaticPod(pod)) return undefined;
    const { name, namespace } = pod.metadata;
    const after: string[] = [];
    for (const { pod: other } of workers.values())
      if (other.metadata.name === name && other.metadata.namespace === namespace) after.push(podUid(other));
    return { after };
  };

  const settle = (worker: Worker, admission: Judgement | undefined): void => {
    const { pod } = worker;
    const answer = admission ?? earlierVersions(pod);
    if (answer && 'after' in answer) worker.after = answer.after;
    else if (answer) {
      worker.verdict = answer;
      events.event(pod, {
        type: 'Warning',
        reason: answer.reason,
        message: answer.message.replace(/^Pod was rejected: /, ''),
      });
    }
  };

  const running = (uid: string): boolean => {
    const state = workers.get(uid)?.state;
    return state !== undefined && state !== 'terminated';
  };

  const activeDeadlineMs = ({ pod, uid }: Worker): number | undefined => {
    const seconds = pod.spec?.activeDeadlineSeconds;
    const start = (statuses.get(uid) ?? pod.status)?.startTime;
    if (seconds === undefined || start === undefined) return undefined;
    return Date.parse(start) + Number(seconds) * 1000 - clock.now();
  };

  const terminate = async (worker: Worker, stepSignal: AbortSignal): Promise<number | undefined> => {
    const { pod } = worker;
    const status = await look(worker, stepSignal);
    probes.stop(worker.uid);
    if (!worker.gone) tell(worker, status, { terminal: false });
    let last = status;
    const alive =
      status.containers.some((container) => container.state === 'running' || container.state === 'unknown') ||
      status.sandboxes.some((sandbox) => sandbox.ready);
    if (alive) {
      await runner.killPod(pod, status, {
        graceSeconds: worker.graceSeconds ?? gracePeriodSeconds(pod),
        signal: stepSignal,
      });
      worker.runtime = undefined;
      last = await look(worker, stepSignal);
      if (last.containers.some((container) => container.state === 'running')) return 1000;
    }
    // Before the status tells it: the scheduler gives the room away as soon as it knows.
    worker.ended = true;
    if (!worker.gone) tell(worker, last, { terminal: true });
    await environment.release(worker.uid);
    worker.state = 'terminated';
    log.debug('Pod terminated', { pod: podRef(pod) });
    return 0;
  };

  /** The API object is gone and nothing runs: what is left is the runtime's records and the logs. */
  const bury = async (worker: Worker): Promise<void> => {
    const { pod, uid } = worker;
    const status = await look(worker, signal);
    for (const container of status.containers) await removeContainer(container.id);
    for (const sandbox of status.sandboxes)
      try {
        await runtime.removePodSandbox({ podSandboxId: sandbox.id }, { timeoutMs: options.timeoutMs });
      } catch (error) {
        if (!isCriNotFound(error)) throw error;
      }
    await environment.removeLogs({ namespace: pod.metadata.namespace ?? '', name: pod.metadata.name ?? '', uid });
    statuses.forget(uid);
    workers.delete(uid);
  };

  const collectDead = async (worker: Worker, status: PodRuntimeStatus): Promise<void> => {
    const { containers, sandboxes } = leftovers(status);
    for (const container of containers) {
      await removeContainer(container.id);
      await environment.removeLog(container.logPath);
      worker.messages.delete(container.id);
    }
    for (const sandbox of sandboxes)
      await runtime.removePodSandbox({ podSandboxId: sandbox.id }, { timeoutMs: options.timeoutMs });
  };

  const removeContainer = async (containerId: string): Promise<void> => {
    try {
      await runtime.removeContainer({ containerId }, { timeoutMs: options.timeoutMs });
    } catch (error) {
      if (!isCriNotFound(error)) throw error;
    }
  };

  const drive = async (worker: Worker): Promise<void> => {
    while (!signal.aborted) {
      worker.again = false;
      worker.timer?.cancel();
      worker.timer = undefined;
      const interrupt = new AbortController();
      worker.interrupt = interrupt;
      const stop = (): void => interrupt.abort();
      signal.addEventListener('abort', stop, { once: true });
      let nextMs: number | undefined;
      try {
        nextMs = await step(worker, interrupt.signal);
        worker.failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // What the runtime has is unknown after a failure half way.
        worker.runtime = undefined;
        if (interrupt.signal.aborted) nextMs = 0;
        else nextMs = failed(worker, error);
      } finally {
        signal.removeEventListener('abort', stop);
        worker.interrupt = undefined;
      }
      if (nextMs === 0 || worker.again) continue;
      if (nextMs !== undefined && workers.has(worker.uid)) worker.timer = clock.timer(nextMs, () => kick(worker));
      return;
    }
  };

  const failed = (worker: Worker, error: unknown): number => {
    const { pod } = worker;
    if (error instanceof EnvironmentError) {
      events.event(pod, { type: 'Warning', reason: error.reason, message: error.message });
      log.warn('Cannot prepare pod', { pod: podRef(pod), error });
    } else if (!(error instanceof StartError))
      log.warn('Error syncing pod, will try again', { pod: podRef(pod), error });
    return Math.min(1000 * 2 ** worker.failures++, 10_000);
  };

  const kick = (worker: Worker): void => {
    worker.again = true;
    if (worker.running || signal.aborted) return;
    worker.running = drive(worker).finally(() => {
      worker.running = undefined;
      if (worker.again && !signal.aborted && workers.has(worker.uid)) kick(worker);
    });
  };

  return {
    update(pod) {
      const uid = podUid(pod);
      let worker = workers.get(uid);
      if (!worker) {
        worker = newWorker(pod);
        if (!mustEnd(worker)) {
          const answer = options.admit(pod);
          if (answer && 'ask' in answer) worker.ask = answer.ask;
          else settle(worker, answer);
        }
        workers.set(uid, worker);
        kick(worker);
        return;
      }
      const before = worker.pod;
      worker.pod = pod;
      statuses.observe(pod);
      if (!needsStep(before, pod)) return;
      const sooner =
        worker.state === 'terminating' && gracePeriodSeconds(pod) < gracePeriodSeconds(before) && worker.interrupt;
      if ((worker.state === 'syncing' && mustEnd(worker)) || sooner) worker.interrupt?.abort();
      kick(worker);
    },
    gone(pod) {
      const worker = workers.get(podUid(pod));
      if (!worker) return;
      worker.gone = true;
      if (worker.state === 'syncing') worker.interrupt?.abort();
      kick(worker);
    },
    wake(uid, { runtimeChanged = false } = {}) {
      const worker = workers.get(uid);
      if (!worker) return;
      if (runtimeChanged) {
        worker.runtime = undefined;
        worker.changes++;
      }
      if (worker.state !== 'terminated') kick(worker);
    },
    wakeAll() {
      for (const worker of workers.values()) if (worker.state !== 'terminated') kick(worker);
    },
    evict(uid, verdict, { graceSeconds } = {}) {
      const worker = workers.get(uid);
      if (worker?.state !== 'syncing' || mustEnd(worker)) return false;
      worker.verdict = verdict;
      worker.graceSeconds = graceSeconds;
      worker.interrupt?.abort();
      kick(worker);
      return true;
    },
    async ended(uid, until) {
      while (!until.aborted && running(uid)) await clock.sleep(200, until);
    },
    has: (uid) => workers.has(uid),
    active() {
      const pods: Pod[] = [];
      for (const worker of workers.values())
        if (!worker.ended && !worker.gone && !worker.verdict) pods.push(withAllocation(worker.pod, worker.allocation));
      return pods;
    },
    runtimeStatus: (uid) => workers.get(uid)?.runtime,
    async settled() {
      for (const worker of [...workers.values()]) {
        worker.timer?.cancel();
        await worker.running;
      }
    },
    get size() {
      return workers.size;
    },
  };
}

const isRestartingAll = ({ type, status }: PodCondition): boolean =>
  type === allContainersRestarting && status === 'True';

function soonest(...times: (number | undefined)[]): number | undefined {
  let least: number | undefined;
  for (const time of times) if (time !== undefined && (least === undefined || time < least)) least = time;
  return least === undefined ? undefined : Math.max(1, least);
}
