/**
 * What is checked before LMDB opens a data file, because the binding ends the process where LMDB refuses one (a file that is no database, a
 * directory it cannot write), and because reading a mapped page beyond the file's end is a bus error.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../store.ts';

const pageBytes = 4096;
/** Pages that a sound file may lack: LMDB does not write pages that a transaction took at the end and gave back. */
const tailPages = 256;

/** @throws StoreError `corrupt`; a system error when the file or its directory cannot be written. */
export function checkDataFile(folder: string, name: string): void {
  const path = join(folder, name);
  if (!existsSync(path)) {
    const probe = join(folder, 'probe');
    const descriptor = openSync(probe, 'w', 0o600);
    try {
      writeSync(descriptor, Buffer.alloc(64 * 1024));
    } finally {
      closeSync(descriptor);
      rmSync(probe);
    }
    return;
  }
  closeSync(openSync(`${path}-lock`, 'a+', 0o600));
  const descriptor = openSync(path, 'r+');
  try {
    const { size } = fstatSync(descriptor);
    // Killed before its first commit.
    if (size === 0) return;
    const head = Buffer.alloc(2 * pageBytes);
    readSync(descriptor, head, 0, head.length, 0);
    const first = readMeta(head.subarray(0, pageBytes));
    const second = readMeta(head.subarray(pageBytes));
    if (first === undefined || second === undefined)
      throw new StoreError('corrupt', 'the data file is not a store; restore a snapshot');
    const { lastPage } = first.transaction > second.transaction ? first : second;
    const needed = (lastPage + 1) * pageBytes;
    if (size >= needed) return;
    if (size < needed - tailPages * pageBytes)
      throw new StoreError(
        'corrupt',
        `its data file has ${size} bytes where ${needed} are expected; restore a snapshot`,
      );
    // If what is missing mattered, reading all records finds it.
    ftruncateSync(descriptor, needed);
  } finally {
    closeSync(descriptor);
  }
}

/** LMDB's meta page as this build lays it out (64-bit, data version 2, little-endian). */
function readMeta(page: Buffer): { readonly lastPage: number; readonly transaction: bigint } | undefined {
  const isMeta = (page.readUInt16LE(18) & 8) !== 0 && page.readUInt32LE(24) === 0xbeefc0de;
  if (!isMeta || page.readUInt32LE(28) !== 2 || page.readUInt32LE(48) !== pageBytes) return undefined;
  return { lastPage: Number(page.readBigUInt64LE(144)), transaction: page.readBigUInt64LE(152) };
}
