/**
 * What one Service adds to the table. Nearly all of it is elements of maps: a port with five endpoints is a key that leads to the chain all
 * such ports share, and five keys (address, port, 0 to 4) with an endpoint each. So nothing in the kernel grows with the number of
 * Services but hash tables, and a change is a few elements. (A chain and an anonymous map for each Service take the kernel 15 seconds for
 * 10,000 Services; this takes half a second.)
 */
import { createHash } from 'node:crypto';
import type { EndpointAddress, Protocol, ServicePortRules } from '../service-map.ts';
import { endpointKey, type Family, type TableOptions } from './base-table.ts';
import type { NftChain, NftSet } from './table.ts';

export interface Fragment {
  readonly elements: readonly (readonly [set: string, key: string, value: string])[];
  /** Chains that many Services share: the same name means the same rules. */
  readonly shared: ReadonlyMap<string, NftChain>;
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly sets: ReadonlyMap<string, NftSet>;
}

interface Draft {
  readonly elements: [string, string, string][];
  readonly shared: Map<string, NftChain>;
  readonly chains: Map<string, NftChain>;
  readonly sets: Map<string, NftSet>;
}

/** A way that traffic takes to a port: by address, or by node port. */
interface Way {
  /** Verdict map. */
  readonly dispatch: 'service-ips' | 'service-nodeports';
  readonly refused: 'no-endpoint-services' | 'no-endpoint-nodeports';
  /** Map of endpoints, and of those on this node. */
  readonly near: 'endpoints' | 'nodeport-endpoints';
  readonly here: 'local-endpoints' | 'nodeport-local-endpoints';
  /** Of names of shared chains. */
  readonly prefix: string;
  readonly protocol: Protocol;
  /** In the verdict maps, and in the maps of endpoints, which are of one protocol each. */
  readonly key: string;
  readonly endpointKey: string;
}

export function fragmentOf(rules: readonly ServicePortRules[], options: TableOptions): Fragment {
  const draft: Draft = { elements: [], shared: new Map(), chains: new Map(), sets: new Map() };
  for (const rule of rules) addPort(draft, rule, options);
  return draft;
}

function addPort(draft: Draft, rule: ServicePortRules, options: TableOptions): void {
  const { protocol, port, nodePort } = rule;
  for (const ip of rule.clusterIps) {
    draft.elements.push(['cluster-ips', ip, '']);
    addInternal(draft, byAddress(ip, protocol, port), rule, options);
  }
  for (const ip of rule.externalIps) addExternal(draft, byAddress(ip, protocol, port), rule, options);
  if (nodePort > 0) {
    const way: Way = {
      dispatch: 'service-nodeports',
      refused: 'no-endpoint-nodeports',
      near: 'nodeport-endpoints',
      here: 'nodeport-local-endpoints',
      prefix: 'nodeport-',
      protocol,
      key: `${protocol} . ${nodePort}`,
      endpointKey: String(nodePort),
    };
    addExternal(draft, way, rule, options);
  }
  for (const ip of rule.localIps) draft.elements.push(['hairpin-connections', `${ip} . ${ip}`, '']);
  if (rule.sourceRanges.length > 0 && rule.loadBalancerIps.length > 0) {
    const name = `firewall-${idOf(rule)}`;
    // A node that carries the address itself talks from it.
    const allowed = [...new Set([...rule.sourceRanges, ...rule.loadBalancerIps])];
    const open = allowed.some((range) => range.endsWith('/0'));
    if (open) return;
    draft.chains.set(name, { rules: [`${options.family.ip} saddr != { ${withoutOverlap(allowed).join(', ')} } drop`] });
    for (const ip of rule.loadBalancerIps)
      draft.elements.push(['firewall-ips', `${ip} . ${protocol} . ${port}`, `goto ${name}`]);
  }
}

const byAddress = (ip: string, protocol: Protocol, port: number): Way => ({
  dispatch: 'service-ips',
  refused: 'no-endpoint-services',
  near: 'endpoints',
  here: 'local-endpoints',
  prefix: '',
  protocol,
  key: `${ip} . ${protocol} . ${port}`,
  endpointKey: `${ip} . ${port}`,
});

/** Pods and this node, through the cluster's own address. */
function addInternal(draft: Draft, way: Way, rule: ServicePortRules, options: TableOptions): void {
  const { endpoints } = rule;
  if (endpoints.length === 0) {
    draft.elements.push([way.refused, way.key, rule.dropInternal ? 'drop' : 'goto refuse']);
    return;
  }
  const { ip } = options.family;
  const masquerade = options.clusterCidr ? [`${ip} saddr != ${options.clusterCidr} jump mark-for-masquerade`] : [];
  if (options.masqueradeAll) masquerade.splice(0, masquerade.length, 'jump mark-for-masquerade');
  if (rule.affinitySeconds > 0) {
    const name = `service-${idOf(rule)}`;
    const balanced = balanceWithAffinity(draft, idOf(rule), rule, endpoints, options.family);
    draft.chains.set(name, { rules: [...masquerade, ...balanced] });
    draft.elements.push([way.dispatch, way.key, `goto ${name}`]);
    return;
  }
  const name = `cluster-${rule.protocol}-${endpoints.length}`;
  draft.shared.set(name, { rules: [...masquerade, translate(way.near, way, endpoints.length, options.family)] });
  draft.elements.push([way.dispatch, way.key, `goto ${name}`]);
  numbered(draft, way.near, way, endpoints);
}

/** Everybody else: node ports, external addresses, load balancers. */
function addExternal(draft: Draft, way: Way, rule: ServicePortRules, options: TableOptions): void {
  const { clusterEndpoints: all, externalEndpoints: some, externalPolicyLocal } = rule;
  const { family } = options;
  if (all.length === 0 && some.length === 0) {
    draft.elements.push([way.refused, way.key, rule.dropExternal ? 'drop' : 'goto refuse']);
    return;
  }
  // What arrives here from outside is dropped: the load balancer is to look elsewhere. Pods and this node go on.
  if (some.length === 0) draft.elements.push([way.refused, way.key, 'drop']);
  if (rule.affinitySeconds > 0) {
    const id = idOf(rule);
    const name = `external-${id}`;
    const before = externalPolicyLocal
      ? shortCut(options, balanceWithAffinity(draft, `c${id}`, rule, all, family), (rules) => {
          draft.chains.set(`near-${id}`, { rules });
          return `goto near-${id}`;
        })
      : ['jump mark-for-masquerade'];
    const balanced = some.length > 0 ? balanceWithAffinity(draft, `x${id}`, rule, some, family) : [];
    draft.chains.set(name, { rules: [...before, ...balanced] });
    draft.elements.push([way.dispatch, way.key, `goto ${name}`]);
    return;
  }
  if (!externalPolicyLocal) {
    const name = `${way.prefix}external-${rule.protocol}-${some.length}`;
    draft.shared.set(name, {
      rules: ['jump mark-for-masquerade', translate(way.near, way, some.length, family)],
    });
    draft.elements.push([way.dispatch, way.key, `goto ${name}`]);
    numbered(draft, way.near, way, some);
    return;
  }
  const name = `${way.prefix}local-${rule.protocol}-${all.length}-${some.length}`;
  const near = all.length > 0 ? [translate(way.near, way, all.length, family)] : [];
  draft.shared.set(name, {
    rules: [
      ...shortCut(options, near, ([rule]) => rule!),
      ...(some.length > 0 ? [translate(way.here, way, some.length, family)] : []),
    ],
  });
  draft.elements.push([way.dispatch, way.key, `goto ${name}`]);
  numbered(draft, way.near, way, all);
  numbered(draft, way.here, way, some);
}

/** Under the policy Local, pods and this node itself still reach all endpoints: nobody looks at their source address. */
function shortCut(
  { clusterCidr, family }: TableOptions,
  rules: readonly string[],
  action: (rules: readonly string[]) => string,
): string[] {
  if (rules.length === 0) return [];
  const verdict = action(rules);
  return [
    ...(clusterCidr ? [`${family.ip} saddr ${clusterCidr} ${verdict}`] : []),
    'fib saddr type local jump mark-for-masquerade',
    `fib saddr type local ${verdict}`,
  ];
}

function translate(map: string, { dispatch, protocol }: Way, count: number, family: Family): string {
  const key = endpointKey(dispatch, protocol, family);
  return `dnat ${family.ip} to ${key} . numgen random mod ${count} map @${map}-${protocol}`;
}

function numbered(
  draft: Draft,
  map: string,
  { endpointKey: key, protocol }: Way,
  endpoints: readonly EndpointAddress[],
): void {
  for (const [i, { ip, port }] of endpoints.entries())
    draft.elements.push([`${map}-${protocol}`, `${key} . ${i}`, `${ip} . ${port}`]);
}

/** A set of recent clients and a chain for each endpoint: a known client goes back to its endpoint, a new one is entered where chance sends it. */
function balanceWithAffinity(
  { sets, chains }: Draft,
  id: string,
  rule: ServicePortRules,
  endpoints: readonly EndpointAddress[],
  { ip, addressType }: Family,
): string[] {
  const known: string[] = [];
  const verdicts: string[] = [];
  for (const [i, endpoint] of endpoints.entries()) {
    const name = `${id}-${shortHash(endpoint.ip, String(endpoint.port))}`;
    sets.set(`affinity-${name}`, {
      kind: 'set',
      type: addressType,
      elements: new Map(),
      flags: 'dynamic,timeout',
      timeoutSeconds: rule.affinitySeconds,
    });
    const address = endpoint.ip.includes(':') ? `[${endpoint.ip}]` : endpoint.ip;
    chains.set(`endpoint-${name}`, {
      rules: [
        `update @affinity-${name} { ${ip} saddr }`,
        `meta l4proto ${rule.protocol} dnat to ${address}:${endpoint.port}`,
      ],
    });
    known.push(`${ip} saddr @affinity-${name} goto endpoint-${name}`);
    verdicts.push(`${i} : goto endpoint-${name}`);
  }
  return [...known, `numgen random mod ${endpoints.length} vmap { ${verdicts.join(', ')} }`];
}

/** 12 characters that name a chain: names of Services may be longer than nft allows. */
const shortHash = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12);
const idOf = ({ name, protocol }: ServicePortRules): string => shortHash(name, protocol);

/** An interval that lies in another of the list is refused by nft. IPv4 only; others are left as they are. */
function withoutOverlap(ranges: readonly string[]): string[] {
  const parsed = ranges.map((text) => ({ text, range: ipv4Range(text) }));
  return parsed
    .filter(
      ({ range }, i) =>
        !range ||
        !parsed.some(
          ({ range: other }, j) =>
            other &&
            i !== j &&
            other.from <= range.from &&
            range.to <= other.to &&
            (other.from !== range.from || other.to !== range.to || j < i),
        ),
    )
    .map(({ text }) => text);
}

function ipv4Range(text: string): { readonly from: number; readonly to: number } | undefined {
  const [address = '', bits = '32'] = text.split('/');
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  const size = 2 ** (32 - Number(bits));
  const from = value - (value % size);
  return { from, to: from + size - 1 };
}
