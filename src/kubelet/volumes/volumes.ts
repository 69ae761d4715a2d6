/**
 * A pod's volumes on disk, below `<root>/pods/<uid>/volumes/<plugin>/<name>` as upstream lays them out. Memory-backed ones (secrets, tokens,
 * emptyDir of medium Memory) are tmpfs mounts; local persistent volumes are bind mounts; a hostPath is used where it is.
 *
 * Invariant: nothing below the pod's folder is removed while anything is mounted there, or the removal would reach what is mounted.
 */
import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseValue } from '../../api/quantity.ts';
import type { PersistentVolume, Pod, Volume } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { writeAtomicTree } from '../../host/atomic-tree.ts';
import { errorCode } from '../../host/host-error.ts';
import type { Mounts } from '../../host/mounts.ts';
import { giveToGroup } from '../../host/ownership.ts';
import { EnvironmentError } from '../environment.ts';
import { podUid } from '../pods/pod-info.ts';
import { claimedVolume } from './claimed-volume.ts';
import { checkHostPath } from './host-path.ts';
import { isLocalPathVolume } from './local-folders.ts';
import { type ContentContext, volumeContent } from './volume-content.ts';

export interface Volumes {
  /** Makes every volume that is missing and brings contents up to date. @throws EnvironmentError */
  setUp(pod: Pod, context: ContentContext): Promise<void>;
  /** Where a volume is, and whether its containers may not write there. @throws EnvironmentError for a kind that is not supported. */
  path(pod: Pod, name: string): Promise<{ readonly path: string; readonly readOnly: boolean }>;
  /** Unmounts all of a pod and removes its folder. @throws Error when something cannot be unmounted; nothing is removed then. */
  tearDown(uid: string): Promise<void>;
}

export interface VolumesOptions {
  /** The kubelet's folder. */
  readonly root: string;
  readonly mounts: Mounts;
  readonly clock: Clock;
}

export const podFolder = (root: string, uid: string): string => join(root, 'pods', uid);

interface Place {
  readonly path: string;
  readonly readOnly: boolean;
}

export function createVolumes({ root, mounts, clock }: VolumesOptions): Volumes {
  let stamps = 0;
  const stamp = (): string => {
    const time = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '_');
    return `${time}.${String(++stamps).padStart(9, '0')}`;
  };
  /** Uid -> volume name -> where it is. What is here has been made since this kubelet started. */
  const places = new Map<string, Map<string, Place>>();

  /** @returns where the volume is. */
  const setUpOne = async (pod: Pod, volume: Volume, context: ContentContext): Promise<Place> => {
    const claimed = await claimedVolume(pod, volume, context.objects);
    if (claimed) return setUpPersistent(pod, claimed.volume, claimed.readOnly);
    if (volume.image) return { path: '', readOnly: true };
    const fail = (why: string): never => refuse(volume.name, why);
    if (volume.hostPath) {
      const why = await checkHostPath(volume.hostPath);
      return why === undefined ? { path: volume.hostPath.path, readOnly: false } : fail(why);
    }
    const path = folderOf(root, pod, kindOf(volume), volume.name);
    const content = await volumeContent(pod, volume, context);
    if (content) {
      await mkdir(path, { recursive: true, mode: 0o755 });
      // Secrets and tokens never touch the disk.
      if (!volume.configMap && !volume.downwardAPI && !mounts.isMounted(path))
        await mounts.tmpfs(path, { mode: 0o777 });
      const gid = pod.spec?.securityContext?.fsGroup;
      const changed = await writeAtomicTree(path, content, { stamp: stamp() });
      if (changed) {
        await chmod(path, 0o777);
        if (gid !== undefined) await giveToGroup(path, { gid: Number(gid), readOnly: true });
      }
      // What the API server writes is never a container's to change. Source: each volume plugin's GetAttributes.
      return { path, readOnly: true };
    }
    if (volume.emptyDir) {
      await makeEmptyDir(pod, volume, path, context);
      return { path, readOnly: false };
    }
    if (volume.nfs) {
      await mkdir(path, { recursive: true, mode: 0o750 });
      await mountNfs(volume.nfs, path, volume.name, []);
      return { path, readOnly: volume.nfs.readOnly === true };
    }
    if (volume.csi) return fail(noDriver(volume.csi.driver));
    return unsupported(volume.name, kindOf(volume));
  };

  const makeEmptyDir = async (pod: Pod, volume: Volume, path: string, context: ContentContext): Promise<void> => {
    const { medium = '', sizeLimit } = volume.emptyDir!;
    const isThere = await exists(path);
    if (!isThere) await mkdir(path, { recursive: true, mode: 0o777 });
    const isMounted = medium !== '' && mounts.isMounted(path);
    if (medium === 'Memory' && !isMounted) {
      const sizeBytes = memorySize(pod, sizeLimit, context.allocatable);
      await mounts.tmpfs(path, { mode: 0o777, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
    } else if (medium.startsWith('HugePages') && !isMounted) {
      const page = medium === 'HugePages' ? onlyHugePage(pod) : medium.slice('HugePages-'.length);
      if (page === undefined)
        return refuse(volume.name, 'medium "HugePages" can only be used when the pod uses huge pages of one size');
      await mounts.mount('nodev', path, { type: 'hugetlbfs', options: [`pagesize=${parseValue(page)}`] });
    } else if (isThere) return;
    // The umask does not apply to what all of a pod's users share. Only once: its owner may choose otherwise later.
    await chmod(path, 0o777);
    await group(pod, path, false);
  };

  const setUpPersistent = async (pod: Pod, volume: PersistentVolume, wish: boolean): Promise<Place> => {
    const name = volume.metadata.name!;
    const { hostPath, local, nfs, csi, volumeMode, mountOptions = [] } = volume.spec!;
    if (volumeMode === 'Block') {
      const device = local?.path ?? hostPath?.path;
      return device === undefined ? unsupported(name, kindOfPersistent(volume)) : { path: device, readOnly: wish };
    }
    if (hostPath) {
      const why = await checkHostPath(hostPath);
      return why === undefined ? { path: hostPath.path, readOnly: wish } : refuse(name, why);
    }
    const path = folderOf(root, pod, kindOfPersistent(volume), name);
    if (local) {
      // The built-in provisioner's folders are made when they are first used; everybody may write, as in an emptyDir.
      if (isLocalPathVolume(volume) && !(await exists(local.path))) {
        await mkdir(local.path, { recursive: true });
        await chmod(local.path, 0o777);
      }
      const found = await stat(local.path).catch((error) => {
        if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
        throw error;
      });
      if (!found)
        throw new EnvironmentError(
          'FailedMount',
          `MountVolume.NewMounter initialization failed for volume ${JSON.stringify(name)} : path ${JSON.stringify(local.path)} does not exist`,
        );
      if (!found.isDirectory())
        return refuse(name, `${local.path} is not a directory: this kubelet mounts local folders only`);
      if (!mounts.isMounted(path)) {
        await mkdir(path, { recursive: true, mode: 0o750 });
        await mounts.bind(local.path, path, { readOnly: wish });
        if (!wish) await group(pod, path, true);
      }
      return { path, readOnly: wish };
    }
    if (nfs) {
      await mkdir(path, { recursive: true, mode: 0o750 });
      await mountNfs(nfs, path, name, mountOptions);
      return { path, readOnly: wish || nfs.readOnly === true };
    }
    if (csi) return refuse(name, noDriver(csi.driver));
    return unsupported(name, kindOfPersistent(volume));
  };

  const mountNfs = async (
    { server, path: exported, readOnly }: NonNullable<Volume['nfs']>,
    path: string,
    name: string,
    options: readonly string[],
  ): Promise<void> => {
    if (mounts.isMounted(path)) return;
    try {
      await mounts.mount(`${server}:${exported}`, path, {
        type: 'nfs',
        options: [...(readOnly ? ['ro'] : []), ...options],
      });
    } catch (error) {
      refuse(name, error instanceof Error ? error.message : String(error));
    }
  };

  const group = async (pod: Pod, path: string, persistent: boolean): Promise<void> => {
    const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
    if (fsGroup === undefined) return;
    const onlyOnRootMismatch = persistent && fsGroupChangePolicy === 'OnRootMismatch';
    await giveToGroup(path, { gid: Number(fsGroup), readOnly: false, onlyOnRootMismatch });
  };

  return {
    async setUp(pod, context) {
      const uid = podUid(pod);
      const known = places.get(uid) ?? new Map<string, Place>();
      places.set(uid, known);
      for (const volume of pod.spec?.volumes ?? []) {
        // Only contents of the API change while a pod runs.
        const settled = known.has(volume.name) && !context.fresh && !hasContent(volume);
        if (!settled) known.set(volume.name, await setUpOne(pod, volume, context));
      }
    },
    async path(pod, name) {
      const found = places.get(podUid(pod))?.get(name);
      if (!found)
        throw new EnvironmentError('FailedMount', `volume ${JSON.stringify(name)} is not among the pod's volumes`);
      return found;
    },
    async tearDown(uid) {
      const folder = podFolder(root, uid);
      await mounts.unmountUnder(folder);
      const left = mounts.list().find(({ mountPoint }) => mountPoint.startsWith(`${folder}/`));
      if (left) throw new Error(`Cannot remove the folder of pod ${uid}: ${left.mountPoint} is still mounted`);
      await rm(folder, { recursive: true, force: true });
      places.delete(uid);
    },
  };
}

const hasContent = ({ configMap, secret, downwardAPI, projected }: Volume): boolean =>
  (configMap ?? secret ?? downwardAPI ?? projected) !== undefined;

function refuse(name: string, why: string): never {
  throw new EnvironmentError('FailedMount', `MountVolume.SetUp failed for volume ${JSON.stringify(name)} : ${why}`);
}
function unsupported(name: string, kind: string): never {
  throw new EnvironmentError(
    'FailedMount',
    `Unable to attach or mount volumes: volume ${JSON.stringify(name)} is of a kind this kubelet does not support: ${kind}`,
  );
}
const noDriver = (driver: string): string =>
  `kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name ${driver} not found in the list of registered CSI drivers`;

const plugins: Readonly<Record<string, string>> = {
  configMap: 'kubernetes.io~configmap',
  secret: 'kubernetes.io~secret',
  projected: 'kubernetes.io~projected',
  downwardAPI: 'kubernetes.io~downward-api',
  emptyDir: 'kubernetes.io~empty-dir',
  local: 'kubernetes.io~local-volume',
  nfs: 'kubernetes.io~nfs',
};

const kindOf = (volume: Volume): string =>
  Object.keys(volume)
    .filter((key) => key !== 'name')
    .join(', ') || 'none';

const settings = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);
/** The one key of the specification that is no setting. */
const kindOfPersistent = ({ spec = {} }: PersistentVolume): string =>
  Object.keys(spec).find((key) => !settings.has(key)) ?? 'none';

const folderOf = (root: string, pod: Pod, kind: string, name: string): string =>
  join(podFolder(root, podUid(pod)), 'volumes', plugins[kind] ?? 'kubernetes.io~other', name);

/** The least of what the node has, what the pod may use and what was asked for. Source: calculateEmptyDirMemorySize. */
function memorySize(
  pod: Pod,
  limit: string | undefined,
  allocatable: Readonly<Record<string, string>>,
): number | undefined {
  const sizes: number[] = [];
  if (allocatable.memory !== undefined) sizes.push(parseValue(allocatable.memory));
  const containers = pod.spec?.containers ?? [];
  const limits = containers.map(({ resources }) => resources?.limits?.memory);
  if (limits.length > 0 && limits.every((each) => each !== undefined))
    sizes.push(limits.reduce((sum, each) => sum + parseValue(each!), 0));
  if (limit !== undefined) sizes.push(parseValue(limit));
  const useful = sizes.filter((size) => size > 0);
  return useful.length === 0 ? undefined : Math.min(...useful);
}

/** The page size that all of the pod's huge pages have; undefined for none or several. */
function onlyHugePage(pod: Pod): string | undefined {
  const sizes = new Set<string>();
  for (const { resources } of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])])
    for (const name of Object.keys(resources?.requests ?? {}))
      if (name.startsWith('hugepages-')) sizes.add(name.slice('hugepages-'.length));
  return sizes.size === 1 ? [...sizes][0] : undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
