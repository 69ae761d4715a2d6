/**
 * A process that opens damaged copies of a store: `node damage.ts SOUND-DIRECTORY WORK-DIRECTORY SEED ROUNDS`. Each round overwrites a random stretch of
 * the data file, opens the copy, and if that succeeds reads, writes, deletes and compacts. One line a round: `ROUND OFFSET LENGTH OUTCOME`, where the
 * outcome is `corrupt` or `sound`. That it lives to tell is the point: a damaged page that LMDB trusts ends the process.
 */
import { cpSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../../base/console-log.ts';
import { createRealClock } from '../../../base/real-clock.ts';
import { createSeededRandom } from '../../../base/seeded-random.ts';
import { StoreError } from '../../store.ts';
import { openEmbeddedStore } from '../embedded-store.ts';

const [sound, work, seed, rounds] = process.argv.slice(2);
const random = createSeededRandom(Number(seed));
const clock = createRealClock();
const original = readFileSync(join(sound!, 'store.mdb'));
const at = (bound: number): number => random.below(bound);

async function outcome(path: string): Promise<'corrupt' | 'sound'> {
  let store: Awaited<ReturnType<typeof openEmbeddedStore>>;
  try {
    store = await openEmbeddedStore({ path, clock, log: silentLogger });
  } catch (error) {
    if (error instanceof StoreError && error.code === 'corrupt') return 'corrupt';
    throw error;
  }
  const { kvs } = await store.range({ key: '\0', end: '\0' });
  for (let i = 0; i < 40; i++)
    await store.txn({ compare: [], success: [{ type: 'put', key: `new${i}`, value: Buffer.alloc(6000, 'n') }] });
  for (const { key } of kvs.slice(0, 20)) await store.txn({ compare: [], success: [{ type: 'delete', key }] });
  await store.compact(await store.currentRevision());
  await store.close();
  return 'sound';
}

for (let round = 0; round < Number(rounds); round++) {
  const path = join(work!, String(round));
  cpSync(sound!, path, { recursive: true });
  const bytes = Buffer.from(original);
  // Half of them hit page headers, node offsets and the meta pages, where it hurts.
  const page = at(bytes.length / 4096) * 4096;
  const offset = round % 2 === 0 ? at(bytes.length) : round % 8 === 1 ? at(8192) : page + at(64);
  const length = Math.min(round % 3 === 0 ? 1 + at(8) : 1 + at(4096), bytes.length - offset);
  for (let i = 0; i < length; i++) bytes[offset + i] = at(256);
  writeFileSync(join(path, 'store.mdb'), bytes);
  writeSync(1, `${round} ${offset} ${length} `);
  writeSync(1, `${await outcome(path)}\n`);
  rmSync(path, { recursive: true });
}
