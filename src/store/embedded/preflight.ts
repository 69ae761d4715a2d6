/**
 * What is checked before LMDB opens a data file, because the binding ends the process where LMDB refuses one (a file that is no database, a
 * directory it cannot write), and because reading a mapped page beyond the file's end is a bus error.
 */
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../store.ts';
import { checkPages, pageBytes, readMeta } from './page-check.ts';

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
    const distance = first.transaction - second.transaction;
    if (distance > 1n || distance < -1n)
      throw new StoreError('corrupt', 'its data file is damaged (it has lost its newest state); restore a snapshot');
    const meta = first.transaction > second.transaction ? first : second;
    const needed = (meta.lastPage + 1) * pageBytes;
    if (size < needed - tailPages * pageBytes)
      throw new StoreError(
        'corrupt',
        `its data file has ${size} bytes where ${needed} are expected; restore a snapshot`,
      );
    // If what is missing mattered, the walk finds it.
    if (size < needed) ftruncateSync(descriptor, needed);
    checkPages(descriptor, meta);
  } finally {
    closeSync(descriptor);
  }
}
