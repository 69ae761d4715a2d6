/** Backups of the cluster of `bireme up`, whose store is a file: saved while it runs, restored while it does not, here or on a new machine. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Spawner } from '../../host/spawner.ts';
import { assertStoreUnused, copyStoreFile, unpackStoreFile } from '../../store/embedded/copy-file.ts';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import { StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, openDataDir } from '../data-dir.ts';
import { assertNotRunning } from '../run-record.ts';
import { writeCertificates } from './certificate-upload.ts';
import { raiseRevision } from './copy-store.ts';
import type { SnapshotSchedule } from './host-config.ts';
import {
  keepNewest,
  readSnapshotPki,
  type SnapshotInfo,
  snapshotRegularly,
  snapshotsPath,
  writeSnapshotPki,
} from './snapshots.ts';

const prefix = 'store-';
/** Writes that clients may have seen after the snapshot. */
const raiseDefault = 20_000;
/** Copying takes as long as the disk does. */
const saveTimeoutMs = 600_000;

/** @param options.keep of those with a name of their time, the newest so many stay. @throws ClusterError, StoreError */
export async function saveStoreSnapshot(
  dir: DataDir,
  options: { readonly clock: Clock; readonly path?: string; readonly keep?: number },
): Promise<SnapshotInfo> {
  const stamp = new Date(options.clock.now()).toISOString().replace(/[:.]/g, '-').slice(0, 19);
  const path = options.path === undefined ? join(snapshotsPath(dir), `${prefix}${stamp}.lmdb`) : resolve(options.path);
  if (existsSync(path)) throw new ClusterError(`"${path}" is there already`, 'choose another name');
  if (!path.endsWith('.lmdb'))
    throw new ClusterError(`"${path}" is no name for a snapshot of this store`, 'let it end in .lmdb');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.part`;
  rmSync(part, { force: true });
  await copyStoreFile(dir.store, part);
  writeSnapshotPki(dir, path, undefined);
  renameSync(part, path);
  if (options.keep !== undefined) keepNewest(dir, prefix, options.keep);
  return {
    name: path.slice(dirname(path).length + 1),
    path,
    bytes: statSync(path).size,
    created: new Date(options.clock.now()).toISOString(),
  };
}

/**
 * While the cluster runs, until `signal` aborts: by a process of its own each time, because LMDB opens a file once in a process.
 * @param options.command program and arguments of this command
 */
export function snapshotStoreRegularly(
  dir: DataDir,
  options: SnapshotSchedule & {
    readonly command: readonly string[];
    readonly spawner: Pick<Spawner, 'run'>;
    readonly clock: Clock;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { spawner, log, keep } = options;
  const [program = '', ...args] = [
    ...options.command,
    'snapshot',
    'save',
    '--data-dir',
    dir.path,
    '--keep',
    String(keep),
  ];
  const save = async (cut: AbortSignal): Promise<void> => {
    const { code, stdout, stderr } = await spawner.run(program, args, { timeoutMs: saveTimeoutMs, signal: cut });
    if (code !== 0) throw new Error(stderr.toString().trim() || `bireme snapshot save ended with ${code}`);
    log.info('Saved a snapshot of the store', { said: stdout.toString().trim() });
  };
  return snapshotRegularly(dir, prefix, options, save, signal);
}

/**
 * Into a data directory whose cluster is stopped, or a new one, which gets the authorities as well; the next `bireme up` goes on from there. What the
 * store held before stays in `snapshots/store-before-restore`. Clients have seen later revisions: they are stepped over, so old ones answer 410.
 * @throws ClusterError, StoreError
 */
export async function restoreStoreSnapshot(
  dataDir: string,
  snapshot: string,
  options: { readonly clock: Clock; readonly log: Logger; readonly raiseBy?: number },
): Promise<void> {
  const dir = openDataDir(dataDir);
  assertNotRunning(dir);
  const named = join(snapshotsPath(dir), snapshot);
  const path = existsSync(named) && !snapshot.includes('/') ? named : resolve(snapshot);
  if (!existsSync(path))
    throw new ClusterError(`There is no snapshot "${path}"`, 'see them with "bireme snapshot list"');
  const { pki } = readSnapshotPki(path);
  const fresh = join(dir.path, 'store-restoring');
  rmSync(fresh, { recursive: true, force: true });
  try {
    assertStoreUnused(dir.store);
    await unpackStoreFile(path, fresh);
    const store = await openEmbeddedStore({ path: fresh, clock: options.clock, log: options.log });
    try {
      await raiseRevision(store, (await store.currentRevision()) + (options.raiseBy ?? raiseDefault), options.log);
      await store.compact(await store.currentRevision());
    } finally {
      await store.close();
    }
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!(error instanceof StoreError)) throw error;
    throw new ClusterError(`"${path}" cannot be restored: ${error.message}`, 'use another snapshot', { cause: error });
  }
  const before = join(snapshotsPath(dir), 'store-before-restore');
  if (existsSync(dir.store)) {
    mkdirSync(snapshotsPath(dir), { recursive: true, mode: 0o700 });
    rmSync(before, { recursive: true, force: true });
    renameSync(dir.store, before);
  }
  renameSync(fresh, dir.store);
  if (!existsSync(join(dir.pki, 'ca.crt')))
    writeCertificates(dir.pki, new Map([...pki].filter(([, text]) => text !== '')));
}
