/**
 * Backups of etcd: the database as etcdctl saves it, and beside it the authorities and keys without which a restored cluster would be another
 * one. `snapshots/NAME.db` and `snapshots/NAME.pki.json`, both readable by root alone.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { HostError } from '../../host/host-error.ts';
import type { Spawner } from '../../host/spawner.ts';
import { openEtcdCluster } from '../../store/etcd/etcd-cluster.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { findProgram } from '../rung.ts';
import { certificateFiles } from './certificate-upload.ts';
import { etcdDataPath } from './etcd-member.ts';
import { clientUrl, type HostConfig, readList, type SnapshotSchedule } from './host-config.ts';
import { writeStoreTask } from './store-task.ts';

export interface SnapshotInfo {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly created: string;
}

export const snapshotsPath = (dir: DataDir): string => join(dir.path, 'snapshots');
const pkiOf = (path: string): string => `${path.replace(/\.(db|lmdb)$/, '')}.pki.json`;
const hashBytes = 32;
const restoreTimeoutMs = 600_000;
/** Writes that clients may have seen after the snapshot; each takes a transaction to step over. */
const raiseBy = 20_000;

/** @param options.path absent: a name of its time in the data directory. @throws ClusterError, StoreError */
export async function saveSnapshot(
  dir: DataDir,
  config: HostConfig,
  options: { readonly clock: Clock; readonly path?: string },
): Promise<SnapshotInfo> {
  const { clock } = options;
  const stamp = new Date(clock.now()).toISOString().replace(/[:.]/g, '-').slice(0, 19);
  const path = options.path ?? join(snapshotsPath(dir), `etcd-${config.nodeName}-${stamp}.db`);
  if (existsSync(path)) throw new ClusterError(`"${path}" is there already`, 'choose another name');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const read = (name: string): string => readFileIfPresent(`${dir.pki}/etcd/${name}`) ?? '';
  const tls = { ca: read('ca.crt'), cert: read('healthcheck-client.crt'), key: read('healthcheck-client.key') };
  // Its own member's: the whole of it passes over the network otherwise.
  const own = clientUrl(config.address, config.etcd?.clientPort ?? 0);
  const known = readList(dir, 'etcd-endpoints');
  const endpoint = known.includes(own) ? own : (known[0] ?? own);
  const cluster = await openEtcdCluster({ endpoints: [endpoint], tls, clock });
  const part = `${path}.part`;
  const file = openSync(part, 'w', 0o600);
  let bytes = 0;
  try {
    const hash = createHash('sha256');
    // The last 32 bytes are the hash of all before them: held back until more comes.
    let held = Buffer.alloc(0);
    for await (const chunk of cluster.snapshot(endpoint)) {
      writeSync(file, chunk);
      bytes += chunk.length;
      held = Buffer.concat([held, chunk]);
      if (held.length > hashBytes) {
        hash.update(held.subarray(0, -hashBytes));
        held = Buffer.from(held.subarray(-hashBytes));
      }
    }
    if (bytes <= hashBytes || !hash.digest().equals(held))
      throw new ClusterError('The snapshot came damaged: its hash does not match', 'try again');
    fsyncSync(file);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(file);
    cluster.close();
  }
  writeSnapshotPki(dir, path, config.network);
  renameSync(part, path);
  return { name: path.slice(dirname(path).length + 1), path, bytes, created: new Date(clock.now()).toISOString() };
}

/** The authorities and keys, beside a snapshot. */
export function writeSnapshotPki(dir: DataDir, path: string, network: HostConfig['network'] | undefined): void {
  const pki: Record<string, string> = {};
  for (const name of certificateFiles) pki[name] = readFileIfPresent(join(dir.pki, name)) ?? '';
  writeFileAtomically(pkiOf(path), `${JSON.stringify({ pki, network }, null, 1)}\n`, 0o600);
}

/** Removes a snapshot with what lies beside it. */
function forget(path: string): void {
  rmSync(path, { force: true });
  rmSync(pkiOf(path), { force: true });
}

/** The newest last. */
export function listSnapshots(dir: DataDir): readonly SnapshotInfo[] {
  const folder = snapshotsPath(dir);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.(db|lmdb)$/.test(name))
    .map((name) => {
      const { size, mtime } = statSync(join(folder, name));
      return { name, path: join(folder, name), bytes: size, created: mtime.toISOString() };
    })
    .sort((a, b) => (a.created < b.created ? -1 : 1));
}

/** One that became due while nothing ran is not saved in the middle of the start. */
const afterStartMs = 60_000;

/** Snapshots of their own accord, the first when the newest of those named `PREFIX...` is old enough, whoever made it. Until `signal` aborts; failures are logged. */
export async function snapshotRegularly(
  dir: DataDir,
  prefix: string,
  options: { readonly clock: Clock; readonly log: Logger; readonly everyMs: number },
  save: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, everyMs } = options;
  const newest = listSnapshots(dir).findLast(({ name }) => name.startsWith(prefix));
  const ageMs = newest ? clock.now() - Date.parse(newest.created) : 0;
  let pauseMs = Math.max(everyMs - Math.max(0, ageMs), Math.min(everyMs, afterStartMs));
  for (;;) {
    await clock.sleep(pauseMs, signal);
    if (signal.aborted) return;
    pauseMs = everyMs;
    try {
      await save(signal);
    } catch (error) {
      if (!signal.aborted) log.error('Cannot save a snapshot', { error });
    }
  }
}

/** Of those named `PREFIX...` the newest `keep` stay. Those that somebody named otherwise are left alone. */
export function keepNewest(dir: DataDir, prefix: string, keep: number): void {
  const own = listSnapshots(dir).filter(({ name }) => name.startsWith(prefix));
  for (const old of own.slice(0, Math.max(0, own.length - keep))) forget(old.path);
}

/** Of etcd, from its member on this host. */
export function snapshotEtcdRegularly(
  dir: DataDir,
  config: HostConfig,
  options: SnapshotSchedule & { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, keep } = options;
  const prefix = `etcd-${config.nodeName}-`;
  const save = async (): Promise<void> => {
    const { path, bytes } = await saveSnapshot(dir, config, { clock });
    log.info('Saved a snapshot of etcd', { path, bytes });
    keepNewest(dir, prefix, keep);
  };
  return snapshotRegularly(dir, prefix, options, save, signal);
}

/** What lies beside a snapshot. @throws ClusterError */
export function readSnapshotPki(path: string): {
  readonly pki: ReadonlyMap<string, string>;
  readonly network: HostConfig['network'];
} {
  const text = readFileIfPresent(pkiOf(path));
  if (text === undefined)
    throw new ClusterError(
      `The file "${pkiOf(path)}" with the cluster's authorities is not beside the snapshot`,
      'copy it there: without it the restored cluster would not be the same',
    );
  const { pki, network } = JSON.parse(text) as { pki: Record<string, string>; network: HostConfig['network'] };
  return { pki: new Map(Object.entries(pki)), network };
}

/**
 * Makes this member's data directory from a snapshot: a cluster of one. Clients have seen revisions after the snapshot's, so those of the restored
 * store start far above: by the tool where it can, else with the first start.
 * @throws ClusterError
 */
export async function restoreData(
  dir: DataDir,
  config: HostConfig,
  options: { readonly snapshot: string; readonly spawner: Spawner; readonly path: string },
): Promise<void> {
  const { snapshot, spawner } = options;
  assertWhole(snapshot);
  const tool = findProgram('etcdutl', options.path) ?? findProgram('etcdctl', options.path);
  if (!tool)
    throw new ClusterError(
      'Neither etcdutl nor etcdctl was found',
      'install one (Debian: apt-get install etcd-client)',
    );
  rmSync(etcdDataPath(dir), { recursive: true, force: true });
  const { name, initialCluster, peerPort } = config.etcd!;
  const flags = [
    ['--data-dir', etcdDataPath(dir)],
    ['--name', name],
    ['--initial-cluster', initialCluster],
    ['--initial-advertise-peer-urls', clientUrl(config.address, peerPort)],
  ].flat();
  try {
    const help = await spawner.run(tool, ['snapshot', 'restore', '--help'], {
      timeoutMs: 10_000,
      env: { ETCDCTL_API: '3', PATH: options.path },
    });
    if (/--bump-revision/.test(`${help.stdout}${help.stderr}`))
      flags.push('--bump-revision', '1000000000', '--mark-compacted');
    else writeStoreTask(dir, { kind: 'raise', by: raiseBy });
    const { code, stderr } = await spawner.run(tool, ['snapshot', 'restore', snapshot, ...flags], {
      timeoutMs: restoreTimeoutMs,
      env: { ETCDCTL_API: '3', PATH: options.path },
    });
    if (code !== 0)
      throw new ClusterError(
        `${tool} cannot restore "${snapshot}": ${stderr.toString().trim().split('\n').at(-1)}`,
        'is it a snapshot of etcd? "bireme snapshot list" shows those of this host',
      );
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new ClusterError(error.message, error.remedy ?? 'try again', { cause: error });
  }
}

function assertWhole(path: string): void {
  if (!existsSync(path))
    throw new ClusterError(`There is no snapshot "${path}"`, 'see them with "bireme snapshot list"');
  const bytes = readFileSync(path);
  if (
    bytes.length > hashBytes &&
    createHash('sha256').update(bytes.subarray(0, -hashBytes)).digest().equals(bytes.subarray(-hashBytes))
  )
    return;
  throw new ClusterError(`The snapshot "${path}" is damaged: its hash does not match`, 'use another one');
}
