/**
 * Objects of one resource by the value of a label, for selectors that ask for `key=value`: a list of 1% of the pods should cost that 1%, not a walk over all.
 * A key is indexed when a selector first asks for it and kept up from then on; the key that was not asked for longest goes when there are too many.
 */
import type { CachedObject } from './cached-object.ts';

export interface LabelTerm {
  readonly key: string;
  readonly value: string;
}

/** Keys indexed at once in one resource. */
const keysMax = 4;
/** Smaller resources are walked. */
const objectsMin = 256;
/** The answer must be this much smaller than the whole: it has to be sorted, a walk comes in order. */
const gainMin = 8;

type ByValue = Map<string, Set<CachedObject>>;

export class LabelIndex {
  /** The key asked for last is the last. */
  readonly #keys = new Map<string, ByValue>();

  /** Every object that has one of the labels, in no order, or undefined when a walk is as good. All others cannot match. */
  candidates(
    terms: readonly LabelTerm[],
    size: number,
    objects: () => Iterable<CachedObject>,
  ): Iterable<CachedObject> | undefined {
    if (size < objectsMin || terms.length === 0) return undefined;
    let best: ReadonlySet<CachedObject> | undefined;
    for (let i = 0; i < terms.length; i++) {
      const { key, value } = terms[i]!;
      const found = this.#valuesOf(key, objects).get(value) ?? empty;
      if (best === undefined || found.size < best.size) best = found;
      // Further keys are worth an index only while this one narrows too little.
      if (best.size * gainMin <= size) return best;
    }
    return undefined;
  }

  #valuesOf(key: string, objects: () => Iterable<CachedObject>): ByValue {
    let values = this.#keys.get(key);
    if (values === undefined) {
      values = new Map();
      for (const object of objects()) put(values, key, object);
      if (this.#keys.size >= keysMax) this.#keys.delete(this.#keys.keys().next().value!);
    } else this.#keys.delete(key);
    this.#keys.set(key, values);
    return values;
  }

  replace(previous: CachedObject | undefined, object: CachedObject | undefined): void {
    for (const [key, values] of this.#keys) {
      if (previous !== undefined) drop(values, key, previous);
      if (object !== undefined) put(values, key, object);
    }
  }

  clear(): void {
    this.#keys.clear();
  }
}

const empty: ReadonlySet<CachedObject> = new Set();

function put(values: ByValue, key: string, object: CachedObject): void {
  const value = labelOf(object, key);
  if (value === undefined) return;
  const found = values.get(value);
  if (found === undefined) values.set(value, new Set([object]));
  else found.add(object);
}

function drop(values: ByValue, key: string, object: CachedObject): void {
  const value = labelOf(object, key);
  if (value === undefined) return;
  const found = values.get(value);
  found?.delete(object);
  if (found?.size === 0) values.delete(value);
}

/** Only own strings count: a key such as `constructor` is a legal label. */
function labelOf({ labels }: CachedObject, key: string): string | undefined {
  const value: unknown = labels?.[key];
  return typeof value === 'string' ? value : undefined;
}
