/** Upstream's plugin names: they appear in configuration, metrics and re-queue decisions. */
export const PluginName = {
  prioritySort: 'PrioritySort',
  schedulingGates: 'SchedulingGates',
  nodeUnschedulable: 'NodeUnschedulable',
  nodeName: 'NodeName',
  taintToleration: 'TaintToleration',
  nodeAffinity: 'NodeAffinity',
  nodePorts: 'NodePorts',
  nodeResourcesFit: 'NodeResourcesFit',
  nodeResourcesBalancedAllocation: 'NodeResourcesBalancedAllocation',
  volumeBinding: 'VolumeBinding',
  podTopologySpread: 'PodTopologySpread',
  interPodAffinity: 'InterPodAffinity',
  dynamicResources: 'DynamicResources',
  defaultPreemption: 'DefaultPreemption',
  imageLocality: 'ImageLocality',
  defaultBinder: 'DefaultBinder',
} as const;
