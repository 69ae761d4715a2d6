/**
 * What has to be done to etcd before the first API server uses it: `run/store-task.json`, written by `init --migrate-to-etcd` and by a restore, done
 * by the host process's next start, and done again from the beginning when that start is interrupted.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedStore } from '../../store/embedded/embedded-store.ts';
import type { Store } from '../../store/store.ts';
import type { Surroundings } from '../component.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { copyStore, raiseRevision } from './copy-store.ts';

export type StoreTask = { readonly kind: 'migrate' } | { readonly kind: 'raise'; readonly by: number };

const path = (dir: DataDir): string => join(dir.run, 'store-task.json');

export const writeStoreTask = (dir: DataDir, task: StoreTask): void =>
  writeFileAtomically(path(dir), JSON.stringify(task), 0o600);

export const hasStoreTask = (dir: DataDir): boolean => existsSync(path(dir));

/** Where the embedded store goes when all of it is in etcd. */
export const oldStorePath = (dir: DataDir): string => join(dir.path, 'snapshots', 'embedded-store');

export async function doStoreTask(
  dir: DataDir,
  to: Store,
  { clock, log }: Pick<Surroundings, 'clock' | 'log'>,
): Promise<void> {
  const text = readFileIfPresent(path(dir));
  if (text === undefined) return;
  const task = JSON.parse(text) as StoreTask;
  if (task.kind === 'raise') {
    const revision = await to.currentRevision();
    await raiseRevision(to, revision + task.by, log);
    await to.compact(await to.currentRevision());
  } else {
    // An interrupted try left a part, and no API server has seen it.
    await to.txn({ compare: [], success: [{ type: 'delete', key: '\0', end: '\0' }] });
    const from = await openEmbeddedStore({ path: dir.store, clock, log });
    try {
      await copyStore({ from, to, clock, log });
    } finally {
      await from.close();
    }
    mkdirSync(join(dir.path, 'snapshots'), { recursive: true, mode: 0o700 });
    rmSync(oldStorePath(dir), { recursive: true, force: true });
    renameSync(dir.store, oldStorePath(dir));
  }
  rmSync(path(dir));
}
