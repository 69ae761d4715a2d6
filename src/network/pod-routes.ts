/**
 * How this host reaches the pods of the others, from the Nodes' pod ranges: by a route to a host on the same segment, through VXLAN to any
 * other. Pure: nodes and links in, what should be in the kernel out.
 */
import { BlockList } from 'node:net';
import type { Node } from '../api/types/core-v1.ts';
import type { Link } from '../host/network-links.ts';

/** `auto` takes a route where one leads and VXLAN elsewhere; the others are for networks whose fabric says otherwise. */
export type PodRouting = 'auto' | 'routes' | 'vxlan';

export type PodRoute =
  | { readonly kind: 'direct'; readonly cidr: string; readonly via: string; readonly dev: string }
  | {
      readonly kind: 'tunnel';
      readonly cidr: string;
      /** The remote end of the tunnel inside: the range's first address. */
      readonly via: string;
      readonly remote: string;
      readonly mac: string;
    };

export interface PodRoutesInput {
  readonly nodes: readonly Node[];
  readonly ownName: string;
  readonly links: readonly Link[];
  readonly routing: PodRouting;
}

/** In the order of the ranges; a node without a range or an address has no route yet. */
export function planPodRoutes({ nodes, ownName, links, routing }: PodRoutesInput): PodRoute[] {
  const segments = links
    .filter((link) => link.up && !isOurs(link.name) && link.name !== 'lo')
    .flatMap((link) =>
      link.addresses
        .filter(({ address, prefixLength }) => address.includes('.') && prefixLength < 32)
        .map(({ address, prefixLength }) => {
          const list = new BlockList();
          list.addSubnet(address, prefixLength, 'ipv4');
          return { dev: link.name, holds: (other: string) => list.check(other, 'ipv4') };
        }),
    );
  const out: PodRoute[] = [];
  for (const node of nodes) {
    if (node.metadata.name === ownName) continue;
    const address = internalIp(node);
    if (address === undefined) continue;
    const segment = routing === 'vxlan' ? undefined : segments.find((one) => one.holds(address));
    for (const cidr of podCidrsOf(node)) {
      if (segment) out.push({ kind: 'direct', cidr, via: address, dev: segment.dev });
      else if (routing !== 'routes')
        out.push({ kind: 'tunnel', cidr, via: firstOf(cidr), remote: address, mac: tunnelMac(address) });
    }
  }
  return out.sort((a, b) => (a.cidr < b.cidr ? -1 : 1));
}

/** The hardware address of a host's tunnel end follows from its address, so nobody has to be told. Locally administered. */
export function tunnelMac(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `0a:58:${bytes.join(':')}`;
}

/** IPv4 only: the pod network has one family. */
export function podCidrsOf(node: Node): readonly string[] {
  const all = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
  return all.filter((cidr) => cidr.includes('.'));
}

export const firstOf = (cidr: string): string => cidr.split('/')[0] ?? '';

function internalIp(node: Node): string | undefined {
  return node.status?.addresses?.find((a) => a.type === 'InternalIP' && a.address.includes('.'))?.address;
}

const isOurs = (name: string): boolean => name === tunnelName || name.startsWith('veth');
export const tunnelName = 'bireme-vx';
