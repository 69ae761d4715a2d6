import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkCIdentifier,
  checkConfigMapKey,
  checkDns1035Label,
  checkDns1123Label,
  checkDns1123Subdomain,
  checkEnvVarName,
  checkLabelValue,
  checkPathSegmentName,
  checkPortName,
  checkQualifiedName,
  generateName,
  maskTrailingDash,
  type NameCheck,
  safeEncode,
} from './names.ts';

const nameRule =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const cases: readonly (readonly [why: string, check: NameCheck, value: string, want: readonly string[]])[] = [
  ['a label takes letters, digits and inner hyphens', checkDns1123Label, 'a-1', []],
  ['a label refuses upper case', checkDns1123Label, 'Bad_Name', [labelRule]],
  ['a label refuses dots in words of their own', checkDns1123Label, 'a.b', ['must not contain dots']],
  [
    'a label reports length and shape',
    checkDns1123Label,
    `${'a'.repeat(64)}_`,
    ['must be no more than 63 characters', labelRule],
  ],
  ['a subdomain takes 253', checkDns1123Subdomain, 'a'.repeat(253), []],
  ['a subdomain refuses 254', checkDns1123Subdomain, 'a'.repeat(254), ['must be no more than 253 characters']],
  [
    'a DNS-1035 label starts with a letter',
    (v) =>
      checkDns1035Label(v)
        .slice(0, 1)
        .map((m) => m.slice(0, 16)),
    '1a',
    ['a DNS-1035 label'],
  ],
  ['a key takes a prefix', checkQualifiedName, 'example.com/My_Name', []],
  ['an empty key breaks two rules', checkQualifiedName, '', ['name part must be non-empty', `name part ${nameRule}`]],
  ['a key needs a prefix before the slash', checkQualifiedName, '/a', ['prefix part must be non-empty']],
  [
    'a key has one slash',
    checkQualifiedName,
    'a/b/c',
    [`a valid label key ${nameRule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`],
  ],
  ['a label value may be empty', checkLabelValue, '', []],
  [
    'a label value of multi-byte text is measured in bytes',
    (v) => checkLabelValue(v).slice(0, 1),
    'é'.repeat(32),
    ['must be no more than 63 bytes'],
  ],
  [
    'a C identifier has no hyphen',
    (v) => checkCIdentifier(v).map((m) => m.slice(0, 20)),
    'a-b',
    ['a valid C identifier'],
  ],
  ['a port name needs a letter', checkPortName, '80', ['must contain at least one letter (a-z)']],
  [
    'an empty port name',
    checkPortName,
    '',
    [
      'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'must contain at least one letter (a-z)',
    ],
  ],
  [
    'a port name has single inner hyphens',
    checkPortName,
    '-a--b',
    ['must not contain consecutive hyphens', 'must not begin or end with a hyphen'],
  ],
  ['a path segment is not ..', checkPathSegmentName, '..', ["may not be '..'"]],
  [
    'a path segment has no slash or percent',
    checkPathSegmentName,
    'a/%',
    ["may not contain '/'", "may not contain '%'"],
  ],
  ['an environment variable takes spaces', checkEnvVarName, 'a b', []],
  ['a config map key does not climb', checkConfigMapKey, '..a', ["must not start with '..'"]],
];
for (const [why, check, value, want] of cases) test(`names: ${why}`, () => assert.deepEqual(check(value), want));

test('names: a generated name keeps 58 characters and adds five', () => {
  const random = { float: () => 0, below: () => 0, bytes: (n: number) => new Uint8Array(n), uuid: () => '' };
  assert.equal(generateName('web-', random), 'web-bbbbb');
  assert.equal(generateName('a'.repeat(80), random), `${'a'.repeat(58)}bbbbb`);
  assert.equal(maskTrailingDash('web-'), 'wea');
  assert.equal(maskTrailingDash('-'), '-');
});

test('names: a hash is spelled in the safe alphabet as upstream does', () => {
  // '0' is 48, and 48 % 27 = 21: the digit 4; the others follow it round the alphabet, which is why pod hashes look as they do.
  assert.equal(safeEncode('0123456789'), '456789bcdf');
});
