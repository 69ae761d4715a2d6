/**
 * Keeps the ConfigMap `kube-root-ca.crt`, with the authority of the API server's certificate, in every active namespace: pods get it with
 * their token. Source: pkg/controller/certificates/rootcacertpublisher.
 */
import { isAlreadyExists, isNotFound } from '../api/errors.ts';
import type { ConfigMap } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { isNamespaceEnding } from './namespace/namespace-state.ts';
import { observe, untilSynced } from './observe.ts';

const name = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';
const descriptionAnnotation = 'kubernetes.io/description';

/** @param rootCa PEM. */
export function createRootCaPublisher({ rootCa }: { readonly rootCa: string }): Controller {
  const isRight = (map: ConfigMap): boolean =>
    Object.keys(map.data ?? {}).length === 1 &&
    map.data?.['ca.crt'] === rootCa &&
    map.metadata.annotations?.[descriptionAnnotation] !== undefined;
  return {
    name: 'root-ca-certificate-publisher-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const maps = client.resource(resources.configMaps);
      const namespaces = informers.informer(resources.namespaces);
      const published = informers.informer(resources.configMaps, { fieldSelector: `metadata.name=${name}` });
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'root_ca_cert_publisher' } });
      observe(
        namespaces,
        { onAdd: (ns) => queue.add(ns.metadata.name ?? ''), onUpdate: (_, ns) => queue.add(ns.metadata.name ?? '') },
        signal,
      );
      const enqueue = (map: ConfigMap): void => queue.add(map.metadata.namespace ?? '');
      observe(published, { onUpdate: (_, map) => enqueue(map), onDelete: enqueue }, signal);
      if (!(await untilSynced([namespaces, published], signal))) return;
      await runWorkers(
        queue,
        2,
        async (namespace) => {
          const ns = namespaces.get(namespace);
          if (!ns || ns.status?.phase === 'Terminating') return;
          const map = published.get(`${namespace}/${name}`);
          try {
            if (!map) {
              await maps.create(
                {
                  metadata: { name, namespace, annotations: { [descriptionAnnotation]: description } },
                  data: { 'ca.crt': rootCa },
                },
                { signal },
              );
            } else if (!isRight(map)) {
              const annotations = { ...map.metadata.annotations, [descriptionAnnotation]: description };
              await maps.update(
                { ...map, metadata: { ...map.metadata, annotations }, data: { 'ca.crt': rootCa } },
                { signal },
              );
            }
          } catch (error) {
            // Gone meanwhile: its delete event brings the key back.
            if (!isAlreadyExists(error) && !isNamespaceEnding(error) && !isNotFound(error)) throw error;
          }
        },
        { clock, log, kind: 'namespace' },
        signal,
      );
    },
  };
}
