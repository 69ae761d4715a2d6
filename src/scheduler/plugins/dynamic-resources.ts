/**
 * Pods with resource claims cannot be placed yet: they are refused with a text that says so. For all others the plugin only takes part in
 * PostFilter, where upstream's says that it has no claim to give back; the sentence is part of every FailedScheduling message.
 * Source: plugins/dynamicresources.
 */
import { anyAction } from '../core/cluster-events.ts';
import type { Plugin } from '../core/framework.ts';
import { rejected } from '../core/status.ts';
import { PluginName } from './names.ts';

const unsupported = rejected(
  PluginName.dynamicResources,
  'pod has resource claims, and allocating them is not implemented by this scheduler',
  { preemptionMayHelp: false },
);

export function dynamicResources(): Plugin {
  return {
    name: PluginName.dynamicResources,
    events: [{ resource: 'TargetPod', action: anyAction }],
    preFilter: (pod) => (pod.pod.spec?.resourceClaims?.length ? unsupported : 'skip'),
    postFilter: () => ({ reasons: ['no new claims to deallocate'] }),
  };
}
