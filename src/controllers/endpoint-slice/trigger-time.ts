/**
 * When the change that a write of endpoints answers to happened: the earliest of the pods' readiness changes and the Service's creation that were
 * not accounted for yet. Measures programming latency. Source: endpointslice/util/trigger_time_tracker.go.
 */
import { findCondition } from '../../api/meta.ts';
import { parseTime } from '../../api/time.ts';
import type { Pod, Service } from '../../api/types/core-v1.ts';

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

interface Last {
  readonly pods: ReadonlyMap<string, number>;
  readonly serviceMs: number;
}

export class TriggerTimes {
  private readonly services = new Map<string, Last>();

  /** @returns milliseconds; undefined when nothing is new. */
  next(key: string, service: Service, pods: readonly Pod[]): number | undefined {
    const last = this.services.get(key);
    const times = new Map<string, number>();
    let earliest: number | undefined;
    const consider = (ms: number, before: number | undefined): void => {
      if ((before === undefined || ms > before) && (earliest === undefined || ms < earliest)) earliest = ms;
    };
    for (const pod of pods) {
      const ms = readyChangedMs(pod);
      if (ms === undefined) continue;
      times.set(pod.metadata.name!, ms);
      consider(ms, last?.pods.get(pod.metadata.name!));
    }
    const serviceMs = (service.metadata.creationTimestamp && parseTime(service.metadata.creationTimestamp)) || 0;
    if (serviceMs > 0) consider(serviceMs, last?.serviceMs);
    this.services.set(key, { pods: times, serviceMs });
    return earliest;
  }
  forget(key: string): void {
    this.services.delete(key);
  }
}

function readyChangedMs({ status }: Pod): number | undefined {
  const changed = findCondition(status?.conditions, 'Ready')?.lastTransitionTime;
  return changed ? parseTime(changed) : undefined;
}
