/** Compaction: every few minutes the history before the revision of the previous round goes, so that any watch or list has that long to finish. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Store, StoreError } from '../store/store.ts';
import type { WatchCache } from './watch-cache/watch-cache.ts';

export interface CompactionOptions {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
  /** Other API servers, upstream's too, share the store: one of them compacts in each round. */
  readonly shared: boolean;
}

export async function compactRegularly(options: CompactionOptions, signal: AbortSignal): Promise<void> {
  const next = options.shared ? createElection(options) : createSolo(options);
  for (;;) {
    await options.clock.sleep(options.intervalMs, signal);
    if (signal.aborted) return;
    await next(signal);
  }
}

function createSolo(options: CompactionOptions): (signal: AbortSignal) => Promise<void> {
  let target = 0;
  return async (signal) => {
    if (target > 0) await compact(options, target, signal);
    target = options.cache.revision;
  };
}

/**
 * Whoever raises the version of this key from the one it saw last compacts to the revision that the round before wrote down; the others take
 * note and try again in the next round. Source: apiserver/pkg/storage/etcd3/compact.go, whose key it is.
 */
const electionKey = 'compact_rev_key';

export function createElection(options: CompactionOptions): (signal: AbortSignal) => Promise<void> {
  const { store, log } = options;
  let round = 0;
  let revision = 0;
  return async (signal) => {
    try {
      const result = await store.txn(
        {
          compare: [{ key: electionKey, target: 'version', op: '=', value: round }],
          success: [{ type: 'put', key: electionKey, value: Buffer.from(String(revision)) }],
          failure: [{ type: 'range', key: electionKey }],
        },
        signal,
      );
      if (!result.succeeded) {
        const [found] = result.results;
        const kv = found?.type === 'range' ? found.kvs[0] : undefined;
        round = kv?.version ?? 0;
        revision = result.revision;
        const done = Number(kv ? Buffer.from(kv.value).toString() : 0);
        if (done > 0) options.cache.compact(done);
        return;
      }
      round++;
      const target = revision;
      revision = result.revision;
      if (target > 0) await compact(options, target, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof StoreError)) throw error;
      log.warn('Cannot take part in the compaction of the store', { error });
    }
  };
}

/** Another API server may have been faster: then its work is ours. */
async function compact({ store, cache, log }: CompactionOptions, revision: number, signal: AbortSignal): Promise<void> {
  try {
    await store.compact(revision, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof StoreError)) throw error;
    if (error.code !== 'compacted') log.warn('Could not compact the store', { revision, error });
  }
  cache.compact(revision);
}
