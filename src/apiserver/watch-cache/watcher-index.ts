/** Watchers by what they can see, so that an event costs what it matches (decision 5): each watcher stands in exactly one place. */
import type { CacheEvent } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';
import type { Watcher } from './watcher.ts';

/** The narrowest place that holds everything the watcher may see. */
export interface WatchScope {
  /** Empty: all namespaces. */
  readonly namespace: string;
  /** Exactly this object, `namespace/name` or `name`. */
  readonly key?: string;
  /** Pods bound to this node. */
  readonly node?: string;
}

export class WatcherIndex {
  readonly #everywhere = new Set<Watcher>();
  readonly #byNamespace = new Map<string, Set<Watcher>>();
  readonly #byKey = new Map<string, Set<Watcher>>();
  readonly #byNode = new Map<string, Set<Watcher>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns takes it out again. */
  add(watcher: Watcher, scope: WatchScope): () => void {
    this.#size++;
    if (scope.key !== undefined) return this.#into(this.#byKey, scope.key, watcher);
    if (scope.node !== undefined) return this.#into(this.#byNode, scope.node, watcher);
    if (scope.namespace !== '') return this.#into(this.#byNamespace, scope.namespace, watcher);
    this.#everywhere.add(watcher);
    return () => {
      if (this.#everywhere.delete(watcher)) this.#size--;
    };
  }

  dispatch(event: CacheEvent): void {
    if (this.#size === 0) return;
    const { current, previous } = event;
    offerAll(this.#everywhere, event);
    if (this.#byNamespace.size > 0) offerAll(this.#byNamespace.get(current.namespace), event);
    if (this.#byKey.size > 0) offerAll(this.#byKey.get(current.key), event);
    if (this.#byNode.size > 0) this.#dispatchByNode(event, current, previous);
  }

  #dispatchByNode(event: CacheEvent, current: CachedObject, previous: CachedObject | undefined): void {
    if (current.node !== '') offerAll(this.#byNode.get(current.node), event);
    if (previous !== undefined && previous.node !== '' && previous.node !== current.node)
      offerAll(this.#byNode.get(previous.node), event);
  }

  forEach(fn: (watcher: Watcher) => void): void {
    for (const watcher of [...this.#everywhere]) fn(watcher);
    for (const map of [this.#byNamespace, this.#byKey, this.#byNode])
      for (const set of [...map.values()]) for (const watcher of [...set]) fn(watcher);
  }

  #into(map: Map<string, Set<Watcher>>, at: string, watcher: Watcher): () => void {
    let set = map.get(at);
    if (set === undefined) map.set(at, (set = new Set()));
    const own = set;
    own.add(watcher);
    return () => {
      if (!own.delete(watcher)) return;
      this.#size--;
      if (own.size === 0) map.delete(at);
    };
  }
}

function offerAll(watchers: Set<Watcher> | undefined, event: CacheEvent): void {
  if (watchers === undefined) return;
  for (const watcher of watchers) watcher.offer(event);
}
