import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCommand } from '../../../../test/requirements.ts';
import { createRealClock } from '../../../base/real-clock.ts';
import { openEtcdStore } from '../etcd-store.ts';
import type { Tls } from '../wire.ts';

export interface EtcdProcess {
  readonly endpoint: string;
  readonly peerUrl: string;
  /** Ends the process and keeps its data. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its data. */
  end(): Promise<void>;
}

/** Files for the server, and what a client shows. */
export interface EtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly client: Tls;
}

/** An etcd of the test's own on free ports of 127.0.0.1, without fsync (nothing here tests etcd's disk). */
export async function startEtcd(
  tls?: EtcdTls,
  member: {
    readonly args?: readonly string[];
    readonly name?: string;
    readonly join?: string;
    readonly peer?: number;
  } = {},
): Promise<EtcdProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'bireme-etcd-'));
  const [client, peer] = [await freePort(), member.peer ?? (await freePort())];
  const name = member.name ?? 'test';
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const clock = createRealClock();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(
      findCommand('etcd')!,
      [
        ['--name', name, '--data-dir', folder, '--logger', 'zap', '--log-level', 'error'],
        ['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
        [
          '--listen-peer-urls',
          peerUrl,
          '--initial-advertise-peer-urls',
          peerUrl,
          '--initial-cluster',
          member.join ?? `${name}=${peerUrl}`,
          '--initial-cluster-state',
          member.join === undefined ? 'new' : 'existing',
        ],
        member.args ?? [],
        tls
          ? [
              '--cert-file',
              tls.certFile,
              '--key-file',
              tls.keyFile,
              '--trusted-ca-file',
              tls.caFile,
              '--client-cert-auth',
            ]
          : [],
      ].flat(),
      { stdio: 'ignore' },
    );
    for (let tries = 0; ; tries++) {
      try {
        await (
          await openEtcdStore({ endpoints: [endpoint], clock, timeoutMs: 500, ...(tls ? { tls: tls.client } : {}) })
        ).close();
        return;
      } catch (error) {
        if (tries === 50 || child.exitCode !== null) throw error;
        await clock.sleep(100);
      }
    }
  };
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const end = async (): Promise<void> => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await end();
    throw error;
  }
  return {
    endpoint,
    peerUrl,
    start,
    stop,
    end,
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No port');
  return address.port;
}
