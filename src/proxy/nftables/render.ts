/**
 * Service rules as an nft table: one verdict map lookup finds the chain of a service port, one numbered map in it picks the endpoint, so the
 * cost of a packet does not grow with the number of Services.
 */
import { createHash } from 'node:crypto';
import type { EndpointAddress, ServicePortRules } from '../service-map.ts';
import type { NftChain, NftSet, NftTable } from './table.ts';

export interface RenderOptions {
  readonly tableName: string;
  /** Traffic to a Service from outside this range is masqueraded, as upstream's `--cluster-cidr`. Empty: never. */
  readonly clusterCidr: string;
}

/** Upstream's default masquerade bit: other programs (network policies, CNI plugins) know to leave it alone. */
const masqueradeMark = '0x00004000';

/** The whole table for IPv4. The same input gives the same value, whatever the order of Services. */
export function renderTable(rules: readonly ServicePortRules[], options: RenderOptions): NftTable {
  const serviceIps = new Map<string, string>();
  const nodePorts = new Map<string, string>();
  const refused = new Map<string, string>();
  const refusedNodePorts = new Map<string, string>();
  const hairpin = new Map<string, string>();
  const chains = new Map<string, NftChain>(baseChains());
  const sets = new Map<string, NftSet>();

  for (const rule of rules) {
    const id = shortHash(rule.name, rule.protocol);
    const verdict = rule.endpoints.length > 0 ? `goto service-${id}` : undefined;
    for (const ip of rule.clusterIps) {
      const key = `${ip} . ${rule.protocol} . ${rule.port}`;
      if (verdict) serviceIps.set(key, verdict);
      else refused.set(key, rule.dropInternal ? 'drop' : 'goto refuse');
    }
    if (rule.endpoints.length > 0) {
      const masquerade = options.clusterCidr ? [`ip saddr != ${options.clusterCidr} jump mark-for-masquerade`] : [];
      chains.set(`service-${id}`, { rules: [...masquerade, ...balance({ sets, chains }, id, rule, rule.endpoints)] });
    }
    if (rule.nodePort > 0) {
      const key = `${rule.protocol} . ${rule.nodePort}`;
      if (rule.externalEndpoints.length > 0) {
        nodePorts.set(key, `goto external-${id}`);
        const masquerade = rule.externalPolicyLocal ? [] : ['jump mark-for-masquerade'];
        chains.set(`external-${id}`, {
          rules: [...masquerade, ...balance({ sets, chains }, `x${id}`, rule, rule.externalEndpoints)],
        });
      } else refusedNodePorts.set(key, rule.dropExternal ? 'drop' : 'goto refuse');
    }
    for (const { ip } of [...rule.endpoints, ...rule.externalEndpoints]) hairpin.set(`${ip} . ${ip}`, '');
  }

  const services = 'ipv4_addr . inet_proto . inet_service : verdict';
  const ports = 'inet_proto . inet_service : verdict';
  const named: [string, NftSet][] = [
    ['service-ips', { kind: 'map', type: services, elements: sorted(serviceIps) }],
    ['service-nodeports', { kind: 'map', type: ports, elements: sorted(nodePorts) }],
    ['no-endpoint-services', { kind: 'map', type: services, elements: sorted(refused) }],
    ['no-endpoint-nodeports', { kind: 'map', type: ports, elements: sorted(refusedNodePorts) }],
    ['hairpin-connections', { kind: 'set', type: 'ipv4_addr . ipv4_addr', elements: sorted(hairpin) }],
  ];
  return {
    family: 'ip',
    name: options.tableName,
    comment: 'rules of the bireme service proxy',
    sets: new Map([...named, ...sets]),
    chains,
  };
}

function baseChains(): [string, NftChain][] {
  const dispatch = [
    'ip daddr . meta l4proto . th dport vmap @service-ips',
    'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports',
  ];
  const check = [
    'ip daddr . meta l4proto . th dport vmap @no-endpoint-services',
    'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports',
  ];
  return [
    ['mark-for-masquerade', { rules: [`meta mark set meta mark or ${masqueradeMark}`] }],
    ['refuse', { rules: ['meta l4proto tcp reject with tcp reset', 'reject'] }],
    ['services', { rules: dispatch }],
    ['endpoints-check', { rules: check }],
    ['nat-prerouting', { hook: 'type nat hook prerouting priority dstnat; policy accept;', rules: ['jump services'] }],
    ['nat-output', { hook: 'type nat hook output priority -100; policy accept;', rules: ['jump services'] }],
    [
      'nat-postrouting',
      {
        hook: 'type nat hook postrouting priority srcnat; policy accept;',
        rules: [
          // The mark is taken off again, or a second pass (VXLAN, IPsec) would masquerade the outer packet too.
          `meta mark & ${masqueradeMark} != 0 meta mark set meta mark xor ${masqueradeMark} masquerade fully-random`,
          'ct status dnat ip saddr . ip daddr @hairpin-connections masquerade fully-random',
        ],
      },
    ],
    [
      'filter-input',
      { hook: 'type filter hook input priority -110; policy accept;', rules: ['ct state new jump endpoints-check'] },
    ],
    [
      'filter-forward',
      { hook: 'type filter hook forward priority -110; policy accept;', rules: ['ct state new jump endpoints-check'] },
    ],
    [
      'filter-output',
      { hook: 'type filter hook output priority -110; policy accept;', rules: ['ct state new jump endpoints-check'] },
    ],
  ];
}

/** The rules that send a connection to one of the endpoints, by chance or by the client's address. */
function balance(
  target: { sets: Map<string, NftSet>; chains: Map<string, NftChain> },
  id: string,
  rule: ServicePortRules,
  endpoints: readonly EndpointAddress[],
): string[] {
  const translate = (e: EndpointAddress): string => `meta l4proto ${rule.protocol} dnat to ${e.ip}:${e.port}`;
  if (rule.affinitySeconds > 0) return balanceWithAffinity(target, id, rule, endpoints, translate);
  if (endpoints.length === 1) return [translate(endpoints[0]!)];
  const elements = endpoints.map((e, i) => `${i} : ${e.ip} . ${e.port}`).join(', ');
  return [`meta l4proto ${rule.protocol} dnat ip to numgen random mod ${endpoints.length} map { ${elements} }`];
}

/** A set of recent clients and a chain for each endpoint: a known client goes back to its endpoint, a new one is entered where chance sends it. */
function balanceWithAffinity(
  { sets, chains }: { sets: Map<string, NftSet>; chains: Map<string, NftChain> },
  id: string,
  rule: ServicePortRules,
  endpoints: readonly EndpointAddress[],
  translate: (e: EndpointAddress) => string,
): string[] {
  const known: string[] = [];
  const verdicts: string[] = [];
  for (const [i, endpoint] of endpoints.entries()) {
    const name = `${id}-${shortHash(endpoint.ip, String(endpoint.port))}`;
    sets.set(`affinity-${name}`, {
      kind: 'set',
      type: 'ipv4_addr',
      elements: new Map(),
      flags: 'dynamic,timeout',
      timeoutSeconds: rule.affinitySeconds,
    });
    chains.set(`endpoint-${name}`, { rules: [`update @affinity-${name} { ip saddr }`, translate(endpoint)] });
    known.push(`ip saddr @affinity-${name} goto endpoint-${name}`);
    verdicts.push(`${i} : goto endpoint-${name}`);
  }
  return [...known, `numgen random mod ${endpoints.length} vmap { ${verdicts.join(', ')} }`];
}

/** 12 characters that name a chain: names of Services may be longer than nft allows. */
const shortHash = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);

const sorted = (map: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
