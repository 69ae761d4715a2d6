/** The plugins of a profile, in upstream's order and with its weights. Source: pkg/scheduler/apis/config/v1/default_plugins.go. */
import type { PodDisruptionBudget } from '../api/types/policy-v1.ts';
import type { Random } from '../base/random.ts';
import type { SchedulerConfig } from './config.ts';
import type { EnabledPlugin, Plugin } from './core/framework.ts';
import type { LabelMatcher, Labels } from './core/label-matcher.ts';
import type { PodInfo } from './core/pod-info.ts';
import type { VolumeBinder, VolumeLister } from './core/volume-lister.ts';
import { defaultPreemption } from './plugins/default-preemption.ts';
import { dynamicResources } from './plugins/dynamic-resources.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { PluginName } from './plugins/names.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesBalancedAllocation } from './plugins/node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { nodeVolumeLimits } from './plugins/node-volume-limits.ts';
import { podTopologySpread } from './plugins/pod-topology-spread.ts';
import { prioritySort } from './plugins/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { volumeBinding } from './plugins/volume-binding.ts';
import { volumeRestrictions } from './plugins/volume-restrictions.ts';
import { volumeZone } from './plugins/volume-zone.ts';

/** What plugins ask of the cluster beyond nodes and pods. */
export interface ClusterListers {
  readonly volumes: VolumeLister;
  /** Absent: volumes are judged, not bound. */
  readonly volumeBinder?: VolumeBinder;
  namespaceLabels(namespace: string): Labels | undefined;
  /** The pods that belong together with this one: its Services' and its owner's selectors, all of them. */
  defaultSelector(pod: PodInfo): LabelMatcher | undefined;
  podDisruptionBudgets(): readonly PodDisruptionBudget[];
}

/** @param extra plugins of the caller's own (the binder, a test's); they come last. */
export function createProfile(
  config: SchedulerConfig,
  listers: ClusterListers,
  random: Random,
  extra: readonly Plugin[] = [],
): readonly EnabledPlugin[] {
  const args = config.pluginArgs ?? {};
  const plugins: readonly (readonly [Plugin, number])[] = [
    [schedulingGates(), 0],
    [prioritySort(), 0],
    [nodeUnschedulable(), 0],
    [nodeName(), 0],
    [taintToleration(), 3],
    [nodeAffinity(args.NodeAffinity), 2],
    [nodePorts(), 0],
    [nodeResourcesFit(args.NodeResourcesFit), 1],
    [volumeRestrictions(listers.volumes), 0],
    [nodeVolumeLimits(listers.volumes), 0],
    [volumeBinding(listers.volumes, listers.volumeBinder), 0],
    [volumeZone(listers.volumes), 0],
    [podTopologySpread(args.PodTopologySpread ?? {}, (pod) => listers.defaultSelector(pod)), 2],
    [interPodAffinity(args.InterPodAffinity ?? {}, (namespace) => listers.namespaceLabels(namespace)), 2],
    [dynamicResources(), 0],
    [defaultPreemption(args.DefaultPreemption ?? {}, random, () => listers.podDisruptionBudgets()), 0],
    [nodeResourcesBalancedAllocation(args.NodeResourcesBalancedAllocation), 1],
    [imageLocality(), 1],
    ...extra.map((plugin) => [plugin, 0] as const),
  ];
  const disabled = new Set(config.disabled);
  if (disabled.has(PluginName.prioritySort)) throw new Error('PrioritySort orders the queue and cannot be disabled');
  return plugins
    .filter(([plugin]) => !disabled.has(plugin.name))
    .map(([plugin, weight]) => ({ plugin, weight: config.weights?.[plugin.name] ?? weight }));
}
