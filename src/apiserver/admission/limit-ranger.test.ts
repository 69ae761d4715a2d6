import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { AdmissionAttributes } from './admission.ts';
import { createLimitRanger } from './limit-ranger.ts';
import { unheard } from './testdata/unheard.ts';

const signal = new AbortController().signal;

function attributes(resource: string, object: object, over: Partial<AdmissionAttributes> = {}): AdmissionAttributes {
  return {
    operation: 'CREATE',
    kind: { group: '', version: 'v1', kind: resource === 'pods' ? 'Pod' : 'PersistentVolumeClaim' },
    resource: { group: '', version: 'v1', resource },
    subresource: '',
    namespace: 'ns',
    name: 'x',
    object: deepFreeze(object) as JsonObject,
    options: {},
    dryRun: false,
    ...unheard,
    user: { name: 'alice', groups: [] },
    warn: () => undefined,
    ...over,
  };
}

async function run(limits: readonly object[], about: AdmissionAttributes): Promise<JsonObject | string> {
  const reader = new MapReader()
    .set('', 'limitranges', { metadata: { name: 'l', namespace: 'ns' }, spec: { limits } })
    .set('', 'limitranges', {
      metadata: { name: 'l', namespace: 'other' },
      spec: { limits: [{ type: 'Pod', max: { cpu: '0' } }] },
    });
  const plugin = createLimitRanger(reader);
  try {
    const object = (await plugin.admit?.(about, signal)) ?? about.object;
    await plugin.validate?.({ ...about, ...(object ? { object } : {}) }, signal);
    return object ?? {};
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.replace('pods "x" is forbidden: ', '');
  }
}

const pod = (resources: object, over: object = {}): object => ({
  metadata: { name: 'x' },
  spec: { containers: [{ name: 'c', resources }], ...over },
});

test('limit ranger: containers get what they do not name, and the pod says so', async () => {
  const limits = [
    { type: 'Container', default: { cpu: '1', memory: '1Gi' }, defaultRequest: { cpu: '100m', memory: '64Mi' } },
  ];
  const object = await run(
    limits,
    attributes('pods', {
      metadata: { name: 'x', annotations: { a: 'b' } },
      spec: {
        containers: [{ name: 'c', resources: { requests: { memory: '1Mi' } } }, { name: 'd' }],
        initContainers: [{ name: 'i', resources: { limits: { cpu: '2', memory: '2Gi' } } }],
      },
    }),
  );
  assert.deepEqual(object, {
    metadata: {
      name: 'x',
      annotations: {
        a: 'b',
        'kubernetes.io/limit-ranger':
          'LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; cpu, memory request for container d; cpu, memory limit for container d; cpu, memory request for init container i',
      },
    },
    spec: {
      initContainers: [
        { name: 'i', resources: { limits: { cpu: '2', memory: '2Gi' }, requests: { cpu: '100m', memory: '64Mi' } } },
      ],
      containers: [
        { name: 'c', resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m', memory: '1Mi' } } },
        { name: 'd', resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m', memory: '64Mi' } } },
      ],
    },
  });
});

const rows: readonly (readonly [string, object, object, string | undefined])[] = [
  [
    'a request below the minimum',
    { type: 'Container', min: { cpu: '100m' } },
    pod({ requests: { cpu: '50m' } }),
    'minimum cpu usage per Container is 100m, but request is 50m',
  ],
  [
    'no request where there is a minimum',
    { type: 'Container', min: { cpu: '100m' } },
    pod({}),
    'minimum cpu usage per Container is 100m.  No request is specified',
  ],
  [
    'a limit above the maximum',
    { type: 'Container', max: { memory: '1Gi' } },
    pod({ limits: { memory: '2Gi' } }),
    'maximum memory usage per Container is 1Gi, but limit is 2Gi',
  ],
  [
    'no limit where there is a maximum',
    { type: 'Container', max: { memory: '1Gi' } },
    pod({ requests: { memory: '1Mi' } }),
    'maximum memory usage per Container is 1Gi.  No limit is specified',
  ],
  [
    'a limit too far above its request',
    { type: 'Container', maxLimitRequestRatio: { cpu: '1500m' } },
    pod({ requests: { cpu: '1' }, limits: { cpu: '2' } }),
    'cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000',
  ],
  [
    'a ratio without a request',
    { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
    pod({ limits: { cpu: '2' } }),
    'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
  ],
  [
    'several at once',
    { type: 'Container', min: { cpu: '2', memory: '1Mi' } },
    pod({ requests: { cpu: '1' } }),
    '[minimum cpu usage per Container is 2, but request is 1, minimum memory usage per Container is 1Mi.  No request is specified]',
  ],
  [
    "a pod's sum, its sidecar with it",
    { type: 'Pod', max: { cpu: '2' } },
    pod(
      { limits: { cpu: '1500m' } },
      { initContainers: [{ name: 's', restartPolicy: 'Always', resources: { limits: { cpu: '1' } } }] },
    ),
    'maximum cpu usage per Pod is 2, but limit is 2500m',
  ],
  [
    'an init container beside nothing',
    { type: 'Pod', max: { cpu: '2' } },
    pod({ limits: { cpu: '1500m' } }, { initContainers: [{ name: 'i', resources: { limits: { cpu: '1' } } }] }),
    undefined,
  ],
  [
    'what lies within',
    { type: 'Container', min: { cpu: '1' }, max: { cpu: '2' } },
    pod({ requests: { cpu: '1' }, limits: { cpu: '2' } }),
    undefined,
  ],
];
for (const [name, limit, object, message] of rows)
  test(`limit ranger: ${name}${message === undefined ? ' is admitted' : ' is refused'}`, async () => {
    const result = await run([limit], attributes('pods', object));
    assert.equal(typeof result === 'string' ? result : undefined, message);
  });

test('limit ranger: a claim may ask for neither too little nor too much', async () => {
  const limits = [{ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } }];
  const ask = async (storage: string): Promise<JsonObject | string> =>
    run(
      limits,
      attributes('persistentvolumeclaims', { metadata: { name: 'x' }, spec: { resources: { requests: { storage } } } }),
    );
  const words = 'persistentvolumeclaims "x" is forbidden: ';
  assert.equal(
    await ask('512Mi'),
    `${words}minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi`,
  );
  assert.equal(await ask('3Gi'), `${words}maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi`);
  assert.equal(typeof (await ask('2Gi')), 'object');
});

test('limit ranger: updates of pods are left alone, resizes are not', async () => {
  const limits = [{ type: 'Container', max: { cpu: '1' } }];
  const object = pod({ limits: { cpu: '2' } });
  assert.equal(typeof (await run(limits, attributes('pods', object, { operation: 'UPDATE' }))), 'object');
  assert.equal(
    await run(limits, attributes('pods', object, { operation: 'UPDATE', subresource: 'resize' })),
    'maximum cpu usage per Container is 1, but limit is 2',
  );
  const oldObject = deepFreeze({ metadata: { name: 'x', deletionTimestamp: '2026-01-01T00:00:00Z' } }) as JsonObject;
  const ending = attributes('pods', object, { operation: 'UPDATE', subresource: 'resize', oldObject });
  assert.equal(typeof (await run(limits, ending)), 'object');
});
