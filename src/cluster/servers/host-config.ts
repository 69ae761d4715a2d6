/**
 * What a server of a cluster is: `run/host.json`, written by `init` and `join`, read by every start of the host process. Beside it lie two lists
 * that the host process keeps up to date, so that a start finds the others: `run/etcd-endpoints.json` and `run/masters.json`.
 */
import { join } from 'node:path';
import { ClusterError } from '../cluster-error.ts';
import type { ClusterNetwork } from '../control-plane.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';

export type HostRole = 'control-plane' | 'worker' | 'etcd-witness';

export interface HostConfig {
  readonly role: HostRole;
  readonly nodeName: string;
  /** Under which other hosts reach this one. */
  readonly address: string;
  /** The API servers' port, here and on every other control-plane host. */
  readonly port: number;
  readonly network: ClusterNetwork;
  /** `none`: no kubelet, no Node object. */
  readonly runtime: 'containerd' | 'hollow' | 'none';
  /** Further names and addresses of the API server. */
  readonly serverNames?: readonly string[];
  /** Control-plane hosts and witnesses. */
  readonly etcd?: EtcdMemberConfig;
  /** Workers: where their own balancer listens, on 127.0.0.1. */
  readonly balancerPort?: number;
  /** Control-plane hosts: snapshots of etcd of their own accord. */
  readonly snapshots?: SnapshotSchedule;
}

export interface SnapshotSchedule {
  /** 0: none. */
  readonly everyMs: number;
  /** Of those with a name of their time, so many stay. */
  readonly keep: number;
}

export interface EtcdMemberConfig {
  /** The program: a path, or a name to look for in PATH. */
  readonly program: string;
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** `name=https://...,name=https://...`: all members at the time this one was made; etcd reads it at its first start only. */
  readonly initialCluster: string;
  readonly initialState: 'new' | 'existing';
}

export const ports = { etcdClient: 2379, etcdPeer: 2380, kubelet: 10_250, balancer: 6444 } as const;

export const hostConfigPath = (dir: DataDir): string => join(dir.run, 'host.json');

/** @returns undefined when this data directory makes no server of a cluster. */
export function readHostConfig(dir: DataDir): HostConfig | undefined {
  const text = readFileIfPresent(hostConfigPath(dir));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as HostConfig;
  } catch (error) {
    throw new ClusterError(
      `The file "${hostConfigPath(dir)}" is damaged`,
      'put it back from a backup, or start over with "bireme reset" and "bireme join"',
      { cause: error },
    );
  }
}

export function writeHostConfig(dir: DataDir, config: HostConfig): void {
  writeFileAtomically(hostConfigPath(dir), `${JSON.stringify(config, null, 1)}\n`, 0o600);
}

/** There from the moment the host belongs to its cluster; what ended before that is started over. */
export const completePath = (dir: DataDir): string => join(dir.run, 'complete');

type ListName = 'etcd-endpoints' | 'masters';

/** Empty when nothing was written yet. */
export function readList(dir: DataDir, name: ListName): readonly string[] {
  const text = readFileIfPresent(join(dir.run, `${name}.json`));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}

/** Writes only what changed. */
export function writeList(dir: DataDir, name: ListName, items: readonly string[]): void {
  const text = `${JSON.stringify(items)}\n`;
  const path = join(dir.run, `${name}.json`);
  if (readFileIfPresent(path) !== text) writeFileAtomically(path, text, 0o600);
}

export const clientUrl = (address: string, port: number): string => `https://${bracketed(address)}:${port}`;
/** IPv6 addresses stand in brackets before a port. */
export const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);
