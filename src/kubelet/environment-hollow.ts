/**
 * Surroundings without a machine: nothing is written or mounted. What can be wrong in a pod's references is still found, so a pod whose
 * ConfigMap is missing waits in ContainerCreating on a hollow node as on a real one.
 */
import type { Pod } from '../api/types/core-v1.ts';
import { EnvironmentError, type PodEnvironment } from './environment.ts';
import type { ObjectSource } from './object-source.ts';

export function createHollowEnvironment(objects: ObjectSource): PodEnvironment {
  const nothing = { mounts: [] };
  return {
    async prepare(pod) {
      for (const volume of pod.spec?.volumes ?? []) {
        const namespace = pod.metadata.namespace ?? '';
        const { configMap, secret } = volume;
        if (configMap && !configMap.optional && !(await objects.configMap(namespace, configMap.name ?? '')))
          throw missing(volume.name, `configmap "${configMap.name}" not found`);
        if (secret && !secret.optional && !(await objects.secret(namespace, secret.secretName ?? '')))
          throw missing(volume.name, `secret "${secret.secretName}" not found`);
      }
    },
    refresh: async () => undefined,
    resize: async () => undefined,
    sandbox: async (pod: Pod) => ({
      hostname: pod.spec?.hostname ?? pod.metadata.name ?? '',
      logDirectory: '',
      cgroupParent: '',
      dns: undefined,
    }),
    container: async () => nothing,
    volumeFile: async () => {
      throw new Error('a hollow pod has no files');
    },
    startsLogged: async () => undefined,
    terminationMessage: async () => undefined,
    release: async () => undefined,
    removeLogs: async () => undefined,
    removeLog: async () => undefined,
    present: async () => [],
    withLogs: async () => [],
  };
}

const missing = (volume: string, why: string): EnvironmentError =>
  new EnvironmentError('FailedMount', `MountVolume.SetUp failed for volume "${volume}" : ${why}`);
