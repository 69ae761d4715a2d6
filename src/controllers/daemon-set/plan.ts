/** What is to be done about a DaemonSet's pods, node by node. Pure. Source: pkg/controller/daemon (podsShouldBeOnNode, rollingUpdate). */
import { scaledValue } from '../../api/int-or-string.ts';
import { isPodAvailable, isPodReady } from '../../api/pod/conditions.ts';
import { parseTime } from '../../api/time.ts';
import type { DaemonSet } from '../../api/types/apps-v1.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import { isUpdated, judgeNode } from './nodes.ts';

/** node name -> its pods, without those that have ended and are being deleted */
export type PodsByNode = ReadonlyMap<string, readonly Pod[]>;

export interface DaemonView {
  readonly daemonSet: DaemonSet;
  readonly nodes: readonly Node[];
  readonly pods: PodsByNode;
  /** Of the present template. */
  readonly hash: string;
  readonly nowMs: number;
}

export interface DaemonPlan {
  /** Nodes to create a pod for. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
}
export interface ManagePlan extends DaemonPlan {
  /** Ended pods that are to be replaced; those that failed are subject to the node's back-off. */
  readonly ended: readonly { readonly node: string; readonly pod: Pod }[];
}

/** One pod on each node that should have one, none elsewhere (two where an update surges). */
export function planManage(view: DaemonView): ManagePlan {
  const create: string[] = [];
  const remove: Pod[] = [];
  const ended: { node: string; pod: Pod }[] = [];
  const known = new Set<string>();
  const surges = maxSurge(view.daemonSet, 1) > 0;
  for (const node of view.nodes) {
    const name = node.metadata.name!;
    known.add(name);
    const { shouldRun, mayContinue } = judgeNode(node, view.daemonSet);
    const pods = view.pods.get(name);
    if (shouldRun && !pods) create.push(name);
    else if (mayContinue) {
      const running: Pod[] = [];
      for (const pod of pods ?? []) {
        if (pod.metadata.deletionTimestamp !== undefined) continue;
        const phase = pod.status?.phase;
        if (phase === 'Failed' || phase === 'Succeeded') ended.push({ node: name, pod });
        else running.push(pod);
      }
      if (surges && shouldRun && running.length === 0) create.push(name);
      else if (running.length > 1)
        remove.push(...(surges ? surplusOfSurge(view, running) : running.sort(byAge).slice(1)));
    } else for (const pod of pods ?? []) if (pod.metadata.deletionTimestamp === undefined) remove.push(pod);
  }
  // The pod garbage collector takes care of bound pods of vanished nodes; the others would wait for ever.
  for (const [name, pods] of view.pods)
    if (!known.has(name)) remove.push(...pods.filter(({ spec }) => !spec?.nodeName));
  return { create, remove, ended };
}

/** Of several pods on a node at most the oldest new and the oldest old one stay, and the old one only until the new one is available. */
function surplusOfSurge({ daemonSet, hash, nowMs }: DaemonView, running: Pod[]): readonly Pod[] {
  const surplus: Pod[] = [];
  let newPod: Pod | undefined;
  let oldPod: Pod | undefined;
  for (const pod of running.sort(byAge)) {
    const isNew = pod.metadata.labels?.['controller-revision-hash'] === hash;
    if (isNew && !newPod) newPod = pod;
    else if (!isNew && !oldPod) oldPod = pod;
    else surplus.push(pod);
  }
  if (newPod && oldPod && (!isPodReady(oldPod) || isPodAvailable(newPod, minReadySeconds(daemonSet), nowMs)))
    surplus.push(oldPod);
  return surplus;
}

/** The next pods to replace, within maxUnavailable or maxSurge. */
export function planRollingUpdate(view: DaemonView): DaemonPlan {
  const pods = new Map(view.pods);
  const verdicts = new Map<string, boolean>();
  let desired = 0;
  for (const node of view.nodes) {
    const { shouldRun } = judgeNode(node, view.daemonSet);
    verdicts.set(node.metadata.name!, shouldRun);
    if (!shouldRun) continue;
    desired++;
    if (!pods.has(node.metadata.name!)) pods.set(node.metadata.name!, []);
  }
  const surge = maxSurge(view.daemonSet, desired);
  const unavailable = maxUnavailable(view.daemonSet, desired);
  if (surge > 0) return planSurge(view, pods, verdicts, { surge, desired });
  return planReplacement(view, pods, desired > 0 && unavailable === 0 ? 1 : unavailable);
}

/** Old pods are deleted; the next sync makes their successors. */
function planReplacement(view: DaemonView, pods: PodsByNode, maxUnavailable: number): DaemonPlan {
  let unavailable = 0;
  const replaceable: Pod[] = [];
  const candidates: Pod[] = [];
  for (const onNode of pods.values()) {
    const pair = newAndOld(view, onNode);
    // Too many, none, or both: the manage step has something to do here first.
    if (!pair || (pair.newPod === undefined) === (pair.oldPod === undefined)) unavailable++;
    else if (pair.newPod) {
      if (!isAvailable(view, pair.newPod)) unavailable++;
    } else if (!isAvailable(view, pair.oldPod!)) {
      // It serves nobody: replacing it costs nothing.
      replaceable.push(pair.oldPod!);
      unavailable++;
    } else candidates.push(pair.oldPod!);
  }
  const left = Math.max(0, maxUnavailable - unavailable);
  return { create: [], remove: [...replaceable, ...candidates.slice(0, left)] };
}

/** New pods are made beside the old ones, which go when the new ones are available. */
function planSurge(
  view: DaemonView,
  pods: PodsByNode,
  shouldRun: ReadonlyMap<string, boolean>,
  limits: { readonly surge: number; readonly desired: number },
): DaemonPlan {
  const remove: Pod[] = [];
  const misplaced: Pod[] = [];
  const replaceable: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  let available = 0;
  for (const [node, onNode] of pods) {
    const pair = newAndOld(view, onNode);
    if (!pair) {
      surging++;
      continue;
    }
    const { newPod, oldPod } = pair;
    const counted = oldPod ?? newPod;
    if (counted && isAvailable(view, counted)) available++;
    if (!oldPod) continue;
    if (newPod) {
      if (isAvailable(view, newPod)) remove.push(oldPod);
      else surging++;
    } else if (!isAvailable(view, oldPod)) {
      if (shouldRun.get(node)) replaceable.push(node);
      else if (shouldRun.has(node)) remove.push(oldPod);
    } else if (shouldRun.get(node)) candidates.push(node);
    else if (shouldRun.has(node)) misplaced.push(oldPod);
  }
  // Whoever surges expects full availability: a pod that should not be there goes only when there are enough without it.
  remove.push(...misplaced.slice(0, Math.max(0, available - limits.desired)));
  const left = Math.max(0, limits.surge - surging);
  return { create: [...replaceable, ...candidates.slice(0, left)], remove };
}

/** The living new and old pod of a node; undefined when there are several of either. */
function newAndOld(view: DaemonView, pods: readonly Pod[]): { newPod?: Pod; oldPod?: Pod } | undefined {
  const pair: { newPod?: Pod; oldPod?: Pod } = {};
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue;
    const which = isUpdated(pod, view.daemonSet, view.hash) ? 'newPod' : 'oldPod';
    if (pair[which]) return undefined;
    pair[which] = pod;
  }
  return pair;
}

const isAvailable = ({ daemonSet, nowMs }: DaemonView, pod: Pod): boolean =>
  isPodAvailable(pod, minReadySeconds(daemonSet), nowMs);
export const minReadySeconds = ({ spec }: DaemonSet): number => spec?.minReadySeconds ?? 0;

const isRollingUpdate = ({ spec }: DaemonSet): boolean => spec?.updateStrategy?.type === 'RollingUpdate';
function maxSurge(daemonSet: DaemonSet, desired: number): number {
  const value = daemonSet.spec?.updateStrategy?.rollingUpdate?.maxSurge;
  return isRollingUpdate(daemonSet) && value !== undefined ? scaledValue(value, desired, { roundUp: true }) : 0;
}
function maxUnavailable(daemonSet: DaemonSet, desired: number): number {
  const value = daemonSet.spec?.updateStrategy?.rollingUpdate?.maxUnavailable;
  return isRollingUpdate(daemonSet) && value !== undefined ? scaledValue(value, desired, { roundUp: true }) : 0;
}

/** Bound pods first, then the oldest. */
export function byAge(a: Pod, b: Pod): number {
  const bound = Number(!a.spec?.nodeName) - Number(!b.spec?.nodeName);
  if (bound !== 0) return bound;
  const age = createdMs(a) - createdMs(b);
  return age !== 0 ? age : a.metadata.name! < b.metadata.name! ? -1 : 1;
}
const createdMs = ({ metadata }: Pod): number =>
  metadata.creationTimestamp ? (parseTime(metadata.creationTimestamp) ?? 0) : 0;
