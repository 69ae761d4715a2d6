/**
 * An informer's cache with our own last writes on top, so that a controller that writes the same object several times in a row does not act on
 * what it has replaced itself. A write is remembered until the informer shows a version that is none of those replaced.
 */
import type { KubeObject } from '../api/object.ts';
import { type Informer, keyOf } from '../client/informer.ts';

export class LatestObjects<T extends KubeObject> {
  private readonly informer: Informer<T>;
  private readonly written = new Map<string, { readonly replaced: Set<string>; object: T }>();

  constructor(informer: Informer<T>) {
    this.informer = informer;
  }

  get(key: string): T | undefined {
    return this.over(key, this.informer.get(key));
  }

  list(): readonly T[] {
    const cached = this.informer.list();
    return this.written.size === 0 ? cached : cached.map((object) => this.over(keyOf(object), object) ?? object);
  }

  /** @param before what the write was based on. @param after what the server answered. */
  wrote(before: T, after: T): T {
    const key = keyOf(after);
    const known = this.written.get(key);
    const version = before.metadata.resourceVersion ?? '';
    if (before.metadata.resourceVersion === after.metadata.resourceVersion) return after;
    if (known) {
      known.replaced.add(version);
      known.object = after;
    } else this.written.set(key, { replaced: new Set([version]), object: after });
    return after;
  }

  private over(key: string, cached: T | undefined): T | undefined {
    const own = this.written.get(key);
    if (!own) return cached;
    if (cached && own.replaced.has(cached.metadata.resourceVersion ?? '')) return own.object;
    this.written.delete(key);
    return cached;
  }
}
