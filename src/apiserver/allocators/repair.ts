/**
 * Makes what is allocated agree with the Services there are: adds what a Service has and nobody noted, and after a while takes away what no
 * Service has (an API server that died between two writes). Source: registry/core/service/{ipallocator,portallocator}/controller.
 */
import type { Service } from '../../api/types/core-v1.ts';
import type { IPAddress } from '../../api/types/networking-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { prefixEnd, type Store } from '../../store/store.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import { AllocationError, addressPrefix, type ClusterIps, isFor, managedByLabel, manager } from './cluster-ips.ts';
import { parseIp } from './ip.ts';
import type { NodePorts } from './node-ports.ts';
import { heldPorts } from './plan-ports.ts';

export interface RepairParts {
  readonly store: Store;
  readonly reader: ObjectReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ips: ClusterIps;
  readonly ports: NodePorts;
}

const intervalMs = 180_000;
/** A write that is under way has its address before its Service. Upstream: gracePeriod. */
const orphanGraceMs = 60_000;
/** Rounds a port must be seen unused before it is freed. Upstream: numRepairsBeforeLeakCleanup. */
const roundsBeforeLeak = 3;

export async function runRepair(parts: RepairParts, signal: AbortSignal): Promise<void> {
  const unused = new Map<number, number>();
  while (!signal.aborted) {
    try {
      await repairPorts(parts, unused, signal);
      await repairAddresses(parts, signal);
    } catch (error) {
      if (signal.aborted) return;
      parts.log.warn('Could not repair allocated addresses and ports; will try again', { error });
    }
    await parts.clock.sleep(intervalMs, signal);
  }
}

const services = ({ reader }: RepairParts): readonly Service[] =>
  reader.list('', 'services', '') as unknown as readonly Service[];

/** @param unused port -> rounds it was seen allocated without a Service. */
export async function repairPorts(parts: RepairParts, unused: Map<number, number>, signal: AbortSignal): Promise<void> {
  const held = new Set<number>();
  for (const service of services(parts)) for (const port of heldPorts(service.spec ?? {})) held.add(port);
  const { log } = parts;
  const seen = await parts.ports.update((set) => {
    const leaked: number[] = [];
    for (const port of held) {
      if (!set.contains(port)) log.warn('A Service has a node port outside the range', { port });
      else if (!set.has(port)) set.allocate(port);
    }
    for (const port of set.ports()) {
      if (held.has(port)) continue;
      leaked.push(port);
      if ((unused.get(port) ?? 0) + 1 >= roundsBeforeLeak) set.release(port);
    }
    return leaked;
  }, signal);
  const counts = new Map(seen.map((port) => [port, (unused.get(port) ?? 0) + 1]));
  unused.clear();
  for (const [port, rounds] of counts) {
    if (rounds >= roundsBeforeLeak) log.info('Freed a node port that no Service has', { port });
    else unused.set(port, rounds);
  }
}

export async function repairAddresses(parts: RepairParts, signal: AbortSignal): Promise<void> {
  const { store, reader, clock, log, ips } = parts;
  const { kvs } = await store.range({ key: addressPrefix, end: prefixEnd(addressPrefix) }, signal);
  const known = new Map<string, IPAddress>();
  for (const kv of kvs) {
    const address = ips.read(kv.value, kv.key);
    known.set(address.metadata.name ?? '', address);
  }
  for (const service of services(parts)) {
    const { type, clusterIPs = [] } = service.spec ?? {};
    if (type === 'ExternalName' || clusterIPs[0] === 'None') continue;
    const name = { namespace: service.metadata.namespace ?? '', name: service.metadata.name ?? '' };
    for (const text of clusterIPs) {
      const ip = parseIp(text);
      const address = known.get(text);
      if (ip === undefined || (address && isFor(address, name))) continue;
      if (address) {
        log.warn('Two Services have one cluster IP; delete and create one of them again', {
          ip: text,
          service: `${name.namespace}/${name.name}`,
        });
        continue;
      }
      try {
        await ips.claim(ip, name, false, signal);
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error;
        log.warn('A Service has a cluster IP that cannot be allocated', { ip: text, error });
      }
    }
  }
  for (const address of known.values()) {
    const { parentRef } = address.spec;
    if (
      address.metadata.labels?.[managedByLabel] !== manager ||
      (parentRef.group ?? '') !== '' ||
      parentRef.resource !== 'services'
    )
      continue;
    const name = { namespace: parentRef.namespace ?? '', name: parentRef.name };
    const age = clock.now() - Date.parse(address.metadata.creationTimestamp ?? '');
    if (age < orphanGraceMs) continue;
    // The cache may be behind: before something is taken away the store is asked.
    const service = (await reader.fresh('', 'services', name.namespace, name.name, signal)) as unknown as
      | Service
      | undefined;
    if (service?.spec?.clusterIPs?.includes(address.metadata.name ?? '')) continue;
    log.info('Freed a cluster IP that no Service has', {
      ip: address.metadata.name,
      service: `${name.namespace}/${name.name}`,
    });
    await ips.release(address.metadata.name ?? '', name, signal);
  }
}
