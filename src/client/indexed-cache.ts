/** The objects of an informer by key, and by any number of indexes. Index values are computed once per change and kept with the object. */
import type { IndexFunction } from './informer.ts';

export interface IndexedCache<T> {
  get(key: string): T | undefined;
  /** @returns the object that was there before. */
  set(key: string, object: T): T | undefined;
  delete(key: string): T | undefined;
  keys(): IterableIterator<string>;
  /** Shared until the next change; never written to. */
  list(): readonly T[];
  addIndex(name: string, fn: IndexFunction<T>): void;
  /** Shared until the next change of this value's objects. @throws Error when there is no such index. */
  byIndex(name: string, value: string): readonly T[];
  readonly size: number;
}

interface Bucket<T> {
  readonly objects: Map<string, T>;
  list: readonly T[] | undefined;
}
interface Index<T> {
  readonly fn: IndexFunction<T>;
  readonly buckets: Map<string, Bucket<T>>;
  /** Index values by key, for taking an object out again. */
  readonly values: Map<string, readonly string[]>;
}

export function createIndexedCache<T>(): IndexedCache<T> {
  const objects = new Map<string, T>();
  const indexes = new Map<string, Index<T>>();
  let all: readonly T[] | undefined;

  const put = (index: Index<T>, key: string, object: T): void => {
    const values = index.fn(object);
    const before = index.values.get(key);
    if (before !== undefined)
      for (let i = 0; i < before.length; i++) if (!values.includes(before[i]!)) drop(index, before[i]!, key);
    if (values.length === 0) {
      if (before !== undefined) index.values.delete(key);
      return;
    }
    index.values.set(key, values);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      let bucket = index.buckets.get(value);
      if (!bucket) index.buckets.set(value, (bucket = { objects: new Map(), list: undefined }));
      bucket.objects.set(key, object);
      bucket.list = undefined;
    }
  };
  const drop = (index: Index<T>, value: string, key: string): void => {
    const bucket = index.buckets.get(value);
    if (!bucket) return;
    bucket.objects.delete(key);
    bucket.list = undefined;
    if (bucket.objects.size === 0) index.buckets.delete(value);
  };

  return {
    get: (key) => objects.get(key),
    set(key, object) {
      const before = objects.get(key);
      objects.set(key, object);
      all = undefined;
      for (const index of indexes.values()) put(index, key, object);
      return before;
    },
    delete(key) {
      const before = objects.get(key);
      if (before === undefined) return undefined;
      objects.delete(key);
      all = undefined;
      for (const index of indexes.values()) {
        for (const value of index.values.get(key) ?? []) drop(index, value, key);
        index.values.delete(key);
      }
      return before;
    },
    keys: () => objects.keys(),
    list: () => (all ??= [...objects.values()]),
    addIndex(name, fn) {
      const known = indexes.get(name);
      if (known) {
        if (known.fn === fn) return;
        throw new Error(`Informer: index "${name}" exists with another function`);
      }
      const index: Index<T> = { fn, buckets: new Map(), values: new Map() };
      indexes.set(name, index);
      for (const [key, object] of objects) put(index, key, object);
    },
    byIndex(name, value) {
      const index = indexes.get(name);
      if (!index) throw new Error(`Informer: there is no index "${name}"`);
      const bucket = index.buckets.get(value);
      return bucket ? (bucket.list ??= [...bucket.objects.values()]) : none;
    },
    get size() {
      return objects.size;
    },
  };
}

const none: readonly never[] = Object.freeze([]);
