/** A pod that names its node and still goes through a scheduler fits there only. Source: plugins/nodename. */
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import { fits, rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const mismatch = rejected(PluginName.nodeName, "node(s) didn't match the requested node name", {
  preemptionMayHelp: false,
});

export function nodeName(): Plugin {
  return {
    name: PluginName.nodeName,
    events: [{ resource: 'Node', action: Action.add }],
    preFilter(pod) {
      const wanted = pod.pod.spec?.nodeName;
      if (!wanted) return 'skip';
      return { filter: (node) => (node.name === wanted ? fits : mismatch) };
    },
  };
}
