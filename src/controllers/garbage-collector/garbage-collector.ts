/** Deletes objects whose owners are gone, in the background or the foreground, and orphans those whose owners ask for it. */
import { parseApiVersion } from '../../api/meta.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { type Discovery, discoverResources } from '../../client/discovery.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { createRestMapping } from '../rest-mapping.ts';
import { createCollector } from './collect.ts';
import { createOwnerGraph } from './graph.ts';
import { createMonitors } from './monitors.ts';

export interface GarbageCollectorOptions {
  /** Default 20, as upstream's `--concurrent-gc-syncs`. */
  readonly workers?: number;
}

/** New kinds (CustomResourceDefinitions) are noticed this often. */
const discoveryPeriodMs = 30_000;

export function createGarbageCollector({ workers = 20 }: GarbageCollectorOptions = {}): Controller {
  return {
    name: 'garbage-collector-controller',
    async run({ client, events, clock, random, log, metrics }, signal) {
      const recorder = events.withComponent('garbage-collector-controller');
      const queueOf = (name: string) => createWorkQueue<string>({ clock, metrics: { registry: metrics, name } });
      const toDelete = queueOf('garbage_collector_attempt_to_delete');
      const toOrphan = queueOf('garbage_collector_attempt_to_orphan');
      let mapping = createRestMapping([]);
      const graph = createOwnerGraph({
        attemptToDelete: (node) => toDelete.add(node.uid),
        attemptToOrphan: (node) => toOrphan.add(node.uid),
        invalidOwner: (node, reference) =>
          recorder.event(
            {
              apiVersion: node.apiVersion,
              kind: node.kind,
              metadata: { name: node.name, namespace: node.namespace, uid: node.uid },
            },
            {
              type: 'Warning',
              reason: 'OwnerRefInvalidNamespace',
              message: `ownerRef [${reference.apiVersion}/${reference.kind}, namespace: ${node.namespace}, name: ${reference.name}, uid: ${reference.uid}] does not exist in namespace "${node.namespace}"`,
            },
          ),
      });
      const monitors = createMonitors(graph, { transport: client.transport, clock, random, log });
      const collector = createCollector({
        client,
        graph,
        log,
        mapping: () => mapping,
        enqueue: (node) => toDelete.add(node.uid),
      });

      const discover = async (): Promise<void> => {
        let found: Discovery;
        try {
          found = await discoverResources(client.transport, signal);
        } catch (error) {
          if (!signal.aborted) log.warn('Cannot discover resources, will retry', { error });
          return;
        }
        mapping = createRestMapping(found.resources);
        if (found.failures.length > 0) log.warn('Some groups could not be discovered', { failures: found.failures });
        monitors.set(
          found.resources,
          new Set(found.failures.map(({ groupVersion }) => parseApiVersion(groupVersion).group)),
        );
      };
      const tasks = createTaskGroup(signal);
      tasks.run('discovery', async (stop) => {
        while (!stop.aborted) {
          await clock.sleep(monitors.count === 0 ? 1000 : discoveryPeriodMs, stop);
          if (!stop.aborted) await discover();
        }
      });
      try {
        await discover();
        await monitors.synced(signal);
        await Promise.all([
          runWorkers(toDelete, workers, collector.attemptToDelete, { clock, log, kind: 'uid' }, signal),
          runWorkers(toOrphan, workers, collector.attemptToOrphan, { clock, log, kind: 'uid' }, signal),
        ]);
      } finally {
        await tasks.stop();
        await monitors.stop();
      }
    },
  };
}
