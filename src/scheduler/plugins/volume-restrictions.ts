/**
 * Volumes that only one pod may use: claims of access mode ReadWriteOncePod, and the disks whose drivers cannot be mounted twice on a node.
 * Source: plugins/volumerestrictions.
 */
import type { Volume } from '../../api/types/core-v1.ts';
import { claimKeysOf } from '../../api/volume/claims.ts';
import { Action } from '../core/cluster-events.ts';
import type { NodeFilter, Plugin } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import type { PodInfo } from '../core/pod-info.ts';
import { fits, rejected } from '../core/status.ts';
import type { VolumeLister } from '../core/volume-lister.ts';
import { PluginName } from './names.ts';

const name = PluginName.volumeRestrictions;
const diskConflict = rejected(name, 'node(s) had no available disk', { preemptionMayHelp: true });
const inUse = rejected(
  name,
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
  { preemptionMayHelp: true },
);

export function volumeRestrictions(volumes: VolumeLister): Plugin {
  return {
    name,
    events: [
      { resource: 'AssignedPod', action: Action.delete },
      { resource: 'Node', action: Action.add | Action.updateNodeTaint },
      { resource: 'PersistentVolumeClaim', action: Action.add | Action.updateOther },
    ],
    preFilter(pod, snapshot) {
      const disks = (pod.pod.spec?.volumes ?? []).filter(isExclusiveDisk);
      const exclusive = new Set<string>();
      for (const key of claimKeysOf(pod.pod)) {
        const claim = volumes.claim(pod.namespace, key.slice(pod.namespace.length + 1));
        if (!claim)
          return rejected(name, `persistentvolumeclaim "${key.slice(pod.namespace.length + 1)}" not found`, {
            preemptionMayHelp: false,
          });
        if (claim.spec?.accessModes?.includes('ReadWriteOncePod')) exclusive.add(key);
      }
      if (disks.length === 0 && exclusive.size === 0) return 'skip';
      let users = 0;
      if (exclusive.size > 0)
        for (const node of snapshot.nodes) for (const other of node.pods) users += usesOf(other, exclusive);
      return new Restrictions(disks, exclusive, users);
    },
  };
}

class Restrictions implements NodeFilter {
  private readonly disks: readonly Volume[];
  private readonly exclusive: ReadonlySet<string>;
  private users: number;

  constructor(disks: readonly Volume[], exclusive: ReadonlySet<string>, users: number) {
    this.disks = disks;
    this.exclusive = exclusive;
    this.users = users;
  }

  filter(node: NodeInfo) {
    for (const disk of this.disks)
      for (const other of node.pods)
        for (const volume of other.pod.spec?.volumes ?? []) if (conflicts(disk, volume)) return diskConflict;
    return this.users > 0 ? inUse : fits;
  }
  addPod(pod: PodInfo): void {
    this.users += usesOf(pod, this.exclusive);
  }
  removePod(pod: PodInfo): void {
    this.users -= usesOf(pod, this.exclusive);
  }
  clone(): NodeFilter {
    return new Restrictions(this.disks, this.exclusive, this.users);
  }
}

function usesOf(pod: PodInfo, keys: ReadonlySet<string>): number {
  if (keys.size === 0) return 0;
  let count = 0;
  for (const key of claimKeysOf(pod.pod)) if (keys.has(key)) count++;
  return count;
}

const isExclusiveDisk = (volume: Volume): boolean =>
  (volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.rbd ?? volume.iscsi) !== undefined;

function conflicts(a: Volume, b: Volume): boolean {
  const gce = [a.gcePersistentDisk, b.gcePersistentDisk] as const;
  if (gce[0] && gce[1] && gce[0].pdName === gce[1].pdName && !(gce[0].readOnly && gce[1].readOnly)) return true;
  if (a.awsElasticBlockStore && a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore?.volumeID) return true;
  if (a.iscsi && a.iscsi.iqn === b.iscsi?.iqn && !(a.iscsi.readOnly && b.iscsi.readOnly)) return true;
  if (!a.rbd || !b.rbd) return false;
  const [left, right] = [a.rbd, b.rbd];
  return (
    left.monitors.some((monitor) => right.monitors.includes(monitor)) &&
    (left.pool ?? 'rbd') === (right.pool ?? 'rbd') &&
    left.image === right.image &&
    !(left.readOnly && right.readOnly)
  );
}
