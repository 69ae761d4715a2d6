/** What says in the API that metrics.k8s.io is there: an APIService without a Service, because the API server answers itself, and the role to read it. */
import { isAlreadyExists } from '../../api/errors.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { APIService } from '../../api/types/apiregistration-v1.ts';
import type { ClusterRole } from '../../api/types/rbac-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { managedByLabel, manager } from '../cluster-dns-objects.ts';
import type { Component } from '../component.ts';

const labels = Object.freeze({ [managedByLabel]: manager });

const apiService: APIService = {
  metadata: { name: 'v1beta1.metrics.k8s.io', labels },
  spec: { group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
};
/** As metrics-server's: who may view pods may see what they use. */
const reader: ClusterRole = {
  metadata: {
    name: 'system:aggregated-metrics-reader',
    labels: {
      ...labels,
      'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
      'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
    },
  },
  rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
};

export async function applyResourceMetricsAddon({ client, clock, log }: Component, signal: AbortSignal): Promise<void> {
  const ensure = async <T extends KubeObject>(ref: ResourceRef<T>, object: T): Promise<void> => {
    try {
      await client.resource(ref).create(object, { signal });
    } catch (error) {
      // Perhaps a metrics server of the user's own: its APIService stays.
      if (!isAlreadyExists(error)) throw error;
    }
  };
  for (let delayMs = 200; !signal.aborted; delayMs = Math.min(delayMs * 2, 10_000))
    try {
      await ensure(resources.apiServices, apiService);
      await ensure(resources.clusterRoles, reader);
      return;
    } catch (error) {
      if (signal.aborted) return;
      log.warn('Cannot register metrics.k8s.io, will try again', { error });
      await clock.sleep(delayMs, signal);
    }
}
