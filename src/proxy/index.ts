export { type ProxyConfig, ProxyConfigError, readProxyConfig } from './config.ts';
export { defaultTableName, type ProxyOptions, removeProxyRules, runProxy } from './proxy.ts';
export type { DefaultTrafficDistribution } from './service-map.ts';
