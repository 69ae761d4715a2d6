/** `bireme snapshot restore` on a control-plane host: its etcd begins anew from a snapshot, alone. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { endProcess } from '../../host/process-table.ts';
import type { Spawner } from '../../host/spawner.ts';
import { ClusterError } from '../cluster-error.ts';
import type { DataDir } from '../data-dir.ts';
import { isRunning, readRunRecord } from '../run-record.ts';
import { etcdDataPath } from './etcd-member.ts';
import { clientUrl, type HostConfig, writeHostConfig, writeList } from './host-config.ts';
import { restoreData, snapshotsPath } from './snapshots.ts';
import { startHostProcess } from './start-host.ts';

export interface RestoreOptions {
  readonly dir: DataDir;
  readonly config: HostConfig;
  readonly snapshot: string;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where programs are looked for. */
  readonly path: string;
  readonly hostCommand: readonly string[];
  readonly progress: (text: string) => void;
}

const graceMs = 20_000;
const startTimeoutMs = 90_000;

/** What etcd held before goes to `snapshots/etcd-before-restore`, and back when the restore fails. @throws ClusterError */
export async function restoreHere(options: RestoreOptions): Promise<void> {
  const { dir, config, clock, progress } = options;
  if (config.role !== 'control-plane' || !config.etcd)
    throw new ClusterError('A snapshot is restored on a control-plane host', 'run this there');
  const named = join(snapshotsPath(dir), options.snapshot);
  const snapshot = existsSync(named) && !options.snapshot.includes('/') ? named : resolve(options.snapshot);
  if (!existsSync(snapshot))
    throw new ClusterError(`There is no snapshot "${snapshot}"`, 'see them with "bireme snapshot list"');
  const record = readRunRecord(dir);
  if (isRunning(record)) {
    progress('Stopping this server');
    await endProcess(record.controlPlane, { clock, graceMs });
  }
  progress('Restoring the snapshot');
  const before = join(snapshotsPath(dir), 'etcd-before-restore');
  mkdirSync(snapshotsPath(dir), { recursive: true, mode: 0o700 });
  rmSync(before, { recursive: true, force: true });
  renameSync(etcdDataPath(dir), before);
  const alone: HostConfig = {
    ...config,
    etcd: {
      ...config.etcd,
      initialCluster: `${config.etcd.name}=${clientUrl(config.address, config.etcd.peerPort)}`,
      initialState: 'new',
    },
  };
  try {
    await restoreData(dir, alone, { ...options, snapshot });
  } catch (error) {
    rmSync(etcdDataPath(dir), { recursive: true, force: true });
    renameSync(before, etcdDataPath(dir));
    throw error;
  }
  writeHostConfig(dir, alone);
  writeList(dir, 'etcd-endpoints', [clientUrl(config.address, config.etcd.clientPort)]);
  progress('Starting this server');
  await startHostProcess({ dir, command: options.hostCommand, systemd: false, clock, timeoutMs: startTimeoutMs });
}
