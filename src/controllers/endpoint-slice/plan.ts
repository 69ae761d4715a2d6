/**
 * From the endpoints there should be and the slices there are to the fewest writes. Pure. Every slice that changes is seen by every node, so an
 * untouched slice is worth more than a tidy one: slices are not balanced. Source: staging/src/k8s.io/endpointslice/reconciler.go.
 */

import { sameJson } from '../../api/edit.ts';
import { newControllerRef } from '../../api/meta.ts';
import type { Node, Pod, Service } from '../../api/types/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/types/discovery-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { type AddressType, addressTypesOf, endpointPorts, hasEndpoint, podEndpoint } from './pod-endpoint.ts';
import { sliceLabels } from './slice-labels.ts';
import { assignZones, isTopologyAware, type ZoneShares } from './zone-hints.ts';

export const controllerName = 'endpointslice-controller.k8s.io';

export interface SlicePlan {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly delete: EndpointSlice[];
  /** Pods left out because their node is not known (yet): to be looked at again. */
  readonly podsWithoutNode: readonly string[];
  /** Of a topology aware Service: for each of its address types why its endpoints have no hints, undefined when they have. */
  readonly hints: ReadonlyMap<AddressType, string | undefined>;
}

export interface SliceInput {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly slices: readonly EndpointSlice[];
  readonly node: (name: string) => Node | undefined;
  readonly maxEndpointsPerSlice: number;
  /** Asked for topology aware Services only. */
  readonly shares?: () => ZoneShares | undefined;
}

export function planSlices(input: SliceInput): SlicePlan {
  const types = addressTypesOf(input.service);
  const plan = { create: [], update: [], delete: [], podsWithoutNode: new Set<string>(), hints: new Map() };
  const all: Mutable = plan;
  for (const slice of input.slices) if (!types.includes(slice.addressType as AddressType)) all.delete.push(slice);
  for (const type of types) planAddressType(input, type, all);
  reuseDeleted(input.service, all);
  return { ...plan, podsWithoutNode: [...plan.podsWithoutNode] };
}

interface Mutable {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly delete: EndpointSlice[];
  readonly podsWithoutNode: Set<string>;
  readonly hints: Map<AddressType, string | undefined>;
}

/** Endpoints that share their ports share slices. */
interface Group {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

function planAddressType(input: SliceInput, type: AddressType, plan: Mutable): void {
  const { service } = input;
  const existing = input.slices.filter((slice) => slice.addressType === type);
  const ours = existing.filter((slice) => isOwnedBy(slice, service));
  const foreign = existing.filter((slice) => !isOwnedBy(slice, service));
  const byPorts = Map.groupBy(ours, ({ ports }) => portsKey(ports ?? []));
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [...foreign];
  const groups = desiredGroups(input, type, plan.podsWithoutNode);
  if (isTopologyAware(service)) plan.hints.set(type, giveZones(groups, existing, input.shares?.()));
  for (const [key, group] of groups) {
    const step = planGroup(input, type, group, byPorts.get(key) ?? []);
    create.push(...step.create);
    update.push(...step.update);
    remove.push(...step.delete);
  }
  for (const [key, slices] of byPorts) if (!groups.has(key)) remove.push(...slices);

  // A Service without endpoints has one empty slice, so that watchers can tell "none" from "not known yet".
  if (remove.length === existing.length && create.length === 0) {
    const placeholder = newSlice(service, type, []);
    const [only] = remove;
    if (remove.length === 1 && only && isPlaceholder(only, placeholder)) remove.length = 0;
    else create.push(placeholder);
  }
  plan.create.push(...create);
  plan.update.push(...update);
  plan.delete.push(...remove);
}

function desiredGroups(
  { service, pods, node }: SliceInput,
  type: AddressType,
  without: Set<string>,
): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    if (!hasEndpoint(pod, { includeTerminating: true })) continue;
    const ports = endpointPorts(service, pod);
    const key = portsKey(ports);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, endpoints: new Map() }));
    const home = node(pod.spec?.nodeName ?? '');
    if (!home && !service.spec?.publishNotReadyAddresses) {
      without.add(`${pod.metadata.namespace}/${pod.metadata.name}`);
      continue;
    }
    const endpoint = podEndpoint(pod, home, service, type);
    if (endpoint.addresses.length > 0) group.endpoints.set(identity(endpoint), endpoint);
  }
  return groups;
}

/** Over all its ports' groups. @returns why none have hints. */
function giveZones(
  groups: ReadonlyMap<string, Group>,
  existing: readonly EndpointSlice[],
  shares: ZoneShares | undefined,
): string | undefined {
  const before = new Map<string, string | undefined>();
  // An empty slice is served with null.
  for (const { endpoints } of existing)
    for (const endpoint of endpoints ?? []) before.set(identity(endpoint), endpoint.hints?.forZones?.[0]?.name);
  const ready = [...groups.values()].flatMap(({ endpoints }) =>
    [...endpoints.values()].filter(({ conditions }) => conditions?.ready),
  );
  const assigned = assignZones(ready, (endpoint) => before.get(identity(endpoint)), shares);
  if ('problem' in assigned) return assigned.problem;
  for (const { endpoints } of groups.values())
    for (const [key, endpoint] of endpoints) {
      const name = assigned.zones.get(endpoint);
      if (name !== undefined) endpoints.set(key, { ...endpoint, hints: { forZones: [{ name }] } });
    }
  return undefined;
}

/**
 * Three steps: existing slices keep what is still wanted; those that change anyway are filled up; what is left goes together into the fullest
 * untouched slice that has room for all of it, else into new ones.
 */
function planGroup(
  { service, maxEndpointsPerSlice }: SliceInput,
  type: AddressType,
  { ports, endpoints }: Group,
  existing: readonly EndpointSlice[],
): { create: EndpointSlice[]; update: EndpointSlice[]; delete: EndpointSlice[] } {
  const left = new Map(endpoints);
  const unchanged = new Set<EndpointSlice>();
  const changed: { slice: EndpointSlice; endpoints: Endpoint[] }[] = [];
  const remove: EndpointSlice[] = [];
  for (const slice of existing) {
    const before = slice.endpoints ?? [];
    const kept: Endpoint[] = [];
    let isUpdated = false;
    for (const endpoint of before) {
      const key = identity(endpoint);
      const wanted = left.get(key);
      if (!wanted) continue;
      left.delete(key);
      const same = sameEndpoint(endpoint, wanted);
      kept.push(same ? endpoint : wanted);
      isUpdated ||= !same;
    }
    if (isUpdated || kept.length !== before.length) {
      if (kept.length === 0) remove.push(slice);
      else changed.push({ slice, endpoints: kept });
    } else if (!sameJson(slice.metadata.labels ?? {}, sliceLabels(service, controllerName)))
      changed.push({ slice, endpoints: kept });
    else unchanged.add(slice);
  }

  const rest = [...left.values()];
  let next = 0;
  const fill = (list: Endpoint[]): void => {
    while (next < rest.length && list.length < maxEndpointsPerSlice) list.push(rest[next++]!);
  };
  for (const { endpoints: list } of changed.sort((a, b) => b.endpoints.length - a.endpoints.length)) fill(list);

  const create: EndpointSlice[] = [];
  while (next < rest.length) {
    const count = rest.length - next;
    const roomy = count < maxEndpointsPerSlice ? fullestWithRoom(unchanged, maxEndpointsPerSlice - count) : undefined;
    const list = [...(roomy?.endpoints ?? [])];
    fill(list);
    if (roomy) {
      unchanged.delete(roomy);
      changed.push({ slice: roomy, endpoints: list });
    } else create.push({ ...newSlice(service, type, ports), endpoints: list });
  }
  const labels = sliceLabels(service, controllerName);
  const update = changed.map(({ slice, endpoints: list }) => ({
    ...slice,
    metadata: { ...slice.metadata, labels },
    endpoints: list,
  }));
  return { create, update, delete: remove };
}

function fullestWithRoom(slices: ReadonlySet<EndpointSlice>, fullAt: number): EndpointSlice | undefined {
  let best: EndpointSlice | undefined;
  for (const slice of slices) {
    const count = slice.endpoints?.length ?? 0;
    if (count <= fullAt && (!best || count > (best.endpoints?.length ?? 0))) best = slice;
  }
  return best;
}

/** A slice that would be deleted takes the content of one that would be created: one write instead of two, and no gap between them. */
function reuseDeleted(service: Service, plan: Mutable): void {
  for (let i = 0; i < plan.delete.length && plan.create.length > 0; ) {
    const old = plan.delete[i]!;
    const at = plan.create.findIndex(({ addressType }) => addressType === old.addressType);
    if (at < 0 || !isOwnedBy(old, service)) {
      i++;
      continue;
    }
    const [fresh] = plan.create.splice(at, 1);
    plan.delete.splice(i, 1);
    const { generateName: _generated, ...metadata } = fresh!.metadata;
    plan.update.push({ ...old, ...fresh!, metadata: { ...old.metadata, ...metadata } });
  }
}

function newSlice(service: Service, addressType: AddressType, ports: readonly EndpointPort[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace!,
      labels: sliceLabels(service, controllerName),
      ownerReferences: [newControllerRef(service, resources.services)],
    },
    addressType,
    endpoints: [],
    ports,
  };
}

function isPlaceholder(slice: EndpointSlice, placeholder: EndpointSlice): boolean {
  return (
    (slice.endpoints?.length ?? 0) === 0 &&
    (slice.ports?.length ?? 0) === 0 &&
    sameJson(slice.metadata.labels ?? {}, placeholder.metadata.labels ?? {})
  );
}

const isOwnedBy = (slice: EndpointSlice, service: Service): boolean =>
  slice.metadata.ownerReferences?.some((owner) => owner.kind === 'Service' && owner.uid === service.metadata.uid) ??
  false;

/** An endpoint is the same one while its addresses, node and pod stay. */
function identity({ addresses, nodeName, targetRef }: Endpoint): string {
  return `${[...addresses].sort().join()}|${nodeName ?? ''}|${targetRef?.namespace ?? ''}/${targetRef?.name ?? ''}`;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return sameJson({ ...a, targetRef: bare(a) }, { ...b, targetRef: bare(b) });
}
/** Old controllers wrote the pod's resourceVersion: it does not count. */
function bare({ targetRef }: Endpoint) {
  if (!targetRef) return undefined;
  const { resourceVersion: _version, ...rest } = targetRef;
  return rest;
}

/** Order does not matter. */
const portsKey = (ports: readonly EndpointPort[]): string =>
  ports
    .map(
      ({ name, protocol, port, appProtocol }) =>
        `${name ?? ''}/${protocol ?? 'TCP'}/${port ?? ''}/${appProtocol ?? ''}`,
    )
    .sort()
    .join();
