/**
 * Topology aware routing (`service.kubernetes.io/topology-mode: Auto`): each zone is given endpoints in proportion to the CPU of its ready nodes,
 * its own first. Pure. Who was given away before stays where it is while the shares allow: every changed hint is a write that every node sees.
 * Source: staging/src/k8s.io/endpointslice/topologycache; KEP-2433.
 */
import { milliValue, parseQuantity } from '../../api/quantity.ts';
import type { Node, Service } from '../../api/types/core-v1.ts';
import type { Endpoint } from '../../api/types/discovery-v1.ts';

/** Each zone's part of the cluster's CPU; they sum up to 1. Undefined: a node does not tell, or there is one zone only. */
export type ZoneShares = ReadonlyMap<string, number>;

/** A zone may be asked for so much more than its part before endpoints are given to it. */
const overload = 0.2;
const noNodes = 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes';
const tooFew = 'Insufficient number of endpoints';
const tooUneven = 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold';
const noZone = 'One or more endpoints do not have a zone specified';

/** The older annotation wins where both are set. */
export function isTopologyAware({ metadata: { annotations } }: Service): boolean {
  const mode =
    annotations?.['service.kubernetes.io/topology-aware-hints'] ?? annotations?.['service.kubernetes.io/topology-mode'];
  return mode === 'Auto' || mode === 'auto';
}

/** What of a node counts here, as one text to compare. Empty: it carries no endpoints of others. */
export function topologyOf({ metadata: { labels }, status }: Node): string {
  const isControlPlane = ['control-plane', 'master'].some(
    (role) => labels?.[`node-role.kubernetes.io/${role}`] !== undefined,
  );
  const isReady = status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
  if (isControlPlane || !isReady) return '';
  return `${labels?.['topology.kubernetes.io/zone'] ?? ''}|${status?.allocatable?.cpu ?? ''}`;
}

export function zoneShares(nodes: Iterable<Node>): ZoneShares | undefined {
  const cpu = new Map<string, number>();
  let total = 0;
  for (const node of nodes) {
    const text = topologyOf(node);
    if (text === '') continue;
    const [zone = '', amount = ''] = text.split('|');
    const milli = amount === '' ? 0 : milliValue(parseQuantity(amount));
    if (zone === '' || milli === 0) return undefined;
    cpu.set(zone, (cpu.get(zone) ?? 0) + milli);
    total += milli;
  }
  if (cpu.size < 2) return undefined;
  return new Map([...cpu].map(([zone, milli]) => [zone, milli / total]));
}

/**
 * @param endpoints those that are ready.
 * @param before the zone an endpoint was given to until now.
 * @returns the zone of each, or why there can be none: then nobody has hints.
 */
export function assignZones(
  endpoints: readonly Endpoint[],
  before: (endpoint: Endpoint) => string | undefined,
  shares: ZoneShares | undefined,
): { readonly zones: ReadonlyMap<Endpoint, string> } | { readonly problem: string } {
  if (!shares) return { problem: noNodes };
  const sizes = `(${endpoints.length} endpoints, ${shares.size} zones)`;
  if (shares.size > endpoints.length) return { problem: `${tooFew} ${sizes}` };
  const least = new Map<string, number>();
  let needed = 0;
  for (const [zone, share] of shares) {
    const minimum = Math.ceil((endpoints.length * share) / (1 + overload));
    least.set(zone, minimum);
    needed += minimum;
  }
  if (needed > endpoints.length) return { problem: `${tooUneven} ${sizes}` };
  if (endpoints.some(({ zone }) => !zone)) return { problem: noZone };

  const kept = new Map(endpoints.map((endpoint) => [endpoint, before(endpoint) ?? endpoint.zone!]));
  if (isEnough(kept, least)) return { zones: kept };
  const zones = new Map(endpoints.map((endpoint) => [endpoint, endpoint.zone!]));
  balance(zones, shares, least);
  return { zones };
}

/** Every zone has its least, and none is named that is not there. */
function isEnough(zones: ReadonlyMap<Endpoint, string>, least: ReadonlyMap<string, number>): boolean {
  const counts = countOf(zones);
  for (const zone of counts.keys()) if (!least.has(zone)) return false;
  for (const [zone, minimum] of least) if ((counts.get(zone) ?? 0) < minimum) return false;
  return true;
}

/** Gives from the zone that has most above its part to the one that lacks most, one at a time. */
function balance(zones: Map<Endpoint, string>, shares: ZoneShares, least: ReadonlyMap<string, number>): void {
  /** Above what it should have; negative where it lacks. */
  const surplus = new Map<string, number>();
  for (const [zone, count] of countOf(zones)) surplus.set(zone, count);
  for (const [zone, share] of shares)
    surplus.set(zone, (surplus.get(zone) ?? 0) - Math.max(zones.size * share, least.get(zone)!));
  for (;;) {
    let giver = '';
    let taker = '';
    for (const [zone, amount] of surplus) {
      if (giver === '' || amount > surplus.get(giver)!) giver = zone;
      if (taker === '' || amount < surplus.get(taker)!) taker = zone;
    }
    const spare = surplus.get(giver) ?? 0;
    const lack = -(surplus.get(taker) ?? 0);
    if (spare < 0.5 || lack < 0.5 || (spare < 1 && lack < 1)) return;
    for (const [endpoint, zone] of zones)
      if (zone === giver) {
        zones.set(endpoint, taker);
        break;
      }
    surplus.set(giver, spare - 1);
    surplus.set(taker, 1 - lack);
  }
}

function countOf(zones: ReadonlyMap<Endpoint, string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const zone of zones.values()) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}
