/**
 * Paths inside a folder whose contents somebody hostile may change at any moment. Each part is opened by itself below the one before it, never
 * through a symbolic link, so nothing can be swapped under a path between a check and its use.
 *
 * Node has no openat(2); `/proc/self/fd/<n>/<name>` is the same: the kernel goes to the opened folder itself, whatever its path leads to now.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import { errorCode, HostError } from './host-error.ts';

/** Names a file without opening it: no pipe blocks, no device wakes. Linux' value; Node does not export it. */
const oPath = 0x20_00_00;
const flags = oPath | constants.O_NOFOLLOW;
const remedy = 'Use a path, and links, that stay inside the folder';

export interface OpenedInside {
  /** Leads to the opened file, from any process, as long as this is not closed. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly device: number;
  readonly inode: number;
  close(): Promise<void>;
}

/** The real path of `path`, links followed. @throws HostError when that is not inside `root`. */
export async function resolveInside(root: string, path: string): Promise<{ realRoot: string; parts: string[] }> {
  const realRoot = await realpath(root);
  const real = await realpath(join(root, path));
  return { realRoot, parts: partsInside(realRoot, real) };
}

/**
 * Opens `path` below `root`. Links are followed once, and may not lead out; then no link is followed any more.
 * @throws HostError for what leads out or changes meanwhile; the file system's errors.
 */
export async function openInside(root: string, path: string): Promise<OpenedInside> {
  const { realRoot, parts } = await resolveInside(root, path);
  const handle = await walk(realRoot, parts);
  const stat = await handle.stat();
  return {
    path: `/proc/${process.pid}/fd/${handle.fd}`,
    isFolder: stat.isDirectory(),
    device: stat.dev,
    inode: stat.ino,
    close: () => handle.close(),
  };
}

/** Makes the folders of `path` below `root` that are missing, with `mode` whatever the umask is. What is there may be a file. */
export async function makeFoldersInside(root: string, path: string, mode: number): Promise<void> {
  const wanted = path.split('/').filter((part) => part !== '' && part !== '.');
  if (wanted.includes('..')) throw new HostError(`Path ${JSON.stringify(path)} leads out of its folder`, { remedy });
  // The longest part that is there, links followed.
  let there = wanted.length;
  let base: Awaited<ReturnType<typeof resolveInside>>;
  for (;;) {
    try {
      base = await resolveInside(root, wanted.slice(0, there).join('/'));
      break;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || there === 0) throw error;
      there--;
    }
  }
  if (there === wanted.length) return;
  let folder = await walk(base.realRoot, base.parts);
  try {
    for (const part of wanted.slice(there)) {
      const below = `/proc/self/fd/${folder.fd}/${part}`;
      await mkdir(below, { mode: 0o700 });
      const next = await openPart(below, join(path, part));
      await folder.close();
      folder = next;
      // Through the handle again: chmod follows links, and this one leads to the folder itself.
      await chmodOpened(folder, mode);
    }
  } finally {
    await folder.close();
  }
}

async function chmodOpened(folder: FileHandle, mode: number): Promise<void> {
  const real = await open(`/proc/self/fd/${folder.fd}/.`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await real.chmod(mode);
  } finally {
    await real.close();
  }
}

async function walk(realRoot: string, parts: readonly string[]): Promise<FileHandle> {
  let handle = await openPart(realRoot, realRoot);
  for (const part of parts) {
    let next: FileHandle;
    try {
      next = await openPart(`/proc/self/fd/${handle.fd}/${part}`, join(realRoot, ...parts));
    } finally {
      await handle.close();
    }
    handle = next;
  }
  return handle;
}

async function openPart(path: string, told: string): Promise<FileHandle> {
  const handle = await open(path, flags);
  const stat = await handle.stat();
  if (!stat.isSymbolicLink()) return handle;
  await handle.close();
  throw new HostError(`Unexpected symbolic link in "${told}"`, { remedy });
}

function partsInside(realRoot: string, real: string): string[] {
  if (real === realRoot) return [];
  const inside = relative(realRoot, real);
  if (isAbsolute(inside) || inside === '..' || inside.startsWith('../'))
    throw new HostError(`"${real}" is not inside "${realRoot}"`, { remedy });
  return inside.split('/');
}
