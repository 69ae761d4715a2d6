/**
 * Ends pods in order before the machine goes down: those of lower priority first, each group in its own time. Upstream is told by systemd's
 * inhibitor locks over D-Bus; here whoever runs the kubelet calls `begin` (the node process does on SIGPWR).
 * Source: pkg/kubelet/nodeshutdown.
 */
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { KubeletConfig } from '../config.ts';
import { gracePeriodSeconds, podUid } from '../pods/pod-info.ts';
import { rejection, type Verdict } from '../pods/verdict.ts';

export interface NodeShutdown {
  /** Why no pod is taken any more. */
  admit(): Verdict | undefined;
  /** Why the node is not ready. */
  problem(): string | undefined;
  /** Resolves when all pods have ended or their time is over. With no grace period configured nothing is done. */
  begin(signal: AbortSignal): Promise<void>;
}

export interface NodeShutdownOptions {
  readonly config: KubeletConfig;
  readonly clock: Clock;
  readonly log: Logger;
  pods(): readonly Pod[];
  evict(uid: string, verdict: Verdict, options: { readonly graceSeconds: number }): boolean;
  ended(uid: string, signal: AbortSignal): Promise<void>;
  /** The node's status changed. */
  report(): void;
}

interface Group {
  /** Pods of at least this priority, up to the next group's. */
  readonly priority: number;
  readonly seconds: number;
}

const criticalPriority = 2_000_000_000;

/** From the lowest priority to the highest. Pure. */
export function shutdownGroups(config: KubeletConfig): readonly Group[] {
  if (config.shutdownGracePeriodByPodPriority.length > 0)
    return config.shutdownGracePeriodByPodPriority
      .map(({ priority, shutdownGracePeriodSeconds }) => ({ priority, seconds: shutdownGracePeriodSeconds }))
      .sort((a, b) => a.priority - b.priority);
  if (config.shutdownGracePeriodMs <= 0) return [];
  const critical = Math.floor(config.shutdownGracePeriodCriticalPodsMs / 1000);
  return [
    { priority: 0, seconds: Math.floor(config.shutdownGracePeriodMs / 1000) - critical },
    { priority: criticalPriority, seconds: critical },
  ];
}

const message = 'Pod was terminated in response to imminent node shutdown.';
const verdict: Verdict = {
  phase: 'Failed',
  reason: 'Terminated',
  message,
  disruption: { reason: 'TerminationByKubelet', message },
};

export function createNodeShutdown(options: NodeShutdownOptions): NodeShutdown {
  const { clock, log } = options;
  const groups = shutdownGroups(options.config);
  let begun = false;
  return {
    admit: () => (begun ? rejection('NodeShutdown', 'Pod was rejected as the node is shutting down.') : undefined),
    problem: () => (begun ? 'node is shutting down' : undefined),
    async begin(signal) {
      if (begun || groups.length === 0) return;
      begun = true;
      options.report();
      log.info('Shutdown manager detected a shutdown event');
      const pods = options.pods();
      for (const [i, group] of groups.entries()) {
        const next = groups[i + 1]?.priority ?? Number.POSITIVE_INFINITY;
        const members = pods.filter((pod) => {
          const priority = Number(pod.spec?.priority ?? 0);
          // What is below the lowest group goes with it.
          return priority < next && (i === 0 || priority >= group.priority);
        });
        if (members.length === 0) continue;
        const limit = new AbortController();
        const stop = (): void => limit.abort();
        const timer = clock.timer(group.seconds * 1000, stop);
        signal.addEventListener('abort', stop, { once: true });
        await Promise.all(
          members.map(async (pod) => {
            const graceSeconds = Math.max(1, Math.min(group.seconds, gracePeriodSeconds(pod)));
            options.evict(podUid(pod), verdict, { graceSeconds });
            await options.ended(podUid(pod), limit.signal);
          }),
        );
        signal.removeEventListener('abort', stop);
        timer.cancel();
      }
    },
  };
}
