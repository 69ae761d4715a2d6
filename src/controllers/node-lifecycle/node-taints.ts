/** Which taints a node should have by its conditions. Pure. */
import { findCondition } from '../../api/meta.ts';
import type { Node, Taint } from '../../api/types/core-v1.ts';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';
const unschedulableTaint = 'node.kubernetes.io/unschedulable';

/** condition type -> status -> taint key. Source: nodelifecycle nodeConditionToTaintKeyStatusMap. */
const taintOfCondition: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: notReadyTaint, Unknown: unreachableTaint },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
};
const managedKeys: ReadonlySet<string> = new Set([
  unschedulableTaint,
  ...Object.values(taintOfCondition).flatMap((byStatus) => Object.values(byStatus)),
]);

/** The node's taints with the NoSchedule ones of its conditions as they should be; the same list when they are. */
export function withNoScheduleTaints(node: Node, now: string): readonly Taint[] {
  const wanted = new Set<string>();
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = taintOfCondition[type]?.[status];
    if (key !== undefined) wanted.add(key);
  }
  if (node.spec?.unschedulable) wanted.add(unschedulableTaint);
  return replaceTaints(node, 'NoSchedule', managedKeys, wanted, now);
}

/** `undefined`: the node is reachable and ready, and must have neither. */
export function withNoExecuteTaint(node: Node, key: string | undefined, now: string): readonly Taint[] {
  const wanted = new Set(key === undefined ? [] : [key]);
  return replaceTaints(node, 'NoExecute', healthKeys, wanted, now);
}
const healthKeys: ReadonlySet<string> = new Set([notReadyTaint, unreachableTaint]);

export const hasTaint = (node: Node, key: string, effect: string): boolean =>
  node.spec?.taints?.some((taint) => taint.key === key && taint.effect === effect) === true;

/** The NoExecute taint that goes with a Ready status. */
export const healthTaint = (ready: string): string | undefined =>
  ready === 'True' ? undefined : ready === 'False' ? notReadyTaint : unreachableTaint;

function replaceTaints(
  node: Node,
  effect: string,
  managed: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
  now: string,
): readonly Taint[] {
  const before = node.spec?.taints ?? none;
  const isOurs = (taint: Taint): boolean => taint.effect === effect && managed.has(taint.key);
  const kept = before.filter((taint) => !isOurs(taint) || wanted.has(taint.key));
  const missing = [...wanted].filter((key) => !before.some((taint) => taint.key === key && taint.effect === effect));
  if (kept.length === before.length && missing.length === 0) return before;
  return [...kept, ...missing.map((key) => ({ key, effect, timeAdded: now }))];
}
const none: readonly Taint[] = Object.freeze([]);

/** `beta.kubernetes.io/os` and `arch` follow their stable labels. @returns the labels to set; `undefined` when they are right. */
export function labelsToReconcile({ metadata: { labels = {} } }: Node): Readonly<Record<string, string>> | undefined {
  let changes: Record<string, string> | undefined;
  for (const name of ['os', 'arch']) {
    const value = labels[`kubernetes.io/${name}`];
    const beta = `beta.kubernetes.io/${name}`;
    if (value !== undefined && labels[beta] !== value) changes = { ...changes, [beta]: value };
  }
  return changes;
}

export const readyStatus = (node: Node): string => findCondition(node.status?.conditions, 'Ready')?.status ?? 'Unknown';
