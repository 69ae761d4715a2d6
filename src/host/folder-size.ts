/** How much disk a folder holds, counted as `du -x` does: blocks once for each inode, without other file systems mounted below. */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './host-error.ts';

export interface FolderSize {
  readonly bytes: number;
  readonly inodes: number;
}

/** @returns zeros for a folder that is not there. What disappears while it is counted is left out. */
export async function folderSize(path: string, signal?: AbortSignal): Promise<FolderSize> {
  let bytes = 0;
  let inodes = 0;
  const counted = new Set<number>();
  const top = await lstatIfAny(path);
  if (!top) return { bytes, inodes };
  const walk = async (folder: string): Promise<void> => {
    let entries: Awaited<ReturnType<typeof opendir>>;
    try {
      entries = await opendir(folder);
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    for await (const entry of entries) {
      if (signal?.aborted) return;
      const full = join(folder, entry.name);
      const stats = await lstatIfAny(full);
      if (!stats || stats.dev !== top.dev) continue;
      if (stats.nlink > 1 && !stats.isDirectory()) {
        if (counted.has(stats.ino)) continue;
        counted.add(stats.ino);
      }
      bytes += stats.blocks * 512;
      inodes++;
      if (stats.isDirectory()) await walk(full);
    }
  };
  bytes += top.blocks * 512;
  inodes++;
  if (top.isDirectory()) await walk(path);
  return { bytes, inodes };
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE'].includes(errorCode(error) ?? '');

async function lstatIfAny(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
