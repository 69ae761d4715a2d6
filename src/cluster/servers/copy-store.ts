/**
 * From one to many: everything that the embedded store holds is put into an empty etcd, in the order in which it was written last, at revisions
 * above all that the embedded store ever gave out. Old resourceVersions are then compacted ones: clients get 410 and list once.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type KeyValue, type Store, StoreError } from '../../store/store.ts';
import { ClusterError } from '../cluster-error.ts';

export interface CopyOptions {
  readonly from: Store;
  readonly to: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Copied {
  readonly keys: number;
  /** The first revision of the new store that holds them. */
  readonly revision: number;
}

const pageSize = 500;
/** Requests under way: etcd puts those that arrive together into one commit. */
const lanes = 64;
const scratchKey = 'bireme/migration';
/** Keys by which living API servers are known: theirs is a new one. */
const forgotten = ['/registry/masterleases/'];
/** Leases have no owner yet; their keys get as long again as events live. */
const leaseSeconds = 3600;

/** @throws ClusterError when the new store holds anything, StoreError when one of them fails: then it is started over on another empty etcd. */
export async function copyStore({ from, to, log }: CopyOptions): Promise<Copied> {
  const { count } = await to.range({ key: '/', end: '0', countOnly: true });
  if (count > 0)
    throw new ClusterError('The etcd to move into holds a cluster already', 'give it an empty data directory');
  const kvs = await readAll(from);
  const ceiling = await from.currentRevision();
  await raiseRevision(to, ceiling, log);
  const lease = kvs.some((kv) => kv.lease !== 0n) ? await to.leaseGrant(leaseSeconds) : 0n;
  // One after the other: the order of revisions is the order of history.
  for (const kv of kvs.sort((a, b) => a.modRevision - b.modRevision || (a.key < b.key ? -1 : 1)))
    await to.txn({
      compare: [{ key: kv.key, target: 'modRevision', op: '=', value: 0 }],
      success: [{ type: 'put', key: kv.key, value: kv.value, ...(kv.lease === 0n ? {} : { lease }) }],
    });
  const revision = await to.currentRevision();
  await to.compact(revision).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'compacted') throw error;
  });
  log.info('Moved the store', { keys: kvs.length, oldRevision: ceiling, revision });
  return { keys: kvs.length, revision };
}

async function readAll(store: Store): Promise<KeyValue[]> {
  const kvs: KeyValue[] = [];
  let key = '\0';
  let revision = 0;
  for (;;) {
    const page = await store.range({ key, end: '\0', limit: pageSize, revision, withoutCount: true });
    if (revision === 0) revision = page.revision;
    for (const kv of page.kvs) if (!forgotten.some((prefix) => kv.key.startsWith(prefix))) kvs.push(kv);
    const last = page.kvs.at(-1);
    if (!page.more || !last) return kvs;
    key = `${last.key}\0`;
  }
}

/** To one past `above`. Each transaction raises the revision by one, and there is no shorter way in all versions of etcd. */
export async function raiseRevision(store: Store, above: number, log: Logger): Promise<void> {
  let next = await store.currentRevision();
  if (next > above) return;
  log.info('Raising the revision of etcd above the old store', { from: next, to: above });
  const value = Buffer.from('x');
  const lane = async (): Promise<void> => {
    while (next <= above) {
      next++;
      await store.txn({ compare: [], success: [{ type: 'put', key: scratchKey, value }] });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await store.txn({ compare: [], success: [{ type: 'delete', key: scratchKey }] });
}
