/**
 * This host's etcd, supervised (decision 10): a child that dies with us, recorded, ended by the next start when it did not, started again when it
 * dies by itself.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { endProcess } from '../../host/process-table.ts';
import type { Child, ProcessIdentity, Spawner } from '../../host/spawner.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { bracketed, completePath, type EtcdMemberConfig } from './host-config.ts';

export interface EtcdMemberOptions {
  readonly dir: DataDir;
  readonly config: EtcdMemberConfig;
  readonly address: string;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
}

const graceMs = 10_000;
const firstDelayMs = 500;
const maxDelayMs = 5000;
const settledMs = 30_000;
/** So many ends in a row while the host is being made a server: a restart does not mend that. Later it may: a full disk is cleared. */
const hopelessAfter = 4;

export const etcdDataPath = (dir: DataDir): string => join(dir.path, 'etcd');
const recordPath = (dir: DataDir): string => join(dir.run, 'etcd.json');
const logPath = (dir: DataDir): string => join(dir.logs, 'etcd.log');

/** The member's process as it was recorded last. */
export function readEtcdRecord(dir: DataDir): ProcessIdentity | undefined {
  const text = readFileIfPresent(recordPath(dir));
  return text === undefined ? undefined : (JSON.parse(text) as ProcessIdentity);
}

/** Runs until `signal` aborts, and ends the member then. @throws ClusterError when it does not stay up. */
export async function runEtcdMember(options: EtcdMemberOptions, signal: AbortSignal): Promise<void> {
  const { dir, clock, log } = options;
  mkdirSync(etcdDataPath(dir), { recursive: true, mode: 0o700 });
  // One of an earlier run that the kernel did not take with its parent holds the data and the ports.
  const before = readEtcdRecord(dir);
  if (before) await endProcess(before, { clock, graceMs });
  let delayMs = firstDelayMs;
  let failures = 0;
  let settled = false;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    const child = await start(options);
    writeFileAtomically(recordPath(dir), JSON.stringify(child.identity), 0o600);
    const how = await untilEnd(child, options, signal);
    if (signal.aborted) return;
    const livedMs = clock.monotonic() - startedAt;
    log.error('etcd has ended, starting it again', { how, livedMs: Math.round(livedMs), log: logPath(dir) });
    settled ||= livedMs >= settledMs || existsSync(completePath(dir));
    failures = livedMs >= settledMs ? 0 : failures + 1;
    if (!settled && failures >= hopelessAfter)
      throw new ClusterError(`etcd does not stay up: ${lastComplaint(dir) ?? how}`, `look into "${logPath(dir)}"`);
    delayMs = livedMs >= settledMs ? firstDelayMs : Math.min(delayMs * 2, maxDelayMs);
    await clock.sleep(delayMs, signal);
  }
}

async function untilEnd(child: Child, { clock }: EtcdMemberOptions, signal: AbortSignal): Promise<string> {
  const ended = new AbortController();
  const exit = await Promise.race([child.exited, untilAborted(signal, ended.signal)]);
  ended.abort();
  if (exit === undefined) {
    await endProcess(child.identity, { clock, graceMs });
    return 'stopped';
  }
  return exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.code}`;
}

function start(options: EtcdMemberOptions): Promise<Child> {
  const { dir, config, address, spawner } = options;
  const pki = (name: string): string => join(dir.pki, 'etcd', name);
  const url = (host: string, port: number): string => `https://${bracketed(host)}:${port}`;
  const listen = (port: number): string =>
    address === '127.0.0.1' ? url(address, port) : `${url('127.0.0.1', port)},${url(address, port)}`;
  const args: readonly (readonly [string, string])[] = [
    ['name', config.name],
    ['data-dir', etcdDataPath(dir)],
    ['listen-client-urls', listen(config.clientPort)],
    ['advertise-client-urls', url(address, config.clientPort)],
    ['listen-peer-urls', url(address, config.peerPort)],
    ['initial-advertise-peer-urls', url(address, config.peerPort)],
    ['initial-cluster', config.initialCluster],
    ['initial-cluster-state', config.initialState],
    ['cert-file', pki('server.crt')],
    ['key-file', pki('server.key')],
    ['trusted-ca-file', pki('ca.crt')],
    ['client-cert-auth', 'true'],
    ['peer-cert-file', pki('peer.crt')],
    ['peer-key-file', pki('peer.key')],
    ['peer-trusted-ca-file', pki('ca.crt')],
    ['peer-client-cert-auth', 'true'],
    ['snapshot-count', '10000'],
    ['logger', 'zap'],
    ['log-level', 'warn'],
  ];
  return spawner.start(
    config.program,
    args.map(([name, value]) => `--${name}=${value}`),
    { logFile: logPath(dir), onParentDeath: 'die' },
  );
}

/** What etcd said last before it ended, without its frame. */
function lastComplaint(dir: DataDir): string | undefined {
  if (!existsSync(logPath(dir))) return undefined;
  const lines = readFileSync(logPath(dir), 'utf8').trimEnd().split('\n').slice(-40).reverse();
  for (const line of lines) {
    if (!line.startsWith('{')) continue;
    try {
      const entry = JSON.parse(line) as { readonly level?: string; readonly msg?: string; readonly error?: string };
      if (entry.level === 'fatal' || entry.level === 'error') return entry.error ?? entry.msg;
    } catch {
      // A line that was cut off.
    }
  }
  return undefined;
}
