import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../freeze.ts';
import type { JsonObject } from '../json.ts';
import { builtinSchema } from '../schema/builtin.ts';
import { createBuiltinDefaulter } from './index.ts';

const defaulter = createBuiltinDefaulter(builtinSchema);
const apply = (type: string, object: object): JsonObject =>
  defaulter(deepFreeze(object) as JsonObject, builtinSchema.type(type)!);
const container = (more: object = {}): object => ({ name: 'c', image: 'nginx:1.27', ...more });
const pod = (spec: object): JsonObject => apply('core.v1.Pod', { metadata: {}, spec });
const firstContainer = (spec: object): Record<string, unknown> =>
  (pod(spec).spec as unknown as { containers: Record<string, unknown>[] }).containers[0]!;

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  {
    name: 'an image without a tag is always pulled',
    got: () => firstContainer({ containers: [container({ image: 'host:5000/a/nginx' })] }).imagePullPolicy,
    want: 'Always',
  },
  {
    name: 'latest is always pulled',
    got: () => firstContainer({ containers: [container({ image: 'nginx:latest' })] }).imagePullPolicy,
    want: 'Always',
  },
  {
    name: 'a digest is pulled once',
    got: () => firstContainer({ containers: [container({ image: 'nginx@sha256:aa' })] }).imagePullPolicy,
    want: 'IfNotPresent',
  },
  {
    name: 'requests follow limits in a pod',
    got: () =>
      firstContainer({
        containers: [container({ resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } })],
      }).resources,
    want: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
  },
  {
    name: 'requests do not follow limits in a template',
    got: () =>
      (
        (
          apply('apps.v1.Deployment', {
            spec: {
              selector: {},
              strategy: {},
              template: { spec: { containers: [container({ resources: { limits: { cpu: '1' } } })] } },
            },
          }).spec as JsonObject
        ).template as unknown as { spec: { containers: { resources: unknown }[] } }
      ).spec.containers[0]!.resources,
    want: { limits: { cpu: '1' } },
  },
  {
    name: 'a container port on the host network is a host port',
    got: () =>
      firstContainer({
        hostNetwork: true,
        containers: [container({ ports: [{ containerPort: 80, protocol: 'TCP' }] })],
      }).ports,
    want: [{ hostPort: 80, containerPort: 80, protocol: 'TCP' }],
  },
  {
    name: 'fields come out in schema order',
    got: () => Object.keys(pod({ containers: [container()], priority: 3 }).spec as object),
    want: [
      'containers',
      'restartPolicy',
      'terminationGracePeriodSeconds',
      'dnsPolicy',
      'securityContext',
      'schedulerName',
      'priority',
      'enableServiceLinks',
    ],
  },
  {
    name: 'a volume without a source is an emptyDir',
    got: () => (pod({ volumes: [{ name: 'v' }], containers: [container()] }).spec as { volumes?: unknown }).volumes,
    want: [{ name: 'v', emptyDir: {} }],
  },
  {
    name: 'stringData wins over data and is not kept',
    got: () => apply('core.v1.Secret', { data: { a: 'eA==', b: 'eA==' }, stringData: { a: 'hello' } }),
    want: { data: { a: 'aGVsbG8=', b: 'eA==' }, type: 'Opaque' },
  },
  {
    name: 'a target port that is not given is the port',
    got: () => (apply('core.v1.Service', { spec: { ports: [{ port: 80, targetPort: 0 }] } }).spec as JsonObject).ports,
    want: [{ protocol: 'TCP', port: 80, targetPort: 80 }],
  },
  {
    name: 'a Service with external addresses has a policy for traffic from outside',
    got: () =>
      (apply('core.v1.Service', { spec: { externalIPs: ['192.0.2.1'] } }).spec as JsonObject).externalTrafficPolicy,
    want: 'Cluster',
  },
  {
    name: 'an ExternalName Service has no traffic policy',
    got: () =>
      Object.keys(
        apply('core.v1.Service', { spec: { type: 'ExternalName', externalName: 'x.example' } }).spec as object,
      ),
    want: ['type', 'sessionAffinity', 'externalName'],
  },
  {
    name: 'an address of a load balancer is a virtual one, unless it says otherwise',
    got: () =>
      apply('core.v1.Service', {
        spec: { type: 'LoadBalancer' },
        status: {
          loadBalancer: { ingress: [{ ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'x' }] },
        },
      }).status,
    want: {
      loadBalancer: {
        ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }, { ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'x' }],
      },
    },
  },
  {
    name: 'ClientIP affinity lasts three hours',
    got: () =>
      (apply('core.v1.Service', { spec: { sessionAffinity: 'ClientIP' } }).spec as JsonObject).sessionAffinityConfig,
    want: { clientIP: { timeoutSeconds: 10800 } },
  },
  {
    name: 'a Recreate deployment has no rolling update',
    got: () => (apply('apps.v1.Deployment', { spec: { strategy: { type: 'Recreate' } } }).spec as JsonObject).strategy,
    want: { type: 'Recreate' },
  },
  {
    name: 'a half-given rolling update is filled up',
    got: () =>
      (apply('apps.v1.Deployment', { spec: { strategy: { rollingUpdate: { maxSurge: 3 } } } }).spec as JsonObject)
        .strategy,
    want: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: 3 } },
  },
  {
    name: 'a job with only parallelism has no completions',
    got: () => 'completions' in (apply('batch.v1.Job', { spec: { parallelism: 2 } }).spec as object),
    want: false,
  },
  {
    name: 'the namespace label follows the name',
    got: () =>
      (apply('core.v1.Namespace', { metadata: { name: 'a', labels: { z: '1' } } }).metadata as JsonObject).labels,
    want: { 'kubernetes.io/metadata.name': 'a', z: '1' },
  },
];
for (const c of cases) test(`defaulting: ${c.name}`, () => assert.deepEqual(c.got(), c.want));

test('defaulting: applied twice it changes nothing', () => {
  const once = pod({
    hostNetwork: true,
    volumes: [{ name: 'v' }],
    containers: [container({ ports: [{ containerPort: 80 }], livenessProbe: { httpGet: { port: 80 } } })],
  });
  assert.equal(defaulter(once, builtinSchema.type('core.v1.Pod')!), once);
});

test('defaulting: the result is frozen to the leaves and the input untouched', () => {
  const input = deepFreeze({ spec: { containers: [container({ livenessProbe: { httpGet: { port: 80 } } })] } });
  const output = defaulter(input as unknown as JsonObject, builtinSchema.type('core.v1.Pod')!) as unknown as {
    spec: { containers: { livenessProbe: object }[] };
  };
  assert.ok(Object.isFrozen(output.spec.containers[0]!.livenessProbe));
  assert.deepEqual(Object.keys(input.spec), ['containers']);
});
