/** Deep freezing of trees that cross the API boundary (decision 3). */

/**
 * Freezes `value` and everything below it that is not frozen yet, and returns it. A frozen part is taken to be frozen all the way down,
 * which holds for trees made by path copy from frozen ones. The caller must own the tree.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) deepFreeze(value[i]);
  else {
    const object = value as Readonly<Record<string, unknown>>;
    const keys = Object.keys(object);
    for (let i = 0; i < keys.length; i++) {
      const child = object[keys[i]!];
      if (typeof child === 'object' && child !== null) deepFreeze(child);
    }
  }
  return Object.freeze(value);
}
