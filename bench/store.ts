/**
 * What the stores cost: CPU time per transaction with 64 concurrent writers of 2 kB values, bytes per key, and the start with 50,000 keys.
 * Run: node bench/store.ts [memory|embedded ...]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/console-log.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { openEmbeddedStore } from '../src/store/embedded/embedded-store.ts';
import { createMemoryStore } from '../src/store/memory/memory-store.ts';
import type { Store } from '../src/store/store.ts';

const clock = createRealClock();
const log = silentLogger;
const writers = 64;
const keyOf = (i: number): string =>
  `/registry/pods/default/some-deployment-7c5ddbdf54-${i.toString(36).padStart(5, '0')}`;
const bodyOf = (i: number): Uint8Array =>
  Buffer.alloc(2048, `{"metadata":{"name":"pod-${i}"},"spec":{"containers":[]}} `);

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}
async function measure(body: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = clock.monotonic();
  await body();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000, wallMs: clock.monotonic() - start };
}

async function concurrently(total: number, each: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < total) await each(next++);
  };
  await Promise.all(Array.from({ length: writers }, worker));
}

const report = (name: string, { cpuMs, wallMs }: Cost, per: number): void =>
  console.log(
    `  ${name.padEnd(34)} ${((cpuMs / per) * 1000).toFixed(1).padStart(8)} us CPU  ${((wallMs / per) * 1000).toFixed(1).padStart(8)} us wall`,
  );
const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;

async function drive(store: Store): Promise<void> {
  const create = (from: number) => (i: number) =>
    store.txn({
      compare: [{ key: keyOf(from + i), target: 'modRevision', op: '=', value: 0 }],
      success: [{ type: 'put', key: keyOf(from + i), value: bodyOf(i) }],
    });
  await concurrently(2000, create(0));
  report('create 2 kB, 64 at once', await measure(() => concurrently(10_000, create(2000))), 10_000);
  const stop = new AbortController();
  let seen = 0;
  const watching = (async () => {
    for await (const batch of store.watch({ key: '\0', end: '\0', prevKv: false, signal: stop.signal }))
      seen += batch.events.length;
  })();
  report('create 2 kB, with one watch', await measure(() => concurrently(10_000, create(12_000))), 10_000);
  const update = async (i: number): Promise<void> => {
    const key = keyOf(i);
    const { kvs } = await store.range({ key });
    await store.txn({
      compare: [{ key, target: 'modRevision', op: '=', value: kvs[0]!.modRevision }],
      success: [{ type: 'put', key, value: bodyOf(i) }],
    });
  };
  report('read and update', await measure(() => concurrently(10_000, update)), 10_000);
  report(
    'read one',
    await measure(async () => {
      for (let i = 0; i < 20_000; i++) await store.range({ key: keyOf(i) });
    }),
    20_000,
  );
  report(
    'list 20,000',
    await measure(async () => void (await store.range({ key: '/registry/', end: '/registry0' }))),
    20_000,
  );
  const revision = await store.currentRevision();
  report('compact, per version', await measure(() => store.compact(revision)), 10_000);
  report(
    'delete',
    await measure(() =>
      concurrently(10_000, (i) => store.txn({ compare: [], success: [{ type: 'delete', key: keyOf(i) }] })),
    ),
    10_000,
  );
  stop.abort();
  await watching;
  console.log(`  watched ${seen} events; store ${((await store.size()) / 1048576).toFixed(1)} MiB`);
}

async function memoryOf(open: () => Promise<Store>): Promise<void> {
  globalThis.gc?.();
  const before = rss();
  const store = await open();
  for (let i = 0; i < 100; i++)
    await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        store.txn({ compare: [], success: [{ type: 'put', key: keyOf(i * 100 + n), value: bodyOf(n) }] }),
      ),
    );
  globalThis.gc?.();
  console.log(`  RSS for 10,000 keys of 2 kB: ${(rss() - before).toFixed(1)} MiB`);
  await store.close();
}

const path = mkdtempSync(join(tmpdir(), 'bireme-bench-'));
const stores: Record<string, (name: string) => Promise<Store>> = {
  memory: async () => createMemoryStore({ clock }),
  embedded: (name) => openEmbeddedStore({ path: join(path, name), clock, log }),
};
try {
  for (const kind of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(stores)) {
    console.log(kind);
    await memoryOf(() => stores[kind]!('memory'));
    const store = await stores[kind]!('main');
    await drive(store);
    await store.close();
    if (kind !== 'embedded') continue;
    const big = await stores[kind]!('big');
    await concurrently(50_000, (i) =>
      big.txn({ compare: [], success: [{ type: 'put', key: keyOf(i), value: bodyOf(i) }] }),
    );
    await big.close();
    let opened: Store | undefined;
    const cost = await measure(async () => void (opened = await stores[kind]!('big')));
    console.log(`  start with 50,000 keys: ${cost.cpuMs.toFixed(0)} ms CPU, ${cost.wallMs.toFixed(0)} ms`);
    await opened?.close();
  }
} finally {
  rmSync(path, { recursive: true, force: true });
}
