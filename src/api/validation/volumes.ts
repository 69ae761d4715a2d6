/** Volumes of pods: one source each, and what each source must say. */
import { checkConfigMapKey, checkDns1123Label } from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type { KeyToPath, ProjectedVolumeSource, Volume } from '../types/core-v1.ts';
import { validateLocalPath } from './containers.ts';
import { at, type ErrorList } from './error-list.ts';

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const modeRange = 'must be a number between 0 and 0777 (octal), both inclusive';

/** @returns the names that mounts may refer to. */
export function validateVolumes(
  errors: ErrorList,
  volumes: readonly Volume[] | undefined,
  field: string,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [i, volume] of (volumes ?? []).entries()) {
    const path = at(field, i);
    validateSource(errors, volume, path);
    if (!volume.name) errors.required(`${path}.name`);
    else {
      const messages = checkDns1123Label(volume.name);
      errors.invalidEach(`${path}.name`, volume.name, messages);
      if (messages.length === 0) {
        if (names.has(volume.name)) errors.duplicate(`${path}.name`, volume.name);
        names.add(volume.name);
      }
    }
  }
  return names;
}

function validateSource(errors: ErrorList, volume: Volume, field: string): void {
  const sources = sourceOrder.filter((name) => volume[name] !== undefined);
  if (sources.length === 0) {
    errors.required(field, 'must specify a volume type');
    return;
  }
  for (const name of sources.slice(1)) errors.forbidden(`${field}.${name}`, 'may not specify more than 1 volume type');
  const path = `${field}.${sources[0]}`;
  switch (sources[0]) {
    case 'emptyDir':
      if (volume.emptyDir!.sizeLimit !== undefined && parseQuantity(volume.emptyDir!.sizeLimit).digits < 0n)
        errors.forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
      break;
    case 'hostPath': {
      const { path: hostPath, type } = volume.hostPath!;
      if (!hostPath) errors.required(`${path}.path`);
      else if (hostPath.split('/').includes('..')) errors.invalid(`${path}.path`, hostPath, "must not contain '..'");
      if (type !== undefined && !hostPathTypes.includes(type)) errors.notSupported(`${path}.type`, type, hostPathTypes);
      break;
    }
    case 'secret':
      if (!volume.secret!.secretName) errors.required(`${path}.secretName`);
      validateMode(errors, volume.secret!.defaultMode, `${path}.defaultMode`);
      validateItems(errors, volume.secret!.items, `${path}.items`);
      break;
    case 'configMap':
      if (!volume.configMap!.name) errors.required(`${path}.name`);
      validateMode(errors, volume.configMap!.defaultMode, `${path}.defaultMode`);
      validateItems(errors, volume.configMap!.items, `${path}.items`);
      break;
    case 'persistentVolumeClaim':
      if (!volume.persistentVolumeClaim!.claimName) errors.required(`${path}.claimName`);
      break;
    case 'nfs':
      if (!volume.nfs!.server) errors.required(`${path}.server`);
      if (!volume.nfs!.path) errors.required(`${path}.path`);
      else if (!volume.nfs!.path.startsWith('/'))
        errors.invalid(`${path}.path`, volume.nfs!.path, 'must be an absolute path');
      break;
    case 'projected':
      validateProjected(errors, volume.projected!, path);
      break;
    case 'csi':
      if (!volume.csi!.driver) errors.required(`${path}.driver`);
      break;
    default:
      break;
  }
}

const sourceOrder = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flexVolume',
  'configMap',
  'rbd',
  'cephfs',
  'cinder',
  'fc',
  'flocker',
  'downwardAPI',
  'persistentVolumeClaim',
  'azureFile',
  'vsphereVolume',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'photonPersistentDisk',
  'quobyte',
  'scaleIO',
  'projected',
  'csi',
  'ephemeral',
  'image',
] as const;

function validateMode(errors: ErrorList, mode: number | undefined, field: string): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) errors.invalid(field, mode, modeRange);
}

function validateItems(errors: ErrorList, items: readonly KeyToPath[] | undefined, field: string): void {
  for (const [i, item] of (items ?? []).entries()) {
    const path = at(field, i);
    if (!item.key) errors.required(`${path}.key`);
    else errors.invalidEach(`${path}.key`, item.key, checkConfigMapKey(item.key));
    if (!item.path) errors.required(`${path}.path`);
    else validateLocalPath(errors, item.path, `${path}.path`);
    validateMode(errors, item.mode, `${path}.mode`);
  }
}

function validateProjected(errors: ErrorList, projected: ProjectedVolumeSource, field: string): void {
  validateMode(errors, projected.defaultMode, `${field}.defaultMode`);
  for (const [i, source] of (projected.sources ?? []).entries()) {
    const path = at(`${field}.sources`, i);
    const given = (
      ['secret', 'configMap', 'downwardAPI', 'serviceAccountToken', 'clusterTrustBundle', 'podCertificate'] as const
    ).filter((name) => source[name] !== undefined);
    if (given.length > 1)
      for (const name of given.slice(1)) errors.forbidden(`${path}.${name}`, 'may not specify more than 1 volume type');
    if (source.secret) {
      if (!source.secret.name) errors.required(`${path}.secret.name`);
      validateItems(errors, source.secret.items, `${path}.secret.items`);
    }
    if (source.configMap) {
      if (!source.configMap.name) errors.required(`${path}.configMap.name`);
      validateItems(errors, source.configMap.items, `${path}.configMap.items`);
    }
    const token = source.serviceAccountToken;
    if (token) {
      const seconds = token.expirationSeconds;
      if (seconds !== undefined && seconds < 600)
        errors.invalid(
          `${path}.serviceAccountToken.expirationSeconds`,
          seconds,
          'may not specify a duration less than 10 minutes',
        );
      if (seconds !== undefined && seconds > 2 ** 32)
        errors.invalid(
          `${path}.serviceAccountToken.expirationSeconds`,
          seconds,
          'may not specify a duration larger than 2^32 seconds',
        );
      if (!token.path) errors.required(`${path}.serviceAccountToken.path`);
      else validateLocalPath(errors, token.path, `${path}.serviceAccountToken.path`);
    }
  }
}
