import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { createBuiltInAdmission } from './index.ts';
import { unheard } from './testdata/unheard.ts';

const signal = new AbortController().signal;

function world() {
  const clock = createVirtualClock();
  const reader = new MapReader()
    .set('', 'namespaces', { metadata: { name: 'ns' }, status: { phase: 'Active' } })
    .set('', 'serviceaccounts', { metadata: { name: 'default', namespace: 'ns', uid: 'u' } })
    .set('scheduling.k8s.io', 'priorityclasses', {
      metadata: { name: 'system-node-critical' },
      value: 2000001000,
      preemptionPolicy: 'PreemptLowerPriority',
    });
  const plugins = createBuiltInAdmission({ reader, clock, random: createSeededRandom(1) });
  return { clock, reader, plugins };
}

function about(resource: string, over: Partial<AdmissionAttributes> = {}): AdmissionAttributes {
  const [group, plural] = resource.includes(':') ? (resource.split(':') as [string, string]) : ['', resource];
  const kinds: Record<string, string> = { pods: 'Pod', namespaces: 'Namespace', configmaps: 'ConfigMap' };
  return {
    operation: 'CREATE',
    kind: { group, version: 'v1', kind: kinds[plural] ?? plural },
    resource: { group, version: 'v1', resource: plural },
    subresource: '',
    namespace: 'ns',
    name: '',
    options: {},
    dryRun: false,
    ...unheard,
    user: { name: 'alice', groups: [] },
    warn: () => undefined,
    ...over,
  };
}

async function run(
  plugins: readonly AdmissionPlugin[],
  attributes: AdmissionAttributes,
): Promise<JsonObject | undefined> {
  let object = attributes.object ? deepFreeze(attributes.object) : undefined;
  const now = (): AdmissionAttributes => ({ ...attributes, ...(object ? { object } : {}) });
  for (const plugin of plugins)
    if (plugin.handles(attributes.operation)) object = (await plugin.admit?.(now(), signal)) ?? object;
  for (const plugin of plugins) if (plugin.handles(attributes.operation)) await plugin.validate?.(now(), signal);
  return object;
}

const pod = (spec: object = {}, metadata: object = {}): JsonObject =>
  ({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'p1', ...metadata },
    spec: { containers: [{ name: 'c' }], ...spec },
  }) as JsonObject;
const refused = (code: number, message: string) => (error: unknown) => {
  assert.ok(error instanceof ApiError, String(error));
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
};

test("admission: a plain pod becomes what upstream's golden case shows", async () => {
  const { plugins } = world();
  const spec = (await run(plugins, about('pods', { object: pod() })))?.spec as JsonObject;
  const [volume] = spec.volumes as unknown as [{ name: string }];
  assert.match(volume.name, /^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.deepEqual(spec, {
    containers: [
      {
        name: 'c',
        volumeMounts: [
          { name: volume.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
        ],
      },
    ],
    serviceAccountName: 'default',
    serviceAccount: 'default',
    volumes: [
      {
        name: volume.name,
        projected: {
          sources: [
            { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            {
              downwardAPI: {
                items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
              },
            },
          ],
          defaultMode: 420,
        },
      },
    ],
    priority: 0,
    preemptionPolicy: 'PreemptLowerPriority',
    tolerations: [
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ],
  });
});

for (const [name, spec, account, mounts] of [
  ['the pod says no', { automountServiceAccountToken: false }, {}, 0],
  ['the account says no', {}, { automountServiceAccountToken: false }, 0],
  ['the pod overrules the account', { automountServiceAccountToken: true }, { automountServiceAccountToken: false }, 1],
  [
    'every container mounts something there already',
    {
      containers: [
        { name: 'c', volumeMounts: [{ name: 'x', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
      ],
    },
    {},
    0,
  ],
] as const)
  test(`ServiceAccount: the token when ${name}`, async () => {
    const { plugins, reader } = world();
    reader.set('', 'serviceaccounts', { metadata: { name: 'default', namespace: 'ns' }, ...account });
    const got = (await run(plugins, about('pods', { object: pod(spec) })))?.spec as JsonObject;
    assert.equal(((got.volumes ?? []) as unknown[]).length, mounts);
  });

test('ServiceAccount: init containers mount the token, ephemeral ones do not; a volume so named is used', async () => {
  const { plugins } = world();
  const spec = { initContainers: [{ name: 'i' }], volumes: [{ name: 'kube-api-access-mine', emptyDir: {} }] };
  const got = (await run(plugins, about('pods', { object: pod(spec) })))?.spec as unknown as {
    volumes: object[];
    initContainers: { volumeMounts: { name: string }[] }[];
  };
  assert.equal(got.volumes.length, 1);
  assert.equal(got.initContainers[0]?.volumeMounts[0]?.name, 'kube-api-access-mine');
});

test('ServiceAccount: pull secrets come from the account unless the pod has its own', async () => {
  const { plugins, reader } = world();
  reader.set('', 'serviceaccounts', {
    metadata: { name: 'default', namespace: 'ns' },
    imagePullSecrets: [{ name: 's' }],
  });
  const pulled = async (spec: object): Promise<unknown> =>
    (((await run(plugins, about('pods', { object: pod(spec) })))?.spec ?? {}) as JsonObject).imagePullSecrets;
  assert.deepEqual(await pulled({}), [{ name: 's' }]);
  assert.deepEqual(await pulled({ imagePullSecrets: [{ name: 't' }] }), [{ name: 't' }]);
});

test('ServiceAccount: an account that is not there', async () => {
  const { plugins } = world();
  await assert.rejects(
    run(plugins, about('pods', { object: pod({ serviceAccountName: 'nope' }) })),
    refused(403, 'pods "p1" is forbidden: error looking up service account ns/nope: serviceaccount "nope" not found'),
  );
});

test('ServiceAccount: the first pod of a new namespace waits for the default account, up to a bound', async () => {
  const { plugins, reader, clock } = world();
  reader.delete('', 'serviceaccounts', 'ns', 'default');
  const admitted = run(plugins, about('pods', { object: pod() }));
  await clock.advance(50);
  reader.set('', 'serviceaccounts', { metadata: { name: 'default', namespace: 'ns' } });
  await clock.advance(1);
  assert.equal((((await admitted)?.spec ?? {}) as JsonObject).serviceAccountName, 'default');
  reader.delete('', 'serviceaccounts', 'ns', 'default');
  const never = assert.rejects(
    run(plugins, about('pods', { object: pod() })),
    (e: unknown) => e instanceof ApiError && e.code === 403,
  );
  await clock.advance(3_000);
  await never;
});

test('ServiceAccount: a mirror pod brings nothing and may ask for nothing', async () => {
  const { plugins } = world();
  const metadata = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
  const got = (await run(plugins, about('pods', { object: pod({}, metadata) })))?.spec as JsonObject;
  assert.equal(got.volumes, undefined);
  for (const [spec, why] of [
    [{ serviceAccountName: 'a' }, 'a mirror pod may not reference service accounts'],
    [{ imagePullSecrets: [{ name: 'a' }] }, 'a mirror pod may not reference secrets'],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      'a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ] as const)
    await assert.rejects(
      run(plugins, about('pods', { object: pod(spec, metadata) })),
      refused(403, `pods "p1" is forbidden: ${why}`),
    );
});

test('ServiceAccount: an account may limit which secrets its pods use', async () => {
  const { plugins, reader } = world();
  reader.set('', 'serviceaccounts', {
    metadata: { name: 'default', namespace: 'ns', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
    secrets: [{ name: 'ok' }],
  });
  await run(plugins, about('pods', { object: pod({ volumes: [{ name: 'v', secret: { secretName: 'ok' } }] }) }));
  await assert.rejects(
    run(plugins, about('pods', { object: pod({ volumes: [{ name: 'v', secret: { secretName: 'no' } }] }) })),
    refused(
      403,
      'pods "p1" is forbidden: volume with secret.secretName="no" is not allowed because service account default does not reference that secret',
    ),
  );
});

test('Priority: by class, by default class, and refused when the pod says otherwise', async () => {
  const { plugins, reader } = world();
  const given = async (spec: object): Promise<unknown[]> => {
    const got = (await run(plugins, about('pods', { object: pod(spec) })))?.spec as JsonObject;
    return [got.priorityClassName, got.priority, got.preemptionPolicy];
  };
  assert.deepEqual(await given({ priorityClassName: 'system-node-critical' }), [
    'system-node-critical',
    2000001000,
    'PreemptLowerPriority',
  ]);
  await assert.rejects(
    given({ priorityClassName: 'nope' }),
    refused(403, 'pods "p1" is forbidden: no PriorityClass with name nope was found'),
  );
  await assert.rejects(
    given({ priority: 7 }),
    refused(
      403,
      'pods "p1" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ),
  );
  reader.set('scheduling.k8s.io', 'priorityclasses', {
    metadata: { name: 'high' },
    value: 9,
    globalDefault: true,
    preemptionPolicy: 'Never',
  });
  reader.set('scheduling.k8s.io', 'priorityclasses', {
    metadata: { name: 'low' },
    value: 5,
    globalDefault: true,
    preemptionPolicy: 'Never',
  });
  assert.deepEqual(await given({}), ['low', 5, 'Never']);
  await assert.rejects(
    run(
      plugins,
      about('scheduling.k8s.io:priorityclasses', {
        namespace: '',
        object: { metadata: { name: 'x' }, value: 1, globalDefault: true },
      }),
    ),
    refused(
      403,
      'priorityclasses.scheduling.k8s.io "x" is forbidden: PriorityClass low is already marked as default. Only one default can exist',
    ),
  );
});

test("Priority: an update without the pod's priority keeps it", async () => {
  const { plugins } = world();
  const oldObject = pod({ priority: 3, preemptionPolicy: 'Never', tolerations: [{ operator: 'Exists' }] });
  const object = pod({ tolerations: [{ operator: 'Exists' }] });
  const got = (await run(plugins, about('pods', { operation: 'UPDATE', name: 'p1', object, oldObject })))
    ?.spec as JsonObject;
  assert.deepEqual([got.priority, got.preemptionPolicy], [3, 'Never']);
});

for (const [tolerations, added] of [
  [[{ operator: 'Exists' }], 0],
  [[{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }], 1],
  [[{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoSchedule' }], 2],
  [[{ key: 'node.kubernetes.io/unreachable', operator: 'Exists' }], 1],
] as const)
  test(`DefaultTolerationSeconds: ${added} added to ${JSON.stringify(tolerations)}`, async () => {
    const { plugins } = world();
    const got = (await run(plugins, about('pods', { object: pod({ tolerations }) })))?.spec as unknown as {
      tolerations: object[];
    };
    assert.equal(got.tolerations.length, tolerations.length + added);
  });

test('TaintNodesByCondition: a new node is not ready, once', async () => {
  const { plugins } = world();
  const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
  for (const taints of [undefined, [taint]]) {
    const object = { metadata: { name: 'n' }, spec: taints ? { taints } : {} } as JsonObject;
    assert.deepEqual((await run(plugins, about('nodes', { namespace: '', object })))?.spec, { taints: [taint] });
  }
});

test('NamespaceLifecycle: no create where the namespace is missing or ending', async () => {
  const { plugins, reader } = world();
  const create = (namespace: string) =>
    run(plugins, about('configmaps', { namespace, object: { metadata: { name: 'x' } } }));
  await create('ns');
  await assert.rejects(create('does-not-exist'), refused(404, 'namespaces "does-not-exist" not found'));
  reader.ahead.set('/namespaces//new', { metadata: { name: 'new' }, status: { phase: 'Active' } });
  await create('new');
  reader.set('', 'namespaces', { metadata: { name: 'term' }, status: { phase: 'Terminating' } });
  await assert.rejects(create('term'), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual(error.status, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message:
        'configmaps "x" is forbidden: unable to create new content in namespace term because it is being terminated',
      reason: 'Forbidden',
      details: {
        name: 'x',
        kind: 'configmaps',
        causes: [
          {
            reason: 'NamespaceTerminating',
            message: 'namespace term is being terminated',
            field: 'metadata.namespace',
          },
        ],
      },
      code: 403,
    });
    return true;
  });
  await run(
    plugins,
    about('configmaps', { namespace: 'term', operation: 'UPDATE', object: { metadata: { name: 'x' } } }),
  );
  await run(plugins, about('configmaps', { namespace: 'gone', operation: 'DELETE', name: 'x' }));
});

test('NamespaceLifecycle: after a deletion came in the cache is not believed for a while', async () => {
  const { plugins, reader, clock } = world();
  await run(plugins, about('namespaces', { operation: 'DELETE', namespace: 'ns', name: 'ns' }));
  reader.ahead.set('/namespaces//ns', { metadata: { name: 'ns' }, status: { phase: 'Terminating' } });
  const create = () => run(plugins, about('configmaps', { object: { metadata: { name: 'x' } } }));
  await assert.rejects(create(), (error: unknown) => error instanceof ApiError && error.code === 403);
  await clock.advance(31_000);
  await create();
});

test('NamespaceLifecycle: default, kube-system and kube-public stay', async () => {
  const { plugins } = world();
  await assert.rejects(
    run(plugins, about('namespaces', { operation: 'DELETE', namespace: 'default', name: 'default' })),
    refused(403, 'namespaces "default" is forbidden: this namespace may not be deleted'),
  );
});

test('a refusal names a pod by generateName when it has no name', async () => {
  const { plugins } = world();
  await assert.rejects(
    run(
      plugins,
      about('pods', { object: pod({ priorityClassName: 'nope' }, { name: undefined, generateName: 'web-' }) }),
    ),
    refused(403, 'pods "web-" is forbidden: no PriorityClass with name nope was found'),
  );
});

test('storage: finalizers, and the newest default class for claims that name none', async () => {
  const { plugins, reader } = world();
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  reader.set('storage.k8s.io', 'storageclasses', {
    metadata: { name: 'old', creationTimestamp: '2026-01-01T00:00:00Z', annotations },
  });
  reader.set('storage.k8s.io', 'storageclasses', {
    metadata: { name: 'new', creationTimestamp: '2026-02-01T00:00:00Z', annotations },
  });
  const claim = async (spec: object): Promise<unknown[]> => {
    const got = await run(
      plugins,
      about('persistentvolumeclaims', { object: { metadata: { name: 'c' }, spec } as JsonObject }),
    );
    return [((got?.spec ?? {}) as JsonObject).storageClassName, ((got?.metadata ?? {}) as JsonObject).finalizers];
  };
  assert.deepEqual(await claim({}), ['new', ['kubernetes.io/pvc-protection']]);
  assert.deepEqual(await claim({ storageClassName: '' }), ['', ['kubernetes.io/pvc-protection']]);
});
