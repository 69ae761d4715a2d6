/** Objects of custom kinds: written right and wrong, in all ways that built-in ones are. */
import type { JsonObject, JsonValue } from '../../../src/api/json.ts';
import { type Edit, edited, type Step, toText } from '../case.ts';
import type { Pick } from '../pick.ts';
import type { Draw, Drawn, Maker } from './generate.ts';

const group = '/apis/proto.example.com';
const json = { 'content-type': 'application/json' };

interface Sort {
  readonly kind: string;
  readonly base: string;
  readonly plural: string;
  readonly version: string;
}

function sort(pick: Pick): Sort {
  const plural = pick.weighted([
    ['widgets', 6],
    ['gadgets', 2],
    ['sprockets', 4],
  ] as const);
  const version =
    plural === 'widgets'
      ? pick.weighted([
          ['v1', 8],
          ['v1beta1', 1],
          ['v1alpha1', 1],
        ] as const)
      : plural === 'gadgets'
        ? pick.one(['v1', 'v2'])
        : 'v1';
  const kind = plural === 'widgets' ? 'Widget' : plural === 'gadgets' ? 'Gadget' : 'Sprocket';
  return {
    plural,
    version,
    kind,
    base: `${group}/${version}${plural === 'gadgets' ? '' : '/namespaces/p2'}/${plural}`,
  };
}

const good: Readonly<Record<string, JsonObject>> = {
  Widget: {
    size: 4,
    color: 'blue',
    tags: ['a', 'b'],
    parts: [{ name: 'p' }, { name: 'p', slot: 2, value: 'v' }],
    map: { a: 1 },
    port: 80,
  },
  Gadget: { a: 'b', n: 2 },
  Sprocket: { min: 1, max: 5, fixed: 'f', list: ['a'], inner: { name: 'n' } },
};

const editsOf: Readonly<Record<string, readonly (readonly [string, readonly JsonValue[]])[]>> = {
  Widget: [
    ['spec.size', [0, -1, 101, 1.5, '5', null, 1e3, '@raw:1.0@', '@raw:1e1@', '@raw:9223372036854775808@']],
    ['spec.color', ['pink', '', null, 'green', 1]],
    ['spec.note', ['abc', 'ABC', 'a'.repeat(11), 'é', 5]],
    ['spec.weight', [0, 0.5, 1, '@raw:1.50@', '1', '@raw:1e400@']],
    ['spec.port', [80, 'http', 1.5, true, null, '@raw:1e2@']],
    ['spec.when', ['2020-01-01T00:00:00Z', 'yesterday', '2020-01-01', '']],
    ['spec.raw', ['YWI=', 'ab', '!!']],
    ['spec.tags', [['a', 'a'], ['a', 'b', 'c', 'd', 'e'], [], null, 'a', [1]]],
    [
      'spec.parts',
      [[{ name: 'p' }, { name: 'p' }], [{ slot: 1 }], [{ name: 'p', slot: 2 }], [{ name: 'p', nosuch: 1 }], [null], {}],
    ],
    ['spec.map', [{ a: 'x' }, { a: 1, b: 2, c: 3, d: 4 }, {}, null, { a: null }]],
    ['spec.free', [{ a: { b: [1] } }, 'x', {}]],
    ['spec.maybe', [null, 'x', 1]],
    ['spec.atomic', [{ a: 'x' }, { a: 'x', c: 1 }, null]],
    ['spec.one', [{ a: 'x' }, { a: 'x', b: 1 }, {}, { b: 'x' }]],
    ['spec.nosuch', [1]],
    ['spec', [null, {}, 'x']],
    ['nosuch', [1, { a: 1 }]],
    ['status', [{ phase: 'x' }, { phase: 1 }, { conditions: [{ type: 'Ready' }] }]],
    ['spec.replicas', [2, -1, 'x']],
  ],
  Gadget: [
    ['spec.a', [1, null, 'x']],
    ['spec.n', [2147483648, 'x', 5]],
    ['spec.more', [{ a: [null, 1, 1.5, 'x'] }]],
    ['top', [null, 1, { b: { c: null } }]],
    ['spec', ['x', [], null]],
  ],
  Sprocket: [
    ['spec.min', [7, 'x', null, 0]],
    ['spec.max', [0, 1000, null, 2000]],
    ['spec.fixed', ['other', null, 'f']],
    ['spec.list', [['bad'], ['ok', 'bad', 'bad'], ['toolongvalue'], ['a', 'a']]],
    ['spec.inner', [{}, { kind: 'k' }, null, { nosuch: 1 }]],
    [
      'spec.pod',
      [
        { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', nosuch: 1 }, spec: { a: 1 } },
        { kind: 'Pod' },
        {},
        { apiVersion: 'v1', kind: 'Pod', metadata: { name: 1 } },
        { apiVersion: 'a/b/c', kind: 'x y' },
      ],
    ],
    ['spec', [{ min: 1, max: 5 }, null, { min: 8, max: 3, inner: {} }]],
  ],
};
const metaEdits: readonly (readonly [string, readonly JsonValue[]])[] = [
  ['metadata.name', ['', 'Q_x', 'z-not', null, 'a'.repeat(254)]],
  ['metadata.generateName', ['q-', 'Q']],
  ['metadata.labels', [{ 'a b': 'c' }, { a: 1 }, { a: 'b' }, null, { a: 'x y' }]],
  ['metadata.annotations', [{ a: 'b' }, { a: null }, { 'a b': '' }]],
  ['metadata.finalizers', [['x'], ['example.com/y', 'example.com/y'], ['foregroundDeletion']]],
  [
    'metadata.ownerReferences',
    [
      [{ apiVersion: 'v1', kind: 'Pod', name: 'x' }],
      [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'u', controller: true, nosuch: 1 }],
    ],
  ],
  ['metadata.namespace', ['other', 'p2', '']],
  ['metadata.uid', ['x']],
  ['metadata.resourceVersion', ['1', 'x', '0']],
  ['metadata.nosuch', [1]],
  ['metadata.creationTimestamp', ['x', '2020-01-01T00:00:00Z', null]],
  ['metadata.managedFields', [[], [{}], [{ manager: 'm', operation: 'x' }]]],
  ['metadata', [null, 'x', {}]],
  ['apiVersion', ['v1', '', null, 'proto.example.com/v9', 'other/v1', 'proto.example.com/v1beta1', 1]],
  ['kind', ['Other', '', null, 'WidgetList', 1]],
];

function edits(pick: Pick, kind: string, most = 2): Edit[] {
  return Array.from({ length: 1 + pick.below(most) }, () => {
    const [path, values] = pick.chance(0.8) ? pick.one(editsOf[kind]!) : pick.one(metaEdits);
    return { path: path.split('.'), ...(pick.chance(0.12) ? {} : { value: pick.one(values) }) };
  });
}

const object = ({ version, kind }: Sort, name: string): JsonObject => ({
  apiVersion: `proto.example.com/${version}`,
  kind,
  metadata: { name },
  spec: good[kind]!,
});

const shown = (list: readonly Edit[]): string =>
  list
    .map(({ path, value }) => `${path.join('.')}=${JSON.stringify(value)}`)
    .join(' ')
    .slice(0, 120);
const validation = (pick: Pick): string =>
  pick.chance(0.35) ? `fieldValidation=${pick.one(['Strict', 'Warn', 'Ignore'])}` : '';

const made = (kind: Sort, name: string): Step => ({
  method: 'POST',
  path: kind.base,
  headers: json,
  text: JSON.stringify(object(kind, name)),
  quiet: true,
});
const removed = (kind: Sort, name: string): Step[] => [
  {
    method: 'PATCH',
    path: `${kind.base}/${name}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    text: '{"metadata":{"finalizers":null}}',
    quiet: true,
  },
  { method: 'DELETE', path: `${kind.base}/${name}`, quiet: true },
];

function create({ pick, name }: Draw): Drawn {
  const kind = sort(pick);
  const list = edits(pick, kind.kind, 3);
  const query = [
    validation(pick),
    ...(pick.chance(0.2) ? ['dryRun=All'] : []),
    ...(pick.chance(0.2) ? ['fieldManager=me'] : []),
  ]
    .filter(Boolean)
    .join('&');
  const body = edited(object(kind, name), list);
  return {
    what: `${kind.kind} ${shown(list)}`,
    steps: [
      { method: 'POST', path: `${kind.base}${query === '' ? '' : `?${query}`}`, headers: json, text: toText(body) },
      ...removed(kind, name),
    ],
  };
}

function update({ pick, name }: Draw): Drawn {
  const kind = sort(pick);
  const list = edits(pick, kind.kind);
  const sub = kind.kind === 'Widget' && pick.chance(0.25) ? '/status' : '';
  const query = validation(pick);
  const path = `${kind.base}/${name}`;
  const statusEdit: Edit[] =
    sub === ''
      ? []
      : [
          {
            path: ['status'],
            value: pick.one<JsonValue>([
              { phase: 'p', replicas: 2, selector: 'a=b' },
              { phase: 1 },
              {
                conditions: [
                  { type: 'Ready', status: 'True' },
                  { type: 'Ready', status: 'x' },
                ],
              },
              { nosuch: 1 },
              null,
            ]),
          },
        ];
  return {
    what: `${kind.kind} ${sub} ${shown([...list, ...statusEdit])}`,
    steps: [
      made(kind, name),
      {
        method: 'PUT',
        path: `${path}${sub}${query === '' ? '' : `?${query}`}`,
        headers: json,
        live: { path, edits: [...(sub !== '' && pick.chance(0.5) ? [] : list), ...statusEdit] },
      },
      ...(pick.chance(0.3) ? [{ method: 'GET', path }] : []),
      ...removed(kind, name),
    ],
  };
}

function patch({ pick, name }: Draw): Drawn {
  const kind = sort(pick);
  const list = edits(pick, kind.kind, 1);
  const { path, value } = list[0]!;
  const type = pick.weighted([
    ['merge-patch+json', 4],
    ['json-patch+json', 4],
    ['apply-patch+yaml', 5],
    ['strategic-merge-patch+json', 0.5],
  ] as const);
  const nested = path.reduceRight<JsonValue>((inner, key) => ({ [key]: inner }), value ?? null);
  const body: JsonValue =
    type === 'json-patch+json'
      ? pick.one<JsonValue>([
          [
            {
              op: value === undefined ? 'remove' : pick.one(['add', 'replace']),
              path: `/${path.join('/')}`,
              ...(value === undefined ? {} : { value }),
            },
          ],
          [
            { op: 'test', path: '/spec/size', value: 4 },
            { op: 'add', path: '/spec/tags/-', value: 'z' },
          ],
          [{ op: 'copy', from: '/spec', path: '/metadata/annotations' }],
          [{ op: 'move', from: '/nosuch', path: '/x' }],
          { op: 'add' },
        ])
      : type === 'apply-patch+yaml'
        ? edited(
            {
              apiVersion: `proto.example.com/${kind.version}`,
              kind: kind.kind,
              metadata: { name },
              spec: pick.one<JsonObject>([{}, good[kind.kind]!, { size: 4 }]),
            },
            pick.chance(0.7) ? list : [],
          )
        : nested;
  const sub = kind.kind === 'Widget' && pick.chance(0.15) ? '/status' : '';
  const query = [
    validation(pick),
    ...(type === 'apply-patch+yaml' && pick.chance(0.93) ? ['fieldManager=applier'] : []),
    ...(pick.chance(0.3) && type === 'apply-patch+yaml' ? ['force=true'] : []),
  ]
    .filter(Boolean)
    .join('&');
  return {
    what: `${kind.kind} ${type} ${shown(list)}`,
    steps: [
      ...(pick.chance(0.85) ? [made(kind, name)] : []),
      {
        method: 'PATCH',
        path: `${kind.base}/${name}${sub}${query === '' ? '' : `?${query}`}`,
        headers: { 'content-type': `application/${type}` },
        text: toText(body),
      },
      ...removed(kind, name),
    ],
  };
}

function scale({ pick, name }: Draw): Drawn {
  const kind: Sort = { plural: 'widgets', kind: 'Widget', version: 'v1', base: `${group}/v1/namespaces/p2/widgets` };
  const path = `${kind.base}/${name}/scale`;
  const body = {
    apiVersion: pick.one(['autoscaling/v1', 'v1', 'autoscaling/v2']),
    kind: pick.one(['Scale', 'Scale', 'X']),
    metadata: { name: pick.one([name, name, 'other', '']), namespace: pick.one(['p2', 'other', '']) },
    spec: pick.one<JsonValue>([{ replicas: 3 }, { replicas: -1 }, {}, { replicas: 'x' }, null, { nosuch: 1 }]),
  };
  const step = pick.one<Step>([
    { method: 'GET', path },
    { method: 'PUT', path, headers: json, text: JSON.stringify(body) },
    {
      method: 'PUT',
      path,
      headers: json,
      live: { path, edits: [{ path: ['spec', 'replicas'], value: pick.one<JsonValue>([2, -1, 'x', null]) }] },
    },
    {
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/merge-patch+json' },
      text: pick.one([
        '{"spec":{"replicas":4}}',
        '{"spec":{"replicas":-4}}',
        '{"spec":{"replicas":null}}',
        '{"metadata":{"name":"x"}}',
        '{"status":{"replicas":5}}',
      ]),
    },
    {
      method: 'PATCH',
      path: `${path}?fieldManager=me`,
      headers: { 'content-type': 'application/apply-patch+yaml' },
      text: JSON.stringify(body),
    },
    {
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/json-patch+json' },
      text: pick.one([
        '[{"op":"replace","path":"/spec/replicas","value":6}]',
        '[{"op":"remove","path":"/spec/replicas"}]',
      ]),
    },
    {
      method: 'GET',
      path,
      headers: {
        accept: pick.one([
          'application/yaml',
          'application/vnd.kubernetes.protobuf',
          'application/json;as=Table;g=meta.k8s.io;v=v1',
        ]),
      },
    },
  ]);
  return {
    what: `Widget scale ${step.method} ${step.text ?? ''}`,
    steps: [made(kind, name), step, ...removed(kind, name)],
  };
}

function look({ pick, name }: Draw): Drawn {
  const kind = sort(pick);
  const list = edits(pick, kind.kind, 1);
  const body = toText(edited(object(kind, name), pick.chance(0.7) ? list : []));
  const accept = pick.one([
    'application/json;as=Table;g=meta.k8s.io;v=v1',
    'application/json;as=Table;g=meta.k8s.io;v=v1,application/json',
    'application/json;as=Table;g=meta.k8s.io;v=v1beta1',
    'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    'application/yaml',
    'application/vnd.kubernetes.protobuf',
    'application/json',
  ]);
  const one = pick.chance(0.4);
  return {
    what: `${kind.kind} ${accept}`,
    steps: [
      { method: 'POST', path: kind.base, headers: json, text: body, quiet: true },
      {
        method: 'GET',
        path: one
          ? `${kind.base}/${name}`
          : `${kind.base}?fieldSelector=metadata.name%3D${name}${pick.one(['', '&includeObject=None', '&includeObject=Object', '&limit=1', '&resourceVersion=0'])}`,
        headers: { accept },
      },
      ...removed(kind, name),
    ],
  };
}

function remove({ pick, name }: Draw): Drawn {
  const kind = sort(pick);
  const path = `${kind.base}/${name}`;
  const finalizer: Step[] = pick.chance(0.4)
    ? [
        {
          method: 'PATCH',
          path,
          headers: { 'content-type': 'application/merge-patch+json' },
          text: '{"metadata":{"finalizers":["example.com/f"]}}',
          quiet: true,
        },
      ]
    : [];
  const query = pick.one([
    '',
    '?propagationPolicy=Foreground',
    '?propagationPolicy=Orphan',
    '?gracePeriodSeconds=5',
    '?dryRun=All',
    '?orphanDependents=true',
  ]);
  return {
    what: `${kind.kind} delete ${query} ${finalizer.length}`,
    steps: [
      made(kind, name),
      ...finalizer,
      { method: 'DELETE', path: `${path}${query}` },
      { method: 'GET', path },
      ...(finalizer.length > 0
        ? [
            { method: 'DELETE', path },
            {
              method: 'PATCH',
              path,
              headers: { 'content-type': 'application/merge-patch+json' },
              text: pick.one([
                '{"spec":{"size":9}}',
                '{"metadata":{"finalizers":["example.com/f","example.com/g"]}}',
                '{"metadata":{"finalizers":null}}',
              ]),
            },
          ]
        : []),
      ...removed(kind, name),
    ],
  };
}

export const customMakers: readonly (readonly [cause: string, make: Maker, weight: number])[] = [
  ['custom-create', create, 7],
  ['custom-update', update, 5],
  ['custom-patch', patch, 6],
  ['custom-scale', scale, 2],
  ['custom-form', look, 3],
  ['custom-delete', remove, 2],
];
