/** A `KubeProxyConfiguration` file, upstream's, as options of this proxy. Source: k8s.io/kube-proxy/config/v1alpha1. */
import type { JsonObject, JsonValue } from '../api/json.ts';

export interface ProxyConfig {
  readonly clusterCidr?: string;
  readonly masqueradeAll?: boolean;
  readonly masqueradeBit?: number;
  readonly nodePortAddresses?: readonly string[];
  readonly healthzBindAddress?: string;
  readonly metricsBindAddress?: string;
  readonly minSyncPeriodMs?: number;
  readonly hostnameOverride?: string;
}

export class ProxyConfigError extends Error {
  override readonly name = 'ProxyConfigError';
}

/** Fields that have no meaning here: other modes of the proxy, Windows, how upstream's process logs and connects. */
const ignored: ReadonlySet<string> = new Set([
  'kind',
  'apiVersion',
  'featureGates',
  'clientConnection',
  'logging',
  'bindAddress',
  'bindAddressHardFail',
  'enableProfiling',
  'showHiddenMetricsForVersion',
  'iptables',
  'ipvs',
  'winkernel',
  'detectLocal',
  'configSyncPeriod',
  'conntrack',
  'portRange',
  'oomScoreAdj',
  'windowsRunAsService',
]);

/** @param value the file's content, parsed. @throws ProxyConfigError naming the field. */
export function readProxyConfig(value: JsonValue): ProxyConfig {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ProxyConfigError('KubeProxyConfiguration: an object is expected');
  const file = value as JsonObject;
  if (file.kind !== 'KubeProxyConfiguration' || file.apiVersion !== 'kubeproxy.config.k8s.io/v1alpha1')
    throw new ProxyConfigError(
      `no kind ${JSON.stringify(file.kind ?? '')} is registered for version ${JSON.stringify(file.apiVersion ?? '')}: kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration is expected`,
    );
  const { nftables = {} } = file;
  const mode = text(file, 'mode');
  if (mode !== undefined && mode !== '' && mode !== 'nftables')
    throw new ProxyConfigError(`mode: Unsupported value: ${JSON.stringify(mode)}: supported values: "nftables"`);
  const known = new Set([
    'clusterCIDR',
    'mode',
    'nftables',
    'nodePortAddresses',
    'healthzBindAddress',
    'metricsBindAddress',
    'hostnameOverride',
    'syncPeriod',
    'minSyncPeriod',
  ]);
  for (const name of Object.keys(file))
    if (!known.has(name) && !ignored.has(name)) throw new ProxyConfigError(`unknown field ${JSON.stringify(name)}`);
  const table = nftables as JsonObject;
  const period = text(table, 'minSyncPeriod') ?? text(file, 'minSyncPeriod');
  const bit = table.masqueradeBit;
  if (bit !== undefined && bit !== null && !(Number.isInteger(bit) && (bit as number) >= 0 && (bit as number) <= 31))
    throw new ProxyConfigError(
      `nftables.masqueradeBit: Invalid value: ${JSON.stringify(bit)}: must be within the range [0, 31]`,
    );
  const out: { -readonly [K in keyof ProxyConfig]: ProxyConfig[K] } = {};
  const clusterCidr = text(file, 'clusterCIDR');
  if (clusterCidr) out.clusterCidr = clusterCidr;
  if (table.masqueradeAll === true) out.masqueradeAll = true;
  if (typeof bit === 'number') out.masqueradeBit = bit;
  const addresses = file.nodePortAddresses;
  if (Array.isArray(addresses) && addresses.length > 0) out.nodePortAddresses = addresses as readonly string[];
  const healthz = text(file, 'healthzBindAddress');
  if (healthz !== undefined) out.healthzBindAddress = healthz;
  const metrics = text(file, 'metricsBindAddress');
  if (metrics !== undefined) out.metricsBindAddress = metrics;
  const host = text(file, 'hostnameOverride');
  if (host) out.hostnameOverride = host;
  if (period) out.minSyncPeriodMs = durationMs(period);
  return Object.freeze(out);
}

function text(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string')
    throw new ProxyConfigError(`${name}: Invalid value: ${JSON.stringify(value)}: must be a string`);
  return value;
}

/** Go's duration: `1s`, `500ms`, `1m30s`. */
function durationMs(given: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, ns: 0.000_001 };
  if (given === '0') return 0;
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(given))
    throw new ProxyConfigError(`time: invalid duration ${JSON.stringify(given)}`);
  let total = 0;
  for (const [, count, unit] of given.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)/g))
    total += Number(count) * units[unit!]!;
  return total;
}
