/**
 * Cluster IPs and node ports of Services: taken before the Service is written, given back when it was not, released when it is gone or
 * changed its type. Everything is taken by compare-and-swap in the store, so several API servers share one set. What a crash leaves taken is
 * found by the repair loop. Source: registry/core/service/storage/alloc.go.
 *
 * The Service and its IPAddress are two transactions, as upstream: admission and validation run between them, and a name that turns out to be
 * taken must not cost the address a second search.
 */
import { decodeObject } from '../../api/codec/index.ts';
import { sameJson, withFields } from '../../api/edit.ts';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { StructType } from '../../api/schema/model.ts';
import type { Service, ServiceSpec } from '../../api/types/core-v1.ts';
import type { ServiceCIDR } from '../../api/types/networking-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Store } from '../../store/store.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { Reservation, StorageHooks } from '../registry/registry.ts';
import { identityTransformer, type Transformer } from '../registry/transformer.ts';
import { AllocationError, ClusterIps, type ServiceName } from './cluster-ips.ts';
import { planFamilies } from './families.ts';
import { type Cidr, type IpFamily, parseCidr, parseIp } from './ip.ts';
import { NodePorts } from './node-ports.ts';
import { concernsPorts, heldPorts, type PortPlan, planPorts } from './plan-ports.ts';
import { PortSet, parsePortRange } from './port-set.ts';
import { runRepair } from './repair.ts';

export interface ServiceAllocatorOptions {
  readonly store: Store;
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** One or two, the default family's first. Upstream: --service-cluster-ip-range. Ready ServiceCIDR objects add to them. */
  readonly serviceCidrs: readonly string[];
  /** Upstream: --service-node-port-range. Default `30000-32767`. */
  readonly nodePortRange?: string;
  readonly transformer?: Transformer;
}

export interface ServiceAllocator {
  readonly hooks: StorageHooks;
  /** Looks for what a crash left taken, at once and then every three minutes, until `signal` aborts. The watch cache must be filled. */
  repair(signal: AbortSignal): Promise<void>;
}

/** @throws Error when a range is malformed. */
export function createServiceAllocator(options: ServiceAllocatorOptions): ServiceAllocator {
  const { store, reader, clock, random, log } = options;
  const transformer = options.transformer ?? identityTransformer;
  const configured = options.serviceCidrs.map(parseCidr);
  const range = parsePortRange(options.nodePortRange ?? '30000-32767');
  const families: readonly IpFamily[] = [...new Set(configured.map((cidr) => cidr.family))];
  const ips = new ClusterIps({
    store,
    clock,
    random,
    transformer,
    ranges: () => withServiceCidrs(configured, reader),
    seemsTaken: (address) => reader.get('networking.k8s.io', 'ipaddresses', '', address) !== undefined,
  });
  const ports = new NodePorts({ store, range, transformer });
  const parts: Parts = { ips, ports, families, random, log };
  return {
    hooks: {
      reserve: (resource, next, previous, { dryRun, signal }) =>
        resource.group === '' && resource.resource === 'services'
          ? reserve(parts, resource.type, next, previous, { dryRun, signal })
          : undefined,
      deleted: (resource, object) =>
        resource.group === '' && resource.resource === 'services'
          ? giveBack(parts, object as unknown as Service, addressesOf(specOf(object)), heldPorts(specOf(object)))
          : undefined,
    },
    repair: (signal) => runRepair({ store, reader, clock, log, ips, ports }, signal),
  };
}

interface Parts {
  readonly ips: ClusterIps;
  readonly ports: NodePorts;
  readonly families: readonly IpFamily[];
  readonly random: Random;
  readonly log: Logger;
}

const specOf = (object: unknown): ServiceSpec => (object as Service).spec ?? {};
const nameOf = (service: Service): ServiceName => ({
  namespace: service.metadata.namespace ?? '',
  name: service.metadata.name ?? '',
});
/** Cluster IPs that are allocated: not `None`. */
export const addressesOf = ({ type, clusterIPs = [] }: ServiceSpec): readonly string[] =>
  type === 'ExternalName' || clusterIPs[0] === 'None' ? [] : clusterIPs;

/** The configured ranges, then those of other ServiceCIDRs that are ready and stay. */
function withServiceCidrs(configured: readonly Cidr[], reader: ObjectReader): readonly Cidr[] {
  const known = new Set(configured.map((cidr) => cidr.text));
  const ranges = [...configured];
  for (const object of reader.list('networking.k8s.io', 'servicecidrs', '')) {
    const { metadata, spec, status } = object as unknown as ServiceCIDR;
    const ready = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    if (!ready || metadata.deletionTimestamp !== undefined) continue;
    for (const text of spec?.cidrs ?? []) {
      if (known.has(text)) continue;
      known.add(text);
      ranges.push(parseCidr(text));
    }
  }
  return ranges;
}

async function reserve(
  parts: Parts,
  type: StructType,
  object: JsonObject,
  previous: JsonObject | undefined,
  { dryRun, signal }: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<Reservation | undefined> {
  const next = object as unknown as Service;
  const before = previous && specOf(previous);
  // Most updates (status, labels) do not concern the spec.
  if (before !== undefined && sameJson(specOf(next), before)) return undefined;
  const service = nameOf(next);
  const claimed: string[] = [];
  let plan: PortPlan | undefined;
  try {
    const addressed = await addresses(parts, next, before, claimed, dryRun, signal);
    plan = await planNodePorts(parts, service.name, addressed, before, dryRun, signal);
    const spec = plan ? withPorts(addressed, plan) : addressed;
    const held = new Set(addressesOf(spec));
    const released = before === undefined ? [] : addressesOf(before).filter((address) => !held.has(address));
    const taken = plan?.taken ?? [];
    const givenUp = plan?.givenUp ?? [];
    return {
      object: sameJson(spec, specOf(next)) ? object : withSpec(object, type, spec),
      commit: () => (dryRun ? undefined : giveBack(parts, next, released, givenUp)),
      release: () => (dryRun ? undefined : giveBack(parts, next, claimed, taken)),
    };
  } catch (error) {
    if (!dryRun) await giveBack(parts, next, claimed, plan?.taken ?? []);
    throw error;
  }
}

/** Fields that were filled in stand where the schema has them, not at the end. */
const withSpec = (object: JsonObject, type: StructType, spec: ServiceSpec): JsonObject =>
  decodeObject({ value: { ...object, spec } }, type, { fieldValidation: 'Ignore' }).object;

/** The spec with its families and cluster IPs; what was newly taken is added to `claimed`. */
async function addresses(
  { ips, families }: Parts,
  service: Service,
  before: ServiceSpec | undefined,
  claimed: string[],
  dryRun: boolean,
  signal: AbortSignal,
): Promise<ServiceSpec> {
  const spec = specOf(service);
  const name = nameOf(service);
  const planned = planFamilies(name.name, spec, before, families);
  if (planned === undefined) return spec;
  const { ipFamilies, ipFamilyPolicy } = planned;
  const clusterIPs = [...planned.clusterIPs];
  const held = new Set(before === undefined ? [] : addressesOf(before));
  if (clusterIPs[0] !== 'None')
    for (const [i, family] of ipFamilies.entries()) {
      const asked = clusterIPs[i];
      // What changes an address that is there already is validation's to refuse.
      if (asked !== undefined && (held.has(asked) || before?.clusterIPs?.[i] !== undefined)) continue;
      // The object that takes an address names the Service: of one without a name there can be none.
      if (name.name === '' && !dryRun)
        throw unnamed(asked ?? (await ips.claimNext(family as IpFamily, name, true, signal)));
      try {
        if (!asked) claimed.push((clusterIPs[i] = await ips.claimNext(family as IpFamily, name, dryRun, signal)));
        else if (await ips.claim(parseIp(asked)!, name, dryRun, signal)) claimed.push(asked);
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error;
        throw asked
          ? ApiError.invalid({ group: '', kind: 'Service' }, name.name, [
              {
                type: 'FieldValueInvalid',
                field: 'spec.clusterIPs',
                message: `Invalid value: ${JSON.stringify(clusterIPs)}: failed to allocate IP ${asked}: ${error.message}`,
              },
            ])
          : ApiError.internal(new Error(`failed to allocate a serviceIP: ${error.message}`));
      }
    }
  return withFields(spec, { clusterIP: clusterIPs[0]!, clusterIPs, ipFamilies, ipFamilyPolicy });
}

const unnamed = (address: string): ApiError =>
  ApiError.invalid({ group: '', kind: 'Service' }, '', [
    {
      type: 'FieldValueInvalid',
      field: 'spec.clusterIPs',
      message: `Invalid value: [""]: failed to allocate IP: IPAddress.networking.k8s.io ${JSON.stringify(address)} is invalid: spec.parentRef.name: Required value`,
    },
  ]);

function planNodePorts(
  { ports, random }: Parts,
  name: string,
  spec: ServiceSpec,
  before: ServiceSpec | undefined,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<PortPlan> | PortPlan | undefined {
  if (!concernsPorts(spec, before)) return undefined;
  // As upstream: a dry run looks at the range, not at what is taken.
  if (dryRun) return planPorts(name, spec, before, new PortSet(ports.range), random);
  return ports.update((set) => planPorts(name, spec, before, set, random), signal);
}

const withPorts = (spec: ServiceSpec, plan: PortPlan): ServiceSpec =>
  withFields(spec, {
    ...(plan.ports === undefined ? {} : { ports: plan.ports }),
    ...(plan.healthCheckNodePort === undefined ? {} : { healthCheckNodePort: plan.healthCheckNodePort }),
  });

/** Not with the request's signal: it may be what ended the write. A failure is left to the repair loop. */
async function giveBack(
  { ips, ports, log }: Parts,
  service: Service,
  addresses: readonly string[],
  nodePorts: readonly number[],
): Promise<void> {
  const name = nameOf(service);
  try {
    for (const address of addresses) await ips.release(address, name);
    await ports.release(nodePorts);
  } catch (error) {
    log.warn('Could not give back what a Service had allocated; repair will', {
      service: `${name.namespace}/${name.name}`,
      error,
    });
  }
}
