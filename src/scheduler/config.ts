/**
 * What can be configured of the scheduler: the fields of upstream's KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1) that are
 * understood, with its defaults. Reading files and refusing unknown fields is the command line's part.
 */

import type { NodeAffinity } from '../api/types/core-v1.ts';
import type { DefaultPreemptionArgs } from './plugins/default-preemption.ts';
import type { InterPodAffinityArgs } from './plugins/inter-pod-affinity.ts';
import type { NodeResourcesFitArgs, ResourceWeight } from './plugins/node-resources-fit.ts';
import type { PodTopologySpreadArgs } from './plugins/pod-topology-spread.ts';

export interface PluginArgs {
  readonly DefaultPreemption?: DefaultPreemptionArgs;
  readonly InterPodAffinity?: InterPodAffinityArgs;
  readonly NodeAffinity?: { readonly addedAffinity?: NodeAffinity };
  readonly NodeResourcesBalancedAllocation?: { readonly resources?: readonly ResourceWeight[] };
  readonly NodeResourcesFit?: NodeResourcesFitArgs;
  readonly PodTopologySpread?: PodTopologySpreadArgs;
}

export interface SchedulerConfig {
  /** Pods with this spec.schedulerName are this scheduler's. */
  readonly schedulerName?: string;
  /** 0 (default): adaptive. */
  readonly percentageOfNodesToScore?: number;
  readonly podInitialBackoffSeconds?: number;
  readonly podMaxBackoffSeconds?: number;
  readonly pluginArgs?: PluginArgs;
  /** Score weights that differ from the defaults; 0 takes the plugin out of scoring. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Plugins that are left out altogether. */
  readonly disabled?: readonly string[];
  /** Bindings under way at most; the next cycle waits. Ours: upstream has no bound. */
  readonly bindingsInFlightMax?: number;
}

export const defaultSchedulerName = 'default-scheduler';
