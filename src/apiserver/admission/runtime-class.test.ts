import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { createClaimResize } from './claim-resize.ts';
import { createRuntimeClassPlugin } from './runtime-class.ts';
import { unheard } from './testdata/unheard.ts';

const reader = new MapReader()
  .set('node.k8s.io', 'runtimeclasses', { metadata: { name: 'plain' }, handler: 'runc' })
  .set('node.k8s.io', 'runtimeclasses', {
    metadata: { name: 'vm' },
    handler: 'kata',
    overhead: { podFixed: { cpu: '250m' } },
    scheduling: {
      nodeSelector: { vm: 'yes' },
      tolerations: [{ key: 'vm', operator: 'Exists' }],
    },
  })
  .set('storage.k8s.io', 'storageclasses', { metadata: { name: 'grows' }, allowVolumeExpansion: true })
  .set('storage.k8s.io', 'storageclasses', { metadata: { name: 'stays' } });

async function run(
  plugin: AdmissionPlugin,
  resource: string,
  object: object,
  over: Partial<AdmissionAttributes> = {},
): Promise<JsonObject | string> {
  const attributes: AdmissionAttributes = {
    operation: 'CREATE',
    kind: { group: '', version: 'v1', kind: '' },
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
  const signal = new AbortController().signal;
  try {
    const next = (await plugin.admit?.(attributes, signal)) ?? attributes.object!;
    await plugin.validate?.({ ...attributes, object: next }, signal);
    return next;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.replace(/^.* is forbidden: /, '');
  }
}
const pod = (spec: object): Promise<JsonObject | string> =>
  run(createRuntimeClassPlugin(reader), 'pods', { metadata: { name: 'x' }, spec });

test('runtime class: a pod gets its overhead, its nodes and what tolerates them', async () => {
  const narrow = { key: 'vm', operator: 'Equal', value: 'a', effect: 'NoSchedule' };
  const other = { key: 'other', operator: 'Exists' };
  const object = (await pod({
    runtimeClassName: 'vm',
    nodeSelector: { a: 'b' },
    tolerations: [narrow, other],
  })) as JsonObject;
  assert.deepEqual(object.spec, {
    runtimeClassName: 'vm',
    nodeSelector: { a: 'b', vm: 'yes' },
    tolerations: [other, { key: 'vm', operator: 'Exists' }],
    overhead: { cpu: '250m' },
  });
});

test('runtime class: what contradicts it is refused', async () => {
  assert.equal(await pod({ runtimeClassName: 'no' }), 'pod rejected: RuntimeClass "no" not found');
  assert.equal(
    await pod({ runtimeClassName: 'vm', nodeSelector: { vm: 'no' } }),
    'conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
  );
  assert.equal(
    await pod({ runtimeClassName: 'vm', overhead: { cpu: '1' } }),
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
  );
  assert.equal(typeof (await pod({ runtimeClassName: 'vm', overhead: { cpu: '0.25' } })), 'object');
  const without = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
  assert.equal(await pod({ overhead: { cpu: '1' } }), without);
  assert.equal(await pod({ runtimeClassName: 'plain', overhead: { cpu: '1' } }), without);
  assert.deepEqual(await pod({ runtimeClassName: 'plain' }), {
    metadata: { name: 'x' },
    spec: { runtimeClassName: 'plain' },
  });
});

test('claim resize: only a bound claim of a class that allows it grows', async () => {
  const claim = (storage: string, storageClassName: string, phase = 'Bound'): JsonObject =>
    ({
      metadata: { name: 'x' },
      spec: { storageClassName, resources: { requests: { storage } } },
      status: { phase },
    }) as JsonObject;
  const grow = (name: string, to: string, phase?: string): Promise<JsonObject | string> =>
    run(createClaimResize(reader), 'persistentvolumeclaims', claim(to, name), {
      operation: 'UPDATE',
      oldObject: claim('1Gi', name, phase),
    });
  assert.equal(typeof (await grow('grows', '2Gi')), 'object');
  assert.equal(typeof (await grow('stays', '1024Mi')), 'object');
  assert.match(
    String(await grow('stays', '2Gi')),
    /^only dynamically provisioned pvc can be resized and the storageclass/,
  );
  assert.equal(await grow('grows', '2Gi', 'Pending'), 'Only bound persistent volume claims can be expanded');
});
