/**
 * The image of a sandbox's first process, made on the spot: pulling one needs a network. catatonit (Debian package) has a mode made for it
 * and reaps orphans; a static busybox sleeps instead.
 */
import { readFile } from 'node:fs/promises';
import { errorCode, HostError } from '../../host/host-error.ts';
import { writeOciArchive } from '../oci-archive.ts';

export const pauseImageName = 'localhost/bireme/pause:1';

const candidates = [
  { path: '/usr/bin/catatonit', file: 'catatonit', entrypoint: ['/catatonit', '-P'] },
  { path: '/bin/busybox', file: 'busybox', entrypoint: ['/busybox', 'sleep', 'infinity'] },
] as const;

/** @throws HostError when neither program is there or they are not static. */
export async function makePauseArchive(): Promise<Buffer> {
  for (const { path, file, entrypoint } of candidates) {
    const bytes = await readIfAny(path);
    if (!bytes || !isStatic(bytes)) continue;
    return writeOciArchive([
      {
        name: pauseImageName,
        layers: [[{ kind: 'file', path: file, mode: 0o755, bytes }]],
        entrypoint,
      },
    ]);
  }
  throw new HostError('There is no program for the pause image', {
    remedy: 'Install catatonit (Debian: apt-get install catatonit) or busybox-static',
  });
}

async function readIfAny(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A 64-bit ELF program without an interpreter (PT_INTERP) needs no libraries. */
export function isStatic(bytes: Buffer): boolean {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2) return false;
  const start = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  for (let i = 0; i < count; i++) {
    const at = start + i * size;
    if (at + 4 > bytes.length || bytes.readUInt32LE(at) === 3) return false;
  }
  return true;
}
