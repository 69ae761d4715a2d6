/** A host port can be taken once per address and protocol; 0.0.0.0 takes it on all addresses. Source: plugins/nodeports. */
import { type HostPort, portsCollide } from '../../api/pod/ports.ts';
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import type { NodeInfo } from '../core/node-info.ts';
import { PodInfo } from '../core/pod-info.ts';
import { fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const taken = rejected(PluginName.nodePorts, "node(s) didn't have free ports for the requested pod ports", {
  preemptionMayHelp: true,
});

export function nodePorts(): Plugin {
  return {
    name: PluginName.nodePorts,
    events: [
      {
        resource: 'AssignedPod',
        action: Action.delete,
        hint: (pod, { previous, object }) => {
          const gone = object ?? previous;
          if (!(gone instanceof PodInfo)) return 'queue';
          return pod.hostPorts.some((mine) => gone.hostPorts.some((theirs) => portsCollide(mine, theirs)))
            ? 'queue'
            : 'skip';
        },
      },
      { resource: 'Node', action: Action.add },
    ],
    preFilter(pod) {
      const wanted = pod.hostPorts;
      if (wanted.length === 0) return 'skip';
      return { filter: (node) => (isTaken(node, wanted) ? taken : fits) };
    },
  };
}

function isTaken(node: NodeInfo, wanted: readonly HostPort[]): boolean {
  if (!node.hostPorts) return false;
  for (const { hostIp: ip, protocol, hostPort: port } of wanted) {
    const used = node.hostPorts.get(`${protocol}/${port}`);
    if (!used?.length) continue;
    if (ip === '0.0.0.0' || used.includes(ip) || used.includes('0.0.0.0')) return true;
  }
  return false;
}
