/** `bireme/testing`: for people who test controllers, operators and tools. */

export { resources } from '../api/types/resources.ts';
export type { VirtualClock } from '../base/virtual-clock.ts';
export { startCluster, type TestCluster, type TestClusterOptions } from './cluster.ts';
