/** What containers mount and which devices they get. */
import type { Container, VolumeDevice, VolumeMount } from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateDescendingPath } from './paths.ts';
import type { VolumeMap } from './volumes.ts';

const propagations = ['Bidirectional', 'HostToContainer', 'None'];
const recursions = ['Disabled', 'Enabled', 'IfPossible'];

export function validateMounts(errors: ErrorList, container: Container, volumes: VolumeMap, field: string): void {
  const mounts = container.volumeMounts!;
  const devices = container.volumeDevices;
  const seen = new Set<string>();
  for (let i = 0; i < mounts.length; i++) {
    const mount = mounts[i]!;
    const path = at(field, i);
    if (!mount.name) errors.required(`${path}.name`);
    if (!volumes.has(mount.name)) errors.notFound(`${path}.name`, mount.name);
    if (!mount.mountPath) errors.required(`${path}.mountPath`);
    if (seen.has(mount.mountPath)) errors.invalid(`${path}.mountPath`, mount.mountPath, 'must be unique');
    seen.add(mount.mountPath);
    if (devices?.some(({ name }) => name === mount.name))
      errors.invalid(`${path}.name`, mount.name, 'must not already exist in volumeDevices');
    if (devices?.some(({ devicePath }) => devicePath === mount.mountPath))
      errors.invalid(`${path}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices');
    if (mount.subPath) validateDescendingPath(errors, mount.subPath, `${field}.subPath`);
    if (mount.subPathExpr) {
      if (mount.subPath)
        errors.invalid(`${path}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive');
      validateDescendingPath(errors, mount.subPathExpr, `${field}.subPathExpr`);
    }
    if (mount.mountPropagation !== undefined) validatePropagation(errors, mount, container, field);
    if (mount.recursiveReadOnly !== undefined) validateRecursion(errors, mount, `${field}.recursiveReadOnly`);
  }
}

function validatePropagation(errors: ErrorList, mount: VolumeMount, container: Container, field: string): void {
  const path = `${field}.mountPropagation`;
  if (!propagations.includes(mount.mountPropagation!)) errors.notSupported(path, mount.mountPropagation, propagations);
  if (mount.mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true)
    errors.forbidden(path, 'Bidirectional mount propagation is available only to privileged containers');
}

function validateRecursion(errors: ErrorList, mount: VolumeMount, field: string): void {
  const mode = mount.recursiveReadOnly!;
  if (!recursions.includes(mode)) errors.notSupported(field, mode, recursions);
  else if (mode !== 'Disabled') {
    if (!mount.readOnly) errors.forbidden(field, 'may only be specified when readOnly is true');
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None')
      errors.forbidden(field, 'may only be specified when mountPropagation is None or not specified');
  }
}

export function validateDevices(
  errors: ErrorList,
  devices: readonly VolumeDevice[],
  mounts: readonly VolumeMount[],
  volumes: VolumeMap,
  field: string,
): void {
  const paths = new Set<string>();
  const names = new Set<string>();
  for (const [i, { name, devicePath }] of devices.entries()) {
    const path = at(field, i);
    const volume = volumes.get(name);
    if (!name) errors.required(`${path}.name`);
    if (names.has(name)) errors.invalid(`${path}.name`, name, 'must be unique');
    if (volume && !volume.persistentVolumeClaim && !volume.ephemeral)
      errors.invalid(
        `${path}.name`,
        name,
        'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      );
    if (!volume) errors.notFound(`${path}.name`, name);
    if (!devicePath) errors.required(`${path}.devicePath`);
    if (paths.has(devicePath)) errors.invalid(`${path}.devicePath`, devicePath, 'must be unique');
    if (devicePath?.split('/').includes('..'))
      errors.invalid(`${path}.devicePath`, devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.some((mount) => mount.name === name))
      errors.invalid(`${path}.name`, name, 'must not already exist in volumeMounts');
    if (mounts.some((mount) => mount.mountPath === devicePath))
      errors.invalid(`${path}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts');
    if (name) names.add(name);
  }
}
