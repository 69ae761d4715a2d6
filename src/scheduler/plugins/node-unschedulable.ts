/** Cordoned nodes take no pods, except those that tolerate the taint that goes with it. Source: plugins/nodeunschedulable. */

import { toleratesTaint } from '../../api/pod/tolerations.ts';
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import { NodeInfo } from '../core/node-info.ts';
import { fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const cordoned = rejected(PluginName.nodeUnschedulable, 'node(s) were unschedulable', { preemptionMayHelp: false });
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

export function nodeUnschedulable(): Plugin {
  return {
    name: PluginName.nodeUnschedulable,
    events: [
      {
        resource: 'Node',
        action: Action.add | Action.updateNodeTaint,
        hint: (_, { object, previous }) => {
          if (!(object instanceof NodeInfo)) return 'queue';
          const was = previous instanceof NodeInfo ? previous.node?.spec?.unschedulable === true : true;
          return was && !object.node?.spec?.unschedulable ? 'queue' : 'skip';
        },
      },
      { resource: 'TargetPod', action: Action.updatePodToleration },
    ],
    preFilter(pod) {
      const tolerated = pod.tolerations.some((toleration) => toleratesTaint(toleration, taint));
      if (tolerated) return 'skip';
      return { filter: (node) => (node.node?.spec?.unschedulable ? cordoned : fits) };
    },
  };
}
