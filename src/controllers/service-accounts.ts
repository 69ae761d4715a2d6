/** Keeps a service account `default` in every active namespace. Source: pkg/controller/serviceaccount/serviceaccounts_controller.go. */
import { isAlreadyExists } from '../api/errors.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { isNamespaceEnding } from './namespace/namespace-state.ts';
import { observe, untilSynced } from './observe.ts';

const wanted = ['default'];

export function createServiceAccountController(): Controller {
  return {
    name: 'serviceaccount-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const accounts = client.resource(resources.serviceAccounts);
      const namespaces = informers.informer(resources.namespaces);
      const known = informers.informer(resources.serviceAccounts);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'serviceaccount' } });
      observe(
        namespaces,
        { onAdd: (ns) => queue.add(ns.metadata.name ?? ''), onUpdate: (_, ns) => queue.add(ns.metadata.name ?? '') },
        signal,
      );
      observe(
        known,
        {
          onDelete: ({ metadata: { name = '', namespace = '' } }) => {
            if (wanted.includes(name)) queue.add(namespace);
          },
        },
        signal,
      );
      if (!(await untilSynced([namespaces, known], signal))) return;
      await runWorkers(
        queue,
        2,
        async (namespace) => {
          if (namespaces.get(namespace)?.status?.phase === 'Terminating' || !namespaces.get(namespace)) return;
          for (const name of wanted) {
            if (known.get(`${namespace}/${name}`)) continue;
            try {
              await accounts.create({ metadata: { name, namespace } }, { signal });
            } catch (error) {
              if (!isAlreadyExists(error) && !isNamespaceEnding(error)) throw error;
            }
          }
        },
        { clock, log, kind: 'namespace' },
        signal,
      );
    },
  };
}
