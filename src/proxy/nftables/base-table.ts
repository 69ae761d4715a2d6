/** The part of the table that is there without any Service: hooks, dispatch, and the maps that Services fill. */
import type { NftChain, NftSet } from './table.ts';

/** What differs between IPv4 and IPv6. */
export interface Family {
  /** Of the table, and the keyword of addresses. */
  readonly ip: 'ip' | 'ip6';
  readonly addressType: 'ipv4_addr' | 'ipv6_addr';
  readonly loopback: string;
}
export const families = {
  IPv4: { ip: 'ip', addressType: 'ipv4_addr', loopback: '127.0.0.0/8' },
  IPv6: { ip: 'ip6', addressType: 'ipv6_addr', loopback: '::1' },
} as const satisfies Record<string, Family>;

export interface TableOptions {
  readonly tableName: string;
  readonly family: Family;
  /** Traffic to a Service from outside this range is masqueraded, as upstream's `--cluster-cidr`. Empty: never. */
  readonly clusterCidr: string;
  /** `--masquerade-all` */
  readonly masqueradeAll?: boolean;
  /** Bit of the mark, 0 to 31. Default upstream's, 14: network policies and CNI plugins know to leave it alone. */
  readonly masqueradeBit?: number;
  /** CIDRs of the node's addresses at which node ports answer. Absent: at all but the loopback ones. */
  readonly nodePortAddresses?: readonly string[];
}

/** The maps of endpoints; one for each protocol, because nft cannot read back a set whose key is the port of any protocol. */
export const protocols = ['tcp', 'udp', 'sctp'] as const;

/** The key of a packet in the maps of endpoints: by address, or by port alone. */
export const endpointKey = (
  dispatch: 'service-ips' | 'service-nodeports',
  protocol: (typeof protocols)[number],
  { ip }: Family,
): string => (dispatch === 'service-ips' ? `${ip} daddr . ${protocol} dport` : `${protocol} dport`);

export function baseSets({ family }: TableOptions): ReadonlyMap<string, NftSet> {
  const { ip, addressType } = family;
  const empty = new Map<string, string>();
  const verdicts = (type: string): NftSet => ({ kind: 'map', type: `${type} : verdict`, elements: empty });
  const services = `${addressType} . inet_proto . inet_service`;
  const ports = 'inet_proto . inet_service';
  // The number of an endpoint has no type of a name: typeof, by any number generator.
  const endpoints = (name: string, dispatch: 'service-ips' | 'service-nodeports'): [string, NftSet][] =>
    protocols.map((protocol) => [
      `${name}-${protocol}`,
      {
        kind: 'map',
        typeOf: `${endpointKey(dispatch, protocol, family)} . numgen random mod 2 : ${ip} daddr . ${protocol} dport`,
        type: '',
        elements: empty,
      },
    ]);
  return new Map<string, NftSet>([
    ['service-ips', verdicts(services)],
    ['service-nodeports', verdicts(ports)],
    ['no-endpoint-services', verdicts(services)],
    ['no-endpoint-nodeports', verdicts(ports)],
    ['firewall-ips', verdicts(services)],
    ...endpoints('endpoints', 'service-ips'),
    ...endpoints('local-endpoints', 'service-ips'),
    ...endpoints('nodeport-endpoints', 'service-nodeports'),
    ...endpoints('nodeport-local-endpoints', 'service-nodeports'),
    ['cluster-ips', { kind: 'set', type: addressType, elements: empty }],
    ['hairpin-connections', { kind: 'set', type: `${addressType} . ${addressType}`, elements: empty }],
  ]);
}

export function baseChains(options: TableOptions): ReadonlyMap<string, NftChain> {
  const { family, masqueradeBit = 14, nodePortAddresses } = options;
  const { ip, loopback } = family;
  const mark = `0x${(2 ** masqueradeBit).toString(16).padStart(8, '0')}`;
  const services = `${ip} daddr . meta l4proto . th dport`;
  const ports = 'meta l4proto . th dport';
  const here = nodePortAddresses
    ? `fib daddr type local ${ip} daddr { ${nodePortAddresses.join(', ')} }`
    : `fib daddr type local ${ip} daddr != ${loopback}`;
  const fresh = (chain: string): string => `ct state new jump ${chain}`;
  const filter = (hook: string, priority: string, ...chains: readonly string[]): NftChain => ({
    hook: `type filter hook ${hook} priority ${priority}; policy accept;`,
    rules: chains.map(fresh),
  });
  return new Map<string, NftChain>([
    ['mark-for-masquerade', { rules: [`meta mark set meta mark or ${mark}`] }],
    ['refuse', { rules: ['meta l4proto tcp reject with tcp reset', 'reject'] }],
    ['services', { rules: [`${services} vmap @service-ips`, `${here} ${ports} vmap @service-nodeports`] }],
    [
      'endpoints-check',
      { rules: [`${services} vmap @no-endpoint-services`, `${here} ${ports} vmap @no-endpoint-nodeports`] },
    ],
    ['firewall-check', { rules: [`${services} vmap @firewall-ips`] }],
    // Nothing of a Service answers at this port: without this the packet would leave for the default route.
    ['cluster-ips-check', { rules: [`${ip} daddr @cluster-ips goto refuse`] }],
    // The ranges of a load balancer are judged by the address that the client asked for: before it is translated.
    ['filter-prerouting-pre-dnat', filter('prerouting', 'dstnat - 10', 'firewall-check')],
    ['filter-output-pre-dnat', filter('output', '-110', 'firewall-check')],
    ['nat-prerouting', { hook: 'type nat hook prerouting priority dstnat; policy accept;', rules: ['jump services'] }],
    ['nat-output', { hook: 'type nat hook output priority -100; policy accept;', rules: ['jump services'] }],
    [
      'nat-postrouting',
      {
        hook: 'type nat hook postrouting priority srcnat; policy accept;',
        rules: [
          // The mark is taken off again, or a second pass (VXLAN, IPsec) would masquerade the outer packet too.
          `meta mark & ${mark} != 0 meta mark set meta mark xor ${mark} masquerade fully-random`,
          `ct status dnat ${ip} saddr . ${ip} daddr @hairpin-connections masquerade fully-random`,
        ],
      },
    ],
    ['filter-input', filter('input', 'filter', 'endpoints-check')],
    ['filter-forward', filter('forward', 'filter', 'endpoints-check', 'cluster-ips-check')],
    ['filter-output', filter('output', 'filter', 'endpoints-check', 'cluster-ips-check')],
  ]);
}
