import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prefixEnd } from '../store.ts';
import { fromSortKey, toSortKey } from './sort-key.ts';

const anyKey = fc.string({ unit: 'binary' });

test('sort key: plain comparison is the order of UTF-8 bytes', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      const bytewise = Buffer.compare(Buffer.from(a), Buffer.from(b));
      const [x, y] = [toSortKey(a), toSortKey(b)];
      assert.equal(x < y ? -1 : x > y ? 1 : 0, bytewise);
    }),
  );
});

test('sort key: maps back', () => {
  fc.assert(fc.property(anyKey, (key) => assert.equal(fromSortKey(toSortKey(key)), key)));
});

test('prefixEnd: every key with the prefix is before it, every other key after the prefix is not', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (prefix, key) => {
      const end = prefixEnd(prefix);
      const inside = toSortKey(key) >= toSortKey(prefix) && (end === '\0' || toSortKey(key) < toSortKey(end));
      assert.equal(inside, key.startsWith(prefix));
      assert.ok(
        toSortKey(prefix + key) >= toSortKey(prefix) && (end === '\0' || toSortKey(prefix + key) < toSortKey(end)),
      );
    }),
  );
});
