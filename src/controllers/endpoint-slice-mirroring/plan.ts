/**
 * The slices that say what hand-made Endpoints say. Pure. Source: pkg/controller/endpointslicemirroring, k8s.io/api endpoints RepackSubsets.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { sameJson } from '../../api/edit.ts';
import { newControllerRef } from '../../api/meta.ts';
import type { EndpointPort as CorePort, EndpointAddress, Endpoints } from '../../api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/types/discovery-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { managedByLabel, serviceNameLabel } from '../endpoint-slice/slice-labels.ts';

export const mirroringName = 'endpointslicemirroring-controller.k8s.io';
const notCopied = new Set([
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
]);

export interface MirrorPlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
  /** Addresses that are none. */
  readonly invalid: number;
  /** Addresses left out, with the invalid ones. */
  readonly skipped: number;
}

/** One slice for each list of ports and address family, of at most `maxEndpoints` addresses. */
export function planMirror(endpoints: Endpoints, existing: readonly EndpointSlice[], maxEndpoints: number): MirrorPlan {
  const wanted = new Map<string, { addressType: string; ports: readonly EndpointPort[]; endpoints: Endpoint[] }>();
  let invalid = 0;
  let skipped = 0;
  for (const { addresses, ports } of repack(endpoints)) {
    let added = 0;
    for (const { address, ready } of addresses) {
      const addressType = isIPv4(address.ip) ? 'IPv4' : isIPv6(address.ip) ? 'IPv6' : undefined;
      if (added >= maxEndpoints) skipped++;
      else if (!addressType) {
        invalid++;
        skipped++;
      } else {
        added++;
        const key = keyOf(addressType, ports);
        const slice = wanted.get(key);
        if (slice) slice.endpoints.push(endpointOf(address, ready));
        else wanted.set(key, { addressType, ports, endpoints: [endpointOf(address, ready)] });
      }
    }
  }
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  const present = new Map<string, EndpointSlice>();
  for (const slice of existing) {
    const key = keyOf(slice.addressType, slice.ports ?? []);
    if (wanted.has(key) && !present.has(key)) present.set(key, slice);
    else remove.push(slice);
  }
  for (const [key, content] of wanted) {
    // What would be deleted is filled anew instead: every node sees one change, not two. The address type of a slice is fixed.
    const reused = present.get(key) ?? take(remove, ({ addressType }) => addressType === content.addressType);
    const next = sliceOf(endpoints, content, reused);
    if (!reused) create.push(next);
    else if (!sameSlice(reused, next)) update.push(next);
  }
  return { create, update, remove, invalid, skipped };
}

interface Repacked {
  readonly ports: readonly EndpointPort[];
  readonly addresses: readonly { readonly address: EndpointAddress; readonly ready: boolean }[];
}

/** Ports that the same addresses have belong together, whichever subsets they were written in; not ready in one is not ready. */
function repack({ subsets = [] }: Endpoints): readonly Repacked[] {
  const byPort = new Map<
    string,
    { port: CorePort | undefined; addresses: Map<string, EndpointAddress>; ready: Map<string, boolean> }
  >();
  for (const subset of subsets)
    for (const port of subset.ports?.length ? subset.ports : [undefined]) {
      const name = JSON.stringify(port ? [port.name ?? '', port.port, port.protocol ?? 'TCP'] : []);
      let entry = byPort.get(name);
      if (!entry) byPort.set(name, (entry = { port, addresses: new Map(), ready: new Map() }));
      for (const [list, ready] of [
        [subset.addresses, true],
        [subset.notReadyAddresses, false],
      ] as const)
        for (const address of list ?? []) {
          const id = `${address.ip}/${address.targetRef?.uid ?? ''}`;
          entry.addresses.set(id, address);
          entry.ready.set(id, ready && entry.ready.get(id) !== false);
        }
    }
  const groups = new Map<string, { ports: EndpointPort[]; addresses: Repacked['addresses'] }>();
  for (const { port, addresses, ready } of byPort.values()) {
    const ids = [...addresses.keys()].sort();
    const key = ids.map((id) => `${id}=${ready.get(id)}`).join(' ');
    let group = groups.get(key);
    if (!group) {
      const members = ids.map((id) => ({ address: addresses.get(id)!, ready: ready.get(id)! }));
      groups.set(key, (group = { ports: [], addresses: members }));
    }
    if (port) group.ports.push(slicePort(port));
  }
  return [...groups.values()];
}

const slicePort = ({ name = '', port, protocol = 'TCP', appProtocol }: CorePort): EndpointPort => ({
  name,
  protocol,
  port,
  ...(appProtocol === undefined ? {} : { appProtocol }),
});

const endpointOf = ({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint => ({
  addresses: [ip],
  conditions: { ready },
  ...(hostname ? { hostname } : {}),
  ...(targetRef ? { targetRef } : {}),
  ...(nodeName === undefined ? {} : { nodeName }),
});

/** Ports in any order. */
const keyOf = (addressType: string, ports: readonly EndpointPort[]): string =>
  `${addressType} ${ports
    .map(({ name = '', protocol = 'TCP', port, appProtocol = '' }) =>
      JSON.stringify([name, protocol, port ?? 0, appProtocol]),
    )
    .sort()
    .join()}`;

function sliceOf(
  endpoints: Endpoints,
  content: Pick<EndpointSlice, 'addressType' | 'ports' | 'endpoints'>,
  reused: EndpointSlice | undefined,
): EndpointSlice {
  const { name, namespace, labels, annotations } = endpoints.metadata;
  const copied = Object.entries(annotations ?? {}).filter(([key]) => !notCopied.has(key));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...(reused
        ? { name: reused.metadata.name!, resourceVersion: reused.metadata.resourceVersion!, uid: reused.metadata.uid! }
        : { generateName: `${name}-` }),
      namespace: namespace!,
      labels: { ...labels, [serviceNameLabel]: name!, [managedByLabel]: mirroringName },
      ...(copied.length > 0 ? { annotations: Object.fromEntries(copied) } : {}),
      ownerReferences: [newControllerRef(endpoints, resources.endpoints)],
    },
    ...content,
  };
}

function sameSlice(before: EndpointSlice, after: EndpointSlice): boolean {
  return (
    sameJson(before.metadata.labels ?? {}, after.metadata.labels ?? {}) &&
    sameJson(before.metadata.annotations ?? {}, after.metadata.annotations ?? {}) &&
    sameJson(before.metadata.ownerReferences ?? [], after.metadata.ownerReferences ?? []) &&
    keyOf(before.addressType, before.ports ?? []) === keyOf(after.addressType, after.ports ?? []) &&
    sameJson(inOrder(before.endpoints), inOrder(after.endpoints))
  );
}
const inOrder = (endpoints: readonly Endpoint[] | undefined): readonly Endpoint[] =>
  [...(endpoints ?? [])].sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
const identity = ({ addresses, targetRef }: Endpoint): string => `${addresses[0]}/${targetRef?.uid ?? ''}`;

function take<T>(list: T[], matches: (item: T) => boolean): T | undefined {
  const index = list.findIndex(matches);
  return index < 0 ? undefined : list.splice(index, 1)[0];
}
