/**
 * What a controller has done that its informer has not shown it yet. Until then it must not count: it would create or delete twice. By uid, so
 * that an object that came and went before we looked cannot leave a wrong count behind.
 *
 * A watch is at most late, so an expectation nobody meets within five minutes is dropped (and the next relist has repaired the cache).
 * Source: UIDTrackingControllerExpectations in pkg/controller/controller_utils.go.
 */
import type { Clock } from '../base/clock.ts';

const expiryMs = 5 * 60_000;

interface Expected {
  readonly uids: Set<string>;
  sinceMs: number;
}

export class Expectations {
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly creations = new Map<string, Expected>();
  private readonly deletions = new Map<string, Expected>();
  /** Objects seen while a key's writes are under way: the watch may be faster than the answer. */
  private readonly seen = new Map<string, Set<string>>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  /** Around the writes of one sync of `key`. @returns ends it. */
  begin(key: string): () => void {
    this.seen.set(key, new Set());
    return () => this.seen.delete(key);
  }
  created(key: string, uid: string): void {
    if (!this.seen.get(key)?.has(uid)) this.expect(this.creations, key, uid);
  }
  /** Before the delete is sent. */
  deleting(key: string, uid: string): void {
    this.expect(this.deletions, key, uid);
  }
  /** The delete failed: nothing to wait for. */
  notDeleted(key: string, uid: string): void {
    meet(this.deletions, key, uid);
  }

  observedCreation(key: string, uid: string): void {
    this.seen.get(key)?.add(uid);
    meet(this.creations, key, uid);
  }
  /** Gone, or on its way out (deletionTimestamp set). */
  observedDeletion(key: string, uid: string): void {
    this.seen.get(key)?.add(uid);
    meet(this.creations, key, uid);
    meet(this.deletions, key, uid);
  }

  satisfied(key: string): boolean {
    return this.isMet(this.creations, key) && this.isMet(this.deletions, key);
  }
  forget(key: string): void {
    this.creations.delete(key);
    this.deletions.delete(key);
  }

  private expect(map: Map<string, Expected>, key: string, uid: string): void {
    let expected = map.get(key);
    if (!expected) map.set(key, (expected = { uids: new Set(), sinceMs: 0 }));
    expected.uids.add(uid);
    expected.sinceMs = this.clock.monotonic();
  }
  private isMet(map: Map<string, Expected>, key: string): boolean {
    const expected = map.get(key);
    if (!expected) return true;
    if (this.clock.monotonic() - expected.sinceMs <= expiryMs) return false;
    map.delete(key);
    return true;
  }
}

function meet(map: Map<string, Expected>, key: string, uid: string): void {
  const expected = map.get(key);
  if (!expected?.uids.delete(uid)) return;
  if (expected.uids.size === 0) map.delete(key);
}
