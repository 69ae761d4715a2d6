/**
 * A watch of objects that have to be made ready before they can be judged and shown: those of a version that only a webhook converts to. Events keep their order;
 * while one is being prepared, what comes after it waits.
 */
import type { WatchFrame } from '../../api/exchange.ts';
import type { CacheEvent } from './cache-event.ts';
import { SharedFrame } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';
import { Watcher } from './watcher.ts';

export interface PreparedWatcherOptions {
  readonly prepare: (objects: readonly CachedObject[]) => Promise<void>;
  /** The last frame of a watch whose objects could not be prepared. */
  readonly failed: (error: unknown) => WatchFrame;
}

export class PreparedWatcher extends Watcher {
  readonly #options: PreparedWatcherOptions;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  /** @param options `initial` and `initialEnd` are given to `begin` instead. */
  constructor(
    options: Omit<ConstructorParameters<typeof Watcher>[0], 'initial' | 'initialEnd'> & PreparedWatcherOptions,
  ) {
    super(options);
    this.#options = options;
  }

  /** What is there now, before any event. */
  begin(initial: readonly CachedObject[] | undefined, end: WatchFrame | undefined): void {
    if (initial === undefined) return;
    this.#then(initial, () => {
      for (const object of initial)
        if (this.match === undefined || this.match(object))
          this.push(new SharedFrame('ADDED', this.form, object, object.revision));
      if (end) this.push(end);
    });
  }

  override offer(event: CacheEvent): void {
    if (this.ended || event.revision <= this.startRevision) return;
    this.#then(event.previous === undefined ? [event.current] : [event.current, event.previous], () =>
      super.offer(event),
    );
  }

  override get behind(): boolean {
    return this.#waiting > 0 || super.behind;
  }

  #then(objects: readonly CachedObject[], go: () => void): void {
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      try {
        if (this.ended) return;
        await this.#options.prepare(objects);
        go();
      } catch (error) {
        this.push(this.#options.failed(error));
        this.end();
      } finally {
        this.#waiting--;
      }
    });
  }
}
