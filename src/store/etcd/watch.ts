import type { Clock } from '../../base/clock.ts';
import { StoreError, type StoreEvent, type WatchBatch, type WatchRequest } from '../store.ts';
import { fromGrpc } from './errors.ts';
import { type EtcdWatchResponse, fromEvent, toNumber } from './messages.ts';
import type { Channel } from './wire.ts';

const retryMs = 250;

/**
 * One watch on a stream of its own, taken up again after the last delivered revision when the stream breaks.
 * A response with events vouches for its last event's revision only: while a watcher catches up etcd's header runs ahead.
 * @param channel called for each try, with the one that failed: another member's then.
 */
export async function* watchEtcd(
  channel: (failed: Channel | undefined) => Channel,
  request: WatchRequest,
  clock: Clock,
  ended: AbortSignal,
): AsyncGenerator<WatchBatch, void> {
  const { signal } = request;
  let next = request.startRevision || 0;
  let failed: Channel | undefined;
  while (!signal.aborted && !ended.aborted) {
    const used = channel(failed);
    const stream = used.duplex('Watch/Watch');
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel);
    ended.addEventListener('abort', cancel);
    try {
      stream.send({
        create_request: {
          key: Buffer.from(request.key),
          ...(request.end === undefined ? {} : { range_end: Buffer.from(request.end) }),
          start_revision: next,
          progress_notify: true,
          prev_kv: request.prevKv !== false,
          fragment: true,
        },
      });
      let pieces: StoreEvent[] = [];
      for await (const message of stream.answers) {
        const response = message as EtcdWatchResponse;
        failed = undefined;
        if (response.canceled) throw cancelled(response);
        const revision = toNumber(response.header.revision);
        if (response.created) {
          // "After now" stays the same now when the stream is taken up again.
          if (next === 0) next = revision + 1;
          continue;
        }
        let events = response.events.map(fromEvent);
        // One revision's events stay together (store.ts, invariant 4), so pieces wait for the last of them.
        if (response.fragment || pieces.length > 0) for (const event of events) pieces.push(event);
        if (response.fragment) continue;
        if (pieces.length > 0) {
          events = pieces;
          pieces = [];
        }
        const done = events.length > 0 ? events.at(-1)!.kv.modRevision : revision;
        if (done < next) continue;
        next = done + 1;
        yield { revision: done, events };
        if (signal.aborted || ended.aborted) return;
      }
      failed = used;
    } catch (error) {
      if (signal.aborted || ended.aborted) return;
      const reason = fromGrpc(error);
      if (!(reason instanceof StoreError) || reason.code !== 'unavailable') throw reason;
      failed = used;
    } finally {
      signal.removeEventListener('abort', cancel);
      ended.removeEventListener('abort', cancel);
      stream.cancel();
    }
    await clock.sleep(retryMs, signal);
  }
}

function cancelled(response: EtcdWatchResponse): StoreError {
  const compactRevision = toNumber(response.compact_revision);
  if (compactRevision > 0)
    return new StoreError('compacted', 'etcdserver: mvcc: required revision has been compacted', { compactRevision });
  return new StoreError('invalid', `etcd ended the watch: ${response.cancel_reason}`);
}
