import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeObject } from '../codec/index.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { createConversionHub } from './hub.ts';

const hub = createConversionHub(builtinSchema);
const gvk = (group: string, version: string, kind: string) => ({ group, version, kind });
const canonical = (object: JsonObject): JsonObject => {
  const [group = '', version = ''] = String(object['apiVersion']).includes('/')
    ? String(object['apiVersion']).split('/')
    : ['', String(object['apiVersion'])];
  const type = builtinSchema.byGvk(gvk(group, version, String(object['kind'])))!;
  return decodeObject({ value: object }, type, { fieldValidation: 'Strict' }).object;
};

const hpaV1 = gvk('autoscaling', 'v1', 'HorizontalPodAutoscaler');
const hpaV2 = gvk('autoscaling', 'v2', 'HorizontalPodAutoscaler');
const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
const rich = canonical({
  kind: 'HorizontalPodAutoscaler',
  apiVersion: 'autoscaling/v2',
  metadata: { name: 'h', annotations: { mine: '1' } },
  spec: {
    scaleTargetRef,
    minReplicas: 1,
    maxReplicas: 5,
    metrics: [
      { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } } },
      {
        type: 'Object',
        object: { describedObject: scaleTargetRef, target: { type: 'Value', value: '3' }, metric: { name: 'm' } },
      },
      {
        type: 'Pods',
        pods: {
          metric: { name: 'p', selector: { matchLabels: { a: 'b' } } },
          target: { type: 'AverageValue', averageValue: '2' },
        },
      },
      { type: 'External', external: { metric: { name: 'e' }, target: { type: 'AverageValue', averageValue: '1k' } } },
      {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'c', target: { type: 'Utilization', averageUtilization: 7 } },
      },
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
    ],
    behavior: {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }],
      },
    },
  },
  status: {
    currentReplicas: 2,
    desiredReplicas: 3,
    currentMetrics: [
      { type: 'Resource', resource: { name: 'cpu', current: { averageValue: '1m', averageUtilization: 40 } } },
    ],
    conditions: [
      { type: 'AbleToScale', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z', reason: 'R', message: 'M' },
    ],
  },
} as unknown as JsonObject);

test('conversion: a v2 autoscaler read as v1 keeps in annotations what v1 cannot say, in upstream text', () => {
  const v1 = hub.convert(rich, hpaV1);
  assert.equal(v1['apiVersion'], 'autoscaling/v1');
  assert.deepEqual(v1['spec'], { scaleTargetRef, minReplicas: 1, maxReplicas: 5, targetCPUUtilizationPercentage: 50 });
  assert.deepEqual(v1['status'], { currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 40 });
  const annotations = (v1['metadata'] as JsonObject)['annotations'] as JsonObject;
  assert.equal(annotations['mine'], '1');
  assert.equal(
    annotations['autoscaling.alpha.kubernetes.io/behavior'],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}',
  );
  assert.match(
    String(annotations['autoscaling.alpha.kubernetes.io/metrics']),
    /^\[\{"type":"Resource","resource":\{"name":"memory","targetAverageValue":"100Mi"\}\},\{"type":"Object",/,
  );
  assert.equal(
    annotations['autoscaling.alpha.kubernetes.io/current-metrics'],
    '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":40,"currentAverageValue":"1m"}}]',
  );
});
test('conversion: an autoscaler comes back from v1 as it went, without the annotations', () => {
  assert.deepEqual(hub.convert(hub.convert(rich, hpaV1), hpaV2), rich);
});
test('conversion: a plain v1 autoscaler gets a CPU metric', () => {
  const v1 = canonical({
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'h' },
    spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 80 },
  });
  const stored = hub.toStorage(v1, builtinSchema.resource('autoscaling', 'v1', 'horizontalpodautoscalers')!);
  assert.equal(stored['apiVersion'], 'autoscaling/v2');
  assert.deepEqual((stored['spec'] as JsonObject)['metrics'], [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
  ]);
});
test('conversion: malformed annotations of a v1 autoscaler are passed over and dropped', () => {
  const v1 = canonical({
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: 'h',
      annotations: {
        'autoscaling.alpha.kubernetes.io/metrics': 'no json',
        'autoscaling.alpha.kubernetes.io/behavior': '[',
        'autoscaling.alpha.kubernetes.io/conditions': '{}',
      },
    },
    spec: { scaleTargetRef, maxReplicas: 5 },
  });
  const v2 = hub.convert(v1, hpaV2);
  assert.deepEqual(v2['metadata'], { name: 'h' });
  assert.deepEqual(v2['spec'], { scaleTargetRef, maxReplicas: 5 });
});

test('conversion: core and events.k8s.io Events are one object with other field names', () => {
  const core = canonical({
    kind: 'Event',
    apiVersion: 'v1',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace: 'n', name: 'p' },
    reason: 'R',
    message: 'm',
    type: 'Normal',
    count: 2,
    source: { component: 'c' },
    series: { count: 2 },
  });
  const events = hub.fromStorage(core, builtinSchema.resource('events.k8s.io', 'v1', 'events')!);
  assert.deepEqual(events, {
    kind: 'Event',
    apiVersion: 'events.k8s.io/v1',
    metadata: { name: 'e' },
    eventTime: null,
    series: { count: 2, lastObservedTime: null },
    reason: 'R',
    regarding: { kind: 'Pod', namespace: 'n', name: 'p' },
    note: 'm',
    type: 'Normal',
    deprecatedSource: { component: 'c' },
    deprecatedFirstTimestamp: null,
    deprecatedLastTimestamp: null,
    deprecatedCount: 2,
  });
  assert.deepEqual(canonical(events), events);
  assert.deepEqual(hub.toStorage(events, builtinSchema.resource('events.k8s.io', 'v1', 'events')!), core);
});

test('conversion: versions of one shape differ in apiVersion only; the stored version is left alone', () => {
  const pod = canonical({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c' }] },
  });
  assert.equal(hub.toStorage(pod, builtinSchema.resource('', 'v1', 'pods')!), pod);
  const address = canonical({
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1beta1',
    metadata: { name: '1.2.3.4' },
    spec: {},
  });
  assert.equal(
    hub.toStorage(address, builtinSchema.resource('networking.k8s.io', 'v1beta1', 'ipaddresses')!)['apiVersion'],
    'networking.k8s.io/v1',
  );
  assert.throws(() => hub.convert(pod, gvk('', 'v2', 'Pod')), /Cannot convert Pod from v1 to v2/);
});
test('conversion: a stored version that is served no more is replaced by the served one', () => {
  const crd = builtinSchema.resource('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')!;
  assert.deepEqual(hub.storageKind(crd), gvk('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition'));
});

test('conversion: resource.k8s.io/v1beta1 wraps devices and unwraps requests', () => {
  const claim = canonical({
    kind: 'ResourceClaim',
    apiVersion: 'resource.k8s.io/v1',
    metadata: { name: 'c' },
    spec: {
      devices: {
        requests: [
          { name: 'r', exactly: { deviceClassName: 'd', allocationMode: 'ExactCount', count: 1 } },
          { name: 's', firstAvailable: [{ name: 'x', deviceClassName: 'd' }] },
        ],
      },
    },
  });
  const beta = hub.convert(claim, gvk('resource.k8s.io', 'v1beta1', 'ResourceClaim'));
  assert.deepEqual(canonical(beta), beta);
  assert.deepEqual((((beta['spec'] as JsonObject)['devices'] as JsonObject)['requests'] as JsonObject[])[0], {
    name: 'r',
    deviceClassName: 'd',
    allocationMode: 'ExactCount',
    count: 1,
  });
  assert.deepEqual(hub.convert(beta, gvk('resource.k8s.io', 'v1', 'ResourceClaim')), claim);
});

test('conversion: every served resource reaches its stored version and comes back', () => {
  for (const resource of builtinSchema.resources) {
    if (!resource.storageVersion) continue;
    const { group, version, kind } = resource;
    const apiVersion = group === '' ? version : `${group}/${version}`;
    const object = canonical({ kind, apiVersion, metadata: { name: 'x' } });
    const back = hub.fromStorage(hub.toStorage(object, resource), resource);
    assert.deepEqual(back, object, `${apiVersion} ${kind}`);
  }
});
