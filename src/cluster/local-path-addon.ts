/**
 * Keeps what the built-in provisioner needs in the API: the role by which nodes see which folders to remove, and, when the cluster starts, the
 * default storage class. A class that a user deletes or changes while the cluster runs stays so.
 */
import { isAlreadyExists } from '../api/errors.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { ClusterRole, ClusterRoleBinding } from '../api/types/rbac-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { StorageClass } from '../api/types/storage-v1.ts';
import { isDefaultClass } from '../api/volume/default-class.ts';
import { localPathClassName, localPathProvisioner } from '../api/volume/local-path.ts';
import { managedByLabel, manager } from './cluster-dns-objects.ts';
import type { Component } from './component.ts';

const role = 'bireme:local-path';
const labels = Object.freeze({ [managedByLabel]: manager });

const clusterRole: ClusterRole = {
  metadata: { name: role, labels },
  rules: [{ apiGroups: [''], resources: ['persistentvolumes'], verbs: ['get', 'list', 'watch'] }],
};
const binding: ClusterRoleBinding = {
  metadata: { name: role, labels },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
  subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'system:nodes' }],
};

export function localPathClass(isDefault: boolean): StorageClass {
  return {
    metadata: {
      name: localPathClassName,
      labels,
      ...(isDefault ? { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } : {}),
    },
    provisioner: localPathProvisioner,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  };
}

export async function applyLocalPathAddon({ client, clock, log }: Component, signal: AbortSignal): Promise<void> {
  const ensure = async <T extends KubeObject>(ref: ResourceRef<T>, object: T): Promise<void> => {
    try {
      await client.resource(ref).create(object, { signal });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  for (let delayMs = 200; !signal.aborted; delayMs = Math.min(delayMs * 2, 10_000))
    try {
      await ensure(resources.clusterRoles, clusterRole);
      await ensure(resources.clusterRoleBindings, binding);
      const classes = await client.resource(resources.storageClasses).list({ signal });
      // A default of the user's own is not put in question.
      if (!classes.items.some((each) => each.metadata.name === localPathClassName))
        await ensure(resources.storageClasses, localPathClass(!classes.items.some(isDefaultClass)));
      return;
    } catch (error) {
      if (signal.aborted) return;
      log.warn('Cannot make the default storage class yet', { error });
      await clock.sleep(delayMs, signal);
    }
}
