/** A volume with zone or region labels is reached from nodes of the same zone and region. Source: plugins/volumezone. */
import type { PersistentVolume } from '../../api/types/core-v1.ts';
import { claimClass } from '../../api/volume/claims.ts';
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import { fits, type Rejected, rejected } from '../core/status.ts';
import type { VolumeLister } from '../core/volume-lister.ts';
import { PluginName } from './names.ts';

const name = PluginName.volumeZone;
const no = (reason: string): Rejected => rejected(name, reason, { preemptionMayHelp: false });
const conflict = no('node(s) had no available volume zone');

/** Label -> the name it has today. */
const current: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region': 'topology.kubernetes.io/region',
};

interface Topology {
  readonly key: string;
  readonly values: ReadonlySet<string>;
}

export function volumeZone(volumes: VolumeLister): Plugin {
  return {
    name,
    events: [
      { resource: 'StorageClass', action: Action.add },
      { resource: 'Node', action: Action.add | Action.updateNodeLabel | Action.updateNodeTaint },
      { resource: 'PersistentVolumeClaim', action: Action.add | Action.updateOther },
      { resource: 'PersistentVolume', action: Action.add | Action.updateOther },
    ],
    preFilter(pod) {
      const topologies: Topology[] = [];
      for (const { persistentVolumeClaim } of pod.pod.spec?.volumes ?? []) {
        if (!persistentVolumeClaim) continue;
        const { claimName } = persistentVolumeClaim;
        const claim = volumes.claim(pod.namespace, claimName);
        if (!claim) return no(`persistentvolumeclaim "${claimName}" not found`);
        const volumeName = claim.spec?.volumeName;
        if (!volumeName) {
          const className = claimClass(claim);
          if (className === '') return no('PersistentVolumeClaim had no pv name and storageClass name');
          const found = volumes.storageClass(className);
          if (!found) return no(`storageclass.storage.k8s.io "${className}" not found`);
          if (found.volumeBindingMode === 'WaitForFirstConsumer') continue;
          return no('PersistentVolume had no name');
        }
        const volume = volumes.volume(volumeName);
        if (!volume) return no(`persistentvolume "${volumeName}" not found`);
        topologies.push(...topologiesOf(volume));
      }
      if (topologies.length === 0) return 'skip';
      return {
        filter({ labels }) {
          if (!Object.keys(current).some((key) => Object.hasOwn(labels, key))) return fits;
          for (const { key, values } of topologies) {
            const value = labels[key] ?? labels[current[key]!];
            if (value === undefined || !values.has(value)) return conflict;
          }
          return fits;
        },
      };
    },
  };
}

/** A value may be several zones, `__` between them. */
function topologiesOf({ metadata }: PersistentVolume): Topology[] {
  const found: Topology[] = [];
  for (const key of Object.keys(current)) {
    const value = metadata.labels?.[key];
    if (value === undefined) continue;
    const values = value.split('__').map((zone) => zone.trim());
    if (values.every((zone) => zone !== '')) found.push({ key, values: new Set(values) });
  }
  return found;
}
