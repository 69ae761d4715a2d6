/**
 * Keeps `kube-dns` in the API: the role that the nodes' DNS needs from the start, the Service as soon as a node answers DNS, and slices that
 * follow those nodes. Level-triggered: each reconcile compares what is there with what should be.
 */
import { isAlreadyExists, isNotFound } from '../api/errors.ts';
import type { EndpointSlice } from '../api/types/discovery-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import type { EventHandler } from '../client/informer.ts';
import { runWorkers } from '../client/run-workers.ts';
import {
  clusterDnsBinding,
  clusterDnsClusterRole,
  clusterDnsLabel,
  clusterDnsName,
  clusterDnsNamespace,
  clusterDnsRole,
  clusterDnsService,
  clusterDnsSlices,
  isClusterDnsService,
  isOurs,
  sliceManager,
  sliceManagerLabel,
} from './cluster-dns-objects.ts';
import type { Component } from './component.ts';

/** Runs until `signal` aborts. @param clusterIp of the Service; taken already, it is tried again and said in the log. */
export async function runClusterDnsAddon(
  { client, informers, clock, log, metrics }: Component,
  clusterIp: string,
  signal: AbortSignal,
): Promise<void> {
  const key = `${clusterDnsNamespace}/${clusterDnsName}`;
  const named = { fieldSelector: `metadata.name=${clusterDnsRole}` };
  const nodes = informers.informer(resources.nodes, { labelSelector: clusterDnsLabel });
  const services = informers.informer(resources.services, {
    namespace: clusterDnsNamespace,
    fieldSelector: `metadata.name=${clusterDnsName}`,
  });
  const slices = informers.informer(resources.endpointSlices, {
    namespace: clusterDnsNamespace,
    labelSelector: `${sliceManagerLabel}=${sliceManager}`,
  });
  const roles = informers.informer(resources.clusterRoles, named);
  const bindings = informers.informer(resources.clusterRoleBindings, named);
  const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'cluster_dns_addon' } });
  const wake = (): void => queue.add(key);
  const always: EventHandler<unknown> = { onAdd: wake, onUpdate: wake, onDelete: wake };
  const removers = [nodes, services, slices, roles, bindings].map((informer) => informer.addHandler(always));

  const reconcile = async (): Promise<void> => {
    if (!roles.get(clusterDnsRole))
      await existing(client.resource(resources.clusterRoles).create(clusterDnsClusterRole, { signal }));
    if (!bindings.get(clusterDnsRole))
      await existing(client.resource(resources.clusterRoleBindings).create(clusterDnsBinding, { signal }));

    const service = services.get(key);
    if (!service) {
      // Its event brings us here again, with its uid.
      if (nodes.list().length > 0)
        await existing(client.resource(resources.services).create(clusterDnsService(clusterIp), { signal }));
      return;
    }
    const ours = isOurs(service);
    if (ours && !isClusterDnsService(service)) {
      const { selector: _, ...spec } = service.spec!;
      const { ports } = clusterDnsService(clusterIp).spec!;
      await client.resource(resources.services).update({ ...service, spec: { ...spec, ports: ports! } }, { signal });
    }
    const api = client.resource(resources.endpointSlices);
    const wanted = ours ? clusterDnsSlices(nodes.list(), service) : [];
    for (const slice of wanted) {
      const found = slices.get(`${clusterDnsNamespace}/${slice.metadata.name}`);
      if (!found) await existing(api.create(slice, { signal }));
      else if (!isSame(found, slice)) {
        const { labels, ownerReferences } = slice.metadata;
        const metadata = { ...found.metadata, labels: labels!, ownerReferences: ownerReferences! };
        await api.update({ ...found, metadata, endpoints: slice.endpoints!, ports: slice.ports! }, { signal });
      }
    }
    for (const { metadata } of slices.list()) {
      if (wanted.some((slice) => slice.metadata.name === metadata.name)) continue;
      try {
        await api.delete(metadata.name ?? '', { namespace: clusterDnsNamespace, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };

  try {
    await Promise.all([nodes, services, slices, roles, bindings].map((informer) => informer.waitForSync(signal)));
    wake();
    await runWorkers(queue, 1, reconcile, { clock, log, kind: 'service' }, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const remove of removers) remove();
  }
}

/** Somebody was faster, or the cache is behind: the next event tells. */
async function existing(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function isSame(found: EndpointSlice, wanted: EndpointSlice): boolean {
  // An empty list comes back as null, as upstream's servers send it.
  const essence = ({ metadata, endpoints, ports }: EndpointSlice): string =>
    JSON.stringify([
      metadata.labels?.['kubernetes.io/service-name'],
      metadata.ownerReferences?.map((o) => o.uid),
      endpoints?.map((e) => [e.addresses, e.conditions?.ready, e.nodeName, e.zone]) ?? [],
      ports?.map((p) => [p.name, p.port, p.protocol]) ?? [],
    ]);
  return essence(found) === essence(wanted);
}
