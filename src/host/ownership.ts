/**
 * Gives a tree of files to a group: owner group, rights of the group, setgid on folders so that new files get the group too.
 * Source: pkg/volume/volume_linux.go SetVolumeOwnership.
 */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './host-error.ts';

export interface GroupOwnership {
  readonly gid: number;
  readonly readOnly: boolean;
  /** Leave the tree alone when its root is right already. */
  readonly onlyOnRootMismatch?: boolean;
}

const readWrite = 0o660;
const readOnlyMask = 0o440;
const enter = 0o110;
const setgid = 0o2000;

/** @returns how many files and folders were looked at. Files that vanish meanwhile are no error. */
export async function giveToGroup(root: string, ownership: GroupOwnership): Promise<number> {
  if (ownership.onlyOnRootMismatch && (await isRight(root, ownership))) return 0;
  let count = 0;
  const give = async (path: string): Promise<void> => {
    let stat: Awaited<ReturnType<typeof lstat>>;
    try {
      stat = await lstat(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return;
      throw error;
    }
    // The contents first: a root that is right means that all of it is.
    if (stat.isDirectory()) for (const name of await readdir(path)) await give(join(path, name));
    try {
      await lchown(path, stat.uid, ownership.gid);
      if (!stat.isSymbolicLink()) await chmod(path, (stat.mode & 0o7777) | maskOf(ownership, stat.isDirectory()));
      count++;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  };
  await give(root);
  return count;
}

function maskOf({ readOnly }: GroupOwnership, isFolder: boolean): number {
  const rights = readOnly ? readOnlyMask : readWrite;
  return isFolder ? rights | enter | setgid : rights;
}

async function isRight(root: string, ownership: GroupOwnership): Promise<boolean> {
  const stat = await lstat(root);
  const mask = maskOf(ownership, true);
  return stat.gid === ownership.gid && (stat.mode & mask) === mask;
}
