/**
 * Ends pods before the machine runs out of memory, disk, inodes or processes: looks every ten seconds, tells the
 * node's pressure conditions, gives back what nobody uses (dead containers, images), then ends one pod a round, the worst first.
 * Source: pkg/kubelet/eviction/eviction_manager.go.
 */
import { findUntoleratedTaint } from '../../api/pod/tolerations.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EventRecorder } from '../../client/events.ts';
import { gracePeriodSeconds, podRef, podUid } from '../pods/pod-info.ts';
import { isCritical, qosClass } from '../pods/qos.ts';
import { rejection, type Verdict } from '../pods/verdict.ts';
import type { PodStats, Summary } from '../stats/summary-types.ts';
import { evictionMessage } from './eviction-message.ts';
import { hasLocalLimits, overLocalLimit } from './local-limits.ts';
import { rankForEviction } from './ranking.ts';
import {
  conditionOf,
  type Observations,
  type PressureCondition,
  resourceOf,
  type Threshold,
  thresholdsMet,
} from './thresholds.ts';

export interface EvictionOptions {
  readonly thresholds: readonly Threshold[];
  /** A condition stays for so long after its last cause. */
  readonly pressureTransitionMs: number;
  /** The longest grace a pod gets when a soft threshold ends it; 0: its own. */
  readonly maxPodGraceSeconds: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventRecorder;
  /** The machine's state; signals that cannot be read are left out. */
  observe(): Promise<Observations>;
  summary(options: { readonly cpuAndMemoryOnly: boolean }): Promise<Summary>;
  /** Pods that run here, without those that are ending for our sake. */
  pods(): readonly Pod[];
  /** The node's object, for events. */
  node(): Node | undefined;
  /** Removes dead containers and unused images. */
  reclaimDisk(signal: AbortSignal): Promise<void>;
  /** @returns false when the pod is ending already. */
  evict(pod: Pod, verdict: Verdict, graceSeconds: number): boolean;
  /** Resolves when the pod's containers are gone. */
  ended(pod: Pod, signal: AbortSignal): Promise<void>;
  /** The node's conditions changed. */
  onChange(): void;
}

export interface EvictionManager {
  run(signal: AbortSignal): Promise<void>;
  /** One round; for tests. @returns the pod that was ended. */
  synchronize(signal: AbortSignal): Promise<Pod | undefined>;
  conditions(): ReadonlySet<PressureCondition>;
  /** Whether a new pod may come while there is pressure. */
  admit(pod: Pod): Verdict | undefined;
}

const roundMs = 10_000;
/** What a pod gets that a hard threshold ends. */
const immediateGraceSeconds = 1;

export function createEvictionManager(options: EvictionOptions): EvictionManager {
  const { clock, log, events } = options;
  let metBefore: readonly Threshold[] = [];
  const firstMetMs = new Map<Threshold, number>();
  const conditionAtMs = new Map<PressureCondition, number>();

  const current = (): ReadonlySet<PressureCondition> => {
    const now = clock.monotonic();
    const held = new Set<PressureCondition>();
    for (const { signal } of metBefore) held.add(conditionOf(signal));
    for (const [condition, atMs] of conditionAtMs) if (now - atMs < options.pressureTransitionMs) held.add(condition);
    return held;
  };

  /** Notes what is crossed now. @returns those that are to be acted on. */
  const note = (observations: Observations): readonly Threshold[] => {
    const before = [...current()].sort().join();
    const now = clock.monotonic();
    const met = new Set(thresholdsMet(options.thresholds, observations, { reclaiming: false }));
    for (const still of thresholdsMet(metBefore, observations, { reclaiming: true })) met.add(still);
    for (const threshold of met) {
      if (!firstMetMs.has(threshold)) firstMetMs.set(threshold, now);
      conditionAtMs.set(conditionOf(threshold.signal), now);
    }
    for (const threshold of firstMetMs.keys()) if (!met.has(threshold)) firstMetMs.delete(threshold);
    metBefore = [...met];
    if ([...current()].sort().join() !== before) options.onChange();
    return metBefore.filter((threshold) => now - firstMetMs.get(threshold)! >= threshold.graceMs);
  };

  const evict = (pod: Pod, message: string, graceSeconds: number): boolean => {
    if (isCriticalPod(pod)) {
      log.error('Cannot evict a critical pod', { pod: podRef(pod) });
      return false;
    }
    const done = options.evict(
      pod,
      { phase: 'Failed', reason: 'Evicted', message, disruption: { reason: 'TerminationByKubelet', message } },
      graceSeconds,
    );
    if (!done) return false;
    events.event(pod, { type: 'Warning', reason: 'Evicted', message });
    log.info('Evicted a pod', { pod: podRef(pod), message, graceSeconds });
    return true;
  };

  const overLimits = async (): Promise<Pod | undefined> => {
    const limited = options.pods().filter(hasLocalLimits);
    if (limited.length === 0) return undefined;
    const stats = byUid(await options.summary({ cpuAndMemoryOnly: false }));
    let first: Pod | undefined;
    for (const pod of limited) {
      const own = stats.get(podUid(pod));
      const message = own && overLocalLimit(pod, own);
      if (message !== undefined && evict(pod, message, immediateGraceSeconds)) first ??= pod;
    }
    return first;
  };

  const manager: EvictionManager = {
    async synchronize(signal) {
      const evicted = await overLimits();
      if (evicted) return evicted;
      if (options.thresholds.length === 0) return undefined;
      let observations = await options.observe();
      let due = note(observations);
      if (due.length === 0) return undefined;
      // Memory first: the kernel will not wait.
      const threshold = due.toSorted((a, b) => urgency(a) - urgency(b))[0]!;
      const resource = resourceOf(threshold.signal);
      log.warn('Attempting to reclaim', { resource, signal: threshold.signal });
      const node = options.node();
      if (node)
        events.event(node, {
          type: 'Warning',
          reason: 'EvictionThresholdMet',
          message: `Attempting to reclaim ${resource}`,
        });
      if (conditionOf(threshold.signal) === 'DiskPressure') {
        await options.reclaimDisk(signal);
        observations = await options.observe();
        due = note(observations).filter((other) => other.signal === threshold.signal);
        if (due.length === 0) return undefined;
      }
      const pods = options.pods();
      if (pods.length === 0) return undefined;
      const small = threshold.signal === 'memory.available';
      const stats = byUid(await options.summary({ cpuAndMemoryOnly: small }));
      for (const pod of rankForEviction(threshold.signal, pods, stats)) {
        const message = evictionMessage(threshold, observations.get(threshold.signal), pod, stats.get(podUid(pod)));
        const own = gracePeriodSeconds(pod);
        const soft = options.maxPodGraceSeconds > 0 ? Math.min(own, options.maxPodGraceSeconds) : own;
        if (evict(pod, message, threshold.graceMs === 0 ? immediateGraceSeconds : soft)) return pod;
      }
      log.error('Unable to evict any pods from the node', { resource });
      return undefined;
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          const evicted = await manager.synchronize(signal);
          if (evicted) {
            // Its memory comes back only when it is gone; the next look must not take it for still missing.
            const limit = new AbortController();
            const stop = (): void => limit.abort();
            const timer = clock.timer(30_000, stop);
            signal.addEventListener('abort', stop, { once: true });
            await options.ended(evicted, limit.signal);
            signal.removeEventListener('abort', stop);
            timer.cancel();
            continue;
          }
        } catch (error) {
          if (signal.aborted) return;
          log.error('Eviction manager: synchronization failed', { error });
        }
        await clock.sleep(roundMs, signal);
      }
    },
    conditions: current,
    admit(pod) {
      const held = current();
      if (held.size === 0 || isCriticalPod(pod)) return undefined;
      if (held.size === 1 && held.has('MemoryPressure')) {
        if (qosClass(pod) !== 'BestEffort') return undefined;
        const taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };
        if (!findUntoleratedTaint([taint], pod.spec?.tolerations, () => true)) return undefined;
      }
      return rejection('Evicted', `The node had condition: [${[...held].sort().join(' ')}]. `);
    },
  };
  return manager;
}

const urgency = ({ signal }: Threshold): number =>
  signal === 'memory.available' ? 0 : signal === 'pid.available' ? 2 : 1;

const byUid = (summary: Summary): ReadonlyMap<string, PodStats> =>
  new Map(summary.pods.map((pod) => [pod.podRef.uid, pod]));

/** Static pods, their mirrors and the system's priority classes. Source: pkg/kubelet/types (IsCriticalPod). */
export function isCriticalPod(pod: Pod): boolean {
  const annotations = pod.metadata.annotations ?? {};
  const source = annotations['kubernetes.io/config.source'];
  return (
    (source !== undefined && source !== 'api') ||
    annotations['kubernetes.io/config.mirror'] !== undefined ||
    isCritical(pod)
  );
}
