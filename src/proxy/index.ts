export { defaultTableName, type ProxyOptions, removeProxyRules, runProxy } from './proxy.ts';
export type { DefaultTrafficDistribution } from './service-map.ts';
