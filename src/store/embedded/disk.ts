/**
 * LMDB under the embedded store. `overlappingSync` is off: with it lmdb acknowledges a commit before the data is on disk. Without it a commit is
 * LMDB's own: data pages, fdatasync, then the meta page through an O_DSYNC descriptor; its promise resolves after that. Writes go through one
 * worker thread; the instructions of one event turn make one transaction (lmdb's event turn batching puts them into one block).
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import type { Version } from '../mvcc/version.ts';
import { StoreError } from '../store.ts';
import { diskError } from './disk-error.ts';
import {
  decodeRecord,
  encodeRecord,
  formatVersion,
  leaseKey,
  leaseOfKey,
  leasePrefix,
  logKey,
  logPrefix,
  metaKey,
  recordValue,
} from './format.ts';
import { isAlive, type ProcessIdentity, thisProcess } from './owner.ts';
import { checkDataFile } from './preflight.ts';
import { Reserve } from './reserve.ts';

export interface DiskOptions {
  /** The store's own directory; made when missing. */
  readonly path: string;
  /** Upper bound of the data file: address space, not disk. */
  readonly mapBytes: number;
}

/** One group commit. */
export interface DiskBatch {
  readonly versions: readonly Version[];
  readonly leases: readonly { readonly id: bigint; readonly ttlSeconds: number | undefined }[];
  readonly forget?: readonly Version[];
  readonly compactRevision?: number;
}

export const dataFile = 'store.mdb';
export const formatFile = 'format.json';
/** Who has the directory open, for people, and to refuse before LMDB is touched (it does not bear being opened twice in a process). */
const ownerFile = 'owner.json';
export const owner = metaKey('owner');
const compacted = metaKey('compacted');

export class Disk {
  readonly #path: string;
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #reserve: Reserve;
  readonly #key = Buffer.allocUnsafe(11);

  private constructor(path: string, db: RootDatabase<Buffer, Buffer>) {
    this.#path = path;
    this.#db = db;
    this.#reserve = new Reserve(join(path, dataFile));
  }

  /** @throws StoreError `inUse`, `readonly`, `noSpace`, `corrupt`, `invalid` (newer format). */
  static async open(options: DiskOptions): Promise<Disk> {
    const { path } = options;
    const { open } = await import('lmdb');
    // From here to the claim nothing is awaited: two opens in one process cannot both pass.
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      checkOwner(path, thisProcess());
      const known = checkFormat(path);
      checkDataFile(path, dataFile);
      const db = open<Buffer, Buffer>({
        path: join(path, dataFile),
        noSubdir: true,
        overlappingSync: false,
        keyEncoding: 'binary',
        encoding: 'binary',
        cache: false,
        compression: false,
        mapSize: options.mapBytes,
        pageSize: 4096,
        maxReaders: 32,
        permissionsMode: 0o600,
      } as Parameters<typeof open>[0]);
      const disk = new Disk(path, db);
      try {
        disk.#own(thisProcess());
        if (!known) {
          writeFileSync(join(path, formatFile), `${JSON.stringify({ formatVersion })}\n`, { mode: 0o600, flush: true });
          // The files' names must survive a power loss as well.
          syncDirectory(path);
          syncDirectory(dirname(path));
        }
      } catch (error) {
        await db.close();
        disk.#reserve.close();
        throw error;
      }
      return disk;
    } catch (error) {
      throw diskError(error, `Cannot open the store in "${path}"`);
    }
  }

  /** LMDB's writer lock spans processes, so that looking and claiming are one step. */
  #own(self: ProcessIdentity): void {
    this.#reserve.take(1, 0);
    const holder = this.#db.transactionSync(() => {
      const record = this.#db.get(owner);
      const current = record === undefined ? undefined : (JSON.parse(record.toString()) as ProcessIdentity);
      if (current !== undefined && isAlive(current)) return current;
      this.#db.putSync(owner, Buffer.from(JSON.stringify(self)));
      return undefined;
    });
    if (holder) throw inUse(holder, self);
    writeFileSync(join(this.#path, ownerFile), `${JSON.stringify(self)}\n`, { mode: 0o600 });
  }

  compactRevision(): number {
    return this.#db.get(compacted)?.readUIntBE(0, 6) ?? 0;
  }

  *leases(): Generator<{ readonly id: bigint; readonly ttlSeconds: number }> {
    for (const { key, value } of this.#db.getRange({
      start: Buffer.from([leasePrefix]),
      end: Buffer.from([logPrefix]),
    }))
      yield { id: leaseOfKey(key), ttlSeconds: value.readDoubleBE(0) };
  }

  /** Every version in revision order, without its value. */
  *versions(): Generator<Version> {
    try {
      const range = { start: Buffer.from([logPrefix]), end: Buffer.from([logPrefix + 1]) };
      for (const key of this.#db.getKeys(range)) {
        // The buffer is lmdb's, good until the next read: nothing of the value is copied.
        const record = this.#db.getBinaryFast(key)!;
        yield decodeRecord(key, record, (this.#db as unknown as { lastSize: number }).lastSize);
      }
    } catch (error) {
      throw diskError(error, `Cannot read the store in "${this.#path}"`);
    }
  }

  /** A copy of the value of a committed version. @throws StoreError `corrupt`. */
  value(version: Version): Uint8Array {
    const record = this.#db.getBinary(logKey(version.modRevision, version.sub, this.#key));
    if (record === undefined)
      throw new StoreError('corrupt', `The record of revision ${version.modRevision} ("${version.key}") is missing`);
    return recordValue(record, version.modRevision);
  }

  /** Durable when it resolves. The caller makes one at a time. @throws StoreError `noSpace` or `unavailable`; nothing of it is there then. */
  async commit(batch: DiskBatch): Promise<void> {
    const db = this.#db;
    const { versions, leases, forget } = batch;
    const records = versions.map(encodeRecord);
    try {
      this.#reserve.take(
        records.length + leases.length + (forget?.length ?? 0) + 1,
        records.reduce((bytes, record) => bytes + record.length, 0),
      );
    } catch (error) {
      throw diskError(error, 'A commit failed');
    }
    // Each is awaited: when the commit fails, each of them rejects.
    const done: Promise<boolean>[] = [];
    for (let i = 0; i < versions.length; i++) {
      const version = versions[i]!;
      done.push(db.put(logKey(version.modRevision, version.sub, this.#key), records[i]!));
    }
    for (const { id, ttlSeconds } of leases) {
      if (ttlSeconds === undefined) {
        done.push(db.remove(leaseKey(id)));
        continue;
      }
      const value = Buffer.alloc(8);
      value.writeDoubleBE(ttlSeconds);
      done.push(db.put(leaseKey(id), value));
    }
    if (batch.compactRevision !== undefined) {
      const value = Buffer.alloc(6);
      value.writeUIntBE(batch.compactRevision, 0, 6);
      done.push(db.put(compacted, value));
    }
    if (forget) for (const version of forget) done.push(db.remove(logKey(version.modRevision, version.sub, this.#key)));
    if (done.length === 0) return;
    try {
      if (done.length === 1) await done[0];
      else await Promise.all(done);
    } catch (error) {
      const cause = (error as { commitError?: Promise<unknown> }).commitError;
      const reason = cause === undefined ? error : await cause.catch((why: unknown) => why);
      throw diskError(
        this.#isFull() ? Object.assign(new Error('full'), { code: 'ENOSPC' }) : reason,
        'A commit failed',
      );
    }
  }

  /** LMDB takes a write that was cut short by a full file system for an input/output error. */
  #isFull(): boolean {
    const { bavail, bsize } = statfsSync(this.#path);
    return bavail * bsize < 64 * 1024;
  }

  /** Bytes of the data file in use. */
  size(): number {
    return this.#reserve.used();
  }

  async close(): Promise<void> {
    try {
      this.#db.removeSync(owner);
      rmSync(join(this.#path, ownerFile), { force: true });
    } catch (error) {
      // On a full disk the claim stays; whoever opens the store next sees that its process is gone.
      if (!this.#isFull()) throw error;
    } finally {
      await this.#db.close();
      this.#reserve.close();
    }
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const inUse = (holder: ProcessIdentity, self: ProcessIdentity): StoreError =>
  new StoreError(
    'inUse',
    holder.pid === self.pid
      ? 'this process has it open already'
      : `process ${holder.pid} has it open; stop that one first`,
  );

/** @throws StoreError `inUse`. A torn file is nobody's: the claim inside LMDB decides. */
export function checkOwner(path: string, self: ProcessIdentity): void {
  const file = join(path, ownerFile);
  if (!existsSync(file)) return;
  const holder = parseJson(readFileSync(file, 'utf8')) as ProcessIdentity | undefined;
  if (holder?.pid !== undefined && isAlive(holder)) throw inUse(holder, self);
}

/** @returns whether the directory holds a store. @throws StoreError. */
function checkFormat(path: string): boolean {
  const file = join(path, formatFile);
  if (!existsSync(file)) return false;
  const found = (parseJson(readFileSync(file, 'utf8')) as { formatVersion?: unknown } | undefined)?.formatVersion;
  if (typeof found !== 'number') throw new StoreError('corrupt', `"${formatFile}" is not readable; restore a snapshot`);
  if (found > formatVersion)
    throw new StoreError(
      'invalid',
      `it was written by a newer Bireme (format ${found}, this one knows ${formatVersion})`,
    );
  const data = join(path, dataFile);
  if (!existsSync(data) || statSync(data).size === 0)
    throw new StoreError('corrupt', `its data file "${dataFile}" is missing or empty; restore a snapshot`);
  return true;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
