/**
 * Brings the bootstrap objects into the store. A new cluster takes two transactions; an old one is read in two and mended object by object.
 * Level-triggered, and safe beside another API server that does the same: every write compares first.
 */
import type { JsonObject } from '../../api/json.ts';
import type { Op } from '../../store/store.ts';
import type { BootstrapObject } from './objects.ts';
import { reconcile } from './reconcile.ts';
import type { StoredObjects } from './stored-objects.ts';

/** etcd refuses transactions of more than 128 operations. */
const batchMax = 120;
/** Rounds against others who write the same objects at the same time; each round somebody gets further. */
const roundsMax = 20;

/** @returns how many objects were written. Rejects when the store fails or others never stop interfering. */
export async function writeBootstrapObjects(
  objects: readonly BootstrapObject[],
  stored: StoredObjects,
  signal?: AbortSignal,
): Promise<number> {
  let written = 0;
  for (let from = 0; from < objects.length; from += batchMax)
    written += await writeBatch(objects.slice(from, from + batchMax), stored, signal);
  return written;
}

async function writeBatch(
  batch: readonly BootstrapObject[],
  stored: StoredObjects,
  signal: AbortSignal | undefined,
): Promise<number> {
  const keys = batch.map(({ group, resource, namespace, name }) => stored.key(group, resource, namespace, name));
  const { succeeded, results } = await stored.store.txn(
    {
      compare: keys.map((key) => ({ key, target: 'modRevision', op: '=', value: 0 })),
      success: batch.map(
        ({ object }, i): Op => ({ type: 'put', key: keys[i]!, value: stored.newValue(keys[i]!, object) }),
      ),
      failure: keys.map((key): Op => ({ type: 'range', key })),
    },
    signal,
  );
  if (succeeded) return batch.length;
  let written = 0;
  for (const [i, each] of batch.entries()) {
    const result = results[i];
    const kv = result?.type === 'range' ? result.kvs[0] : undefined;
    const found = kv && { object: stored.parse(kv), revision: kv.modRevision };
    if (await mend(each, keys[i]!, found, stored, signal)) written++;
  }
  return written;
}

async function mend(
  wanted: BootstrapObject,
  key: string,
  found: { readonly object: JsonObject; readonly revision: number } | undefined,
  stored: StoredObjects,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let current = found;
  for (let round = 0; round < roundsMax; round++) {
    if (current === undefined) {
      if (await stored.put(key, wanted.object, 0, signal)) return true;
    } else {
      const next = reconcile(wanted, current.object);
      if (next.kind === 'keep') return false;
      if (next.kind === 'write') {
        if (await stored.put(key, next.object, current.revision, signal)) return true;
      } else {
        const { succeeded } = await stored.store.txn(
          {
            compare: [{ key, target: 'modRevision', op: '=', value: current.revision }],
            success: [{ type: 'delete', key }],
          },
          signal,
        );
        if (succeeded) {
          current = undefined;
          continue;
        }
      }
    }
    current = await stored.get(key, signal);
  }
  throw new Error(`Cannot bring ${key} up to date: it was changed ${roundsMax} times meanwhile`);
}
