/**
 * Gives each node its block of the pod network: `spec.podCIDR` and `spec.podCIDRs`. Source: pkg/controller/nodeipam/ipam/range_allocator.go.
 */
import { isNotFound } from '../../api/errors.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { createCidrSet } from './cidr-set.ts';

export interface NodeIpamOptions {
  /** One range, or one of each family. Default 10.244.0.0/16. */
  readonly clusterCidrs?: readonly string[];
  /** Default 24. */
  readonly nodeMaskSizeIpv4?: number;
  /** Default 64. */
  readonly nodeMaskSizeIpv6?: number;
  /** Ranges that must not be given out: the services'. */
  readonly serviceCidrs?: readonly string[];
}

/** @throws Error when the ranges do not fit. */
export function createNodeIpamController(options: NodeIpamOptions = {}): Controller {
  const { clusterCidrs = ['10.244.0.0/16'], nodeMaskSizeIpv4 = 24, nodeMaskSizeIpv6 = 64, serviceCidrs = [] } = options;
  return {
    name: 'node-ipam-controller',
    async run({ client, informers, events, clock, log, metrics }, signal) {
      const sets = clusterCidrs.map((cidr) =>
        createCidrSet(cidr, cidr.includes(':') ? nodeMaskSizeIpv6 : nodeMaskSizeIpv4),
      );
      for (const set of sets) for (const cidr of serviceCidrs) set.occupy(cidr, ' services');
      const recorder = events.withComponent('cidrAllocator');
      const nodes = client.resource(resources.nodes);
      const known = informers.informer(resources.nodes);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'cidrallocator_node' } });
      /** Given out by us and perhaps not in the cache yet. */
      const given = new Map<string, { readonly uid: string | undefined; readonly cidrs: readonly string[] }>();

      const note = (node: Node): boolean => {
        const cidrs = cidrsOf(node);
        if (cidrs.length === 0) return false;
        const name = node.metadata.name ?? '';
        for (const set of sets)
          for (const cidr of cidrs) {
            const other = set.occupy(cidr, name);
            if (other !== undefined) log.error('Two nodes have the same pod CIDR', { node: name, other, cidr });
          }
        return true;
      };
      const enqueue = (node: Node): void => queue.add(node.metadata.name ?? '');
      if (!(await untilSynced([known], signal))) return;
      // What is taken must be known before anything is given.
      for (const node of known.list()) note(node);
      observe(
        known,
        {
          onAdd: enqueue,
          onUpdate: (_, node) => {
            // Nodes change all the time; their CIDRs do not.
            const before = given.get(node.metadata.name ?? '');
            if (cidrsOf(node).length === 0 || before?.uid !== node.metadata.uid) enqueue(node);
          },
          onDelete: enqueue,
        },
        signal,
      );
      await runWorkers(
        queue,
        4,
        async (name) => {
          const node = known.get(name);
          const uid = node?.metadata.uid;
          if (!node || (given.has(name) && given.get(name)?.uid !== uid)) {
            // Gone, perhaps with another of its name in its place.
            for (const set of sets) set.release(name);
            given.delete(name);
          }
          if (!node) return;
          if (note(node)) {
            given.set(name, { uid, cidrs: cidrsOf(node) });
            return;
          }
          if (given.has(name)) return;
          const cidrs: string[] = [];
          for (const set of sets) {
            const cidr = set.allocate(name);
            if (cidr === undefined) {
              for (const each of sets) each.release(name);
              const message = `Node ${name} status is now: CIDRNotAvailable`;
              recorder.event(node, { type: 'Normal', reason: 'CIDRNotAvailable', message });
              throw new Error(`No pod CIDR is free for node "${name}"`);
            }
            cidrs.push(cidr);
          }
          given.set(name, { uid, cidrs });
          try {
            const patch = { spec: { podCIDR: cidrs[0]!, podCIDRs: cidrs } };
            await nodes.patch(name, { type: 'strategic', patch }, { signal });
            log.info('Assigned pod CIDR', { node: name, cidrs });
          } catch (error) {
            given.delete(name);
            for (const set of sets) set.release(name);
            if (!isNotFound(error)) throw error;
          }
        },
        { clock, log, kind: 'node' },
        signal,
      );
    },
  };
}

const cidrsOf = ({ spec }: Node): readonly string[] =>
  spec?.podCIDRs && spec.podCIDRs.length > 0 ? spec.podCIDRs : spec?.podCIDR ? [spec.podCIDR] : [];
