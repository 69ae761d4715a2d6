/** Volumes of pods: a name, and one source each. */
import { checkDns1123Label, checkDns1123Subdomain } from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type { ImageVolumeSource, Volume } from '../types/core-v1.ts';
import { validateClaimSpec } from './claims.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateTemplateMetadata } from './metadata.ts';
import { validateDescendingPath } from './paths.ts';
import { validateProjected } from './projected-volumes.ts';
import {
  sharedSources,
  validateCsiDriverName,
  validateDownwardFiles,
  validateIscsi,
  validateItems,
  validateMode,
} from './volume-sources.ts';

/** What is known of a volume where it is used. Those with errors are left out, so that their uses are errors too. */
export type VolumeMap = ReadonlyMap<string, Volume>;

const noVolumes: VolumeMap = new Map();

/** @param podName of a pod (absent in a template), whose generic ephemeral volumes get claims of that name. */
export function validateVolumes(
  errors: ErrorList,
  volumes: readonly Volume[] | undefined,
  field: string,
  podName: string | undefined,
): VolumeMap {
  if (!volumes) return noVolumes;
  const known = new Map<string, Volume>();
  const created = new Set(podName ? volumes.filter((v) => v.ephemeral).map((v) => `${podName}-${v.name}`) : []);
  for (let i = 0; i < volumes.length; i++) {
    const volume = volumes[i]!;
    const path = at(field, i);
    const before = errors.errors.length;
    validateSource(errors, volume, path, podName);
    if (!volume.name) errors.required(`${path}.name`);
    else errors.invalidEach(`${path}.name`, volume.name, checkDns1123Label(volume.name));
    if (known.has(volume.name)) errors.duplicate(`${path}.name`, volume.name);
    if (errors.errors.length === before) known.set(volume.name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim !== undefined && created.has(claim))
      errors.invalid(
        `${path}.persistentVolumeClaim.claimName`,
        claim,
        'must not reference a PVC that gets created for an ephemeral volume',
      );
  }
  return known;
}

/** In the order upstream looks at them: the first one counts, the others are too many. */
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
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const;

/** How upstream spells two of them when they are too many. */
const misspelled: Readonly<Record<string, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

function validateSource(errors: ErrorList, volume: Volume, field: string, podName: string | undefined): void {
  let first: (typeof sourceOrder)[number] | undefined;
  for (const name of sourceOrder) {
    if (volume[name] === undefined) continue;
    if (first === undefined) {
      first = name;
      validateOne(errors, volume, name, field, podName);
    } else errors.forbidden(`${field}.${misspelled[name] ?? name}`, 'may not specify more than 1 volume type');
  }
  if (volume.iscsi?.initiatorName !== undefined && `${volume.name}:${volume.iscsi.targetPortal}`.length > 64)
    errors.invalid(
      `${field}.name`,
      volume.name,
      'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.',
    );
  if (first === undefined) errors.required(field, 'must specify a volume type');
}

function validateOne(
  errors: ErrorList,
  volume: Volume,
  name: (typeof sourceOrder)[number],
  field: string,
  podName: string | undefined,
): void {
  const path = `${field}.${name}`;
  switch (name) {
    case 'emptyDir': {
      const limit = volume.emptyDir!.sizeLimit;
      if (limit !== undefined && parseQuantity(limit).digits < 0n)
        errors.forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity');
      break;
    }
    case 'secret': {
      const secret = volume.secret!;
      if (!secret.secretName) errors.required(`${path}.secretName`);
      validateMode(errors, secret.defaultMode, `${path}.defaultMode`);
      validateItems(errors, secret.items, `${path}.items`);
      break;
    }
    case 'configMap': {
      const configMap = volume.configMap!;
      if (!configMap.name) errors.required(`${path}.name`);
      validateMode(errors, configMap.defaultMode, `${path}.defaultMode`);
      validateItems(errors, configMap.items, `${path}.items`);
      break;
    }
    case 'persistentVolumeClaim':
      if (!volume.persistentVolumeClaim!.claimName) errors.required(`${path}.claimName`);
      break;
    case 'gitRepo':
      if (!volume.gitRepo!.repository) errors.required(`${path}.repository`);
      validateDescendingPath(errors, volume.gitRepo!.directory ?? '', `${path}.directory`);
      break;
    case 'iscsi':
      validateIscsi(errors, volume.iscsi!, path, 'must be valid format starting with iqn, eui, or naa');
      break;
    case 'downwardAPI':
      validateMode(errors, volume.downwardAPI!.defaultMode, `${path}.defaultMode`);
      validateDownwardFiles(errors, volume.downwardAPI!.items, path);
      break;
    case 'projected':
      validateMode(errors, volume.projected!.defaultMode, `${path}.defaultMode`);
      validateProjected(errors, volume.projected!, path);
      break;
    case 'csi': {
      validateCsiDriverName(errors, volume.csi!.driver, `${path}.driver`);
      const reference = volume.csi!.nodePublishSecretRef;
      if (reference && !reference.name) errors.required(`${path}.nodePublishSecretRef.name`);
      else if (reference) errors.invalidEach(`${path}.name`, reference.name, checkDns1123Subdomain(reference.name!));
      break;
    }
    case 'ephemeral':
      validateEphemeral(errors, volume, field, podName);
      break;
    case 'image':
      validateImage(errors, volume.image!, path, podName !== undefined);
      break;
    default:
      sharedSources[name](
        errors,
        volume[name] as never,
        path === `${field}.gcePersistentDisk` ? `${field}.persistentDisk` : path,
      );
  }
}

function validateEphemeral(errors: ErrorList, volume: Volume, field: string, podName: string | undefined): void {
  const template = volume.ephemeral!.volumeClaimTemplate;
  const path = `${field}.ephemeral.volumeClaimTemplate`;
  if (!template) errors.required(path);
  else {
    validateTemplateMetadata(errors, template.metadata, `${path}.metadata`);
    validateClaimSpec(errors, template.spec, `${path}.spec`);
  }
  if (!podName || !volume.name) return;
  const claim = `${podName}-${volume.name}`;
  for (const message of checkDns1123Subdomain(claim))
    errors.invalid(`${field}.name`, volume.name, `PVC name ${JSON.stringify(claim)}: ${message}`);
}

const pullPolicies = ['Always', 'IfNotPresent', 'Never'];

function validateImage(errors: ErrorList, image: ImageVolumeSource, path: string, inPod: boolean): void {
  if (inPod && !image.reference) errors.required(`${path}.reference`);
  if (!image.pullPolicy) errors.required(`${path}.pullPolicy`);
  else if (!pullPolicies.includes(image.pullPolicy))
    errors.notSupported(`${path}.pullPolicy`, image.pullPolicy, pullPolicies);
}
