/** A B+ tree of strings with O(1) copy-on-write snapshots (`clone`). The package is CommonJS: its class stands behind `default` twice. */
import sorted from 'sorted-btree';

export type OrderedTree<V> = InstanceType<typeof sorted.default<string, V>>;

/** Bytewise order of UTF-8 and order of UTF-16 code units agree outside surrogates, which no object name may contain. */
export const byKey = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function orderedTree<V>(): OrderedTree<V> {
  return new sorted.default<string, V>(undefined, byKey, 64);
}
