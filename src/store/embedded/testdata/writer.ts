/**
 * A process that writes and tells what was acknowledged: `node writer.ts DIRECTORY COUNT`. Each acknowledged write is one line `ack REVISION KEY` on standard
 * output, written with one system call; its value is `KEY:` repeated. COUNT 0: until killed.
 */
import { writeSync } from 'node:fs';
import { silentLogger } from '../../../base/console-log.ts';
import { createRealClock } from '../../../base/real-clock.ts';
import { openEmbeddedStore } from '../embedded-store.ts';
import { valueFor } from './value-for.ts';

const [path, count] = process.argv.slice(2);
const store = await openEmbeddedStore({ path: path!, clock: createRealClock(), log: silentLogger });
const total = Number(count) || Number.POSITIVE_INFINITY;
const first = await store.currentRevision();
let next = 0;
const worker = async (): Promise<void> => {
  while (next < total) {
    const n = next++;
    const key = `/registry/things/${first}-${n}`;
    const { revision } = await store.txn({ compare: [], success: [{ type: 'put', key, value: valueFor(key, n) }] });
    writeSync(1, `ack ${revision} ${key} ${n}\n`);
    if (n % 50 === 49) {
      const old = `/registry/things/${first}-${n - 40}`;
      const deleted = await store.txn({ compare: [], success: [{ type: 'delete', key: old }] });
      writeSync(1, `gone ${deleted.revision} ${old} 0\n`);
    }
    if (n % 70 === 69) await store.compact((await store.currentRevision()) - 20);
  }
};
await Promise.all(Array.from({ length: 8 }, worker));
await store.close();
