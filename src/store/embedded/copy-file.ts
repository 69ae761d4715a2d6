/** Copies of an embedded store's file, made while another process writes to it: LMDB gives a reader one committed state. */
import { closeSync, cpSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../store.ts';
import { checkOwner, dataFile, formatFile, owner } from './disk.ts';
import { diskError } from './disk-error.ts';
import { formatVersion } from './format.ts';
import { thisProcess } from './owner.ts';
import { checkDataFile } from './preflight.ts';

/** @param path the store's directory, open in no store of this process. @param target a new file. @throws StoreError */
export async function copyStoreFile(path: string, target: string): Promise<void> {
  const { open } = await import('lmdb');
  try {
    if (!existsSync(join(path, dataFile))) throw new StoreError('invalid', `There is no store in "${path}"`);
    const db = open({ path: join(path, dataFile), noSubdir: true, readOnly: true, pageSize: 4096, maxReaders: 32 });
    try {
      // Not compacted: such a copy has one state only, and `preflight.ts` wants to see the one before as well.
      await db.backup(target, false);
    } finally {
      await db.close();
    }
    const file = openSync(target, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(target, { force: true });
    throw diskError(error, `Cannot copy the store in "${path}"`);
  }
}

/** A directory that `openEmbeddedStore` takes, made from such a copy. */
export async function unpackStoreFile(copy: string, path: string): Promise<void> {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  cpSync(copy, join(path, dataFile));
  checkDataFile(path, dataFile);
  // It names the process that had the original open, which may be running still.
  const { open } = await import('lmdb');
  const db = open({
    path: join(path, dataFile),
    noSubdir: true,
    overlappingSync: false,
    keyEncoding: 'binary',
    encoding: 'binary',
    pageSize: 4096,
    maxReaders: 32,
  } as Parameters<typeof open>[0]);
  try {
    db.removeSync(owner);
  } finally {
    await db.close();
  }
  writeFileSync(join(path, formatFile), `${JSON.stringify({ formatVersion })}\n`, { mode: 0o600, flush: true });
}

/** @throws StoreError `inUse` when a process, also this one, has the store in that directory open. */
export const assertStoreUnused = (path: string): void => checkOwner(path, thisProcess());
