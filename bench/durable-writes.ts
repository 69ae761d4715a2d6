/**
 * Throughput of the embedded store beside etcd's, with 32 writers of 2 kB values: each write is a transaction that is answered when it is on the disk. etcd is one member
 * with its defaults, on the same disk, through the client that our API server uses; in turn, round by round.
 * Run: `node bench/durable-writes.ts [--rounds 5] [--count 3000] [--writers 32] [--etcd PROGRAM]`; etcd comes from the PATH.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { silentLogger } from '../src/base/console-log.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { openEmbeddedStore } from '../src/store/embedded/embedded-store.ts';
import { type EtcdStore, openEtcdStore } from '../src/store/etcd/etcd-store.ts';
import { type Store, StoreError } from '../src/store/store.ts';
import { freePort, inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions, median, print } from './support/figures.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    count: { type: 'string', default: '3000' },
    writers: { type: 'string', default: '32' },
    etcd: { type: 'string', default: 'etcd' },
  },
});
const rounds = Number(options.rounds);
const count = Number(options.count);
const writers = Number(options.writers);
/** Of the issue: as many writes a second as etcd takes, times this. */
const times = 2;
const clock = createRealClock();

await inTemporaryDirectory(async (directory) => {
  const etcd = await startEtcd(directory);
  const embedded = await openEmbeddedStore({ path: join(directory, 'embedded'), clock, log: silentLogger });
  const sides: readonly Store[] = [embedded, etcd.store];
  const wall: readonly number[][] = sides.map(() => []);
  console.log(`${conditions()}  etcd ${etcd.version}`);
  try {
    for (let r = -1; r < rounds; r++)
      for (const [i, store] of r % 2 === 0 ? [...sides.entries()] : [...sides.entries()].toReversed()) {
        const start = performance.now();
        await write(store, r);
        if (r >= 0) wall[i]!.push((performance.now() - start) / count);
      }
    const theirs = median(wall[1]!);
    print({
      what: `a durable write of 2 kB, ${writers} writers, embedded [etcd]`,
      target: theirs / times,
      upstream: theirs,
      unit: 'ms',
      measured: wall[0]!,
    });
    console.log(
      `  writes per second: ${Math.round(1000 / median(wall[0]!))} embedded, ${Math.round(1000 / theirs)} etcd`,
    );
  } finally {
    await embedded.close();
    await etcd.stop();
  }
});

/** Each writer creates one key after the other, as an API server does: if it is not there yet. */
async function write(store: Store, round: number): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      const key = `/registry/pods/default/round-${round}-pod-${i}`;
      const value = Buffer.alloc(2048, `{"metadata":{"name":"pod-${i}"},"spec":{"containers":[]}} `);
      const { succeeded } = await store.txn({
        compare: [{ key, target: 'modRevision', op: '=', value: 0 }],
        success: [{ type: 'put', key, value }],
      });
      if (!succeeded) throw new Error(`${key} was there already`);
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
}

async function startEtcd(
  directory: string,
): Promise<{ readonly store: EtcdStore; readonly version: string; stop(): Promise<void> }> {
  const [client, peer] = [await freePort(), await freePort()];
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  const data = join(directory, 'etcd');
  mkdirSync(data);
  const child = spawn(
    options.etcd,
    [
      ...['--data-dir', data, '--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
      ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer)],
      ...[
        '--initial-cluster',
        `default=${url(peer)}`,
        '--log-level',
        'error',
        '--quota-backend-bytes',
        String(2 ** 32),
      ],
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve());
    child.once('error', reject);
  });
  let gone = false;
  const markGone = (): void => {
    gone = true;
  };
  ended.then(markGone, markGone);
  const version = execFileSync(options.etcd, ['--version'], { encoding: 'utf8' }).split('\n')[0]!.replace(/^\D+/, '');
  for (;;)
    try {
      const store = await openEtcdStore({ endpoints: [url(client)], clock });
      return {
        store,
        version,
        async stop() {
          await store.close();
          child.kill('SIGTERM');
          await ended;
        },
      };
    } catch (error) {
      if (gone || !(error instanceof StoreError)) throw error;
      await setTimeout(100);
    }
}
