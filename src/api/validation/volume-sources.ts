/** Volume sources, most of them shared by pods and persistent volumes. Most of the old ones no longer do anything; they are still checked. */
import { checkDns1123Label, checkDns1123Subdomain, rangeMessage } from '../names.ts';
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  CinderVolumeSource,
  DownwardAPIVolumeFile,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GlusterfsVolumeSource,
  HostPathVolumeSource,
  ISCSIVolumeSource,
  KeyToPath,
  NFSVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  StorageOSVolumeSource,
} from '../types/core-v1.ts';
import { fileFields, validateFieldRef, validateResourceFieldRef } from './env.ts';
import { at, type ErrorList, fileModeRange } from './error-list.ts';
import { validateNoBacksteps, validateUnreservedPath } from './paths.ts';

export function validateMode(errors: ErrorList, mode: number | undefined, field: string): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) errors.invalid(field, mode, fileModeRange);
}

export function validateItems(errors: ErrorList, items: readonly KeyToPath[] | undefined, field: string): void {
  if (items) for (const [i, item] of items.entries()) validateItem(errors, item, at(field, i));
}

export function validateItem(errors: ErrorList, item: KeyToPath, field: string): void {
  if (!item.key) errors.required(`${field}.key`);
  if (!item.path) errors.required(`${field}.path`);
  validateUnreservedPath(errors, item.path ?? '', `${field}.path`);
  validateMode(errors, item.mode, `${field}.mode`);
}

/** Upstream reports files under their list, without an index. */
export function validateDownwardFiles(
  errors: ErrorList,
  files: readonly DownwardAPIVolumeFile[] | undefined,
  field: string,
): void {
  for (const file of files ?? []) validateDownwardFile(errors, file, field);
}

export function validateDownwardFile(errors: ErrorList, file: DownwardAPIVolumeFile, field: string): void {
  if (!file.path) errors.required(`${field}.path`);
  validateUnreservedPath(errors, file.path ?? '', `${field}.path`);
  if (file.fieldRef) {
    validateFieldRef(errors, file.fieldRef, fileFields, `${field}.fieldRef`);
    if (file.resourceFieldRef)
      errors.invalid(field, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
  } else if (file.resourceFieldRef)
    validateResourceFieldRef(errors, file.resourceFieldRef, `${field}.resourceFieldRef`, { volume: true });
  else errors.required(field, 'one of fieldRef and resourceFieldRef is required');
  validateMode(errors, file.mode, `${field}.mode`);
}

export function validateCsiDriverName(errors: ErrorList, name: string | undefined, field: string): void {
  if (!name) {
    errors.required(field);
    return;
  }
  if (Buffer.byteLength(name) > 63) errors.tooLong(field, 63);
  errors.invalidEach(field, name, checkDns1123Subdomain(name.toLowerCase()));
}

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
const iscsiNames = {
  iqn: /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[A-Za-z0-9]{16}$/,
  naa: /^naa.[A-Za-z0-9]{32}$/,
} as const;

type Iscsi = Pick<
  ISCSIVolumeSource,
  'targetPortal' | 'iqn' | 'lun' | 'chapAuthDiscovery' | 'chapAuthSession' | 'initiatorName'
> & { readonly secretRef?: { readonly name?: string } };

/** @param wrongStart what is said of a name that starts with none of the three schemes; persistent volumes say less. */
export function validateIscsi(errors: ErrorList, iscsi: Iscsi, field: string, wrongStart: string): void {
  const checkName = (name: string, path: string): void => {
    const scheme = (['iqn', 'eui', 'naa'] as const).find((prefix) => name.startsWith(prefix));
    if (scheme === undefined) errors.invalid(path, name, wrongStart);
    else if (!iscsiNames[scheme].test(name)) errors.invalid(path, name, 'must be valid format');
  };
  if (!iscsi.targetPortal) errors.required(`${field}.targetPortal`);
  if (!iscsi.iqn) errors.required(`${field}.iqn`);
  else checkName(iscsi.iqn, `${field}.iqn`);
  if (iscsi.lun < 0 || iscsi.lun > 255) errors.invalid(`${field}.lun`, iscsi.lun, rangeMessage(0, 255));
  if ((iscsi.chapAuthDiscovery || iscsi.chapAuthSession) && !iscsi.secretRef) errors.required(`${field}.secretRef`);
  if (iscsi.initiatorName !== undefined) checkName(iscsi.initiatorName, `${field}.initiatorname`);
}

/** Both what a pod mounts inline and the wider form a persistent volume has fit. */
type Check<T> = (errors: ErrorList, source: T, field: string) => void;
const needs =
  <T>(...names: (keyof T & string)[]): Check<T> =>
  (errors, source, field) => {
    for (const name of names) {
      const value: unknown = source[name];
      if (!value || (Array.isArray(value) && value.length === 0)) errors.required(`${field}.${name}`);
    }
  };

const partition = (errors: ErrorList, value: number | undefined, field: string): void => {
  if (value !== undefined && (value < 0 || value > 255)) errors.invalid(field, value, rangeMessage(1, 255));
};

const hostPath: Check<HostPathVolumeSource> = (errors, { path, type }, field) => {
  if (!path) {
    errors.required(`${field}.path`);
    return;
  }
  validateNoBacksteps(errors, path, `${field}.path`);
  if (type !== undefined && !hostPathTypes.includes(type)) errors.notSupported(`${field}.type`, type, hostPathTypes);
};
const gcePersistentDisk: Check<GCEPersistentDiskVolumeSource> = (errors, disk, field) => {
  if (!disk.pdName) errors.required(`${field}.pdName`);
  partition(errors, disk.partition, `${field}.partition`);
};
const awsElasticBlockStore: Check<AWSElasticBlockStoreVolumeSource> = (errors, disk, field) => {
  if (!disk.volumeID) errors.required(`${field}.volumeID`);
  partition(errors, disk.partition, `${field}.partition`);
};
const nfs: Check<NFSVolumeSource> = (errors, { server, path = '' }, field) => {
  if (!server) errors.required(`${field}.server`);
  if (!path) errors.required(`${field}.path`);
  if (!path.startsWith('/')) errors.invalid(`${field}.path`, path, 'must be an absolute path');
};
const flocker: Check<FlockerVolumeSource> = (errors, { datasetName = '', datasetUUID = '' }, field) => {
  if (!datasetName && !datasetUUID) errors.required(field, 'one of datasetName and datasetUUID is required');
  if (datasetName && datasetUUID)
    errors.invalid(field, 'resource', 'datasetName and datasetUUID can not be specified simultaneously');
  if (datasetName.includes('/')) errors.invalid(`${field}.datasetName`, datasetName, "must not contain '/'");
};
const cinder: Check<CinderVolumeSource> = (errors, { volumeID, secretRef }, field) => {
  if (!volumeID) errors.required(`${field}.volumeID`);
  if (secretRef && !secretRef.name) errors.required(`${field}.secretRef.name`);
};
const pairs = 'must be a host:port pair or multiple pairs separated by commas';
const quobyte: Check<QuobyteVolumeSource> = (errors, { registry, tenant = '', volume }, field) => {
  if (!registry) errors.required(`${field}.registry`, pairs);
  else if (tenant.length >= 65)
    errors.required(`${field}.tenant`, 'must be a UUID and may not exceed a length of 64 characters');
  else
    for (const pair of registry.split(','))
      if (!/^([^:]*|\[[^\]]*\]):[^:]*$/.test(pair)) errors.invalid(`${field}.registry`, registry, pairs);
  if (!volume) errors.required(`${field}.volume`);
};
const fc: Check<FCVolumeSource> = (errors, { targetWWNs = [], wwids = [], lun }, field) => {
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.required(`${field}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both');
  if (targetWWNs.length > 0 && wwids.length > 0)
    errors.invalid(`${field}.targetWWNs`, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously');
  if (targetWWNs.length === 0) return;
  if (lun === undefined) errors.required(`${field}.lun`, 'lun is required if targetWWNs is specified');
  else if (lun < 0 || lun > 255) errors.invalid(`${field}.lun`, lun, rangeMessage(0, 255));
};
const flexVolume: Check<Pick<FlexVolumeSource, 'driver' | 'options'>> = (errors, { driver, options }, field) => {
  if (!driver) errors.required(`${field}.driver`);
  for (const key of Object.keys(options ?? {})) {
    const namespace = `.${key.split('/')[0]!.toLowerCase()}`;
    if (namespace.endsWith('.kubernetes.io') || namespace.endsWith('.k8s.io'))
      errors.invalid(at(`${field}.options`, key), key, 'kubernetes.io and k8s.io namespaces are reserved');
  }
};
const managedUris = ['/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'];
const blobUris = ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'];
const cachingModes = ['None', 'ReadOnly', 'ReadWrite'];
const diskKinds = ['Dedicated', 'Managed', 'Shared'];
const azureDisk: Check<AzureDiskVolumeSource> = (errors, { diskName, diskURI = '', cachingMode, kind }, field) => {
  if (!diskName) errors.required(`${field}.diskName`);
  if (!diskURI) errors.required(`${field}.diskURI`);
  if (cachingMode !== undefined && !cachingModes.includes(cachingMode))
    errors.notSupported(`${field}.cachingMode`, cachingMode, cachingModes);
  if (kind !== undefined && !diskKinds.includes(kind)) errors.notSupported(`${field}.kind`, kind, diskKinds);
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/'))
    errors.notSupported(`${field}.diskURI`, diskURI, managedUris);
  if (kind !== undefined && kind !== 'Managed' && !diskURI.startsWith('https://'))
    errors.notSupported(`${field}.diskURI`, diskURI, blobUris);
};
const storageos: Check<Pick<StorageOSVolumeSource, 'volumeName' | 'volumeNamespace' | 'secretRef'>> = (
  errors,
  { volumeName, volumeNamespace, secretRef },
  field,
) => {
  if (!volumeName) errors.required(`${field}.volumeName`);
  else errors.invalidEach(`${field}.volumeName`, volumeName, checkDns1123Label(volumeName));
  if (volumeNamespace)
    errors.invalidEach(`${field}.volumeNamespace`, volumeNamespace, checkDns1123Label(volumeNamespace));
  if (secretRef && !secretRef.name) errors.required(`${field}.secretRef.name`);
};

export const sharedSources = {
  hostPath,
  gcePersistentDisk,
  awsElasticBlockStore,
  nfs,
  glusterfs: needs<Pick<GlusterfsVolumeSource, 'endpoints' | 'path'>>('endpoints', 'path'),
  flocker,
  rbd: needs<Pick<RBDVolumeSource, 'monitors' | 'image'>>('monitors', 'image'),
  cinder,
  cephfs: needs<{ readonly monitors: readonly string[] }>('monitors'),
  quobyte,
  fc,
  flexVolume,
  azureFile: needs<{ readonly secretName: string; readonly shareName: string }>('secretName', 'shareName'),
  vsphereVolume: needs<{ readonly volumePath: string }>('volumePath'),
  photonPersistentDisk: needs<{ readonly pdID: string }>('pdID'),
  portworxVolume: needs<{ readonly volumeID: string }>('volumeID'),
  azureDisk,
  storageos,
  scaleIO: needs<Pick<ScaleIOVolumeSource, 'gateway' | 'system' | 'volumeName'>>('gateway', 'system', 'volumeName'),
} as const;
