/** Pods with scheduling gates wait outside the queue until the last gate is removed. Source: plugins/schedulinggates (KEP-3521). */
import { Action } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import { rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

export function schedulingGates(): Plugin {
  return {
    name: PluginName.schedulingGates,
    events: [{ resource: 'TargetPod', action: Action.updatePodGatesEliminated }],
    preEnqueue(pod) {
      const gates = pod.pod.spec?.schedulingGates;
      if (!gates?.length) return undefined;
      // The API server has set PodScheduled=False with reason SchedulingGated already.
      return rejected(
        PluginName.schedulingGates,
        `waiting for scheduling gates: [${gates.map(({ name }) => name).join(' ')}]`,
        {
          preemptionMayHelp: false,
        },
      );
    },
  };
}
