export { type ClusterDns, type ClusterDnsOptions, defaultDnsPort, startClusterDns } from './dns/cluster-dns.ts';
export { createRecursionRule } from './dns/recursion.ts';
export { type UpstreamAddress, upstreamsOf } from './dns/resolv-conf.ts';
export { hostPortsTableName, runHostPorts } from './host-ports.ts';
export { type NodeRoutesOptions, removeNodeRoutes, runNodeRoutes, tunnelOverheadBytes } from './node-routes.ts';
export {
  applyPodNetwork,
  cniConfigFile,
  defaultBridgeName,
  networkTableName,
  type PodNetworkOptions,
  type PodNetworkState,
  readPodNetworkState,
  removePodNetwork,
} from './pod-network.ts';
export type { PodRouting } from './pod-routes.ts';
export { primaryAddress } from './primary-address.ts';
