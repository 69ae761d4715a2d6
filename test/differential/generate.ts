/** Cases from a seed. Every case makes what it needs under a name of its own and removes it again, so cases do not see each other. */
import type { JsonObject, JsonValue } from '../../src/api/json.ts';
import type { ResourceSchema } from '../../src/api/schema/model.ts';
import { type Base, loadBases } from './bases.ts';
import { type Case, type Edit, edited, type Step, toText } from './case.ts';
import { fragmentsOf } from './fragments.ts';
import { type Pick, pickFor } from './pick.ts';
import { randomEdit } from './places.ts';
import { plausible } from './values.ts';

export interface GenerateOptions {
  readonly seed: number;
  /** Goes into the names, so that what an interrupted run left behind is in nobody's way. */
  readonly run?: string;
  /** Only these kinds. */
  readonly kinds?: ReadonlySet<string>;
  /** Only these causes. */
  readonly causes?: ReadonlySet<string>;
}

export const namespace = 'd1';

/** What limits other objects stands in a namespace of its own. */
const namespaceOf = ({ kind }: ResourceSchema): string =>
  kind === 'ResourceQuota' || kind === 'LimitRange' ? 'd2' : namespace;

/** What must exist before the first case, on both servers. */
export const preparation: readonly Step[] = [
  post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'd2' } }),
  post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }),
  post(`/api/v1/namespaces/${namespace}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default' },
  }),
];

/** Kinds of which a stored mutant would change how the server treats later cases. */
const dryOnly = new Set([
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'ResourceQuota',
  'LimitRange',
  'PriorityClass',
  'StorageClass',
  'IngressClass',
  'APIService',
  'CustomResourceDefinition',
  'FlowSchema',
  'PriorityLevelConfiguration',
  'ServiceCIDR',
  'Namespace',
  'RuntimeClass',
]);
/** Kinds whose status a controller inside the server writes. */
const selfWritten = new Set(['CustomResourceDefinition', 'APIService', 'FlowSchema', 'ValidatingAdmissionPolicy']);
const settleMs = 6500;
/** Kinds that answer a POST and store nothing. */
const reviews = /Review$/;
/** Kinds with more rules than others come more often. */
const weights: Readonly<Record<string, number>> = {
  Pod: 8,
  Deployment: 3,
  StatefulSet: 3,
  DaemonSet: 2,
  Job: 3,
  CronJob: 2,
  Service: 4,
  Ingress: 3,
  NetworkPolicy: 3,
  HorizontalPodAutoscaler: 3,
  CustomResourceDefinition: 1,
  APIService: 0.7,
  PersistentVolume: 0.6,
  PersistentVolumeClaim: 2,
  Node: 2,
  ReplicaSet: 1.5,
  Secret: 1,
  ConfigMap: 2,
};

const bases = loadBases();
const byKind = new Map<string, Base[]>();
for (const base of bases) {
  const { group, kind } = base.resource;
  const id = `${group}/${kind}`;
  byKind.set(id, [...(byKind.get(id) ?? []), base]);
}

export function generate(index: number, options: GenerateOptions): Case {
  const pick = pickFor(options.seed, index);
  const ids = [...byKind.keys()].filter((id) => !options.kinds || options.kinds.has(id.split('/')[1]!));
  const id = pick.weighted(ids.map((key) => [key, weights[key.split('/')[1]!] ?? 1] as const));
  const base = pick.one(byKind.get(id)!);
  const { resource } = base;
  const causes: [keyof typeof makers, number][] = reviews.test(resource.kind)
    ? [['create', 1]]
    : [
        ['create', 46],
        ['update', 18],
        ['merge-patch', 6],
        ['json-patch', 5],
        ['strategic-patch', 5],
        ['apply', 7],
        ['forms', 3],
        ['delete', 2],
        ['list', 3],
        ['text', 4],
        ['names', 0.7],
        ['collection', dryOnly.has(resource.kind) || selfWritten.has(resource.kind) ? 0 : 1.5],
        ...deep(resource.kind),
        ...(resource.subresources.status ? [['status', 6] as [keyof typeof makers, number]] : []),
        ...(Object.keys(resource.subresources).some((name) => name in bodies)
          ? [['subresource', 4] as [keyof typeof makers, number]]
          : []),
      ];
  const allowed = causes.filter(([cause]) => !options.causes || options.causes.has(cause));
  const cause = pick.weighted(allowed.length > 0 ? allowed : causes);
  const name = nameFor(resource, index, options.run ?? '');
  const context: Context = { index, pick, base, resource, name, object: named(base.object, resource, name) };
  const { steps, what } = makers[cause](context);
  // What controllers of the server write a moment later is there before the next step.
  const settled = selfWritten.has(resource.kind)
    ? steps.map((step, i) => (i > 0 && steps[i - 1]!.quiet ? { ...step, pauseMs: settleMs } : step))
    : steps;
  return {
    index,
    name: `${resource.kind} ${cause} ${what}`,
    kind: resource.kind,
    cause,
    steps: [...settled, ...cleanup(context)],
  };
}

/** The more rules a kind has of which we know, the more often they are put together. */
function deep(kind: string): [keyof typeof makers, number][] {
  const { own, pod } = fragmentsOf(kind);
  const known = own.length + (pod.length > 0 ? 12 : 0);
  if (known === 0) return [['managers', 3]];
  const often = Math.min(10 + 3 * known, 50);
  return [
    ['compose', often],
    ['change', often],
    ['part-patch', often / 4],
    ['managers', often / 3],
  ];
}

interface Context {
  readonly index: number;
  readonly pick: Pick;
  readonly base: Base;
  readonly resource: ResourceSchema;
  readonly name: string;
  readonly object: JsonObject;
}
interface Made {
  readonly steps: readonly Step[];
  readonly what: string;
}

const makers = {
  create(c: Context): Made {
    const edits = [edit(c)];
    while (edits.length < 3 && c.pick.chance(0.15)) edits.push(edit(c));
    const body = edited(c.object, edits);
    return {
      steps: [{ method: 'POST', path: withQuery(c, collection(c.resource)), headers: json, text: toText(body) }],
      what: shown(edits),
    };
  },
  update(c: Context): Made {
    const edits = [edit(c)];
    if (c.pick.chance(0.1)) edits.push(edit(c));
    const path = itemPath(c);
    const step: Step = c.pick.chance(0.75)
      ? { method: 'PUT', path: withQuery(c, path), headers: json, live: { path, edits } }
      : { method: 'PUT', path: withQuery(c, path), headers: json, text: toText(edited(c.object, edits)) };
    return { steps: [made(c), step], what: shown(edits) };
  },
  compose(c: Context): Made {
    const edits = parts(c);
    return {
      steps: [
        {
          method: 'POST',
          path: withQuery(c, collection(c.resource)),
          headers: json,
          text: toText(edited(c.object, edits)),
        },
      ],
      what: shown(edits),
    };
  },
  change(c: Context): Made {
    const path = itemPath(c);
    const first = c.pick.chance(0.5) && !dryOnly.has(c.resource.kind) ? parts(c) : [];
    const edits = parts(c);
    const steps: Step[] = [
      { ...made(c), text: toText(edited(c.object, first)) },
      { method: 'PUT', path: withQuery(c, path), headers: json, live: { path, edits } },
    ];
    // And back, or on.
    if (c.pick.chance(0.25))
      steps.push({ method: 'PUT', path: withQuery(c, path), headers: json, live: { path, edits: parts(c) } });
    return { steps, what: `${shown(first)} -> ${shown(edits)}` };
  },
  'part-patch'(c: Context): Made {
    const edits = parts(c);
    const [type, body] = c.pick.weighted<readonly [string, JsonValue]>([
      [['strategic-merge-patch', keyed(edited({}, edits))], 5],
      [['merge-patch', mergeOf(edits)], 2],
      [['json-patch', edits.map(replacement)], 2],
    ]);
    const steps: Step[] = [
      made(c),
      {
        method: 'PATCH',
        path: withQuery(c, itemPath(c)),
        headers: { 'content-type': `application/${type}+json` },
        text: toText(body),
      },
    ];
    return { steps, what: `${type} ${shown(edits)}` };
  },
  /** Several managers of one object: what each owns, loses, takes and lets go. */
  managers(c: Context): Made {
    const { apiVersion, kind } = c.object as { readonly apiVersion: string; readonly kind: string };
    const identity = { apiVersion, kind, metadata: { name: c.name } };
    const partial = (edits: readonly Edit[]): JsonValue => keyed(edited(identity, edits));
    const applied = (manager: string, body: JsonValue, force = false): Step => ({
      method: 'PATCH',
      path: `${itemPath(c)}?fieldManager=${manager}${force ? '&force=true' : ''}`,
      headers: apply,
      text: toText(body),
    });
    const [first, then] = [parts(c), parts(c)];
    const path = itemPath(c);
    const steps: Step[] = [
      c.pick.chance(0.8) ? applied('m1', c.pick.chance(0.5) ? c.object : edited(c.object, first)) : made(c),
      applied('m2', partial(then), c.pick.chance(0.4)),
    ];
    const more: (() => Step)[] = [
      () => applied('m1', c.object),
      () => applied('m1', partial([])),
      () => applied('m2', partial([])),
      () => applied('m2', partial(parts(c)), c.pick.chance(0.5)),
      () => applied('m3', partial(then)),
      () => applied('m1', edited(c.object, then), true),
      () => ({ method: 'PUT', path: `${path}?fieldManager=u1`, headers: json, live: { path, edits: parts(c) } }),
      () => ({
        method: 'PUT',
        path: `${path}?fieldManager=u1`,
        headers: json,
        live: {
          path,
          edits: [{ path: ['metadata', 'managedFields'], value: c.pick.one<JsonValue>([[], [{}], null]) }],
        },
      }),
      () => ({
        method: 'PATCH',
        path: `${path}?fieldManager=u2`,
        headers: { 'content-type': 'application/merge-patch+json' },
        text: toText({ metadata: { labels: { by: 'u2' }, annotations: { 'example.com/k': 'v' } } }),
      }),
    ];
    const count = 1 + c.pick.below(3);
    for (let i = 0; i < count; i++) steps.push(c.pick.one(more)());
    return {
      steps: dryOnly.has(c.resource.kind) ? [made(c), ...steps.slice(1).map(dry)] : steps,
      what: `${shown(first)} | ${shown(then)}`,
    };
  },
  /** Deletes all with a label: with options in the body or the query. */
  collection(c: Context): Made {
    const labels = { only: c.name };
    const body = c.pick.one<JsonValue | undefined>([
      undefined,
      {},
      { gracePeriodSeconds: 0 },
      { propagationPolicy: 'Foreground' },
      { propagationPolicy: 'Orphan' },
      { dryRun: ['All'] },
      { preconditions: { uid: 'x' } },
      { preconditions: { resourceVersion: '1' } },
      { orphanDependents: false },
      { propagationPolicy: 'x' },
      { kind: 'DeleteOptions', apiVersion: `${c.resource.group}/v1` },
      { ignoreStoreReadErrorWithClusterBreakingPotential: true },
    ]);
    const query = c.pick.one([
      '',
      '&dryRun=All',
      '&limit=1',
      '&gracePeriodSeconds=1',
      '&propagationPolicy=Background',
      '&resourceVersion=0',
      '&fieldSelector=metadata.name%3Dx',
      '&timeoutSeconds=5',
    ]);
    const selected = `${collection(c.resource)}?labelSelector=only%3D${c.name}`;
    return {
      steps: [
        { ...made(c), text: toText(edited(c.object, [{ path: ['metadata', 'labels'], value: labels }])) },
        {
          method: 'DELETE',
          path: `${selected}${query}`,
          ...(body === undefined ? {} : { headers: json, text: toText(body) }),
        },
        { method: 'GET', path: selected },
      ],
      what: `${toText(body ?? null)} ${query}`,
    };
  },
  names(c: Context): Made {
    const generateName = c.pick.one(['gen-', 'g.', 'Bad_', 'x'.repeat(70), 'x'.repeat(260), 'a', '']);
    const edits: Edit[] = [
      { path: ['metadata', 'generateName'], value: generateName },
      c.pick.chance(0.8) ? { path: ['metadata', 'name'] } : { path: ['metadata', 'name'], value: '' },
    ];
    return {
      steps: [
        {
          method: 'POST',
          path: `${collection(c.resource)}?fieldManager=differ&dryRun=All`,
          headers: json,
          text: toText(edited(c.object, edits)),
        },
      ],
      what: generateName,
    };
  },
  status(c: Context): Made {
    const path = itemPath(c);
    const status = c.resource.type.fieldsByName.get('status');
    if (!status || status.type.kind !== 'struct') return makers.update(c);
    const start = plausible(c.pick, status.type, 'status', 0);
    const edits: Edit[] = [{ path: ['status'], value: start }];
    if (c.pick.chance(0.6))
      edits.push(randomEdit(c.pick, edited(c.object, edits), c.resource.type, { within: 'status' }));
    return {
      steps: [made(c), { method: 'PUT', path: withQuery(c, `${path}/status`), headers: json, live: { path, edits } }],
      what: shown(edits.slice(-1)),
    };
  },
  'merge-patch'(c: Context): Made {
    const edits = [edit(c)];
    const sub = c.resource.subresources.status && c.pick.chance(0.15) ? '/status' : '';
    const body = c.pick.chance(0.06) ? c.pick.one<JsonValue>([null, [], 'x', 5, true, [{}]]) : mergeOf(edits);
    const text = c.pick.chance(0.03) ? `${toText(body)}{` : toText(body);
    return {
      steps: [
        made(c),
        {
          method: 'PATCH',
          path: withQuery(c, `${itemPath(c)}${sub}`),
          headers: { 'content-type': 'application/merge-patch+json' },
          text,
        },
      ],
      what: shown(edits),
    };
  },
  'strategic-patch'(c: Context): Made {
    const change = edit(c);
    const body = strategicOf(c.pick, mergeOf([change]), 0);
    return {
      steps: [
        made(c),
        {
          method: 'PATCH',
          path: withQuery(c, itemPath(c)),
          headers: { 'content-type': 'application/strategic-merge-patch+json' },
          text: toText(body),
        },
      ],
      what: shown([change]),
    };
  },
  'json-patch'(c: Context): Made {
    const change = edit(c);
    const operations: JsonValue[] = [operationOf(c.pick, change)];
    while (operations.length < 3 && c.pick.chance(0.2)) operations.push(operationOf(c.pick, edit(c)));
    const body = c.pick.chance(0.05) ? c.pick.one<JsonValue>([{}, [], 'x', [5], [{}], null]) : operations;
    return {
      steps: [
        made(c),
        {
          method: 'PATCH',
          path: withQuery(c, itemPath(c)),
          headers: { 'content-type': 'application/json-patch+json' },
          text: toText(body),
        },
      ],
      what: shown([change]),
    };
  },
  apply(c: Context): Made {
    const change = edit(c);
    const config = edited(c.object, [change]);
    const query = c.pick.weighted([
      ['?fieldManager=m1', 5],
      ['?fieldManager=m2', 8],
      ['?fieldManager=m2&force=true', 5],
      ['', 0.5],
      ['?fieldManager=m2&force=x', 0.3],
      ['?fieldManager=m1&dryRun=All', 1],
      [`?fieldManager=${'m'.repeat(129)}`, 0.3],
    ]);
    const first: Step = c.pick.chance(0.15)
      ? { method: 'GET', path: '/version', quiet: true }
      : c.pick.chance(0.5)
        ? made(c)
        : {
            method: 'PATCH',
            path: `${itemPath(c)}?fieldManager=m1`,
            headers: apply,
            text: toText(c.object),
            quiet: true,
          };
    const steps: Step[] = [
      first,
      { method: 'PATCH', path: `${itemPath(c)}${query}`, headers: apply, text: toText(config) },
    ];
    if (c.pick.chance(0.3))
      steps.push({
        method: 'PATCH',
        path: `${itemPath(c)}?fieldManager=m2`,
        headers: apply,
        text: toText(edited(c.object, [edit(c)])),
      });
    return {
      steps: dryOnly.has(c.resource.kind) ? steps.map((step) => (step.quiet ? step : dry(step))) : steps,
      what: shown([change]),
    };
  },
  forms(c: Context): Made {
    const accept = c.pick.one([
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
      'application/yaml',
      'application/vnd.kubernetes.protobuf',
      'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
      'application/json;as=Table;v=v2;g=meta.k8s.io',
      'text/html',
      'application/xml, application/json;q=0.5',
      '*/*',
      'application/json;as=Table;v=v1beta1;g=meta.k8s.io',
      'application/json;pretty=1',
    ]);
    const change = edit(c);
    const path = c.pick.chance(0.7) ? itemPath(c) : `${collection(c.resource)}?fieldSelector=metadata.name%3D${c.name}`;
    const include =
      accept.includes('Table') && c.pick.chance(0.3)
        ? `${path.includes('?') ? '&' : '?'}includeObject=${c.pick.one(['None', 'Object', 'Metadata', 'x'])}`
        : '';
    return {
      steps: [
        made(c),
        { method: 'PUT', path: itemPath(c), headers: json, live: { path: itemPath(c), edits: [change] }, quiet: true },
        { method: 'GET', path: `${path}${include}`, headers: { accept } },
        ...(c.pick.chance(0.2) ? [{ method: 'GET', path: `${path}${path.includes('?') ? '&' : '?'}pretty=true` }] : []),
      ],
      what: accept,
    };
  },
  delete(c: Context): Made {
    const body = c.pick.one<JsonValue>([
      { gracePeriodSeconds: 0 },
      { gracePeriodSeconds: -1 },
      { propagationPolicy: 'Foreground' },
      { propagationPolicy: 'Orphan' },
      { propagationPolicy: 'x' },
      { orphanDependents: true },
      { orphanDependents: true, propagationPolicy: 'Orphan' },
      { preconditions: { uid: 'x' } },
      { preconditions: { resourceVersion: '1' } },
      { dryRun: ['All'] },
      { dryRun: ['x'] },
      {},
      { kind: 'DeleteOptions', apiVersion: 'v1' },
      { kind: 'DeleteOptions', apiVersion: 'apps/v1', gracePeriodSeconds: 3 },
      { kind: 'X', apiVersion: 'v1' },
      { zzz: 1 },
      { gracePeriodSeconds: 'x' },
      [],
    ]);
    const query = c.pick.one([
      '',
      '?gracePeriodSeconds=0',
      '?propagationPolicy=Background',
      '?dryRun=All',
      '?gracePeriodSeconds=x',
      '?propagationPolicy=x',
      '?orphanDependents=true',
    ]);
    const step: Step = c.pick.chance(0.7)
      ? { method: 'DELETE', path: itemPath(c), headers: json, text: toText(body) }
      : { method: 'DELETE', path: `${itemPath(c)}${query}` };
    return { steps: [made(c), step, { method: 'GET', path: itemPath(c) }], what: step.text ?? query };
  },
  list(c: Context): Made {
    const one = (): string =>
      c.pick.one([
        `fieldSelector=metadata.name%3D${c.name}`,
        'fieldSelector=spec.nodeName%3Dx',
        'fieldSelector=bogus%3Dx',
        'fieldSelector=a',
        'fieldSelector=metadata.name%3D%3Da,metadata.namespace!%3Db',
        'labelSelector=app%3Da%2Czz%3Dy',
        'labelSelector=a+in+(b',
        'labelSelector=!zz,a!%3Da',
        'labelSelector=Bad+Key',
        'labelSelector=k%3D' + 'v'.repeat(64),
        'labelSelector=k>5,k<x',
        'labelSelector=k+notin+()',
        'limit=1',
        'limit=-1',
        'limit=x',
        'limit=0',
        'continue=x',
        'continue=',
        'resourceVersion=0',
        'resourceVersion=x',
        'resourceVersion=-1',
        'resourceVersion=99999999',
        'resourceVersionMatch=Exact',
        'resourceVersionMatch=NotOlderThan',
        'resourceVersionMatch=x',
        'timeoutSeconds=1',
        'timeoutSeconds=x',
        'sendInitialEvents=true',
        'sendInitialEvents=false',
        'allowWatchBookmarks=true',
        'allowWatchBookmarks=x',
        'watch=1&timeoutSeconds=1',
        'watch=true&timeoutSeconds=1',
        'watch=x',
        'shardSelector=x',
        'bogus=1',
        'pretty=true',
      ]);
    const parts = [`labelSelector=only%3D${c.name}`, one()];
    if (c.pick.chance(0.5)) parts.push(one());
    if (parts.some((p) => p.startsWith('watch'))) parts.push('timeoutSeconds=1');
    const all = c.resource.namespaced && c.pick.chance(0.2);
    const path = all ? groupPath(c.resource) + `/${c.resource.resource}` : collection(c.resource);
    const removes = c.pick.chance(0.08);
    const query = (removes || c.pick.chance(0.5) ? parts : parts.slice(1).concat(parts[0]!)).join('&');
    return {
      steps: [{ method: removes ? 'DELETE' : 'GET', path: `${path}?${query}` }],
      what: parts.slice(1).join('&'),
    };
  },
  text(c: Context): Made {
    const text = toText(c.object);
    const broken = c.pick.one<() => string>([
      () => text.slice(0, c.pick.below(text.length)),
      () => text.replace('"metadata":{', '"metadata":{"name":"dup",'),
      () => text.replace('"spec":{', '"spec":{"zzz":1,"zzz":2,'),
      () => text.replace('"kind"', '"Kind"'),
      () => text.replace(/"apiVersion":"[^"]*",/, ''),
      () => text.replace(/"kind":"[^"]*",/, ''),
      () => text.replace(/"apiVersion":"[^"]*"/, '"apiVersion":"v9"'),
      () => text.replace(/"kind":"[^"]*"/, '"kind":"Other"'),
      () => text.replace('"name"', '"Name"'),
      () => `${text}${text}`,
      () => `${text} x`,
      () => `[${text}]`,
      () => 'null',
      () => '',
      () => text.replace(/:\{/, ':{"a":'),
      () => text.replaceAll('"', "'"),
      () => text.replace(/\}\}$/, ',}}'),
      () => text.replace('"metadata":{', '"metadata":{"zzz":{"a":1},"labels":{"a":"b","a":"c"},'),
      () => text.replace('"metadata":{', '"metadata":{"labels":{"a":1},'),
      () => text.replace('"metadata":{', '"metadata":{"annotations":{"a":null},'),
      () => text.replace('"metadata":{', '"metadata":{"creationTimestamp":"x",'),
      () => text.replace('"metadata":{', '"metadata":{"namespace":"other",'),
      () => text.replace('"metadata":{', '"metadata":{"generateName":"g-","zz":1,'),
      () => text.replace('"metadata":{', '"metadata":{"resourceVersion":"5",'),
      () => text.replace('"metadata":{', '"metadata":{"uid":"5",'),
      () =>
        text.replace(
          '"metadata":{',
          '"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"x","uid":"1","controller":true},{"apiVersion":"v1","kind":"Pod","name":"y","uid":"2","controller":true}],',
        ),
      () => text.replace('"metadata":{', '"metadata":{"finalizers":["x"],'),
      () =>
        text.replace(
          '"metadata":{',
          '"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","generation":7,"selfLink":"x",',
        ),
    ])();
    const type = c.pick.weighted([
      ['application/json', 10],
      ['application/yaml', 2],
      ['text/plain', 0.5],
      ['application/vnd.kubernetes.protobuf', 0.5],
      ['', 0.5],
      ['application/json; charset=utf-8', 0.5],
    ]);
    const put = c.pick.chance(0.25);
    return {
      steps: [
        ...(put ? [made(c)] : []),
        {
          method: put ? 'PUT' : 'POST',
          path: withQuery(c, put ? itemPath(c) : collection(c.resource)),
          headers: { 'content-type': type },
          text: broken,
        },
      ],
      what: broken.slice(0, 40),
    };
  },
  subresource(c: Context): Made {
    const sub = c.pick.one(Object.keys(c.resource.subresources).filter((name) => name in bodies));
    const schema = c.resource.subresources[sub]!;
    const body = bodies[sub]!(c);
    const verb = c.pick.one(schema.verbs.filter((v) => ['get', 'update', 'patch', 'create'].includes(v)));
    const path = `${itemPath(c)}/${sub}`;
    const step: Step =
      verb === 'get'
        ? { method: 'GET', path }
        : verb === 'create'
          ? { method: 'POST', path: withQuery(c, path), headers: json, text: toText(body) }
          : verb === 'update'
            ? sub === 'scale'
              ? { method: 'PUT', path: withQuery(c, path), headers: json, text: toText(body) }
              : {
                  method: 'PUT',
                  path: withQuery(c, path),
                  headers: json,
                  live: {
                    path: itemPath(c),
                    edits: [{ path: ['spec'], value: ((body as JsonObject).spec ?? {}) as JsonValue }],
                  },
                }
            : {
                method: 'PATCH',
                path: withQuery(c, path),
                headers: {
                  'content-type': c.pick.one([
                    'application/merge-patch+json',
                    'application/strategic-merge-patch+json',
                  ]),
                },
                text: toText(body),
              };
    return { steps: [made(c), step], what: `${verb} ${sub}` };
  },
};

/** Bodies of subresources, often a little wrong. */
const bodies: Readonly<Record<string, (c: Context) => JsonValue>> = {
  scale: ({ pick, name }) => ({
    apiVersion: pick.weighted([
      ['autoscaling/v1', 9],
      ['v1', 1],
    ]),
    kind: 'Scale',
    metadata: { name: pick.chance(0.9) ? name : 'other', namespace },
    spec: { replicas: pick.one<JsonValue>([0, 1, 3, -1, 'x', null]) },
  }),
  binding: ({ pick, name }) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: pick.chance(0.9) ? name : 'other' },
    target: pick.one<JsonValue>([
      { kind: 'Node', name: 'n1' },
      { name: 'n1' },
      { kind: 'Pod', name: 'x' },
      {},
      { kind: 'Node', name: '' },
    ]),
  }),
  eviction: ({ pick, name }) => ({
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: pick.chance(0.9) ? name : 'other' },
    ...pick.one<object>([
      {},
      { deleteOptions: { gracePeriodSeconds: 0 } },
      { deleteOptions: { dryRun: ['All'] } },
      { deleteOptions: { preconditions: { uid: 'x' } } },
    ]),
  }),
  token: ({ pick }) => ({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: pick.one<JsonValue>([
      {},
      { expirationSeconds: 10 },
      { expirationSeconds: 600, audiences: ['a'] },
      { expirationSeconds: 4294967297 },
      { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'none' } },
      { boundObjectRef: { kind: 'X', apiVersion: 'v1', name: 'none' } },
      { boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'none', uid: 'x' } },
    ]),
  }),
  ephemeralcontainers: ({ pick }) => ({
    spec: {
      ephemeralContainers: [
        pick.one<JsonValue>([
          { name: 'e', image: 'busybox' },
          { name: 'c', image: 'busybox' },
          { name: 'e' },
          { name: 'e', image: 'x', ports: [{ containerPort: 1 }] },
          { name: 'e', image: 'x', targetContainerName: 'none' },
          { name: 'e', image: 'x', resources: { limits: { cpu: '1' } } },
          { name: 'e', image: 'x', lifecycle: {} },
        ]),
      ],
    },
  }),
  resize: ({ pick }) => ({
    spec: {
      containers: [
        {
          name: 'c',
          ...pick.one<object>([
            { resources: { requests: { cpu: '200m' } } },
            { resources: { limits: { cpu: '2' }, requests: { cpu: '3' } } },
            { image: 'y' },
            { resources: { requests: { 'ephemeral-storage': '1Gi' } } },
            { resources: { limits: { memory: '1Gi' } } },
          ]),
        },
      ],
    },
  }),
  approval: ({ pick }) => ({
    status: {
      conditions: [
        pick.one<JsonValue>([
          { type: 'Approved', status: 'True', reason: 'r', message: 'm' },
          { type: 'Denied', status: 'True' },
          { type: 'Approved', status: 'False' },
          { type: 'Failed', status: 'True' },
          { type: '', status: 'True' },
          { type: 'Approved' },
        ]),
      ],
    },
  }),
  finalize: ({ pick }) => ({
    spec: { finalizers: pick.one<JsonValue>([[], ['kubernetes'], ['x'], ['example.com/y']]) },
  }),
};

/** One to three parts that belong to the kind. Ports and addresses are of the case alone: one that another holds would be refused. */
function parts({ index, pick, resource }: Context): readonly Edit[] {
  const { own, pod } = fragmentsOf(resource.kind);
  const chosen: Edit[] = [];
  const count = pick.weighted([
    [1, 6],
    [2, 3],
    [3, 1],
  ]);
  for (let i = 0; i < count; i++) {
    const from = own.length > 0 && (pod.length === 0 || pick.chance(resource.kind === 'Pod' ? 0.05 : 0.6)) ? own : pod;
    chosen.push(...(from.length > 0 ? pick.one(from) : labels));
  }
  const text = JSON.stringify(chosen)
    .replace(/\b30(00[12]|99[89])\b/g, (port) => String(30000 + ((index * 7 + Number(port)) % 2700)))
    .replaceAll('10.0.77.', `10.0.${20 + (index % 200)}.`);
  return JSON.parse(text) as readonly Edit[];
}
const labels: readonly Edit[] = [
  { path: ['metadata', 'labels'], value: { a: 'b' } },
  { path: ['metadata', 'annotations'], value: { 'example.com/a': 'b' } },
];

/** What is merged by a name needs one. */
function keyed(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(keyed);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, JsonValue> = {};
  for (const [key, inner] of Object.entries(value as Record<string, JsonValue>))
    copy[key] =
      (key === 'containers' || key === 'initContainers') && Array.isArray(inner)
        ? inner.map((item, i) =>
            typeof item === 'object' && item !== null && !Array.isArray(item) && !Object.hasOwn(item, 'name')
              ? { name: 'cde'[i] ?? 'x', ...(keyed(item) as object) }
              : keyed(item),
          )
        : keyed(inner);
  return copy;
}

const replacement = ({ path, value }: Edit): JsonValue => {
  const pointer = `/${path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
  return value === undefined ? { op: 'remove', path: pointer } : { op: 'add', path: pointer, value };
};

const json = { 'content-type': 'application/json' };
const apply = { 'content-type': 'application/apply-patch+yaml' };

function edit(c: Context): Edit {
  const virtualKind = reviews.test(c.resource.kind);
  const except = [
    'apiVersion',
    'kind',
    ...(virtualKind || c.pick.chance(0.05) ? [] : ['status']),
    ...(c.pick.chance(0.35) ? [] : ['metadata']),
  ];
  return randomEdit(c.pick, c.object, c.resource.type, {
    except: c.resource.kind === 'Node' ? except.filter((f) => f !== 'status') : except,
  });
}

function made(c: Context): Step {
  return {
    method: 'POST',
    path: `${collection(c.resource)}?fieldManager=creator`,
    headers: json,
    text: toText(c.object),
    quiet: true,
  };
}

function cleanup(c: Context): Step[] {
  if (reviews.test(c.resource.kind)) return [];
  const path = itemPath(c);
  return [
    {
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/merge-patch+json' },
      text: '{"metadata":{"finalizers":null}}',
      quiet: true,
    },
    { method: 'DELETE', path: `${path}?gracePeriodSeconds=0&propagationPolicy=Background`, quiet: true },
    {
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/merge-patch+json' },
      text: '{"metadata":{"finalizers":null}}',
      quiet: true,
    },
  ];
}

/** Query options of writes; kinds in `dryOnly` always run dry. */
function withQuery({ pick, resource }: Context, path: string): string {
  const parts = ['fieldManager=differ'];
  if (dryOnly.has(resource.kind)) parts.push('dryRun=All');
  else if (pick.chance(0.05))
    parts.push(
      `dryRun=${pick.weighted([
        ['All', 8],
        ['x', 1],
        ['', 1],
      ])}`,
    );
  if (pick.chance(0.15))
    parts.push(
      `fieldValidation=${pick.weighted([
        ['Strict', 6],
        ['Warn', 2],
        ['Ignore', 3],
        ['x', 0.5],
      ])}`,
    );
  return `${path}?${parts.join('&')}`;
}

const dry = (step: Step): Step =>
  step.path.includes('dryRun=')
    ? step
    : { ...step, path: `${step.path}${step.path.includes('?') ? '&' : '?'}dryRun=All` };

const groupPath = ({ group, version }: ResourceSchema): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
const collection = (resource: ResourceSchema): string =>
  `${groupPath(resource)}${resource.namespaced ? `/namespaces/${namespaceOf(resource)}` : ''}/${resource.resource}`;
const itemPath = (c: Context): string => `${collection(c.resource)}/${encodeURIComponent(c.name)}`;

/** Names that the kind allows. */
function nameFor({ kind }: ResourceSchema, index: number, run: string): string {
  switch (kind) {
    case 'IPAddress':
      return `192.168.${Math.floor(index / 250) % 250}.${(index % 250) + 1}`;
    case 'CustomResourceDefinition':
      return `foos${run}${index}.y.example.com`;
    case 'APIService':
      return `v1.agg${run}${index}.example.com`;
    case 'CSIDriver':
      return `d${run}${index}.example.com`;
    default:
      return `t${run}-${index}`;
  }
}

function named(object: JsonObject, { kind, namespaced }: ResourceSchema, name: string): JsonObject {
  const edits: Edit[] = reviews.test(kind)
    ? []
    : [{ path: ['metadata', 'name'], value: name }, { path: ['metadata', 'generateName'] }];
  if (kind === 'CustomResourceDefinition') {
    const plural = name.split('.')[0]!;
    edits.push(
      { path: ['spec', 'group'], value: 'y.example.com' },
      {
        path: ['spec', 'names'],
        value: { plural, kind: `Foo${plural.slice(4)}`, shortNames: [`f${plural.slice(4)}`], categories: ['all'] },
      },
    );
  }
  if (kind === 'APIService') edits.push({ path: ['spec', 'group'], value: name.slice(3) });
  let copy = edited(object, edits);
  if (namespaced)
    copy = JSON.parse(
      JSON.stringify(copy)
        .replaceAll('"namespace":"golden"', `"namespace":"${namespace}"`)
        .replaceAll('"namespace":"ns1"', `"namespace":"${namespace}"`),
    ) as JsonValue;
  return copy as JsonObject;
}

/** The smallest merge patch that makes these edits; a change inside a list replaces nothing but sends that item alone. */
function mergeOf(edits: readonly Edit[]): JsonValue {
  let patch: JsonValue = {};
  for (const { path, value } of edits) {
    const upTo = path.findIndex((part) => typeof part === 'number');
    const rest = upTo < 0 ? [] : path.slice(upTo).map((part) => (typeof part === 'number' ? 0 : part));
    patch = edited(patch, [
      { path: [...(upTo < 0 ? path : path.slice(0, upTo)), ...rest], value: value === undefined ? null : value },
    ]);
  }
  return patch;
}

/** A merge patch with merge keys and directives strewn in. */
function strategicOf(pick: Pick, patch: JsonValue, depth: number): JsonValue {
  if (Array.isArray(patch)) {
    const items = patch.map((item) => strategicOf(pick, item, depth + 1));
    const first = items[0];
    if (typeof first === 'object' && first !== null && !Array.isArray(first) && pick.chance(0.8))
      items[0] = {
        ...pick.one<Record<string, JsonValue>>([
          { name: 'c' },
          { name: 'new' },
          { port: 80 },
          { containerPort: 80 },
          { type: 'Ready' },
          { key: 'k' },
          { ip: '1.2.3.4' },
          { mountPath: '/cm' },
        ]),
        ...(first as Record<string, JsonValue>),
      };
    if (pick.chance(0.15))
      items.push(
        pick.one<JsonValue>([
          { $patch: 'replace' },
          { name: 'c', $patch: 'delete' },
          { $patch: 'bogus' },
          { name: 'zz', $patch: 'delete' },
        ]),
      );
    return items;
  }
  if (typeof patch !== 'object' || patch === null) return patch;
  const copy: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(patch as Record<string, JsonValue>)) {
    copy[key] = strategicOf(pick, value, depth + 1);
    if (Array.isArray(value) && pick.chance(0.1))
      copy[`$setElementOrder/${key}`] = pick.one<JsonValue>([
        [{ name: 'c' }],
        [{ name: 'd' }, { name: 'c' }],
        ['a'],
        [],
      ]);
    if (Array.isArray(value) && pick.chance(0.05)) copy[`$deleteFromPrimitiveList/${key}`] = ['a'];
  }
  if (depth > 0 && pick.chance(0.04)) copy.$patch = pick.one(['replace', 'delete', 'merge', 'x']);
  if (depth > 0 && pick.chance(0.03)) copy.$retainKeys = pick.one<JsonValue>([['name'], [], Object.keys(copy)]);
  return copy;
}

function operationOf(pick: Pick, { path, value }: Edit): JsonValue {
  const pointer = `/${path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
  const kind = pick.weighted([
    ['add', 5],
    ['replace', 5],
    ['remove', 2],
    ['test', 1],
    ['copy', 0.7],
    ['move', 0.7],
    ['bogus', 0.2],
  ]);
  if (value === undefined || kind === 'remove')
    return { op: 'remove', path: pick.chance(0.9) ? pointer : `${pointer}/none` };
  if (kind === 'copy' || kind === 'move')
    return {
      op: kind,
      from: pointer,
      path: pick.one(['/metadata/labels', '/metadata/annotations/x', pointer, '/spec', '/none/x']),
    };
  return {
    op: kind,
    path: pick.weighted([
      [pointer, 8],
      [pointer.slice(1), 0.3],
      [`${pointer}/-`, 0.7],
      [`${pointer}/0`, 0.5],
      ['', 0.1],
    ]),
    value,
  };
}

const shown = (edits: readonly Edit[]): string =>
  edits
    .map(({ path, value }) =>
      `${path.join('.')}=${value === undefined ? 'absent' : JSON.stringify(value)}`.slice(0, 120),
    )
    .join('; ');

function post(path: string, body: object): Step {
  return {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    text: JSON.stringify(body),
    quiet: true,
  };
}
