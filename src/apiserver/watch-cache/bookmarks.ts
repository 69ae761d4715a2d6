/**
 * Bookmarks: a watcher that asked for them hears the current revision about once a minute, and shortly before its timeout, so that it can resume where nothing
 * happened to its objects. Source: cacher.go (bookmarkFrequency, 2 s before the deadline).
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { Watcher } from './watcher.ts';

const everyMs = 60_000;
const beforeDeadlineMs = 2_000;

export class BookmarkKeeper {
  readonly #clock: Clock;
  readonly #revision: () => number;
  readonly #watchers = new Map<Watcher, { readonly deadline: number }>();
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, revision: () => number) {
    this.#clock = clock;
    this.#revision = revision;
  }

  /** @param deadline monotonic milliseconds when the watch will be ended. */
  add(watcher: Watcher, deadline: number): void {
    this.#watchers.set(watcher, { deadline });
    this.#plan(watcher, deadline, this.#clock.monotonic());
    this.#arm(watcher.nextBookmarkAt);
  }

  #plan(watcher: Watcher, deadline: number, now: number): void {
    const regular = now + everyMs;
    const last = deadline - beforeDeadlineMs;
    watcher.nextBookmarkAt = last > now && last < regular ? last : regular;
  }

  #arm(at: number): void {
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.timer(Math.max(0, at - this.#clock.monotonic()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    // Watchers due within the next second share this wake-up.
    const due = now + 1_000;
    const revision = this.#revision();
    let next = Number.POSITIVE_INFINITY;
    for (const [watcher, { deadline }] of this.#watchers) {
      if (watcher.ended) {
        this.#watchers.delete(watcher);
        continue;
      }
      if (watcher.nextBookmarkAt <= due) {
        // A queue that is not empty brings news of its own, and a bookmark must not overtake it.
        // Nor is there anything in hearing the same twice.
        if (!watcher.behind && revision > watcher.bookmarkedRevision) {
          watcher.bookmarkedRevision = revision;
          watcher.push(watcher.form.bookmark(revision, false));
        }
        this.#plan(watcher, deadline, now);
      }
      if (watcher.nextBookmarkAt < next) next = watcher.nextBookmarkAt;
    }
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#watchers.clear();
  }
}
