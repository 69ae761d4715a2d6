import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';

test('continue token: it is upstream’s format and comes back as it went', () => {
  const token = encodeContinue({ revision: 42, start: 'both\0' });
  assert.equal(Buffer.from(token, 'base64url').toString(), '{"v":"meta.k8s.io/v1","rv":42,"start":"/both\\u0000"}');
  assert.deepEqual(decodeContinue(token), { revision: 42, start: 'both\0' });
  assert.deepEqual(decodeContinue(encodeContinue({ revision: -1, start: 'a/b\0' })), { revision: -1, start: 'a/b\0' });
});

const raw = (text: string): string => Buffer.from(text).toString('base64url');
const refused: readonly (readonly [string, string, RegExp])[] = [
  ['no base64', '!!!', /illegal base64 data at input byte 0$/],
  ['no JSON', 'garbage', /invalid character '\\u0081' looking for beginning of value$/],
  ['another version', raw('{"v":"v2","rv":1,"start":"/a"}'), /does not recognize this encoded version "v2"$/],
  ['no revision', raw('{"v":"meta.k8s.io/v1","start":"/a"}'), /incorrect encoded start resourceVersion/],
  ['no start', raw('{"v":"meta.k8s.io/v1","rv":1}'), /encoded start key empty/],
  ['a way out of the prefix', raw('{"v":"meta.k8s.io/v1","rv":1,"start":"/../secrets/x"}'), /\.\.\/secrets/],
];
for (const [name, token, message] of refused)
  test(`continue token: ${name} is refused with 400`, () =>
    assert.throws(
      () => decodeContinue(token),
      (error) => error instanceof ApiError && error.code === 400 && message.test(error.message),
    ));
