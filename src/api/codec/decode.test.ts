import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../errors.ts';
import { builtinSchema } from '../schema/builtin.ts';
import type { GroupVersionKind } from '../schema/model.ts';
import { decodeBody, decodeObject, encode, encodeText, parseJson, setOwn } from './index.ts';

const kinds: Readonly<Record<string, GroupVersionKind>> = {
  Pod: { group: '', version: 'v1', kind: 'Pod' },
  ConfigMap: { group: '', version: 'v1', kind: 'ConfigMap' },
  Service: { group: '', version: 'v1', kind: 'Service' },
  Deployment: { group: 'apps', version: 'v1', kind: 'Deployment' },
  ControllerRevision: { group: 'apps', version: 'v1', kind: 'ControllerRevision' },
  Event: { group: '', version: 'v1', kind: 'Event' },
  Lease: { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease' },
  HorizontalPodAutoscaler: { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' },
  CustomResourceDefinition: { group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition' },
};
const typeOf = (kind: string) => builtinSchema.byGvk(kinds[kind]!)!;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const canonical = (kind: string, text: string): string =>
  encodeText(decodeObject({ bytes: bytesOf(text) }, typeOf(kind), { fieldValidation: 'Ignore' }).object);

const forms: readonly (readonly [name: string, kind: string, input: string, want: string])[] = [
  [
    'struct fields come in schema order',
    'ConfigMap',
    '{"data":{"a":"1"},"metadata":{"namespace":"n","name":"c"},"apiVersion":"v1","kind":"ConfigMap"}',
    '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","namespace":"n"},"data":{"a":"1"}}',
  ],
  [
    'a required struct that is absent is written with its zero fields',
    'Pod',
    '{}',
    '{"metadata":{},"spec":{"containers":null},"status":{}}',
  ],
  [
    'a required list keeps the difference of null and empty',
    'Pod',
    '{"spec":{"containers":[]}}',
    '{"metadata":{},"spec":{"containers":[]},"status":{}}',
  ],
  [
    'an empty list, map, string, 0 and false with omitempty are absent',
    'Pod',
    '{"metadata":{"labels":{},"finalizers":[],"name":"","generation":0},"spec":{"containers":null,"hostNetwork":false}}',
    '{"metadata":{},"spec":{"containers":null},"status":{}}',
  ],
  [
    'a pointer keeps a zero that was given and drops null',
    'Deployment',
    '{"spec":{"replicas":0,"revisionHistoryLimit":null,"selector":{},"template":{"spec":{"containers":null}}}}',
    '{"metadata":{},"spec":{"replicas":0,"selector":{},"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}',
  ],
  [
    'a required pointer that is absent is null',
    'Deployment',
    '{"spec":{}}',
    '{"metadata":{},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}',
  ],
  [
    'zero values without omitempty are written',
    'Pod',
    '{"spec":{"containers":[{}]}}',
    '{"metadata":{},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}}',
  ],
  [
    'null elements become zero values',
    'Pod',
    '{"metadata":{"labels":{"a":null},"finalizers":[null]},"spec":{"containers":[null]}}',
    '{"metadata":{"labels":{"a":""},"finalizers":[""]},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}}',
  ],
  [
    'unknown and wrongly cased fields are dropped',
    'Pod',
    '{"Kind":"Pod","spec":{"Containers":[],"containers":null,"x":{"y":[1]}}}',
    '{"metadata":{},"spec":{"containers":null},"status":{}}',
  ],
  [
    'map keys come in UTF-8 byte order, numeric ones too',
    'ConfigMap',
    '{"data":{"b":"","10":"","2":"","\uff5e":"","\u{1f600}":"","A":""}}',
    '{"metadata":{},"data":{"10":"","2":"","A":"","b":"","\uff5e":"","\u{1f600}":""}}',
  ],
  [
    '__proto__ and constructor are keys like others',
    'ConfigMap',
    '{"data":{"constructor":"c","__proto__":"p","toString":"t"}}',
    '{"metadata":{},"data":{"__proto__":"p","constructor":"c","toString":"t"}}',
  ],
  [
    'integers beyond 2^53 survive',
    'Pod',
    '{"metadata":{"generation":9007199254740993},"spec":{"containers":null}}',
    '{"metadata":{"generation":9007199254740993},"spec":{"containers":null},"status":{}}',
  ],
  [
    'quantities take canonical form, numbers too',
    'Pod',
    '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":0.1,"memory":"1024Mi"},"limits":{"cpu":2,"memory":1e3}}}]}}',
    '{"metadata":{},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"2","memory":"1e3"},"requests":{"cpu":"100m","memory":"1Gi"}}}]},"status":{}}',
  ],
  [
    'times are whole seconds in UTC',
    'Pod',
    '{"metadata":{"creationTimestamp":"2026-01-02T03:04:05.678+02:00","deletionTimestamp":"2026-01-31T00:00:00Z"},"spec":{"containers":null}}',
    '{"metadata":{"creationTimestamp":"2026-01-02T01:04:05Z","deletionTimestamp":"2026-01-31T00:00:00Z"},"spec":{"containers":null},"status":{}}',
  ],
  [
    'micro times keep six digits',
    'Lease',
    '{"spec":{"renewTime":"2026-01-02T03:04:05.678901+01:00"}}',
    '{"metadata":{},"spec":{"renewTime":"2026-01-02T02:04:05.678901Z"}}',
  ],
  [
    "Go's zero time is null",
    'Event',
    '{"firstTimestamp":"0001-01-01T00:00:00Z","involvedObject":{}}',
    '{"metadata":{},"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}',
  ],
  [
    'int-or-string keeps what was given, absent is 0',
    'Service',
    '{"spec":{"ports":[{"port":1,"targetPort":"http"},{"port":2}]}}',
    '{"metadata":{},"spec":{"ports":[{"port":1,"targetPort":"http"},{"port":2,"targetPort":0}]},"status":{"loadBalancer":{}}}',
  ],
  [
    'base64 is brought into form',
    'ConfigMap',
    '{"binaryData":{"a":"aGk=\\n","b":"aGl=","c":""}}',
    '{"metadata":{},"binaryData":{"a":"aGk=","b":"aGk=","c":""}}',
  ],
  [
    'lone surrogates and bad bytes become the replacement character',
    'ConfigMap',
    '{"data":{"a":"\\ud800x"}}',
    '{"metadata":{},"data":{"a":"\ufffdx"}}',
  ],
  [
    'a later duplicate is laid over the earlier one',
    'Pod',
    '{"metadata":{"name":"a","labels":{"x":"1"}},"metadata":{"namespace":"n","labels":{"y":"2"}},"spec":{"containers":null}}',
    '{"metadata":{"name":"a","namespace":"n","labels":{"x":"1","y":"2"}},"spec":{"containers":null},"status":{}}',
  ],
  [
    'a schema may stand where a boolean may',
    'CustomResourceDefinition',
    '{"spec":{"group":"g","names":{"plural":"p","kind":"K"},"scope":"Cluster","versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","additionalProperties":{"zzz":1,"type":"string"},"minimum":1.0,"items":[{"type":"x"}]}}}]}}',
    '{"metadata":{},"spec":{"group":"g","names":{"plural":"p","kind":"K"},"scope":"Cluster","versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","minimum":1,"items":[{"type":"x"}],"additionalProperties":{"type":"string"}}}}]},"status":{"conditions":null,"acceptedNames":{"plural":"","kind":""},"storedVersions":null}}',
  ],
];
for (const [name, kind, input, want] of forms) test(`codec: ${name}`, () => assert.equal(canonical(kind, input), want));

test('codec: a decoded tree is frozen all the way down and shares nothing with the input', () => {
  const input = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c' }] } };
  const { object } = decodeObject({ value: input }, typeOf('Pod'), { fieldValidation: 'Ignore' });
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value));
    Object.values(value).forEach(visit);
  };
  visit(object);
  assert.ok(!Object.isFrozen(input.metadata.labels));
});

test('codec: a key named __proto__ pollutes nothing, from bytes and from values', () => {
  const text = '{"data":{"__proto__":"p"}}';
  for (const input of [{ bytes: bytesOf(text) }, { value: JSON.parse(text) as unknown }]) {
    const { object } = decodeObject(input, typeOf('ConfigMap'), { fieldValidation: 'Strict' });
    const data = object.data as Readonly<Record<string, string>>;
    assert.deepEqual(Object.getOwnPropertyNames(data), ['__proto__']);
    assert.equal(Object.getPrototypeOf(data), Object.prototype);
  }
  assert.equal(({} as { p?: string }).p, undefined);
});

const deep = (n: number): string => `${'['.repeat(n)}${']'.repeat(n)}`;
const refusals: readonly (readonly [name: string, input: string, message: string, kind?: string])[] = [
  [
    'malformed',
    '{"apiVersion":"v1",',
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input ({"apiVersion":"v1",)`,
  ],
  [
    'not an object',
    '[1]',
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b315d)`,
  ],
  [
    'empty',
    '',
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)`,
  ],
  [
    'kind of the wrong type',
    '{"kind":1}',
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string ({"kind":1})`,
  ],
  [
    'another kind',
    '{"apiVersion":"v1","kind":"Service","metadata":{"name":"x"}}',
    'Service in version "v1" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion',
  ],
  [
    'an unknown version',
    '{"apiVersion":"v2","kind":"Pod"}',
    'Pod in version "v2" cannot be handled as a Pod: no kind "Pod" is registered for version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30"',
  ],
  [
    'another version of the kind',
    '{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler"}',
    'the API version in the data (autoscaling/v2) does not match the expected API version (autoscaling/v1)',
    'HorizontalPodAutoscaler',
  ],
  [
    'string for int',
    '{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    'number for string',
    '{"spec":{"containers":[{"name":1}]}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string',
  ],
  [
    'object for list',
    '{"spec":{"containers":{}}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  [
    'string for bool',
    '{"spec":{"hostNetwork":"yes"}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool',
  ],
  [
    'no time',
    '{"metadata":{"creationTimestamp":"yesterday"}}',
    'Pod in version "v1" cannot be handled as a Pod: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
  ],
  [
    'number for label',
    '{"metadata":{"labels":{"a":1}}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    'no quantity',
    '{"spec":{"hostNetwork":1,"containers":[{"resources":{"requests":{"cpu":"abc"}}}]}}',
    `Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
  ],
  [
    'bad base64',
    '{"binaryData":{"a":"!"}}',
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: illegal base64 data at input byte 0',
    'ConfigMap',
  ],
  [
    'a fraction for an int',
    '{"metadata":{"generation":1.0}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number 1.0 into Go struct field ObjectMeta.metadata.generation of type int64',
  ],
  [
    'an int32 too big',
    '{"spec":{"priority":2147483648}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32',
  ],
  [
    'a number for a named type',
    '{"spec":{"restartPolicy":1}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy',
  ],
  [
    'a bad element of a named type',
    '{"spec":{"ipFamilies":[1]}}',
    'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal number into Go struct field ServiceSpec.spec.ipFamilies of type v1.IPFamily',
    'Service',
  ],
  [
    'a list for a resource list',
    '{"spec":{"containers":[{"resources":{"limits":[]}}]}}',
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal array into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList',
  ],
  [
    'unknown fields, all in text order',
    '{"z":1,"spec":{"foo":1,"containers":[{"name":"c"},{"bar":1}],"foo":2}}',
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "z", unknown field "spec.foo", unknown field "spec.containers[1].bar"',
  ],
  [
    'a duplicate field',
    '{"metadata":{"name":"x","name":"y","labels":{"a":"1","a":"2"}}}',
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: duplicate field "metadata.name", duplicate field "metadata.labels.a"',
  ],
  [
    'too deep',
    `{"x":${deep(10_000)}}`,
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: invalid character '[' exceeded max depth ({"x":[[[[[[[[[[[[[[[[[[[[[[[[[ ...)`,
  ],
];
for (const [name, input, message, kind = 'Pod'] of refusals) {
  test(`codec: refuses ${name} as upstream does`, async () => {
    await assert.rejects(
      async () =>
        decodeBody(
          { bytes: bytesOf(input) },
          {
            schema: builtinSchema,
            expected: kinds[kind]!,
            type: typeOf(kind),
            fieldValidation: 'Strict',
            mediaType: 'application/json',
          },
        ),
      (error) => {
        assert.ok(error instanceof ApiError);
        assert.deepEqual([error.code, error.message], [400, message]);
        return true;
      },
    );
  });
}

test('codec: warns of unknown fields and still decodes', () => {
  const { warnings, object } = decodeObject({ value: { spec: { zzz: 1, containers: [] }, extra: 1 } }, typeOf('Pod'), {
    fieldValidation: 'Warn',
  });
  assert.deepEqual(warnings, ['unknown field "spec.zzz"', 'unknown field "extra"']);
  assert.equal(encodeText(object), '{"metadata":{},"spec":{"containers":[]},"status":{}}');
});

test('codec: a body without kind and apiVersion is taken for what the endpoint expects', async () => {
  const { object } = await decodeBody(
    { value: { data: { a: 'b' } } },
    {
      schema: builtinSchema,
      expected: kinds.ConfigMap!,
      type: typeOf('ConfigMap'),
      fieldValidation: 'Strict',
      mediaType: 'application/json',
    },
  );
  assert.equal(encodeText(object), '{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"a":"b"}}');
});

const syntax: readonly (readonly [input: string, message: string])[] = [
  ['{', 'unexpected end of JSON input'],
  ['{a', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1', "invalid character '1' after object key"],
  ['{"a":1 "b"', `invalid character '"' after object key:value pair`],
  ['[1 2', "invalid character '2' after array element"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['tru', 'unexpected end of JSON input'],
  ['trux', "invalid character 'x' in literal true (expecting 'e')"],
  ['01', "invalid character '1' after top-level value"],
  ['-a', "invalid character 'a' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['1ex', "invalid character 'x' in exponent of numeric literal"],
  ['"\n"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
  ['\u00e9', "invalid character '\u00c3' looking for beginning of value"],
  ["'a'", "invalid character '\\'' looking for beginning of value"],
  ['1 1', "invalid character '1' after top-level value"],
  ['1e400', 'json: cannot unmarshal number 1e400 into Go value of type float64'],
];
for (const [input, message] of syntax)
  test(`json: ${JSON.stringify(input)} fails as in Go`, () =>
    assert.throws(() => parseJson(bytesOf(input)), { message }));

test('codec: deep nesting is dropped with an unknown field, and refused where it would be kept', () => {
  const nest = (n: number): string => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`;
  const decode = (kind: string, text: string) =>
    decodeObject({ bytes: bytesOf(text) }, typeOf(kind), { fieldValidation: 'Warn' });
  assert.deepEqual(decode('ConfigMap', `{"x":${nest(9_000)}}`).warnings, ['unknown field "x"']);
  assert.equal(encode(decode('ControllerRevision', `{"data":${nest(900)}}`).object).length > 900, true);
  for (const n of [1_100, 9_000]) {
    assert.throws(() => decode('ControllerRevision', `{"data":${nest(n)}}`), { message: 'exceeded max depth' });
    assert.throws(() => parseJson(bytesOf(deep(n))), { message: 'exceeded max depth' });
    assert.throws(
      () =>
        decodeObject({ value: { data: JSON.parse(nest(n)) } }, typeOf('ControllerRevision'), {
          fieldValidation: 'Warn',
        }),
      { message: 'exceeded max depth' },
    );
  }
});

test('json: duplicates are reported once, with their path, and the last value counts', () => {
  assert.deepEqual(parseJson(bytesOf('{"a":{"b":1,"b":2,"b":3},"c":[{"d":1,"d":2}]}')), {
    value: { a: { b: 3 }, c: [{ d: 2 }] },
    duplicates: ['a.b', 'c[0].d'],
  });
});

test('json: int64 is exact, what lies beyond is a float', () => {
  assert.deepEqual(parseJson(bytesOf('[9223372036854775807,-9223372036854775808,9223372036854775808,1.50,-0]')).value, [
    9223372036854775807n,
    -9223372036854775808n,
    2 ** 63,
    1.5,
    0,
  ]);
});

test('json: each ill-formed byte becomes one replacement character', () => {
  const bytes = Uint8Array.from([0x22, 0xe2, 0x82, 0x41, 0xff, 0xf0, 0x9f, 0x98, 0x80, 0x22]);
  assert.equal(parseJson(bytes).value, '\ufffd\ufffdA\ufffd\u{1f600}');
});

test('json: agrees with JSON.parse on whatever JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, indented) => {
      const text = JSON.stringify(value, undefined, indented ? 1 : 0);
      assert.deepEqual(parseJson(bytesOf(text)).value, zeroed(JSON.parse(text)));
    }),
  );
});
/** JSON.parse keeps -0 and rounds; Go's integers have neither. */
function zeroed(value: unknown): unknown {
  if (value === 0) return 0;
  if (
    typeof value === 'number' &&
    /^-?\d+$/.test(String(value)) &&
    !Number.isSafeInteger(value) &&
    Math.abs(value) < 2 ** 63
  )
    return BigInt(String(value));
  if (Array.isArray(value)) return value.map(zeroed);
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? value.toWellFormed() : value;
  const out: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) setOwn(out, key.toWellFormed(), zeroed(member));
  return out;
}

test('json: encoding and parsing again gives the same value, big integers included', () => {
  const leaf = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('tree')),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '10', '9')), tie('tree')),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      const normal = parseJson(encode(value as never)).value;
      assert.deepEqual(parseJson(encode(normal as never)).value, normal);
      assert.equal(encodeText(normal as never), encodeText(parseJson(encodeText(normal as never)).value as never));
    }),
  );
});

test('codec: the canonical form is a fixed point, and the same from bytes and from values', () => {
  const text = fc.string();
  const pod = fc.record(
    {
      metadata: fc.record(
        { name: text, labels: fc.dictionary(text, text), generation: fc.maxSafeInteger(), finalizers: fc.array(text) },
        { requiredKeys: [] },
      ),
      spec: fc.record(
        {
          containers: fc.array(
            fc.record(
              {
                name: text,
                image: text,
                ports: fc.array(fc.record({ containerPort: fc.integer(), protocol: text }, { requiredKeys: [] })),
              },
              { requiredKeys: [] },
            ),
          ),
          hostNetwork: fc.boolean(),
          priority: fc.option(fc.integer()),
          nodeSelector: fc.dictionary(text, text),
        },
        { requiredKeys: [] },
      ),
      extra: fc.anything({ maxDepth: 1, withNullPrototype: false, values: [fc.string(), fc.integer(), fc.boolean()] }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(pod, (value) => {
      const fromValue = decodeObject({ value }, typeOf('Pod'), { fieldValidation: 'Ignore' }).object;
      const fromBytes = decodeObject({ bytes: bytesOf(JSON.stringify(value)) }, typeOf('Pod'), {
        fieldValidation: 'Ignore',
      }).object;
      assert.equal(encodeText(fromBytes), encodeText(fromValue));
      const again = decodeObject({ bytes: encode(fromValue) }, typeOf('Pod'), { fieldValidation: 'Strict' }).object;
      assert.equal(encodeText(again), encodeText(fromValue));
    }),
  );
});

test('codec: no schema field hides behind a name every object has', () => {
  for (const type of builtinSchema.types.values())
    for (const field of type.fields) assert.ok(!(field.name in Object.prototype), `${type.name}.${field.name}`);
});

test('encode: escapes what Go escapes', () => {
  assert.equal(
    encodeText({ a: '<&>\u2028\u2029"\\/\b\f\n\r\t\u0001\u007f' }),
    '{"a":"\\u003c\\u0026\\u003e\\u2028\\u2029\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u007f"}',
  );
});
