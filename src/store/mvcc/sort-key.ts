/**
 * JavaScript compares strings by UTF-16 units, etcd by UTF-8 bytes. They differ only where surrogates (code points above U+FFFF) meet
 * U+E000..U+FFFF. A sort key swaps these two blocks, so that plain `<` on sort keys is UTF-8 order; every other string is its own sort key.
 */
const needsFix = /[\ud800-\uffff]/;

/** Bijective on well-formed strings; see `fromSortKey`. */
export function toSortKey(key: string): string {
  return needsFix.test(key) ? mapUnits(key, (unit) => (unit >= 0xe000 ? unit - 0x800 : unit + 0x2000)) : key;
}

export function fromSortKey(sortKey: string): string {
  return needsFix.test(sortKey) ? mapUnits(sortKey, (unit) => (unit < 0xf800 ? unit + 0x800 : unit - 0x2000)) : sortKey;
}

function mapUnits(text: string, map: (unit: number) => number): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    out += unit < 0xd800 ? text[i] : String.fromCharCode(map(unit));
  }
  return out;
}
