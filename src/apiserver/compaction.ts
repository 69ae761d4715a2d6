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
}

export async function compactRegularly(options: CompactionOptions, signal: AbortSignal): Promise<void> {
  let target = 0;
  for (;;) {
    await options.clock.sleep(options.intervalMs, signal);
    if (signal.aborted) return;
    if (target > 0) await compact(options, target, signal);
    target = options.cache.revision;
  }
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
