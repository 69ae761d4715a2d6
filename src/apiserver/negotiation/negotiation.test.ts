import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import {
  type Endpoint,
  negotiateAccept,
  negotiateBody,
  negotiateError,
  negotiatePatch,
  requireShape,
} from './negotiation.ts';

const get: Endpoint = { protobuf: true, collection: false, watch: false };
const list: Endpoint = { protobuf: true, collection: true, watch: false };
const watch: Endpoint = { protobuf: true, collection: true, watch: true };
const custom: Endpoint = { protobuf: false, collection: true, watch: false };
const pb = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';

const short = (accept: string | undefined, endpoint: Endpoint, query = '', agent?: string): string => {
  const headers = {
    ...(accept === undefined ? {} : { accept }),
    ...(agent === undefined ? {} : { 'user-agent': agent }),
  };
  const { contentType, as, pretty } = negotiateAccept({ headers, query }, endpoint);
  return `${contentType}${as ? ` ${as.kind} ${as.version}` : ''}${pretty ? ' pretty' : ''}`;
};
const message = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ApiError);
    return `${error.code} ${error.message}`;
  }
  return 'accepted';
};

const accepted: readonly (readonly [name: string, accept: string | undefined, endpoint: Endpoint, want: string])[] = [
  ['nothing asked for is JSON', undefined, get, 'application/json'],
  ['anything is JSON', '*/*', list, 'application/json'],
  ['YAML', 'application/yaml', get, 'application/yaml'],
  ['protobuf', pb, get, pb],
  ['quality decides', `application/json;q=0.5, ${pb};q=0.9`, get, pb],
  ['the order decides among equals', `${pb},application/json`, list, pb],
  ['a wildcard comes last', '*/*, application/yaml', get, 'application/yaml'],
  ['a table', table, list, 'application/json Table v1'],
  ['a table before its fallback', `${table},application/json`, get, 'application/json Table v1'],
  ['an old table', 'application/json;as=Table;v=v1beta1;g=meta.k8s.io', get, 'application/json Table v1beta1'],
  ['a table in protobuf falls through', `${pb};as=Table;v=v1;g=meta.k8s.io, application/json`, get, 'application/json'],
  [
    'what kubectl get asks for',
    `${table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`,
    list,
    'application/json Table v1',
  ],
  [
    'metadata in protobuf',
    `${pb};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json`,
    list,
    `${pb} PartialObjectMetadataList v1`,
  ],
  ['a custom kind has no protobuf', `${pb}, application/json`, custom, 'application/json'],
  ['a watch in protobuf says so', `${pb};stream=watch`, watch, `${pb};stream=watch`],
  ['a watch in plain protobuf too', pb, watch, `${pb};stream=watch`],
  ['a watch in JSON does not', 'application/json;stream=watch', watch, 'application/json'],
  ['charset and unknown parameters are ignored', 'application/json;charset=utf-8;x=y', get, 'application/json'],
  ['pretty as a parameter', 'application/json;pretty=1', get, 'application/json pretty'],
];
for (const [name, accept, endpoint, want] of accepted)
  test(`negotiation: ${name}`, () => assert.equal(short(accept, endpoint), want));

test('negotiation: pretty by query, by user agent, and switched off by query', () => {
  assert.equal(short(undefined, get, 'pretty=true'), 'application/json pretty');
  assert.equal(short(undefined, get, '', 'curl/8.0'), 'application/json pretty');
  assert.equal(short(undefined, get, 'pretty=0', 'curl/8.0'), 'application/json');
  assert.equal(short(undefined, get, 'pretty=maybe', 'kubectl/v1.33'), 'application/json');
});

const all = `application/json, application/yaml, ${pb}`;
const refused: readonly (readonly [name: string, accept: string, endpoint: Endpoint, want: string])[] = [
  ['a type no route has', 'application/cbor', get, `406 406: Not Acceptable\n\nAvailable representations: ${all}`],
  [
    'the same on a collection',
    'text/html',
    list,
    `406 406: Not Acceptable\n\nAvailable representations: ${all}, application/json;stream=watch, ${pb};stream=watch`,
  ],
  ['a half wildcard', 'application/*', get, `406 406: Not Acceptable\n\nAvailable representations: ${all}`],
  [
    'a table of an unknown version',
    'application/json;as=Table;v=v9;g=meta.k8s.io',
    get,
    `406 only the following media types are accepted: ${all}`,
  ],
  [
    'an unknown transform',
    'application/json;as=Bogus;v=v1;g=meta.k8s.io',
    list,
    `406 only the following media types are accepted: ${all}`,
  ],
  [
    'a watch in YAML',
    'application/yaml',
    watch,
    `406 only the following media types are accepted: application/json;stream=watch, ${pb};stream=watch`,
  ],
];
for (const [name, accept, endpoint, want] of refused)
  test(`negotiation: refuses ${name}`, () =>
    assert.equal(
      message(() => short(accept, endpoint)),
      want,
    ));

test('negotiation: a Status is always written', () => {
  assert.deepEqual(negotiateError({ headers: { accept: table }, query: '' }), {
    mediaType: 'application/json',
    pretty: true,
    raw: true,
  });
  assert.equal(negotiateError({ headers: { accept: 'text/html' }, query: '' }).raw, true);
  assert.equal(negotiateError({ headers: { accept: pb }, query: '' }).mediaType, pb);
});

test('negotiation: a list is not one object and one object is not a list', () => {
  const as = { group: 'meta.k8s.io', version: 'v1' } as const;
  assert.equal(
    message(() => requireShape({ ...as, kind: 'PartialObjectMetadata' }, true, '*core.ConfigMapList')),
    '406 you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)',
  );
  assert.equal(
    message(() => requireShape({ ...as, kind: 'PartialObjectMetadataList' }, false, '*core.ConfigMap')),
    '406 you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)',
  );
  assert.equal(
    message(() => requireShape({ ...as, kind: 'Table' }, true, '*core.ConfigMapList')),
    'accepted',
  );
});

test('negotiation: every route of a resource takes the parameter of streams, custom kinds protobuf only for their metadata', () => {
  const ask = (accept: string, endpoint: Parameters<typeof negotiateAccept>[1]) =>
    negotiateAccept({ headers: { accept }, query: '' }, endpoint).contentType;
  const one = { protobuf: true, collection: false, watch: false };
  assert.equal(ask('application/json;stream=watch', one), 'application/json');
  assert.equal(ask(`${pb};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`, { ...one, custom: true }), pb);
  assert.equal(
    message(() => ask(pb, { ...one, custom: true })),
    `406 only the following media types are accepted: ${all}`,
  );
});

test('negotiation: bodies', () => {
  assert.equal(negotiateBody(undefined), 'application/json');
  assert.equal(negotiateBody('Application/JSON; charset=utf-8'), 'application/json');
  assert.equal(negotiateBody('application/yaml'), 'application/yaml');
  assert.equal(negotiateBody(pb), pb);
  assert.equal(
    message(() => negotiateBody('text/plain')),
    `415 the body of the request was in an unknown format - accepted media types include: ${all}`,
  );
});

test('negotiation: patches', () => {
  const builtin = { strategic: true, apply: true };
  assert.equal(negotiatePatch('application/merge-patch+json; charset=utf-8', builtin), 'application/merge-patch+json');
  assert.equal(
    message(() => negotiatePatch('application/json', builtin)),
    '415 415: Unsupported Media Type',
  );
  assert.equal(
    message(() => negotiatePatch(undefined, builtin)),
    '415 415: Unsupported Media Type',
  );
  assert.equal(
    message(() => negotiatePatch('application/strategic-merge-patch+json', { strategic: false, apply: true })),
    '415 the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );
  assert.equal(
    message(() => negotiatePatch('application/apply-patch+yaml', { strategic: true, apply: false })),
    '415 server-side apply is not supported yet - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json',
  );
});
