/**
 * A folder whose files change together: readers see all of the old contents or all of the new. The files live in a folder with a time stamp
 * in its name, `..data` points to it, and the visible names are links through `..data`; one rename of `..data` switches over.
 *
 *   volume/
 *     ..2026_01_02_03_04_05.123456/   the contents
 *     ..data -> ..2026_01_02_03_04_05.123456
 *     user.conf -> ..data/user.conf
 *     sub -> ..data/sub
 *
 * The layout is upstream's (pkg/volume/util/atomic_writer.go), because programs in containers watch for it.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { errorCode } from './host-error.ts';

export interface TreeFile {
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Owner; absent: ours. */
  readonly uid?: number;
}

export interface TreeOptions {
  /** Group of every file and folder; group read rights are added, as upstream's fsGroup does. */
  readonly gid?: number;
  /** Names the new contents; must differ from the last one. */
  readonly stamp: string;
}

const dataLink = '..data';

/**
 * @param folder exists. @param files relative path -> file; `..` parts are refused.
 * @returns false when the contents were the same already and nothing was written.
 */
export async function writeAtomicTree(
  folder: string,
  files: ReadonlyMap<string, TreeFile>,
  options: TreeOptions,
): Promise<boolean> {
  for (const path of files.keys())
    if (path === '' || path.startsWith('/') || path.split('/').some((part) => part === '..') || path.startsWith('..'))
      throw new Error(`Path ${JSON.stringify(path)} may not be written into a volume`);
  const previous = await readLinkIfAny(join(folder, dataLink));
  if (previous !== undefined && (await same(join(folder, previous), files))) return false;

  const name = `..${options.stamp}`;
  const target = join(folder, name);
  await mkdir(target, { recursive: true, mode: 0o755 });
  for (const [path, file] of files) {
    const full = join(target, normalize(path));
    await mkdir(dirname(full), { recursive: true, mode: 0o755 });
    await writeFile(full, file.bytes, { mode: file.mode });
    // The umask has taken bits away.
    await chmod(full, options.gid === undefined ? file.mode : file.mode | 0o440);
    if (options.gid !== undefined || file.uid !== undefined) await chown(full, file.uid ?? 0, options.gid ?? 0);
  }
  await chmod(target, 0o755);
  if (options.gid !== undefined) await chownFolders(target, options.gid);

  const temporary = join(folder, `${dataLink}_tmp`);
  await rm(temporary, { force: true });
  await symlink(name, temporary);
  await rename(temporary, join(folder, dataLink));

  const visible = new Set([...files.keys()].map((path) => normalize(path).split('/')[0]!));
  for (const entry of visible)
    try {
      await symlink(join(dataLink, entry), join(folder, entry));
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  for (const entry of await readdir(folder)) {
    if (entry === dataLink || entry === name || visible.has(entry)) continue;
    // Stale names and older contents; nothing of ours else lives here.
    await rm(join(folder, entry), { recursive: true, force: true });
  }
  return true;
}

async function readLinkIfAny(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether a folder holds just these files with these bytes and modes. */
async function same(folder: string, files: ReadonlyMap<string, TreeFile>): Promise<boolean> {
  try {
    const present = await readdir(folder, { recursive: true, withFileTypes: true });
    if (present.filter((entry) => entry.isFile()).length !== files.size) return false;
    for (const [path, file] of files) {
      const full = join(folder, path);
      const bytes = await readFile(full);
      if (!bytes.equals(file.bytes)) return false;
      if (((await lstat(full)).mode & 0o777 & ~0o440) !== (file.mode & 0o777 & ~0o440)) return false;
    }
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function chownFolders(folder: string, gid: number): Promise<void> {
  await chown(folder, 0, gid);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await chownFolders(join(folder, entry.name), gid);
}
