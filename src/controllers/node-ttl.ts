/** Tells kubelets how long they may trust their copies of secrets and config maps: the longer, the larger the cluster. Source: pkg/controller/ttl. */
import { isNotFound } from '../api/errors.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

const annotation = 'node.alpha.kubernetes.io/ttl';

/** Steps overlap, so that a cluster whose size wavers does not rewrite all its nodes. */
const steps: readonly { readonly min: number; readonly max: number; readonly seconds: number }[] = [
  { min: 0, max: 100, seconds: 0 },
  { min: 90, max: 500, seconds: 15 },
  { min: 450, max: 1000, seconds: 30 },
  { min: 900, max: 2000, seconds: 60 },
  { min: 1800, max: Number.POSITIVE_INFINITY, seconds: 300 },
];

export function nodeTtlController(): Controller {
  return {
    name: 'ttl-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const nodes = informers.informer(resources.nodes);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'ttlcontroller' } });
      let step = 0;
      let count = 0;
      const sizeChanged = (by: 1 | -1): void => {
        count += by;
        const before = step;
        while (count > steps[step]!.max) step++;
        while (count < steps[step]!.min) step--;
        if (step !== before) for (const node of nodes.list()) queue.add(node.metadata.name!);
      };
      observe(
        nodes,
        {
          onAdd: (node) => {
            sizeChanged(1);
            queue.add(node.metadata.name!);
          },
          onUpdate: (before, node) => {
            if (before.metadata.annotations?.[annotation] !== node.metadata.annotations?.[annotation])
              queue.add(node.metadata.name!);
          },
          onDelete: () => sizeChanged(-1),
        },
        signal,
      );
      if (!(await untilSynced([nodes], signal))) return;
      const reconcile = async (name: string): Promise<void> => {
        const node = nodes.get(name);
        const wanted = String(steps[step]!.seconds);
        if (!node || node.metadata.annotations?.[annotation] === wanted) return;
        const patch = { metadata: { annotations: { [annotation]: wanted } } };
        try {
          await client.resource(resources.nodes).patch(name, { type: 'merge', patch }, { signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      };
      await runWorkers(queue, 5, reconcile, { clock, log, kind: 'node' }, signal);
    },
  };
}
