/**
 * A pod's volumes on disk, below `<root>/pods/<uid>/volumes/<plugin>/<name>` as upstream lays them out. Memory-backed ones (secrets, tokens,
 * emptyDir of medium Memory) are tmpfs mounts.
 */
import { chmod, chown, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseValue } from '../../api/quantity.ts';
import type { Pod, Volume } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { writeAtomicTree } from '../../host/atomic-tree.ts';
import { errorCode } from '../../host/host-error.ts';
import type { Mounts } from '../../host/mounts.ts';
import { EnvironmentError } from '../environment.ts';
import { podUid } from '../pods/pod-info.ts';
import { type ContentContext, volumeContent } from './volume-content.ts';

export interface Volumes {
  /** Makes every volume that is missing and brings contents up to date. @throws EnvironmentError */
  setUp(pod: Pod, context: ContentContext): Promise<void>;
  /** Host path of a volume. @throws EnvironmentError for a kind that is not supported. */
  path(pod: Pod, name: string): string;
  /** Unmounts all of a pod. */
  tearDown(uid: string): Promise<void>;
}

export interface VolumesOptions {
  /** The kubelet's folder. */
  readonly root: string;
  readonly mounts: Mounts;
  readonly clock: Clock;
}

export const podFolder = (root: string, uid: string): string => join(root, 'pods', uid);

export function createVolumes({ root, mounts, clock }: VolumesOptions): Volumes {
  let stamps = 0;
  const stamp = (): string => {
    const time = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '_');
    return `${time}.${String(++stamps).padStart(9, '0')}`;
  };

  const setUpOne = async (pod: Pod, volume: Volume, context: ContentContext): Promise<void> => {
    const gid = pod.spec?.securityContext?.fsGroup;
    const group = gid === undefined ? {} : { gid: Number(gid) };
    const path = folderOf(root, pod, volume);
    if (volume.hostPath) {
      await checkHostPath(volume);
      return;
    }
    const content = await volumeContent(pod, volume, context);
    if (content) {
      await mkdir(path, { recursive: true, mode: 0o755 });
      // Secrets and tokens never touch the disk.
      if (!volume.configMap && !volume.downwardAPI && !mounts.isMounted(path))
        await mounts.tmpfs(path, { mode: 0o777 });
      await writeAtomicTree(path, content, { ...group, stamp: stamp() });
      await chmod(path, gid === undefined ? 0o777 : 0o2777);
      if (gid !== undefined) await chown(path, 0, Number(gid));
      return;
    }
    if (volume.emptyDir) {
      await mkdir(path, { recursive: true, mode: 0o777 });
      if (volume.emptyDir.medium === 'Memory' && !mounts.isMounted(path)) {
        const limit = volume.emptyDir.sizeLimit;
        await mounts.tmpfs(path, { mode: 0o777, ...(limit ? { sizeBytes: parseValue(limit) } : {}) });
      }
      // The umask does not apply to what all of a pod's users share.
      await chmod(path, gid === undefined ? 0o777 : 0o2777);
      if (gid !== undefined) await chown(path, 0, Number(gid));
      return;
    }
    throw new EnvironmentError(
      'FailedMount',
      `Unable to attach or mount volumes: volume ${JSON.stringify(volume.name)} is of a kind this kubelet does not support yet: ${kindOf(volume)}`,
    );
  };

  return {
    async setUp(pod, context) {
      for (const volume of pod.spec?.volumes ?? []) await setUpOne(pod, volume, context);
    },
    path(pod, name) {
      const volume = pod.spec?.volumes?.find((v) => v.name === name);
      if (!volume)
        throw new EnvironmentError('FailedMount', `volume ${JSON.stringify(name)} is not among the pod's volumes`);
      return volume.hostPath?.path ?? folderOf(root, pod, volume);
    },
    async tearDown(uid) {
      const folder = podFolder(root, uid);
      await mounts.unmountUnder(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const plugins: Readonly<Record<string, string>> = {
  configMap: 'kubernetes.io~configmap',
  secret: 'kubernetes.io~secret',
  projected: 'kubernetes.io~projected',
  downwardAPI: 'kubernetes.io~downward-api',
  emptyDir: 'kubernetes.io~empty-dir',
};

const kindOf = (volume: Volume): string =>
  Object.keys(volume)
    .filter((key) => key !== 'name')
    .join(', ') || 'none';

const folderOf = (root: string, pod: Pod, volume: Volume): string =>
  join(podFolder(root, podUid(pod)), 'volumes', plugins[kindOf(volume)] ?? 'kubernetes.io~other', volume.name);

/** Source: pkg/volume/hostpath. An empty type checks nothing. */
async function checkHostPath({ name, hostPath }: Volume): Promise<void> {
  const { path, type = '' } = hostPath!;
  const fail = (why: string): never => {
    throw new EnvironmentError(
      'FailedMount',
      `MountVolume.SetUp failed for volume ${JSON.stringify(name)} : hostPath type check failed: ${path} ${why}`,
    );
  };
  const found = await stat(path).catch((error) => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  switch (type) {
    case '':
      return;
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) fail('is not a directory');
      return;
    case 'FileOrCreate':
      if (!found) {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, '', { mode: 0o644, flag: 'a' });
      } else if (!found.isFile()) fail('is not a file');
      return;
    case 'Directory':
      if (!found?.isDirectory()) fail('is not a directory');
      return;
    case 'File':
      if (!found?.isFile()) fail('is not a file');
      return;
    case 'Socket':
      if (!found?.isSocket()) fail('is not a socket file');
      return;
    case 'CharDevice':
      if (!found?.isCharacterDevice()) fail('is not a character device');
      return;
    case 'BlockDevice':
      if (!found?.isBlockDevice()) fail('is not a block device');
      return;
    default:
      fail(`is not of type ${type}`);
  }
}
