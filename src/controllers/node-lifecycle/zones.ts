/** How fast nodes may be given up, by zone: many dead nodes at once are more likely a dead network. Source: nodelifecycle ComputeZoneState. */
import type { Node } from '../../api/types/core-v1.ts';

export type ZoneState = 'Initial' | 'Normal' | 'PartialDisruption' | 'FullDisruption';

export interface EvictionRates {
  /** Nodes per second tainted NoExecute in a healthy zone. Default 0.1. */
  readonly perSecond: number;
  /** In a large zone that is partly disrupted. Default 0.01. */
  readonly secondaryPerSecond: number;
  /** Zones with more nodes are large. Default 50. */
  readonly largeClusterThreshold: number;
  /** A zone with this share of nodes not ready (and more than two) is partly disrupted. Default 0.55. */
  readonly unhealthyThreshold: number;
}

export const defaultEvictionRates: EvictionRates = Object.freeze({
  perSecond: 0.1,
  secondaryPerSecond: 0.01,
  largeClusterThreshold: 50,
  unhealthyThreshold: 0.55,
});

/** Region and zone; empty for a node that names neither. Source: component-helpers/node/topology.GetZoneKey. */
export function zoneOf({ metadata: { labels } }: Node): string {
  const region =
    labels?.['topology.kubernetes.io/region'] ?? labels?.['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels?.['topology.kubernetes.io/zone'] ?? labels?.['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return region === '' && zone === '' ? '' : `${region}:\u0000:${zone}`;
}

/** @param ready statuses of the Ready conditions of the zone's nodes. */
export function zoneState(ready: readonly string[], unhealthyThreshold: number): ZoneState {
  const notReady = ready.filter((status) => status !== 'True').length;
  if (notReady > 0 && notReady === ready.length) return 'FullDisruption';
  if (notReady > 2 && notReady / ready.length >= unhealthyThreshold) return 'PartialDisruption';
  return 'Normal';
}

/** Nodes per second. A fully disrupted zone among healthy ones is given up at the normal rate: the others have room for its pods. */
export function evictionRate(state: ZoneState, size: number, rates: EvictionRates): number {
  if (state !== 'PartialDisruption') return rates.perSecond;
  return size > rates.largeClusterThreshold ? rates.secondaryPerSecond : 0;
}
