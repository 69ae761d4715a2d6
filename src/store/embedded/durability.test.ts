/** Acknowledged = durable: what a killed process and a lost power supply leave behind. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findCommand, requires } from '../../../test/requirements.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { openEmbeddedStore } from './embedded-store.ts';
import { imageAt, parseRecording } from './testdata/recording.ts';
import { valueFor } from './testdata/value-for.ts';

const writer = join(import.meta.dirname, 'testdata/writer.ts');
const clock = createRealClock();
const all = { key: '\0', end: '\0' };

function temporary(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bireme-durability-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
}

/** Opens what is in `path` and checks it against the lines the writer printed before. */
async function check(path: string, lines: readonly string[], label: string): Promise<number> {
  const store = await openEmbeddedStore({ path, clock, log: silentLogger });
  try {
    const want = new Map<string, { revision: number; n: number }>();
    const gone = new Set<string>();
    let newest = 0;
    for (const line of lines) {
      const [type, revision, key, n] = line.split(' ');
      newest = Math.max(newest, Number(revision));
      if (type === 'gone') gone.add(key!);
      else want.set(key!, { revision: Number(revision), n: Number(n) });
    }
    const { kvs, revision } = await store.range(all);
    assert.ok(revision >= newest, `${label}: revision ${revision} is at least the acknowledged ${newest}`);
    const found = new Map(kvs.map((kv) => [kv.key, kv]));
    for (const [key, { revision: at, n }] of want) {
      if (gone.has(key)) {
        assert.ok(!found.has(key), `${label}: ${key} stays deleted`);
        continue;
      }
      const kv = found.get(key);
      // A deletion that was not acknowledged may have happened.
      if (kv === undefined && lines.length > 0 && (Number(key.split('-').at(-1)) - 9) % 50 === 0) continue;
      assert.ok(kv, `${label}: acknowledged ${key} is there`);
      assert.equal(kv.modRevision, at, label);
      assert.equal(Buffer.compare(kv.value, valueFor(key, n)), 0, `${label}: ${key} has its value`);
    }
    return revision;
  } finally {
    await store.close();
  }
}

test('durability: a process killed at any moment loses nothing that it acknowledged', {
  timeout: 60_000,
}, async (t) => {
  const path = temporary(t);
  const random = createSeededRandom(7);
  const lines: string[] = [];
  let before = 1;
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [writer, path, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(child.stdout, 'data');
    await clock.sleep(20 + random.below(150));
    child.kill('SIGKILL');
    await ended(child);
    lines.push(...text.split('\n').slice(0, -1));
    const revision = await check(path, lines, `round ${round}`);
    assert.ok(revision > before, 'each round went on from the last');
    before = revision;
  }
  assert.ok(lines.length > 100);
});

test('durability: at each acknowledgement the syncs before it made the write durable', {
  timeout: 120_000,
}, async (t) => {
  if (!requires(t, { linux: true, commands: ['strace'] })) return;
  const folder = temporary(t);
  const path = join(folder, 'store');
  const record = join(folder, 'trace');
  const calls = 'openat,lseek,pwrite64,pwritev,write,writev,fsync,fdatasync,ftruncate,msync';
  const child = spawn(
    findCommand('strace')!,
    ['-f', '-y', '-xx', '-s', '10000000', '-o', record, '-e', `trace=${calls}`, process.execPath, writer, path, '300'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await ended(child);
  assert.equal(child.exitCode, 0);
  const steps = parseRecording(readFileSync(record, 'latin1'), 'store.mdb');
  assert.ok(steps.filter((step) => step.type === 'sync').length > 10, 'syncs were recorded');
  const acknowledged = steps.flatMap((step, i) => (step.type === 'line' ? [i] : []));
  assert.ok(acknowledged.length >= 300);
  const random = createSeededRandom(11);
  for (let sample = 0; sample < 24; sample++) {
    const end = acknowledged[Math.floor(((sample + random.float()) / 24) * acknowledged.length)]! + 1;
    const lines = steps.slice(0, end).flatMap((step) => (step.type === 'line' ? [step.text] : []));
    // First nothing survives that was not synced, then a random half of it.
    for (const survives of [() => false, () => random.below(2) === 0]) {
      const image = join(folder, `image-${sample}`);
      mkdirSync(image);
      cpSync(join(path, 'format.json'), join(image, 'format.json'));
      writeFileSync(join(image, 'store.mdb'), imageAt(steps, end, survives));
      await check(image, lines, `sample ${sample} at step ${end}`);
      rmSync(image, { recursive: true });
    }
  }
});
