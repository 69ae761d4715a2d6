/**
 * A part of a volume as a mount of its own, safe against a container that changes links in the volume at the same time: the part is opened step
 * by step without following links, and what was opened is bound to a place only the kubelet can reach.
 *
 *   <pod folder>/volume-subpaths/<volume>/<container>/<index of the mount>
 *
 * Source: pkg/volume/util/subpath.
 */
import { lstat, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode } from '../../host/host-error.ts';
import { makeFoldersInside, openInside } from '../../host/inside-folder.ts';
import type { Mounts } from '../../host/mounts.ts';

export interface SubPath {
  readonly podFolder: string;
  readonly volumeName: string;
  readonly volumePath: string;
  readonly containerName: string;
  readonly mountIndex: number;
  /** Relative to the volume. */
  readonly path: string;
}

/** @returns where the part is to be mounted from. @throws HostError when it leads out of the volume. */
export async function prepareSubPath(sub: SubPath, mounts: Mounts): Promise<string> {
  const { podFolder, volumeName, volumePath, containerName, mountIndex, path } = sub;
  await makeFoldersInside(volumePath, path, (await stat(volumePath)).mode & 0o7777);
  const opened = await openInside(volumePath, path);
  try {
    const target = join(podFolder, 'volume-subpaths', volumeName, containerName, String(mountIndex));
    if (mounts.isMounted(target)) {
      const now = await stat(target);
      if (now.dev === opened.device && now.ino === opened.inode) return target;
      // The container before this one had another file there, under the same name.
      await mounts.unmount(target);
    }
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    if (opened.isFolder) await mkdir(target, { recursive: true, mode: 0o750 });
    else if (!(await exists(target))) await writeFile(target, '', { mode: 0o640 });
    await mounts.bind(opened.path, target);
    return target;
  } finally {
    await opened.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
