/** Turns informer notifications into cache updates, queue updates and cluster events. Source: pkg/scheduler/eventhandlers.go. */
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { SchedulerCache } from '../core/cache.ts';
import { Action, type ClusterEvent, type EventResource } from '../core/cluster-events.ts';
import { noLabels } from '../core/label-matcher.ts';
import { NodeInfo } from '../core/node-info.ts';
import type { Nominator } from '../core/nominator.ts';
import { PodInfo } from '../core/pod-info.ts';
import type { SchedulingQueue } from '../core/queue.ts';

export interface EventSinks {
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  readonly schedulerName: string;
  readonly now: () => number;
  /** The queue may have something to do. */
  readonly wake: () => void;
}

/** @returns removes all handlers. */
export function connectInformers(informers: InformerFactory, sinks: EventSinks): () => void {
  const { cache, queue, nominator, schedulerName, now, wake } = sinks;
  const emit = (event: ClusterEvent): void => {
    if (queue.onEvent(event, now()) > 0) wake();
  };
  const isMine = (pod: Pod): boolean => pod.spec?.schedulerName === schedulerName;
  const infos = new WeakMap<Pod, PodInfo>();
  const infoOf = (pod: Pod): PodInfo => {
    let info = infos.get(pod);
    if (!info) infos.set(pod, (info = new PodInfo(pod)));
    return info;
  };

  const assigned = (pod: Pod, previous: Pod | undefined): void => {
    const info = infoOf(pod);
    queue.delete(info.uid);
    nominator.delete(info.uid);
    const before = previous && isAssigned(previous) ? infoOf(previous) : undefined;
    cache.setPod(info);
    if (!before) emit({ resource: 'AssignedPod', action: Action.add, label: 'AssignedPodAdd', object: info });
    else for (const change of podChanges(before, info, 'AssignedPod')) emit(change);
  };
  const removed = (pod: Pod): void => {
    const info = infoOf(pod);
    cache.removePod(info.uid);
    emit({ resource: 'AssignedPod', action: Action.delete, label: 'AssignedPodDelete', object: info });
  };
  const waiting = (pod: Pod, previous: Pod | undefined): void => {
    const info = infoOf(pod);
    // Bound by us a moment ago; the informer has not seen it yet.
    if (cache.isAssumed(info.uid)) return;
    if (pod.status?.nominatedNodeName) nominator.set(info, pod.status.nominatedNodeName);
    else if (previous?.status?.nominatedNodeName) nominator.delete(info.uid);
    if (!previous) queue.add(info, now());
    else queue.update(info, now(), podChanges(infoOf(previous), info, 'TargetPod'));
    wake();
  };
  const gone = (pod: Pod): void => {
    queue.delete(pod.metadata.uid!);
    const promised = nominator.nodeFor(pod.metadata.uid!);
    nominator.delete(pod.metadata.uid!);
    // Room that was kept for it is free again.
    if (promised)
      emit({ resource: 'AssignedPod', action: Action.delete, label: 'AssignedPodDelete', object: infoOf(pod) });
  };

  const offPods = informers.informer(resources.pods).addHandler({
    onAdd(pod) {
      if (isTerminal(pod)) return;
      if (isAssigned(pod)) assigned(pod, undefined);
      else if (isMine(pod) && !pod.metadata.deletionTimestamp) waiting(pod, undefined);
    },
    onUpdate(previous, pod) {
      // Deleted and created again between two looks: another pod.
      if (previous.metadata.uid !== pod.metadata.uid) {
        this.onDelete?.(previous);
        this.onAdd?.(pod, false);
        return;
      }
      if (isTerminal(pod)) {
        if (isTerminal(previous)) return;
        if (isAssigned(pod)) removed(pod);
        else gone(pod);
      } else if (isAssigned(pod)) assigned(pod, previous);
      else if (!isMine(pod)) return;
      else if (pod.metadata.deletionTimestamp) gone(pod);
      else waiting(pod, previous);
    },
    onDelete(pod) {
      if (isAssigned(pod)) {
        if (!isTerminal(pod)) removed(pod);
        return;
      }
      if (!isMine(pod)) return;
      gone(pod);
      // It was being bound: the room is free again.
      if (cache.isAssumed(pod.metadata.uid!)) removed(pod);
    },
  });

  const offNodes = informers.informer(resources.nodes).addHandler({
    onAdd(node) {
      cache.setNode(node);
      emit({ resource: 'Node', action: Action.add, label: 'NodeAdd', object: nodeView(node) });
    },
    onUpdate(previous, node) {
      cache.setNode(node);
      const action = nodeChanges(previous, node);
      if (action === 0) return;
      const label = nodeLabels.find(([bit]) => action & bit)?.[1] ?? 'NodeUpdate';
      emit({ resource: 'Node', action, label, previous: nodeView(previous), object: nodeView(node) });
    },
    onDelete(node) {
      cache.removeNode(node.metadata.name!);
      emit({ resource: 'Node', action: Action.delete, label: 'NodeDelete', previous: nodeView(node) });
    },
  });

  const others = (
    [
      [resources.persistentVolumeClaims, 'PersistentVolumeClaim'],
      [resources.persistentVolumes, 'PersistentVolume'],
      [resources.storageClasses, 'StorageClass'],
      [resources.csiNodes, 'CSINode'],
      [resources.csiDrivers, 'CSIDriver'],
      [resources.csiStorageCapacities, 'CSIStorageCapacity'],
      [resources.volumeAttachments, 'VolumeAttachment'],
    ] as const
  ).map(([ref, resource]) => connectOther(informers, ref as ResourceRef<KubeObject>, resource, emit));
  return () => {
    offPods();
    offNodes();
    for (const off of others) off();
  };
}

function connectOther(
  informers: InformerFactory,
  ref: ResourceRef<KubeObject>,
  resource: EventResource,
  emit: (event: ClusterEvent) => void,
): () => void {
  return informers.informer(ref).addHandler({
    onAdd: (object) => emit({ resource, action: Action.add, label: `${resource}Add`, object }),
    onUpdate: (previous, object) =>
      emit({ resource, action: Action.updateOther, label: `${resource}Update`, previous, object }),
    onDelete: (previous) => emit({ resource, action: Action.delete, label: `${resource}Delete`, previous }),
  });
}

const isAssigned = (pod: Pod): boolean => !!pod.spec?.nodeName;
const isTerminal = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** A node alone, for hints: they compare what nodes offer, not what runs there. */
function nodeView(node: Node): NodeInfo {
  const view = new NodeInfo(0, node.metadata.name!);
  view.setNode(node);
  return view;
}

const nodeLabels = [
  [Action.updateNodeAllocatable, 'NodeUpdateAllocatable'],
  [Action.updateNodeLabel, 'NodeUpdateLabel'],
  [Action.updateNodeTaint, 'NodeUpdateTaint'],
  [Action.updateNodeCondition, 'NodeUpdateCondition'],
] as const;

/** Heartbeats change nothing here: 0. */
export function nodeChanges(before: Node, after: Node): number {
  let action = 0;
  if (!same(before.status?.allocatable, after.status?.allocatable)) action |= Action.updateNodeAllocatable;
  if (!same(before.metadata.labels, after.metadata.labels)) action |= Action.updateNodeLabel;
  if (
    before.spec?.unschedulable !== after.spec?.unschedulable ||
    JSON.stringify(before.spec?.taints ?? []) !== JSON.stringify(after.spec?.taints ?? [])
  )
    action |= Action.updateNodeTaint;
  if (conditions(before) !== conditions(after)) action |= Action.updateNodeCondition;
  return action;
}

const conditions = (node: Node): string =>
  (node.status?.conditions ?? []).map(({ type, status }) => `${type}=${status}`).join();

export function podChanges(before: PodInfo, after: PodInfo, resource: 'AssignedPod' | 'TargetPod'): ClusterEvent[] {
  let action = 0;
  if (!same(before.labels, after.labels)) action |= Action.updatePodLabel;
  const [had, wants] = [before.requests, after.requests];
  if (had.cpuMilli > wants.cpuMilli || had.memoryBytes > wants.memoryBytes) action |= Action.updatePodScaleDown;
  if (before.tolerations.length !== after.tolerations.length) action |= Action.updatePodToleration;
  if ((before.pod.spec?.schedulingGates?.length ?? 0) > 0 && !after.pod.spec?.schedulingGates?.length)
    action |= Action.updatePodGatesEliminated;
  // Pods that only begin to end do not free anything yet, but soft anti-affinity and spreading no longer count them.
  if (action === 0 && before.terminating === after.terminating && !specChanged(before, after)) return [];
  return [
    { resource, action: action || Action.updateOther, label: `${resource}Update`, previous: before, object: after },
  ];
}

const specChanged = (a: PodInfo, b: PodInfo): boolean => a.pod.metadata.generation !== b.pod.metadata.generation;

function same(a: Readonly<Record<string, string>> = noLabels, b: Readonly<Record<string, string>> = noLabels): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
