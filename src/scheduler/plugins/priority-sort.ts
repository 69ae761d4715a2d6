/** Higher priority first, then who waited longer. Source: plugins/queuesort. */
import type { Plugin } from '../core/framework.ts';
import { PluginName } from './names.ts';

export function prioritySort(): Plugin {
  return {
    name: PluginName.prioritySort,
    events: [],
    less(a, b) {
      if (a.pod.priority !== b.pod.priority) return a.pod.priority > b.pod.priority;
      return a.timestamp !== b.timestamp ? a.timestamp < b.timestamp : a.sequence < b.sequence;
    },
  };
}
