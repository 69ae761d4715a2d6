/**
 * `@kubernetes/client-node`, the JavaScript client that most people use, against our API server over HTTPS: typed objects, every kind through
 * the untyped client, patches, watches, informers, logs, exec, metrics, errors. Issue 4, done when 5.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as k8s from '@kubernetes/client-node';
import { builtinSchema } from '../src/api/schema/builtin.ts';
import type { ResourceSchema } from '../src/api/schema/model.ts';
import { loadBases } from './differential/bases.ts';
import { type ClientNodeCluster, hollowNode, startClientNodeCluster } from './support/client-node-cluster.ts';

let cluster: ClientNodeCluster;
let core: k8s.CoreV1Api;
let objects: k8s.KubernetesObjectApi;
const namespace = 'default';

before(async () => {
  cluster = await startClientNodeCluster({
    options: { stdin: true, stdout: true, stderr: true, tty: false },
    run({ stdin, stdout, stderr, error, close }) {
      stderr?.end('noise');
      stdin?.pipe(stdout!);
      stdin?.on('end', () => {
        error.end(
          JSON.stringify({
            metadata: {},
            status: 'Failure',
            reason: 'NonZeroExitCode',
            message: 'command terminated with non-zero exit code: exit status 7',
            details: { causes: [{ reason: 'ExitCode', message: '7' }] },
          }),
        );
        close();
      });
    },
  });
  core = cluster.config.makeApiClient(k8s.CoreV1Api);
  objects = k8s.KubernetesObjectApi.makeApiClient(cluster.config);
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'default' } } }).catch(unless(409));
});
after(() => cluster.stop());

const unless =
  (code: number) =>
  (error: unknown): void => {
    if (!(error instanceof k8s.ApiException && error.code === code)) throw error;
  };

/** Waits as long as a busy machine may need, no longer than it takes. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1200; tries++) {
    if (await holds()) return;
    await sleep(25);
  }
  throw new Error(`It did not come true: ${what}`);
}

const patchAs = (strategy: k8s.PatchStrategy): ReturnType<typeof k8s.setHeaderOptions> =>
  k8s.setHeaderOptions('Content-Type', strategy);

test('client-node: typed objects are made, read, listed, replaced and deleted; times and bytes are what they were', async () => {
  const made = await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { generateName: 'a-', labels: { of: 'crud' } }, data: { k: 'v' }, binaryData: { b: 'AAEC' } },
  });
  const name = made.metadata?.name ?? '';
  assert.match(name, /^a-/);
  assert.ok(made.metadata?.creationTimestamp instanceof Date);
  assert.deepEqual((await core.readNamespacedConfigMap({ namespace, name })).binaryData, { b: 'AAEC' });
  const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'of=crud', limit: 1 });
  assert.deepEqual(
    list.items.map(({ metadata }) => metadata?.uid),
    [made.metadata?.uid],
  );
  const replaced = await core.replaceNamespacedConfigMap({ namespace, name, body: { ...made, data: { k: 'w' } } });
  assert.deepEqual(replaced.data, { k: 'w' });
  assert.equal((await core.deleteNamespacedConfigMap({ namespace, name })).status, 'Success');
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name }), { code: 404 });

  const leases = cluster.config.makeApiClient(k8s.CoordinationV1Api);
  const renewTime = new k8s.V1MicroTime('2026-01-02T03:04:05.678Z');
  const lease = await leases.createNamespacedLease({
    namespace,
    body: { metadata: { name: 'times' }, spec: { holderIdentity: 'me', renewTime } },
  });
  // The client declares a Date and hands out the text.
  assert.equal(new Date(String(lease.spec?.renewTime)).getTime(), renewTime.getTime());
});

test('client-node: lists are paged to their end', async () => {
  const names = ['p1', 'p2', 'p3', 'p4', 'p5'];
  for (const name of names)
    await core.createNamespacedSecret({ namespace, body: { metadata: { name, labels: { of: 'pages' } } } });
  const seen: string[] = [];
  let _continue: string | undefined;
  do {
    const page = await core.listNamespacedSecret({
      namespace,
      labelSelector: 'of=pages',
      limit: 2,
      ...(_continue ? { _continue } : {}),
    });
    seen.push(...page.items.map(({ metadata }) => metadata?.name ?? ''));
    _continue = page.metadata?._continue;
  } while (_continue);
  assert.deepEqual(seen, names);
  await core.deleteCollectionNamespacedSecret({ namespace, labelSelector: 'of=pages' });
  assert.deepEqual((await core.listNamespacedSecret({ namespace, labelSelector: 'of=pages' })).items, []);
});

test('client-node: the four kinds of patch, and a conflict of two appliers', async () => {
  const apps = cluster.config.makeApiClient(k8s.AppsV1Api);
  const labels = { app: 'patched' };
  const name = 'patched';
  await apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'i:1' }] } },
      },
    },
  });
  const patch = (
    body: unknown,
    strategy: k8s.PatchStrategy,
    options: { fieldManager?: string; force?: boolean } = {},
  ) => apps.patchNamespacedDeployment({ namespace, name, body, ...options }, patchAs(strategy));
  const images = ({ spec }: k8s.V1Deployment): unknown => spec?.template.spec?.containers.map((c) => c.image);

  assert.deepEqual(
    images(
      await patch(
        [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'i:2' }],
        k8s.PatchStrategy.JsonPatch,
      ),
    ),
    ['i:2'],
  );
  assert.equal(
    (await patch({ metadata: { annotations: { x: 'y' } } }, k8s.PatchStrategy.MergePatch)).metadata?.annotations?.x,
    'y',
  );
  const containers = [{ name: 'b', image: 'i:3' }];
  assert.deepEqual(
    images(await patch({ spec: { template: { spec: { containers } } } }, k8s.PatchStrategy.StrategicMergePatch)),
    ['i:3', 'i:2'],
  );
  const applied = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { replicas: 3 } };
  const mine = await patch(applied, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'me', force: true });
  assert.equal(mine.spec?.replicas, 3);
  await assert.rejects(
    patch({ ...applied, spec: { replicas: 4 } }, k8s.PatchStrategy.ServerSideApply, { fieldManager: 'you' }),
    (error) => {
      assert.ok(error instanceof k8s.ApiException);
      const { code, reason, message, details } = JSON.parse(error.body as string) as k8s.V1Status;
      assert.deepEqual([error.code, code, reason], [409, 409, 'Conflict']);
      assert.equal(message, 'Apply failed with 1 conflict: conflict with "me": .spec.replicas');
      assert.deepEqual(details?.causes, [
        { reason: 'FieldManagerConflict', message: 'conflict with "me"', field: '.spec.replicas' },
      ]);
      return true;
    },
  );
});

describe('client-node: errors are Statuses', () => {
  const rows: [string, () => Promise<unknown>, number, string, RegExp][] = [
    [
      'what is not there',
      () => core.readNamespacedPod({ namespace, name: 'none' }),
      404,
      'NotFound',
      /^pods "none" not found$/,
    ],
    [
      'what is there already',
      () => core.createNamespace({ body: { metadata: { name: namespace } } }),
      409,
      'AlreadyExists',
      /^namespaces "default" already exists$/,
    ],
    [
      'an invalid object',
      () => core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'Not Valid' } } }),
      422,
      'Invalid',
      /^ConfigMap "Not Valid" is invalid: metadata.name: Invalid value/,
    ],
    [
      'an unknown kind of field validation',
      () =>
        core.createNamespacedConfigMap({
          namespace,
          fieldValidation: 'Maybe',
          body: { metadata: { name: 'fine' } },
        }),
      422,
      'Invalid',
      /fieldValidation: Unsupported value: "Maybe"/,
    ],
    [
      'an old version',
      () =>
        core.replaceNamespace({
          name: namespace,
          body: { metadata: { name: namespace, resourceVersion: '1' } },
        }),
      409,
      'Conflict',
      /the object has been modified/,
    ],
    [
      'nobody',
      () => core.listNode(undefined, k8s.setHeaderOptions('Impersonate-User', 'nobody')),
      403,
      'Forbidden',
      /^nodes is forbidden: User "nobody" cannot list resource "nodes" in API group "" at the cluster scope$/,
    ],
  ];
  for (const [name, ask, code, reason, message] of rows)
    test(name, () =>
      assert.rejects(ask(), (error) => {
        assert.ok(error instanceof k8s.ApiException);
        const status = JSON.parse(error.body as string) as k8s.V1Status;
        assert.deepEqual([error.code, status.code, status.kind, status.reason], [code, code, 'Status', reason]);
        assert.match(status.message ?? '', message);
        return true;
      }),
    );
});

test('client-node: discovery, versions and health', async () => {
  const { groups } = await cluster.config.makeApiClient(k8s.ApisApi).getAPIVersions();
  assert.ok(groups.some(({ name, preferredVersion }) => name === 'apps' && preferredVersion?.version === 'v1'));
  const resources = await core.getAPIResources();
  assert.deepEqual(resources.resources.find(({ name }) => name === 'pods')?.shortNames, ['po']);
  const version = await cluster.config.makeApiClient(k8s.VersionApi).getCode();
  assert.deepEqual([version.major, version.minor], ['1', '36']);
  const health = new k8s.Health(cluster.config);
  await until('ready', () => health.readyz({}));
  assert.equal(await health.livez({}), true);
});

/** Left out, with why. */
const aside = new Set([
  // The node of this cluster is one; another would be nobody's.
  'nodes',
  // Answered, never stored.
  'tokenreviews',
  'localsubjectaccessreviews',
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
  'subjectaccessreviews',
]);

/** The untyped client takes typed kinds by its own names of their fields (`_default`), so a definition of the golden cases would lose some. */
const definition = (group: string): k8s.V1CustomResourceDefinition => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer', minimum: 1 }, colour: { type: 'string', _default: 'red' } },
              },
            },
          },
        },
      },
    ],
  },
});

/** One valid object for each resource. */
function samples(): Map<ResourceSchema, k8s.KubernetesObject> {
  const found = new Map<ResourceSchema, k8s.KubernetesObject>();
  for (const { resource, object } of loadBases())
    if (!found.has(resource) && resource.verbs.includes('watch') && !aside.has(resource.resource))
      found.set(resource, named(resource, object as k8s.KubernetesObject));
  return found;
}

/** Under a name that nobody else uses, where the kind leaves its name to whoever makes it, and in the namespace of these tests. */
function named({ kind, namespaced }: ResourceSchema, sample: k8s.KubernetesObject): k8s.KubernetesObject {
  if (kind === 'CustomResourceDefinition') return definition('every.example.com');
  const mustStay = kind === 'IPAddress' || kind === 'APIService';
  const name = mustStay ? sample.metadata?.name : `every-${sample.metadata?.name}`;
  const metadata = { ...sample.metadata, name, ...(namespaced ? { namespace } : {}) };
  const about = kind === 'Event' ? { involvedObject: { kind: 'Pod', namespace, name: 'p' } } : {};
  return { ...sample, ...about, metadata };
}

describe('client-node: create, read, list, patch, watch, inform and delete on every kind', () => {
  for (const [resource, object] of samples()) {
    const { group, version, kind, namespaced } = resource;
    const apiVersion = group === '' ? version : `${group}/${version}`;
    test(`${apiVersion} ${resource.resource}`, async () => {
      const name = object.metadata?.name ?? '';
      const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
      const path = namespaced ? `${base}/namespaces/${namespace}/${resource.resource}` : `${base}/${resource.resource}`;
      const list = (): Promise<k8s.KubernetesListObject<k8s.KubernetesObject>> =>
        objects.list(apiVersion, kind, namespaced ? namespace : undefined);
      const informer = k8s.makeInformer(cluster.config, path, list);
      const seen: string[] = [];
      const note = (event: string) => (about: k8s.KubernetesObject) => {
        if (about.metadata?.name === name) seen.push(event);
      };
      informer.on('add', note('add'));
      informer.on('update', note('update'));
      informer.on('delete', note('delete'));
      await informer.start();
      try {
        const made = await objects.create(object);
        assert.equal(made.metadata?.name, name);
        const read = await objects.read({ apiVersion, kind, metadata: { name, ...(namespaced ? { namespace } : {}) } });
        assert.deepEqual(read.metadata?.uid, made.metadata?.uid);
        assert.ok((await list()).items.some(({ metadata }) => metadata?.uid === made.metadata?.uid));
        await until('it was seen', () => seen.includes('add'));
        const header = { apiVersion, kind, metadata: { name, ...(namespaced ? { namespace } : {}) } };
        const change = { ...header, metadata: { ...header.metadata, labels: { seen: 'yes' } } };
        const merge = k8s.PatchStrategy.MergePatch;
        const patched = await objects.patch(change, undefined, undefined, undefined, undefined, merge);
        assert.equal(patched.metadata?.labels?.seen, 'yes');
        const kept = (): k8s.KubernetesObject | undefined => informer.get(name, namespaced ? namespace : undefined);
        await until('its change was seen', () => kept()?.metadata?.labels?.seen === 'yes');
        assert.ok(seen.includes('update'));
        await objects.delete(header, undefined, undefined, 0);
        // The controllers that would take finalizers off are not there.
        const free = { ...header, metadata: { ...header.metadata, finalizers: null } };
        await objects
          .patch(free as unknown as k8s.KubernetesObject, undefined, undefined, undefined, undefined, merge)
          .catch(unless(404));
        if (kind === 'Namespace')
          await core.replaceNamespaceFinalize({ name, body: { metadata: { name }, spec: { finalizers: [] } } });
        await until('its end was seen', () => seen.includes('delete'));
        assert.equal(kept(), undefined);
      } finally {
        await informer.stop();
      }
    });
  }

  test('no kind is left out', () => {
    const covered = new Set([...samples().keys()].map((resource) => `${resource.group}/${resource.resource}`));
    const watched = builtinSchema.resources.filter(
      (resource) => resource.servedByDefault && resource.verbs.includes('watch') && !aside.has(resource.resource),
    );
    assert.deepEqual(
      [...new Set(watched.map((r) => `${r.group}/${r.resource}`))].filter((r) => !covered.has(r)),
      [],
    );
  });
});

test('client-node: a custom kind is applied, changed, patched and watched', async () => {
  const definitions = cluster.config.makeApiClient(k8s.ApiextensionsV1Api);
  const group = 'example.com';
  await definitions.createCustomResourceDefinition({ body: definition(group) });
  await until('the kind is established', async () =>
    Boolean(
      (await definitions.readCustomResourceDefinition({ name: `things.${group}` })).status?.conditions?.some(
        ({ type, status }) => type === 'Established' && status === 'True',
      ),
    ),
  );
  interface Thing extends k8s.KubernetesObject {
    readonly spec: { readonly size: number; readonly colour?: string };
  }
  const thing: Thing = {
    apiVersion: `${group}/v1`,
    kind: 'Thing',
    metadata: { name: 'one', namespace },
    spec: { size: 1 },
  };
  const apply = (object: Thing): Promise<Thing> =>
    objects.patch(object, undefined, undefined, 'me', undefined, k8s.PatchStrategy.ServerSideApply);
  assert.deepEqual((await apply(thing)).spec, { size: 1, colour: 'red' });
  const events: string[] = [];
  const ended = Promise.withResolvers<unknown>();
  const watch = await new k8s.Watch(cluster.config).watch(
    `/apis/${group}/v1/namespaces/${namespace}/things`,
    { resourceVersion: '0' },
    (phase, object: Thing) => events.push(`${phase} ${object.metadata?.name} ${object.spec.size}`),
    (error: unknown) => ended.resolve(error),
  );
  await apply({ ...thing, spec: { size: 2 } });
  const custom = cluster.config.makeApiClient(k8s.CustomObjectsApi);
  const at = { group, version: 'v1', namespace, plural: 'things', name: 'one' };
  await custom.patchNamespacedCustomObject(
    { ...at, body: { spec: { size: 3 } } },
    patchAs(k8s.PatchStrategy.MergePatch),
  );
  await assert.rejects(
    custom.patchNamespacedCustomObject({ ...at, body: { spec: { size: 0 } } }, patchAs(k8s.PatchStrategy.MergePatch)),
    { code: 422 },
  );
  await custom.deleteNamespacedCustomObject(at);
  await until('the end was seen', () => events.length >= 4);
  assert.deepEqual(events, ['ADDED one 1', 'MODIFIED one 2', 'MODIFIED one 3', 'DELETED one 3']);
  watch.abort();
  await ended.promise;
});

test('client-node: a watch that asks for too old a version ends with 410', async () => {
  const { metadata } = await core.listNamespacedConfigMap({ namespace });
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'after' } } });
  await cluster.compact();
  const said: unknown[] = [];
  const ended = Promise.withResolvers<{ statusCode?: number } | null>();
  await new k8s.Watch(cluster.config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { resourceVersion: metadata?.resourceVersion },
    (phase, object: k8s.V1Status) => said.push([phase, object.code, object.reason]),
    (error: { statusCode?: number } | null) => ended.resolve(error),
  );
  await ended.promise;
  assert.deepEqual(said, [['ERROR', 410, 'Expired']]);
});

test('client-node: an informer goes on after its watch was closed, and lists again when its version is too old', async () => {
  let lists = 0;
  let connects = 0;
  const labelSelector = 'of=informer';
  const informer = k8s.makeInformer(
    cluster.config,
    `/api/v1/namespaces/${namespace}/configmaps?timeoutSeconds=1`,
    () => {
      lists++;
      return core.listNamespacedConfigMap({ namespace, labelSelector });
    },
    labelSelector,
  );
  const seen: string[] = [];
  for (const event of ['add', 'update', 'delete'] as const)
    informer.on(event, ({ metadata }) => seen.push(`${event} ${metadata?.name}`));
  informer.on('connect', () => {
    connects++;
  });
  const make = (name: string): Promise<unknown> =>
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { of: 'informer' } } } });
  await make('first');
  await informer.start();
  await until('the watch was closed and opened again', () => connects >= 2);
  assert.equal(lists, 1);
  await make('second');
  await until('the second was seen', () => seen.includes('add second'));
  // Others write, and history is forgotten: the informer's version is of the past.
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'other' } } });
  await cluster.compact();
  await until('it listed again', () => lists >= 2);
  await core.deleteNamespacedConfigMap({ namespace, name: 'first' });
  await until('the deletion was seen', () => seen.includes('delete first'));
  assert.deepEqual(seen, ['add first', 'add second', 'delete first']);
  assert.deepEqual(
    informer.list().map(({ metadata }) => metadata?.name),
    ['second'],
  );
  await informer.stop();
});

describe('client-node: a pod on a node', () => {
  const name = 'running';
  before(async () => {
    await until('the node is there', async () => (await core.listNode()).items.length === 1);
    // What the controller that is not here would give it; without it the node has no network.
    const podCidr = '10.244.0.0/24';
    await core.patchNode(
      { name: hollowNode, body: { spec: { podCIDR: podCidr, podCIDRs: [podCidr] } } },
      patchAs(k8s.PatchStrategy.StrategicMergePatch),
    );
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name },
        spec: {
          nodeName: hollowNode,
          automountServiceAccountToken: false,
          containers: [{ name: 'app', image: 'i:1' }],
        },
      },
    });
    await until('the pod runs', async () => {
      const { status } = await core.readNamespacedPodStatus({ namespace, name });
      return status?.phase === 'Running';
    });
  });

  test('its log, whole and of what is not there', async () => {
    const text = await core.readNamespacedPodLog({ namespace, name, container: 'app' });
    const out = new PassThrough();
    const end = once(out, 'end');
    let streamed = '';
    out.setEncoding('utf8').on('data', (piece: string) => {
      streamed += piece;
    });
    await new k8s.Log(cluster.config).log(namespace, name, 'app', out, { tailLines: 10 });
    await end;
    assert.equal(streamed, text);
    assert.ok(text.length > 0);
    await assert.rejects(new k8s.Log(cluster.config).log(namespace, 'none', 'app', new PassThrough()), { code: 404 });
  });

  test('a command in it: input, both outputs, its exit code', async () => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    let [out, err] = ['', ''];
    stdout.on('data', (piece: Buffer) => {
      out += piece.toString();
    });
    stderr.on('data', (piece: Buffer) => {
      err += piece.toString();
    });
    const ended = Promise.withResolvers<k8s.V1Status>();
    const exec = new k8s.Exec(cluster.config);
    await exec.exec(namespace, name, 'app', ['cat', '-'], stdout, stderr, stdin, false, ended.resolve);
    stdin.end('hello');
    const { status, reason, details } = await ended.promise;
    assert.deepEqual([status, reason, details?.causes?.[0]?.message], ['Failure', 'NonZeroExitCode', '7']);
    await until('all was read', () => out === 'hello' && err === 'noise');
    assert.equal(
      cluster.streams.requests.at(-1)?.line,
      `POST /exec/${namespace}/${name}/app?input=1&output=1&error=1&command=cat&command=-`,
    );
  });

  test('what it and its node use', async () => {
    const metrics = new k8s.Metrics(cluster.config);
    await until('usage is known', async () => (await metrics.getPodMetrics(namespace)).items.length > 0);
    const { items } = await metrics.getPodMetrics(namespace);
    assert.deepEqual(
      items.map((pod) => [pod.metadata.name, pod.containers.map((container) => container.name)]),
      [[name, ['app']]],
    );
    assert.deepEqual(
      (await metrics.getNodeMetrics()).items.map((node) => node.metadata.name),
      [hollowNode],
    );
    const [node] = await k8s.topNodes(core);
    assert.equal(node?.Node.metadata?.name, hollowNode);
    const top = await k8s.topPods(core, metrics, namespace);
    assert.ok(top.some(({ Pod }) => Pod.metadata?.name === name));
  });

  test('it is evicted', async () => {
    const evicted = await core.createNamespacedPodEviction({
      namespace,
      name,
      body: { metadata: { name }, deleteOptions: { gracePeriodSeconds: 0 } },
    });
    assert.ok(evicted);
    await until('the pod is gone', () =>
      core.readNamespacedPod({ namespace, name }).then(
        () => false,
        (error: unknown) => {
          unless(404)(error);
          return true;
        },
      ),
    );
  });
});
