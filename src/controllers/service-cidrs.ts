/** Keeps a ServiceCIDR that is being deleted while addresses would be left outside of all ranges. Source: pkg/controller/servicecidrs. */
import { BlockList, isIPv6 } from 'node:net';
import { withFinalizer, withoutFinalizer } from '../api/edit.ts';
import { isNotFound } from '../api/errors.ts';
import { findCondition, hasFinalizer, isBeingDeleted } from '../api/meta.ts';
import { formatTime, parseTime } from '../api/time.ts';
import type { Condition } from '../api/types/meta-v1.ts';
import type { IPAddress, ServiceCIDR } from '../api/types/networking-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { type ReconcileResult, runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
const allocator = 'ipallocator.k8s.io';
/** The allocators may still give out an address of a range for so long after it began to go. */
const deletionGraceMs = 10_000;
const maxRetries = 15;

export function serviceCidrController(): Controller {
  return {
    name: 'service-cidr-controller',
    async run({ client, informers, events, clock, log, metrics }, signal) {
      const ranges = informers.informer(resources.serviceCidrs);
      const addresses = informers.informer(resources.ipAddresses);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'service_cidrs' } });
      const add = (range: ServiceCIDR): void => queue.add(range.metadata.name!);
      // Whether one may go depends on those that hold it, or that it holds.
      const addOverlapping = (range: ServiceCIDR): void => {
        add(range);
        for (const other of ranges.list()) if (overlaps(range, other)) add(other);
      };
      const addHolding = (address: IPAddress): void => {
        if (address.metadata.labels?.[managedByLabel] !== allocator) return;
        for (const range of ranges.list()) if (holds(range, address.metadata.name!)) add(range);
      };
      observe(ranges, { onAdd: addOverlapping, onUpdate: (_, range) => add(range), onDelete: addOverlapping }, signal);
      observe(addresses, { onAdd: addHolding, onDelete: addHolding }, signal);
      if (!(await untilSynced([ranges, addresses], signal))) return;

      const api = client.resource(resources.serviceCidrs);
      const setReady = async (
        range: ServiceCIDR,
        told: Omit<Condition, 'type' | 'lastTransitionTime'>,
      ): Promise<void> => {
        const known = findCondition(range.status?.conditions, 'Ready');
        if (known?.status === told.status && known.reason === told.reason && known.message === told.message) return;
        const lastTransitionTime = known?.status === told.status ? known.lastTransitionTime : formatTime(clock.now());
        const others = (range.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
        const conditions = [...others, { type: 'Ready', ...told, lastTransitionTime }];
        await api.updateStatus({ ...range, status: { ...range.status, conditions } }, { signal });
      };
      const mayGo = (range: ServiceCIDR): boolean => {
        const others = ranges.list().filter((other) => other.metadata.name !== range.metadata.name);
        const cidrs = range.spec?.cidrs ?? [];
        if (cidrs.every((cidr) => others.some((other) => other.spec?.cidrs?.some((each) => contains(each, cidr)))))
          return true;
        for (const { metadata } of addresses.list()) {
          if (metadata.labels?.[managedByLabel] !== allocator || !holds(range, metadata.name!)) continue;
          if (!others.some((other) => holds(other, metadata.name!))) return false;
        }
        return true;
      };
      const reconcile = async (name: string): Promise<ReconcileResult> => {
        const range = ranges.get(name);
        if (!range) return undefined;
        try {
          if (isBeingDeleted(range)) {
            if (!mayGo(range)) {
              await setReady(range, {
                status: 'False',
                reason: 'Terminating',
                message:
                  'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR',
              });
              return undefined;
            }
            const left = parseTime(range.metadata.deletionTimestamp!)! + deletionGraceMs - clock.now();
            if (left > 0) return { requeueAfterMs: left };
            if (hasFinalizer(range, finalizer)) await api.update(withoutFinalizer(range, finalizer), { signal });
            return undefined;
          }
          const kept = hasFinalizer(range, finalizer)
            ? range
            : await api.update(withFinalizer(range, finalizer), { signal });
          await setReady(kept, { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' });
        } catch (error) {
          if (isNotFound(error)) return undefined;
          if (!isBeingDeleted(range))
            events.event(range, {
              type: 'Warning',
              reason: 'KubernetesServiceCIDRError',
              message: 'The ServiceCIDR Status can not be set to Ready=True',
            });
          throw error;
        }
        return undefined;
      };
      await runWorkers(queue, 5, reconcile, { clock, log, kind: 'servicecidr', maxRetries }, signal);
    },
  };
}

interface Prefix {
  readonly base: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

function prefixOf(cidr: string): Prefix {
  const [base = '', bits = '0'] = cidr.split('/');
  return { base, bits: Number(bits), family: isIPv6(base) ? 'ipv6' : 'ipv4' };
}

function includes(prefix: Prefix, address: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  if (family !== prefix.family) return false;
  const list = new BlockList();
  list.addSubnet(prefix.base, prefix.bits, prefix.family);
  return list.check(address, family);
}

function contains(outer: string, inner: string): boolean {
  const [a, b] = [prefixOf(outer), prefixOf(inner)];
  return a.family === b.family && a.bits <= b.bits && includes(a, b.base);
}

const holds = ({ spec }: ServiceCIDR, address: string): boolean =>
  (spec?.cidrs ?? []).some((cidr) => includes(prefixOf(cidr), address));
const overlaps = (a: ServiceCIDR, b: ServiceCIDR): boolean =>
  (a.spec?.cidrs ?? []).some((x) => (b.spec?.cidrs ?? []).some((y) => contains(x, y) || contains(y, x)));
