/** The simulated hosts of this machine's cluster: `run/hosts.json`, written by `up`, read by `status`, `down`, `image import` and the next start. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SegmentRecord } from '../host/segment.ts';
import { libFolder } from '../host/simulated-host.ts';
import type { ProcessIdentity } from '../host/spawner.ts';
import { ClusterError } from './cluster-error.ts';
import type { ClusterNetwork } from './control-plane.ts';
import { type DataDir, dataDirAt, readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import type { HostRole } from './servers/host-config.ts';

export interface HostRecord {
  readonly name: string;
  readonly address: string;
  /** A server of a cluster that was made by `init` and `join` on the hosts. Absent: a worker of this process's control plane. */
  readonly role?: HostRole;
  /** Its first process; absent or dead: the host is off. */
  readonly init?: ProcessIdentity;
  /** The process that runs its node process. */
  readonly node?: ProcessIdentity;
}

export interface HostsRecord {
  readonly segment: SegmentRecord;
  readonly hosts: readonly HostRecord[];
  /** Where another cluster's pods or Services on this machine would be in the way of the usual ranges, others; for good, since objects hold such addresses. */
  readonly ranges: Pick<ClusterNetwork, 'podCidr' | 'serviceCidr'>;
  /** Kernel parameters of the machine before: name to value. */
  readonly sysctls: Readonly<Record<string, string>>;
}

const pathOf = (dir: DataDir): string => join(dir.run, 'hosts.json');

export function readHostsRecord(dir: DataDir): HostsRecord | undefined {
  const text = readFileIfPresent(pathOf(dir));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as HostsRecord;
  } catch (error) {
    throw new ClusterError(`The file "${pathOf(dir)}" is damaged`, 'end what still runs by hand and remove that file', {
      cause: error,
    });
  }
}

export function writeHostsRecord(dir: DataDir, record: HostsRecord): void {
  writeFileAtomically(pathOf(dir), `${JSON.stringify(record, null, 1)}\n`, 0o600);
}

/** All files of one host. */
export const hostFolder = (dir: DataDir, name: string): string => join(dir.hosts, name);

/** In the host. */
export const hostDataDir = '/var/lib/bireme';

/** The host's data directory as this machine sees it. */
export const dataDirOfHost = (dir: DataDir, name: string): DataDir =>
  dataDirAt(join(libFolder(hostFolder(dir, name)), 'bireme'));

/** A host that was switched off stays so until it is switched on again, also over a new start of the cluster. */
export const isSwitchedOff = (dir: DataDir, name: string): boolean => existsSync(offFile(dir, name));

export function setSwitch(dir: DataDir, name: string, to: 'on' | 'off'): void {
  if (to === 'off') writeFileSync(offFile(dir, name), '', { mode: 0o600 });
  else rmSync(offFile(dir, name), { force: true });
}

const offFile = (dir: DataDir, name: string): string => join(hostFolder(dir, name), 'off');
