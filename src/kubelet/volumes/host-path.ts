/** Checks, and for two types makes, what a hostPath names. Source: pkg/volume/hostpath. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostPathVolumeSource } from '../../api/types/core-v1.ts';
import { errorCode } from '../../host/host-error.ts';

/** An empty type checks nothing. @returns why the path is none of its type; undefined when it is. */
export async function checkHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string | undefined> {
  if (type === '') return undefined;
  const wrong = (what: string): string => `hostPath type check failed: ${path} is not ${what}`;
  const found = await stat(path).catch((error) => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  switch (type) {
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) return wrong('a directory');
      return undefined;
    case 'FileOrCreate':
      if (!found) {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, '', { mode: 0o644, flag: 'a' });
      } else if (!found.isFile()) return wrong('a file');
      return undefined;
    case 'Directory':
      return found?.isDirectory() ? undefined : wrong('a directory');
    case 'File':
      return found?.isFile() ? undefined : wrong('a file');
    case 'Socket':
      return found?.isSocket() ? undefined : wrong('a socket file');
    case 'CharDevice':
      return found?.isCharacterDevice() ? undefined : wrong('a character device');
    case 'BlockDevice':
      return found?.isBlockDevice() ? undefined : wrong('a block device');
    default:
      return `${type} is an invalid volume type`;
  }
}
