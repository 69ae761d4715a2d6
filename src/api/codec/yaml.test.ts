import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../errors.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { decodeBody, encodeText, type FieldValidation } from './index.ts';
import { encodeYaml, parseYaml } from './yaml.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const parse = (text: string): unknown => parseYaml(bytesOf(text)).value;

const readings: readonly (readonly [name: string, text: string, want: unknown])[] = [
  ['plain scalars', 'a: 1\nb: x\nc: true\nd: null\ne: ~\nf:\n', { a: 1, b: 'x', c: true, d: null, e: null, f: null }],
  ['booleans of YAML 1.1', 'a: yes\nb: off\nc: "yes"\n', { a: true, b: false, c: 'yes' }],
  [
    'dates and times of day as text',
    'a: 2026-01-02\nb: 12:30\nc: 2026-01-02T03:04:05Z\n',
    { a: '2026-01-02', b: '12:30', c: '2026-01-02T03:04:05Z' },
  ],
  ['octal and hexadecimal', 'a: 0644\nb: 0x1f\n', { a: 420, b: 31 }],
  ['big integers', 'a: 9007199254740993\n', { a: 9007199254740993n }],
  ['keys that are no strings', '1: a\ntrue: b\n', { 1: 'a', true: 'b' }],
  ['a point without a digit is text', 'a: .\n.: -.\n', { a: '.', '.': '-.' }],
  ['anchors and merges', 'x: &x {a: 1}\nz:\n  <<: *x\n  b: 2\n', { x: { a: 1 }, z: { a: 1, b: 2 } }],
  ['block text', 'a: |\n  x\n  y\n', { a: 'x\ny\n' }],
  ['JSON', '{"a": [1, "b"]}', { a: [1, 'b'] }],
  ['the first of several documents', 'a: 1\n---\na: 2\n', { a: 1 }],
  ['nothing', '', null],
];
for (const [name, text, want] of readings) test(`yaml: reads ${name}`, () => assert.deepEqual(parse(text), want));

test('yaml: what it cannot read is refused with the line', () => {
  assert.throws(() => parse('a: b: c\n'), /^YamlError: error converting YAML to JSON: yaml: line 1: /);
  assert.throws(() => parse('a: *none\n'), /^YamlError: error converting YAML to JSON: yaml: /);
});

test('yaml: aliases cannot multiply without end', () => {
  const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
  for (let i = 0; i < 8; i++) {
    const [from, to] = [String.fromCharCode(97 + i), String.fromCharCode(98 + i)];
    lines.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(',')}]`);
  }
  assert.throws(() => parse(lines.join('\n')), /alias/i);
});

test('yaml: writes sorted keys, quoted look-alikes, and lists without indentation', () => {
  const value = {
    kind: 'X',
    b: ['1', 'yes', '2026-01-02T03:04:05Z', { z: 1, a: null }],
    apiVersion: 'v1',
    a: { 10: 'x', 9: '' },
  };
  assert.equal(
    new TextDecoder().decode(encodeYaml(value)),
    'a:\n  "10": x\n  "9": ""\napiVersion: v1\nb:\n- "1"\n- "yes"\n- "2026-01-02T03:04:05Z"\n- a: null\n  z: 1\nkind: X\n',
  );
});

test('yaml: reading what was written gives the same value', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string(),
        fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string())),
      ),
      (value) => {
        assert.deepEqual(encodeText(sorted(parseYaml(encodeYaml(value)).value)), encodeText(sorted(value)));
      },
    ),
  );
});
const sorted = (value: unknown): object => Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));

const decode = async (text: string, fieldValidation: FieldValidation) =>
  decodeBody(
    { bytes: bytesOf(text) },
    {
      schema: builtinSchema,
      expected: { group: '', version: 'v1', kind: 'ConfigMap' },
      type: builtinSchema.byGvk({ group: '', version: 'v1', kind: 'ConfigMap' })!,
      fieldValidation,
      mediaType: 'application/yaml',
    },
  );

test('yaml: a body is decoded like JSON, with warnings for keys that come twice', async () => {
  const { object, warnings } = await decode('kind: ConfigMap\napiVersion: v1\ndata:\n  a: x\n  a: z\nzzz: 1\n', 'Warn');
  assert.equal(encodeText(object), '{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"a":"z"}}');
  assert.deepEqual(warnings, ['line 5: key "a" already set in map', 'unknown field "zzz"']);
});

test('yaml: a wrong body is refused as upstream does', async () => {
  const message = async (text: string, validation: FieldValidation = 'Strict'): Promise<string> => {
    try {
      await decode(text, validation);
    } catch (error) {
      assert.ok(error instanceof ApiError);
      return error.message;
    }
    return 'accepted';
  };
  assert.equal(
    await message('data:\n  a: 1\n'),
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
  );
  assert.match(
    await message('a: b: c\n'),
    /^the object provided is unrecognized \(must be of type ConfigMap\): error converting YAML to JSON: yaml: line 1: .* \(613a20623a20630a\)$/,
  );
  assert.equal(
    await message('data:\n  a: x\n  a: z\n'),
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  line 3: key "a" already set in map',
  );
});

test('yaml: an alias inside of its own anchor is refused', () => {
  assert.throws(() => parseYaml(Buffer.from('&a [*a]')), /anchor 'a' value contains itself/);
});
