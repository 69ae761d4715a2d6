/**
 * From metrics to a number of replicas. Pods that say nothing (yet) are assumed to damp the change: at the target when scaling down, idle when
 * scaling up. Pure. Source: pkg/controller/podautoscaler/replica_calculator.go.
 */
import { findCondition } from '../../api/meta.ts';
import { parseMilli } from '../../api/quantity.ts';
import { parseTime } from '../../api/time.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';

/** A pod's value in thousandths, when it was taken and over what time. */
export interface PodMetric {
  readonly valueMilli: number;
  readonly atMs: number;
  readonly windowMs: number;
}
export type PodMetrics = ReadonlyMap<string, PodMetric>;

export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface CalculatorOptions {
  readonly pods: readonly Pod[];
  readonly currentReplicas: number;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
  /** --horizontal-pod-autoscaler-cpu-initialization-period */
  readonly cpuInitializationMs?: number;
  /** --horizontal-pod-autoscaler-initial-readiness-delay */
  readonly initialReadinessDelayMs?: number;
}

export interface Proposal {
  readonly replicas: number;
  /** Average of the pods, in thousandths. */
  readonly averageMilli: number;
  /** Percent of what the pods request; for utilization only. */
  readonly utilization?: number;
}

export class CalculationError extends Error {
  override readonly name = 'CalculationError';
}

const within = ({ up, down }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

/** By an average that each pod should have. @param resource `cpu` looks at start-up times too. */
export function replicasForAverage(
  metrics: PodMetrics,
  targetMilli: number,
  options: CalculatorOptions,
  resource = '',
): Proposal {
  const groups = groupPods(metrics, resource, options);
  const known = groups.known;
  if (known.size === 0) throw new CalculationError('did not receive metrics for targeted pods (pods might be unready)');
  const average = (values: ReadonlyMap<string, number>): number => {
    let total = 0;
    for (const value of values.values()) total += value;
    return Math.trunc(total / values.size);
  };
  const averageMilli = average(known);
  const replicas = damped(groups, averageMilli / targetMilli, options, {
    ratio: (values) => average(values) / targetMilli,
    missingWhenIdle: () => targetMilli,
  });
  return { replicas, averageMilli };
}

/** By percent of what the pods request. @param container only this one's; empty: all of the pod. */
export function replicasForUtilization(
  metrics: PodMetrics,
  targetPercent: number,
  options: CalculatorOptions,
  resource: string,
  container = '',
): Proposal {
  const groups = groupPods(metrics, resource, options);
  const requests = new Map(options.pods.map((pod) => [pod.metadata.name!, requestMilli(pod, resource, container)]));
  const measure = (values: ReadonlyMap<string, number>): { utilization: number; averageMilli: number } => {
    let used = 0;
    let requested = 0;
    let count = 0;
    for (const [name, value] of values) {
      const request = requests.get(name);
      if (request === undefined) continue;
      used += value;
      requested += request;
      count++;
    }
    if (requested === 0) throw new CalculationError('no metrics returned matched known pods');
    return { utilization: Math.trunc((used * 100) / requested), averageMilli: Math.trunc(used / count) };
  };
  if (groups.known.size === 0)
    throw new CalculationError('did not receive metrics for targeted pods (pods might be unready)');
  const now = measure(groups.known);
  const replicas = damped(groups, now.utilization / targetPercent, options, {
    ratio: (values) => measure(values).utilization / targetPercent,
    missingWhenIdle: (name) => Math.trunc(((requests.get(name) ?? 0) * Math.max(100, targetPercent)) / 100),
  });
  return { replicas, ...now };
}

/** By one value for all pods together: an object's, or an external one. */
export function replicasForTotal(usageMilli: number, targetMilli: number, options: CalculatorOptions): Proposal {
  const ratio = usageMilli / targetMilli;
  if (options.currentReplicas === 0) return { replicas: Math.ceil(ratio), averageMilli: usageMilli };
  if (within(options.tolerances, ratio)) return { replicas: options.currentReplicas, averageMilli: usageMilli };
  if (options.pods.length === 0)
    throw new CalculationError(
      'unable to calculate ready pods: no pods returned by selector while calculating replica count',
    );
  const ready = options.pods.filter(
    (pod) => pod.status?.phase === 'Running' && findCondition(pod.status.conditions, 'Ready')?.status === 'True',
  ).length;
  return { replicas: Math.min(Math.ceil(ratio * ready), 2 ** 31 - 1), averageMilli: usageMilli };
}

/** By one value for all pods together, of which each pod should have so much. @param replicas as the target's status has them. */
export function replicasForShare(
  usageMilli: number,
  targetMilli: number,
  replicas: number,
  tolerances: Tolerances,
): Proposal {
  const same = within(tolerances, usageMilli / (targetMilli * replicas));
  return {
    replicas: same ? replicas : Math.min(Math.ceil(usageMilli / targetMilli), 2 ** 31 - 1),
    averageMilli: replicas === 0 ? 0 : Math.ceil(usageMilli / replicas),
  };
}

interface Groups {
  /** Value of pods that count. */
  readonly known: Map<string, number>;
  readonly readyCount: number;
  readonly unready: readonly string[];
  readonly missing: readonly string[];
}

function damped(
  { known, readyCount, unready, missing }: Groups,
  ratio: number,
  { currentReplicas, tolerances }: CalculatorOptions,
  rule: {
    readonly ratio: (values: ReadonlyMap<string, number>) => number;
    readonly missingWhenIdle: (name: string) => number;
  },
): number {
  const withUnready = unready.length > 0 && ratio > 1;
  if (!withUnready && missing.length === 0)
    return within(tolerances, ratio) ? currentReplicas : Math.ceil(ratio * readyCount);
  const values = new Map(known);
  if (ratio < 1) for (const name of missing) values.set(name, rule.missingWhenIdle(name));
  else if (ratio > 1) for (const name of missing) values.set(name, 0);
  if (withUnready) for (const name of unready) values.set(name, 0);
  const again = rule.ratio(values);
  // What we assumed must not turn the direction.
  if (within(tolerances, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return currentReplicas;
  const proposed = Math.ceil(again * values.size);
  return (again < 1 && proposed > currentReplicas) || (again > 1 && proposed < currentReplicas)
    ? currentReplicas
    : proposed;
}

function groupPods(metrics: PodMetrics, resource: string, options: CalculatorOptions): Groups {
  if (options.pods.length === 0)
    throw new CalculationError('no pods returned by selector while calculating replica count');
  const known = new Map<string, number>();
  for (const [name, { valueMilli }] of metrics) known.set(name, valueMilli);
  const unready: string[] = [];
  const missing: string[] = [];
  let readyCount = 0;
  for (const pod of options.pods) {
    const name = pod.metadata.name!;
    const metric = metrics.get(name);
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Failed') known.delete(name);
    else if (pod.status?.phase === 'Pending') {
      unready.push(name);
      known.delete(name);
    } else if (!metric) missing.push(name);
    else if (resource === 'cpu' && isStarting(pod, metric, options)) {
      unready.push(name);
      known.delete(name);
    } else readyCount++;
  }
  return { known, readyCount, unready, missing };
}

/** A pod that starts uses the processor for that, not for its work. */
function isStarting(pod: Pod, metric: PodMetric, options: CalculatorOptions): boolean {
  const { nowMs, cpuInitializationMs = 300_000, initialReadinessDelayMs = 30_000 } = options;
  const ready = findCondition(pod.status?.conditions, 'Ready');
  const start = pod.status?.startTime === undefined ? undefined : parseTime(pod.status.startTime);
  if (!ready || start === undefined) return true;
  const since = ready.lastTransitionTime === undefined ? 0 : (parseTime(ready.lastTransitionTime) ?? 0);
  if (start + cpuInitializationMs > nowMs) return ready.status === 'False' || metric.atMs < since + metric.windowMs;
  return ready.status === 'False' && start + initialReadinessDelayMs > since;
}

/** @throws CalculationError when a container that counts names no request. */
function requestMilli(pod: Pod, resource: string, container: string): number {
  const whole = pod.spec?.resources?.requests?.[resource];
  if (container === '' && whole !== undefined) return parseMilli(whole);
  const all: Container[] = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ];
  let total = 0;
  let found = false;
  for (const each of all) {
    if (container !== '' && each.name !== container) continue;
    found = true;
    const request = each.resources?.requests?.[resource];
    if (request === undefined)
      throw new CalculationError(
        `missing request for ${resource} in container ${each.name} of Pod ${pod.metadata.name}`,
      );
    total += parseMilli(request);
  }
  if (container !== '' && !found)
    throw new CalculationError(`container ${container} not found in Pod ${pod.metadata.name}`);
  return total;
}
