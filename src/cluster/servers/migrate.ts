/** `bireme init --migrate-to-etcd`: the cluster that `bireme up` made in a data directory becomes one that others can join, in place. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess } from '../../host/process-table.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, dataDirAt, openDataDir } from '../data-dir.ts';
import { readHostsRecord } from '../hosts-record.ts';
import { assertNotRunning, readRunRecord } from '../run-record.ts';
import { etcdDataPath } from './etcd-member.ts';
import { hostConfigPath } from './host-config.ts';
import type { ServerOptions } from './prepare.ts';
import { hasStoreTask, oldStorePath } from './store-task.ts';

/** @throws ClusterError when there is no such cluster, it runs, or it has been moved already. */
export function openForMigration(options: ServerOptions): DataDir {
  const at = dataDirAt(options.dataDir);
  assertNotRunning(at);
  if (existsSync(oldStorePath(at)))
    throw new ClusterError(`The cluster in "${at.path}" is on etcd already`, 'start it with "bireme start"');
  if (!existsSync(join(at.pki, 'ca.crt')) || !existsSync(at.store))
    throw new ClusterError(
      `There is no cluster on the embedded store in "${at.path}"`,
      'leave out --migrate-to-etcd to make a new cluster',
    );
  if ((readHostsRecord(at)?.hosts.length ?? 0) > 0)
    throw new ClusterError(
      'The hosts of "bireme up --workers" are simulated on this machine and cannot be taken along',
      'start without them once: bireme up --workers 0',
    );
  // What an interrupted try left of etcd is not the cluster: that is still in the embedded store.
  rmSync(etcdDataPath(at), { recursive: true, force: true });
  return openDataDir(options.dataDir);
}

/** The embedded store and all certificates stay; a cluster that has been moved wholly stays moved. */
export async function takeBackMigration(dir: DataDir, { clock }: ServerOptions): Promise<void> {
  if (!hasStoreTask(dir)) return;
  const record = readRunRecord(dir);
  if (record) await endProcess(record.controlPlane, { clock, graceMs: 20_000 });
  for (const path of [etcdDataPath(dir), hostConfigPath(dir), join(dir.run, 'store-task.json')])
    rmSync(path, { recursive: true, force: true });
}
