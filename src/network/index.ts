export {
  applyPodNetwork,
  defaultBridgeName,
  networkTableName,
  type PodNetworkOptions,
  type PodNetworkState,
  readPodNetworkState,
  removePodNetwork,
} from './pod-network.ts';
export { primaryAddress } from './primary-address.ts';
