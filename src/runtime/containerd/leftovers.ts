/**
 * What containerd's helpers put outside of its folders, at places that cannot be configured: the shims' sockets in /run/containerd/s, the CNI
 * library's record of each sandbox in /var/lib/cni/results. In a quiet end they take it away themselves; after a `kill -9` nobody does.
 */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../host/host-error.ts';

const cniResults = '/var/lib/cni/results';
const sharedFolders = ['/run/containerd/s', '/run/containerd', cniResults, '/var/lib/cni'];

/** Files outside of the state folder that belong to the tasks in it. To be read before that folder goes away. */
export async function outsideFilesOf(stateFolder: string): Promise<readonly string[]> {
  const tasks = join(stateFolder, 'io.containerd.runtime.v2.task', 'k8s.io');
  const ids = new Set(await namesIn(tasks));
  const files = new Set<string>();
  for (const id of ids) {
    const address = await readIfAny(join(tasks, id, 'address'));
    if (address?.startsWith('unix:///')) files.add(address.trim().slice('unix://'.length));
  }
  // <network>-<sandbox>-<interface>
  for (const name of await namesIn(cniResults))
    if (name.split('-').some((part) => ids.has(part))) files.add(join(cniResults, name));
  return [...files];
}

/** Removes the files, and then the folders they were in when nobody else has anything there. */
export async function removeOutsideFiles(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true });
  for (const folder of sharedFolders) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes(errorCode(error) ?? '')) throw error;
    }
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readIfAny(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
