/** What differs between a ReplicaSet and a ReplicationController: where it is stored, and a selector that is a plain map. */
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { ReplicaSet, ReplicaSetStatus } from '../../api/types/apps-v1.ts';
import type { ReplicationController } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';

export interface ReplicaKind<O extends KubeObject> {
  readonly ref: ResourceRef<O>;
  /** As whom its events are told. */
  readonly component: string;
  /** Of its work queue, in metrics. */
  readonly queue: string;
  /** Whether its status says how many pods are on their way out. */
  readonly tellsTerminating: boolean;
  /** As a ReplicaSet; kind and apiVersion stay, so that events tell of the real object. */
  view(object: O): ReplicaSet;
  withStatus(object: O, status: ReplicaSetStatus): O;
}

export const replicaSetKind: ReplicaKind<ReplicaSet> = {
  ref: resources.replicaSets,
  component: 'replicaset-controller',
  queue: 'replicaset',
  tellsTerminating: true,
  view: (replicaSet) => replicaSet,
  withStatus: (replicaSet, status) => ({ ...replicaSet, status }),
};

export const replicationControllerKind: ReplicaKind<ReplicationController> = {
  ref: resources.replicationControllers,
  component: 'replication-controller',
  queue: 'replicationmanager',
  tellsTerminating: false,
  view({ spec = {}, status, ...rest }) {
    const { selector, template, ...sizes } = spec;
    return {
      ...rest,
      spec: { ...sizes, selector: { matchLabels: selector ?? {} }, template: template! },
      ...(status ? { status: { terminatingReplicas: 0, ...status } } : {}),
    };
  },
  withStatus(controller, { terminatingReplicas: _unknown, ...status }) {
    return { ...controller, status };
  },
};
