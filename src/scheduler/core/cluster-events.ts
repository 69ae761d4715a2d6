/**
 * What happens in the cluster that may make an unschedulable pod schedulable, and how plugins say which of it matters to them.
 * Source: k8s.io/kube-scheduler/framework ClusterEvent, QueueingHint.
 */
import type { PodInfo } from './pod-info.ts';

/** Action bits. An update event is as specific as can be told. */
export const Action = {
  add: 1 << 0,
  delete: 1 << 1,
  updateNodeAllocatable: 1 << 2,
  updateNodeLabel: 1 << 3,
  updateNodeTaint: 1 << 4,
  updateNodeCondition: 1 << 5,
  updateNodeAnnotation: 1 << 6,
  updatePodLabel: 1 << 7,
  updatePodScaleDown: 1 << 8,
  updatePodToleration: 1 << 9,
  updatePodGatesEliminated: 1 << 10,
  updateOther: 1 << 11,
} as const;
export const anyAction = (1 << 12) - 1;

export type EventResource =
  | 'AssignedPod'
  /** The unschedulable pod itself. */
  | 'TargetPod'
  /** Another pod that waits. */
  | 'UnscheduledPod'
  | 'Node'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment'
  /** Forced: every pod moves (a timeout, an activation). */
  | '*';

export interface ClusterEvent {
  readonly resource: EventResource;
  readonly action: number;
  /** Upstream's label of the event, for metrics: `AssignedPodDelete`, `NodeAdd`. */
  readonly label: string;
  /** The object before and after, when there is one of either. */
  readonly previous?: unknown;
  readonly object?: unknown;
}

export type QueueingHint = 'queue' | 'skip';

export interface ClusterEventRegistration {
  readonly resource: EventResource;
  readonly action: number;
  /** Looks at the event and the waiting pod; absent means `queue`. */
  hint?(pod: PodInfo, event: ClusterEvent): QueueingHint;
}

export function matches(registration: ClusterEventRegistration, event: ClusterEvent): boolean {
  return (
    (registration.resource === '*' || registration.resource === event.resource) &&
    (registration.action & event.action) !== 0
  );
}
