/**
 * Claims must be bound before their pod is placed, and a bound volume decides which nodes can reach it. Binding claims whose class waits for
 * the first consumer is not there yet: such pods are rejected with a text that says so. Source: plugins/volumebinding.
 */

import { matchesNodeSelector } from '../../api/pod/node-affinity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core-v1.ts';
import type { StorageClass } from '../../api/types/storage-v1.ts';
import { Action, anyAction } from '../core/cluster-events.ts';
import type { Plugin, PreFilterResult } from '../core/framework.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { fits, type Rejected, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const name = PluginName.volumeBinding;

export interface VolumeLister {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  storageClass(name: string): StorageClass | undefined;
}

const unbound = rejected(name, 'pod has unbound immediate PersistentVolumeClaims', { preemptionMayHelp: false });
const conflict = rejected(name, "node(s) didn't match PersistentVolume's node affinity", { preemptionMayHelp: false });
const lost = rejected(name, 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)', {
  preemptionMayHelp: false,
});

export function volumeBinding(volumes: VolumeLister): Plugin {
  return {
    name,
    events: [
      { resource: 'Node', action: Action.add | Action.updateNodeLabel | Action.updateNodeTaint },
      { resource: 'PersistentVolumeClaim', action: anyAction },
      { resource: 'PersistentVolume', action: anyAction },
      { resource: 'StorageClass', action: anyAction },
      { resource: 'CSINode', action: anyAction },
    ],
    preFilter: (pod) => preFilter(pod, volumes),
  };
}

function preFilter(pod: PodInfo, volumes: VolumeLister): PreFilterResult {
  const bound: (PersistentVolume | undefined)[] = [];
  for (const volume of pod.pod.spec?.volumes ?? []) {
    const ephemeral = volume.ephemeral !== undefined;
    const claimName = ephemeral ? `${pod.name}-${volume.name}` : volume.persistentVolumeClaim?.claimName;
    if (claimName === undefined) continue;
    const claim = volumes.claim(pod.namespace, claimName);
    const refusal = judgeClaim(pod, claim, claimName, ephemeral);
    if (refusal) return refusal;
    const volumeName = claim!.spec?.volumeName;
    if (!volumeName || claim!.metadata.annotations?.['pv.kubernetes.io/bind-completed'] === undefined)
      return waits(claim!, volumes);
    bound.push(volumes.volume(volumeName));
  }
  if (bound.length === 0) return 'skip';
  return {
    filter(node) {
      for (const volume of bound) {
        if (!volume) return lost;
        const required = volume.spec?.nodeAffinity?.required;
        if (required && !matchesNodeSelector(required, node.node!)) return conflict;
      }
      return fits;
    },
  };
}

function judgeClaim(
  pod: PodInfo,
  claim: PersistentVolumeClaim | undefined,
  claimName: string,
  ephemeral: boolean,
): Rejected | undefined {
  const no = (reason: string): Rejected => rejected(name, reason, { preemptionMayHelp: false });
  if (!claim)
    return no(
      ephemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${claimName}"`
        : `persistentvolumeclaim "${claimName}" not found`,
    );
  if (claim.status?.phase === 'Lost')
    return no(
      `persistentvolumeclaim "${claimName}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
    );
  if (claim.metadata.deletionTimestamp) return no(`persistentvolumeclaim "${claimName}" is being deleted`);
  if (ephemeral && !claim.metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === pod.uid))
    return no(
      `PVC ${claim.metadata.namespace}/${claimName} was not created for pod ${pod.namespace}/${pod.name} (pod is not owner)`,
    );
  return undefined;
}

function waits(claim: PersistentVolumeClaim, volumes: VolumeLister): Rejected {
  const className =
    claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName ?? '';
  if (volumes.storageClass(className)?.volumeBindingMode !== 'WaitForFirstConsumer') return unbound;
  return rejected(
    name,
    `binding persistentvolumeclaim "${claim.metadata.name}" of storage class "${className}" to its first consumer is not implemented by this scheduler`,
    { preemptionMayHelp: false },
  );
}
