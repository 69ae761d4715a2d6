/** What runs here: `run/cluster.json`, written by `up`, read by `status`, `down` and the next start. */
import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { identify, isAlive } from '../host/process-table.ts';
import type { ProcessIdentity } from '../host/spawner.ts';
import { ClusterError } from './cluster-error.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import type { KubeconfigChange } from './user-kubeconfig.ts';

export interface RunRecord {
  readonly controlPlane: ProcessIdentity;
  readonly node?: ProcessIdentity;
  readonly server: string;
  readonly runtime: 'containerd' | 'hollow';
  readonly kubeconfig?: KubeconfigChange;
  readonly startedAt: string;
}

const pathOf = (dir: DataDir): string => join(dir.run, 'cluster.json');

export function readRunRecord(dir: DataDir): RunRecord | undefined {
  const text = readFileIfPresent(pathOf(dir));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as RunRecord;
  } catch (error) {
    throw new ClusterError(`The file "${pathOf(dir)}" is damaged`, 'end what still runs by hand and remove that file', {
      cause: error,
    });
  }
}

export function writeRunRecord(dir: DataDir, record: RunRecord): void {
  writeFileAtomically(pathOf(dir), `${JSON.stringify(record, null, 1)}\n`, 0o600);
}

/** The control plane has ended in order; what `down` must undo (the kubeconfig entry) is kept. */
export function isRunning(record: RunRecord | undefined): record is RunRecord {
  return record !== undefined && isAlive(record.controlPlane);
}

/** @throws ClusterError when a cluster runs on this data directory. */
export function assertNotRunning(dir: DataDir): RunRecord | undefined {
  const record = readRunRecord(dir);
  if (isRunning(record))
    throw new ClusterError(
      `A cluster runs in "${dir.path}" already (process ${record.controlPlane.pid}, ${record.server})`,
      'look at it with "bireme status" or end it with "bireme down"; for a second cluster choose another --data-dir and --port',
    );
  return record;
}

export function thisProcess(pid: number): ProcessIdentity {
  const identity = identify(pid);
  if (!identity) throw new Error(`Process ${pid} is not in the process table`);
  return identity;
}

export function removeRunRecord(dir: DataDir): void {
  if (readFileIfPresent(pathOf(dir)) !== undefined) unlinkSync(pathOf(dir));
}
