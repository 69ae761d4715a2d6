/** Why a pod fits nowhere, in upstream's words. Source: pkg/scheduler/framework/types.go (FitError.Error). */
import type { FilterStatus, Rejected } from './status.ts';

export interface Diagnosis {
  readonly nodeCount: number;
  readonly statuses: ReadonlyMap<string, FilterStatus>;
  /** The status of nodes that are not in `statuses`. */
  readonly absentStatus?: Rejected;
  /** Set when PreFilter refused the pod as a whole: stands instead of the counted reasons. */
  readonly preFilterReasons?: readonly string[];
  readonly postFilterReasons?: readonly string[];
}

/** `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) had untolerated taint(s). preemption: ...` */
export function fitErrorMessage(diagnosis: Diagnosis): string {
  const { nodeCount, preFilterReasons, postFilterReasons } = diagnosis;
  let message = `0/${nodeCount} nodes are available:`;
  if (preFilterReasons?.length) message += ` ${preFilterReasons.join(', ')}.`;
  else {
    const counted = countReasons(diagnosis);
    if (counted.length > 0) message += ` ${counted.join(', ')}.`;
  }
  if (postFilterReasons?.length) message += ` ${postFilterReasons.join(', ')}`;
  return message;
}

/** Sorted as text, as upstream has it: `10 x` before `2 y`. */
function countReasons({ nodeCount, statuses, absentStatus }: Diagnosis): string[] {
  const counts = new Map<string, number>();
  const count = (reason: string, by: number): void => {
    counts.set(reason, (counts.get(reason) ?? 0) + by);
  };
  for (const status of statuses.values())
    if (status.kind === 'rejected') for (const reason of status.reasons) count(reason, 1);
  const absent = nodeCount - statuses.size;
  if (absent > 0) for (const reason of absentStatus?.reasons ?? []) count(reason, absent);
  return [...counts].map(([reason, n]) => `${n} ${reason}`).sort();
}
