/** The scheduler's metrics, by upstream's names and labels. Source: pkg/scheduler/metrics/metrics.go. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { SchedulingQueue } from '../core/queue.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

export interface SchedulerMetrics {
  attempt(result: AttemptResult, seconds: number): void;
  algorithm(seconds: number): void;
  /** A pod was bound after so many attempts, so long after it was first seen. */
  bound(attempts: number, sinceFirstAttemptSeconds: number): void;
  incoming(queue: string, event: string): void;
  preemption(victims: number): void;
}

const doubling = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start * 2 ** i);

export function createSchedulerMetrics(
  registry: MetricsRegistry,
  profile: string,
  state: {
    readonly queue: () => SchedulingQueue;
    readonly cacheSize: () => { nodes: number; pods: number; assumed: number };
  },
): SchedulerMetrics {
  const attempts = registry.counter<'result' | 'profile'>({
    name: 'scheduler_schedule_attempts_total',
    help: "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
    labels: ['result', 'profile'],
  });
  const attemptDuration = registry.histogram<'result' | 'profile'>({
    name: 'scheduler_scheduling_attempt_duration_seconds',
    help: 'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
    labels: ['result', 'profile'],
    buckets: doubling(0.001, 15),
  });
  const algorithmDuration = registry.histogram({
    name: 'scheduler_scheduling_algorithm_duration_seconds',
    help: 'Scheduling algorithm latency in seconds',
    buckets: doubling(0.001, 15),
  });
  const podAttempts = registry.histogram({
    name: 'scheduler_pod_scheduling_attempts',
    help: 'Number of attempts to successfully schedule a pod.',
    buckets: [1, 2, 4, 8, 16],
  });
  const sli = registry.histogram<'attempts'>({
    name: 'scheduler_pod_scheduling_sli_duration_seconds',
    help: 'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue and might involve multiple scheduling attempts.',
    labels: ['attempts'],
    buckets: doubling(0.01, 20),
  });
  const incoming = registry.counter<'queue' | 'event'>({
    name: 'scheduler_queue_incoming_pods_total',
    help: 'Number of pods added to scheduling queues by event and queue type.',
    labels: ['queue', 'event'],
  });
  const victims = registry.histogram({
    name: 'scheduler_preemption_victims',
    help: 'Number of selected preemption victims',
    buckets: doubling(1, 7),
  });
  const preemptions = registry.counter({
    name: 'scheduler_preemption_attempts_total',
    help: 'Total preemption attempts in the cluster till now',
  });
  registry.gauge<'queue'>({
    name: 'scheduler_pending_pods',
    help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
    labels: ['queue'],
    collect(gauge) {
      const sizes = state.queue().sizes;
      for (const queue of ['active', 'backoff', 'unschedulable', 'gated'] as const) gauge.set({ queue }, sizes[queue]);
    },
  });
  registry.gauge<'type'>({
    name: 'scheduler_cache_size',
    help: 'Number of nodes, pods, and assumed (bound) pods in the scheduler cache.',
    labels: ['type'],
    collect(gauge) {
      const { nodes, pods, assumed } = state.cacheSize();
      gauge.set({ type: 'nodes' }, nodes);
      gauge.set({ type: 'pods' }, pods);
      gauge.set({ type: 'assumed_pods' }, assumed);
    },
  });
  const labels = {
    scheduled: { result: 'scheduled', profile },
    unschedulable: { result: 'unschedulable', profile },
    error: { result: 'error', profile },
  } as const;
  return {
    attempt(result, seconds) {
      attempts.increment(labels[result]);
      attemptDuration.observe(labels[result], seconds);
    },
    algorithm: (seconds) => algorithmDuration.observe({}, seconds),
    bound(count, seconds) {
      podAttempts.observe({}, count);
      sli.observe({ attempts: count >= 16 ? '16+' : `${count}` }, seconds);
    },
    incoming: (queue, event) => incoming.increment({ queue, event }),
    preemption(count) {
      preemptions.increment({});
      victims.observe({}, count);
    },
  };
}
