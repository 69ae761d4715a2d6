/** Own properties under any name: `__proto__` and `constructor` are legal keys of a ConfigMap (decision 2). */

/** Sets an own, enumerable property; plain assignment to `__proto__` would change the prototype instead. */
export function setOwn<T>(target: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

/** The order of UTF-8 bytes, in which Go writes map keys: differs from JavaScript's code unit order for characters above U+FFFF. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}

/** The keys of a value in UTF-8 byte order. */
export function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    if (compareUtf8(keys[i - 1]!, key) <= 0) continue;
    // Many keys out of order are the built-in sort's; a few are put in place, which needs no second array.
    if (keys.length > 16) return keys.sort(compareUtf8);
    let at = i;
    for (; at > 0 && compareUtf8(keys[at - 1]!, key) > 0; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}
