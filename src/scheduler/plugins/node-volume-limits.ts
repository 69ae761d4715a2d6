/** How many volumes of a CSI driver a node can attach. Source: plugins/nodevolumelimits. */
import type { CSINode } from '../../api/types/storage-v1.ts';
import { claimBelongsTo, claimClass, claimNameOf } from '../../api/volume/claims.ts';
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { fits, type Rejected, rejected } from '../core/status.ts';
import type { VolumeLister } from '../core/volume-lister.ts';
import { PluginName } from './names.ts';

const name = PluginName.nodeVolumeLimits;
const tooMany = rejected(name, 'node(s) exceed max volume count', { preemptionMayHelp: true });

export function nodeVolumeLimits(volumes: VolumeLister): Plugin {
  return {
    name,
    events: [
      { resource: 'CSINode', action: Action.add | Action.updateOther },
      { resource: 'AssignedPod', action: Action.delete },
      { resource: 'PersistentVolumeClaim', action: Action.add },
      { resource: 'VolumeAttachment', action: Action.delete },
    ],
    preFilter(pod) {
      if (!pod.pod.spec?.volumes?.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral)) return 'skip';
      const wanted = new Map<string, string>();
      const refusal = collect(pod, volumes, wanted, { mustExist: true });
      if (refusal) return refusal;
      if (wanted.size === 0) return 'skip';
      return {
        filter(node) {
          const csiNode = volumes.csiNode(node.name);
          const limits = limitsOf(csiNode);
          if (limits.size === 0) return fits;
          return exceeds(node, wanted, limits, volumes) ? tooMany : fits;
        },
      };
    },
  };
}

function exceeds(
  node: NodeInfo,
  wanted: ReadonlyMap<string, string>,
  limits: ReadonlyMap<string, number>,
  volumes: VolumeLister,
): boolean {
  const attached = new Map<string, string>();
  for (const other of node.pods) collect(other, volumes, attached, { mustExist: false });
  for (const { spec } of volumes.attachmentsOf(node.name)) {
    const handle = spec.source.persistentVolumeName
      ? volumes.volume(spec.source.persistentVolumeName)?.spec?.csi?.volumeHandle
      : undefined;
    if (handle !== undefined) attached.set(`${spec.attacher}/${handle}`, spec.attacher);
  }
  const counts = new Map<string, number>();
  const count = (driver: string): void => void counts.set(driver, (counts.get(driver) ?? 0) + 1);
  for (const driver of attached.values()) count(driver);
  const fresh = new Set<string>();
  for (const [id, driver] of wanted)
    if (!attached.has(id)) {
      count(driver);
      fresh.add(driver);
    }
  for (const driver of fresh) if ((counts.get(driver) ?? 0) > (limits.get(driver) ?? Infinity)) return true;
  return false;
}

function limitsOf(node: CSINode | undefined): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { name: driver, allocatable } of node?.spec.drivers ?? [])
    if (allocatable?.count !== undefined) limits.set(driver, allocatable.count);
  return limits;
}

/** Adds `driver/handle` -> driver of each CSI volume of a pod; a claim that waits for its volume counts as one of its class' provisioner. */
function collect(
  pod: PodInfo,
  volumes: VolumeLister,
  into: Map<string, string>,
  { mustExist }: { readonly mustExist: boolean },
): Rejected | undefined {
  for (const volume of pod.pod.spec?.volumes ?? []) {
    const claimName = claimNameOf(pod.pod, volume);
    if (claimName === undefined) continue;
    const claim = volumes.claim(pod.namespace, claimName);
    if (!claim || (volume.ephemeral && !claimBelongsTo(claim, pod.pod))) {
      if (!mustExist) continue;
      const why = claim
        ? `PVC ${pod.namespace}/${claimName} was not created for pod ${pod.namespace}/${pod.name} (pod is not owner)`
        : `looking up PVC ${pod.namespace}/${claimName}: persistentvolumeclaim "${claimName}" not found`;
      return rejected(name, why, { preemptionMayHelp: false });
    }
    const bound = claim.spec?.volumeName ? volumes.volume(claim.spec.volumeName) : undefined;
    if (bound) {
      const csi = bound.spec?.csi;
      if (csi) into.set(`${csi.driver}/${csi.volumeHandle}`, csi.driver);
      continue;
    }
    const provisioner = volumes.storageClass(claimClass(claim))?.provisioner;
    if (provisioner) into.set(`${provisioner}/${pod.namespace}/${claimName}`, provisioner);
  }
  return undefined;
}
