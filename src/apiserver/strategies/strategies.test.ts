import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { builtinStrategies } from './index.ts';

const strategies = builtinStrategies(builtinSchema);
const context = { now: '2026-11-23T00:00:00Z', user: { name: 'alice', groups: ['devs'] } };
const frozen = (object: object): JsonObject => deepFreeze(object) as JsonObject;
const create = (id: string, object: object): JsonObject => strategies[id]!.prepareForCreate!(frozen(object), context);
const update = (id: string, next: object, previous: object): JsonObject =>
  strategies[id]!.prepareForUpdate!(frozen(next), frozen(previous), context);
const sub = (id: string, name: string, next: object, previous: object): JsonObject =>
  strategies[id]!.subresources![name]!.prepareForUpdate!(frozen(next), frozen(previous), context);
const generation = (object: JsonObject): unknown => (object.metadata as JsonObject).generation;
const spec = (object: JsonObject): JsonObject => object.spec as JsonObject;

const deployment = { metadata: { name: 'd', generation: 3 }, spec: { replicas: 1 }, status: { replicas: 1 } };
const service = {
  metadata: {},
  spec: {
    ports: [{ protocol: 'TCP', port: 80, targetPort: 80, nodePort: 30000 }],
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    type: 'NodePort',
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
  },
};

const cases: readonly { name: string; got: () => unknown; want: unknown }[] = [
  {
    name: 'a created deployment has generation 1 and no status',
    got: () => create('apps/deployments', { ...deployment, status: { replicas: 9 } }),
    want: { metadata: { name: 'd', generation: 1 }, spec: { replicas: 1 }, status: {} },
  },
  {
    name: 'a changed spec raises the generation, a changed status is ignored',
    got: () => update('apps/deployments', { ...deployment, spec: { replicas: 2 }, status: {} }, deployment),
    want: { metadata: { name: 'd', generation: 4 }, spec: { replicas: 2 }, status: { replicas: 1 } },
  },
  {
    name: 'an update cannot set the generation',
    got: () =>
      generation(update('apps/deployments', { ...deployment, metadata: { name: 'd', generation: 99 } }, deployment)),
    want: 3,
  },
  {
    name: 'a deployment counts changed annotations, as upstream does',
    got: () =>
      generation(
        update('apps/deployments', { ...deployment, metadata: { name: 'd', annotations: { a: 'b' } } }, deployment),
      ),
    want: 4,
  },
  {
    name: 'a resize changes resources only, and leaves renamed or moved containers for validation to refuse',
    got: () => {
      const c = (name: string, more: object = {}) => ({ name, image: 'i', resources: {}, ...more });
      const pod = (...containers: object[]) => ({ metadata: { name: 'p', generation: 1 }, spec: { containers } });
      const resized = (...containers: object[]): unknown => {
        const { metadata, spec: now } = sub('/pods', 'resize', pod(...containers), pod(c('a'), c('b'))) as never as {
          metadata: { generation: number };
          spec: { containers: { name: string; image: string; resources: object }[] };
        };
        return [
          metadata.generation,
          ...now.containers.map((r) => `${r.name} ${r.image} ${JSON.stringify(r.resources)}`),
        ];
      };
      const more = { resources: { requests: { cpu: '1' } } };
      return [
        resized(c('a', { ...more, image: 'other' }), c('b')),
        resized(c('a'), c('b', { image: 'other' })),
        resized(c('b'), c('a')),
        resized(c('a'), c('other', more)),
      ];
    },
    want: [
      [2, 'a i {"requests":{"cpu":"1"}}', 'b i {}'],
      [1, 'a i {}', 'b i {}'],
      [2, 'b i {}', 'a i {}'],
      [2, 'a i {}', 'other i {"requests":{"cpu":"1"}}'],
    ],
  },
  {
    name: 'a replica set does not',
    got: () =>
      generation(
        update('apps/replicasets', { ...deployment, metadata: { name: 'd', annotations: { a: 'b' } } }, deployment),
      ),
    want: 3,
  },
  {
    name: 'a status update keeps the spec',
    got: () =>
      sub('apps/deployments', 'status', { ...deployment, spec: { replicas: 7 }, status: { replicas: 2 } }, deployment),
    want: { ...deployment, status: { replicas: 2 } },
  },
  {
    name: 'zero counts that upstream always writes are there',
    got: () => create('policy/poddisruptionbudgets', { metadata: {}, spec: {} }).status,
    want: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
  },
  {
    name: 'a config map has no generation',
    got: () => generation(strategies['/configmaps']!.prepareForCreate!(frozen({ metadata: { name: 'c' } }), context)),
    want: undefined,
  },
  {
    name: 'a pod starts Pending with its quality of service',
    got: () =>
      create('/pods', { metadata: {}, spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] } })
        .status,
    want: { phase: 'Pending', qosClass: 'Burstable' },
  },
  {
    name: 'a gated pod says so',
    got: () =>
      (
        (
          create('/pods', { metadata: {}, spec: { containers: [], schedulingGates: [{ name: 'g' }] } })
            .status as JsonObject
        ).conditions as readonly JsonObject[]
      )[0]!.reason,
    want: 'SchedulingGated',
  },
  {
    name: 'a status report need not tell the quality of service',
    got: () =>
      sub(
        '/pods',
        'status',
        { metadata: {}, status: { phase: 'Running' } },
        { metadata: {}, spec: {}, status: { phase: 'Pending', qosClass: 'BestEffort' } },
      ).status,
    want: { phase: 'Running', qosClass: 'BestEffort' },
  },
  {
    name: 'an unscheduled pod goes at once',
    got: () =>
      strategies['/pods']!.gracePeriodSeconds!(frozen({ spec: { terminationGracePeriodSeconds: 30 } }), undefined),
    want: 0,
  },
  {
    name: 'a running pod gets its own grace period',
    got: () =>
      strategies['/pods']!.gracePeriodSeconds!(
        frozen({ spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 } }),
        undefined,
      ),
    want: 30,
  },
  {
    name: 'a negative grace period is one second',
    got: () => strategies['/pods']!.gracePeriodSeconds!(frozen({ spec: { nodeName: 'n' } }), -1),
    want: 1,
  },
  {
    name: 'a namespace is active and held by its finalizer',
    got: () => create('/namespaces', { metadata: { name: 'a' } }),
    want: {
      metadata: { name: 'a', labels: { 'kubernetes.io/metadata.name': 'a' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    },
  },
  {
    name: 'a PUT without allocated values keeps them',
    got: () =>
      spec(
        update(
          '/services',
          { metadata: {}, spec: { ports: [{ protocol: 'TCP', port: 80, targetPort: 80 }], type: 'NodePort' } },
          service,
        ),
      ),
    want: {
      ports: [{ protocol: 'TCP', port: 80, targetPort: 80, nodePort: 30000 }],
      clusterIP: '10.96.0.7',
      clusterIPs: ['10.96.0.7'],
      type: 'NodePort',
    },
  },
  {
    name: 'a Service that is no longer NodePort gives its port up',
    got: () => spec(update('/services', { metadata: {}, spec: { ...service.spec, type: 'ClusterIP' } }, service)).ports,
    want: [{ protocol: 'TCP', port: 80, targetPort: 80 }],
  },
  {
    name: 'an ExternalName Service gives its address up',
    got: () =>
      Object.keys(
        spec(
          update(
            '/services',
            { metadata: {}, spec: { ...service.spec, type: 'ExternalName', externalName: 'x.example' } },
            service,
          ),
        ),
      ),
    want: ['ports', 'type', 'externalName'],
  },
  {
    name: 'a signing request names who the server saw',
    got: () =>
      spec(
        create('certificates.k8s.io/certificatesigningrequests', {
          metadata: {},
          spec: { request: 'eA==', username: 'root' },
        }),
      ),
    want: { request: 'eA==', username: 'alice', groups: ['devs'] },
  },
  {
    name: 'a job selects its pods by its own uid',
    got: () =>
      spec(create('batch/jobs', { metadata: { name: 'j', uid: 'u' }, spec: { template: { spec: {} } } })).selector,
    want: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
  },
  {
    name: 'leases may be created by PUT and must name the version they replace',
    got: () => [
      strategies['coordination.k8s.io/leases']!.allowCreateOnUpdate,
      strategies['coordination.k8s.io/leases']!.allowUnconditionalUpdate,
    ],
    want: [true, false],
  },
];
for (const c of cases) test(`strategy: ${c.name}`, () => assert.deepEqual(c.got(), c.want));
