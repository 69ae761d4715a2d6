import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fnv32a, templateHash } from '../hash.ts';
import type { Container, Node, Pod, PodSpec, Taint, Toleration } from '../types/core-v1.ts';
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal, podAvailableIn } from './conditions.ts';
import { fitsRequiredNodeAffinity, matchesNodeSelectorTerm } from './node-affinity.ts';
import { findTargetPort, hostPorts, portsCollide } from './ports.ts';
import { podLimits, podRequests } from './resources.ts';
import { findUntoleratedTaint, toleratesTaint, tolerationTime } from './tolerations.ts';

const container = (name: string, requests: Record<string, string>, more: Partial<Container> = {}): Container => ({
  name,
  resources: { requests, limits: requests },
  ...more,
});
const pod = (spec: Partial<PodSpec>, status: Pod['status'] = {}): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: [], ...spec },
  status,
});

for (const [why, spec, want] of [
  [
    'containers add up',
    { containers: [container('a', { cpu: '100m', memory: '1Gi' }), container('b', { cpu: '1' })] },
    { cpu: 1100, memory: 2 ** 30 },
  ],
  [
    'the largest init container counts at its turn',
    {
      containers: [container('a', { cpu: '1' })],
      initContainers: [container('i', { cpu: '3' }), container('j', { cpu: '2' })],
    },
    { cpu: 3000 },
  ],
  [
    'a sidecar runs beside later init containers and beside the containers',
    {
      containers: [container('a', { cpu: '1' })],
      initContainers: [
        container('i', { cpu: '3' }),
        container('s', { cpu: '2' }, { restartPolicy: 'Always' }),
        container('j', { cpu: '2' }),
      ],
    },
    { cpu: 4000 },
  ],
  [
    'pod-level requests replace the sum, overhead comes on top',
    {
      containers: [container('a', { cpu: '1', 'x.com/d': '2' })],
      resources: { requests: { cpu: '5' } },
      overhead: { cpu: '250m', memory: '1' },
    },
    { cpu: 5250, 'x.com/d': 2, memory: 1 },
  ],
] as const)
  test(`pod requests: ${why}`, () => assert.deepEqual(podRequests(pod(spec as Partial<PodSpec>)), want));

test('pod limits: overhead counts only where there is a limit', () => {
  assert.deepEqual(
    podLimits(pod({ containers: [container('a', { cpu: '1' })], overhead: { cpu: '1', memory: '1' } })),
    { cpu: 2000 },
  );
});
test('pod requests: a resize under way counts the larger of wanted and allocated', () => {
  const resized = pod(
    { containers: [container('a', { cpu: '1' })] },
    {
      containerStatuses: [
        { name: 'a', image: '', imageID: '', ready: true, restartCount: 0, allocatedResources: { cpu: '2' } },
      ],
    },
  );
  assert.deepEqual(podRequests(resized, { useStatus: true }), { cpu: 2000 });
  assert.deepEqual(podRequests(resized), { cpu: 1000 });
});

test('pod conditions: ready, available after a while, active, terminal', () => {
  const ready = pod(
    {},
    { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
  );
  const start = Date.UTC(2026, 0, 1);
  assert.ok(isPodReady(ready) && isPodActive(ready) && !isPodTerminal(ready));
  assert.equal(isPodAvailable(ready, 10, start + 9_999), false);
  assert.equal(isPodAvailable(ready, 10, start + 10_000), true);
  assert.equal(podAvailableIn(ready, 10, start + 4_000), 6_000);
  assert.equal(podAvailableIn(pod({}), 0, 0), undefined);
  assert.ok(isPodTerminal(pod({}, { phase: 'Failed' })));
  assert.equal(isPodActive({ ...ready, metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' } }), false);
});

const taint = (effect: string, value?: string): Taint => ({ key: 'k', effect, ...(value ? { value } : {}) });
for (const [why, toleration, given, want] of [
  ['equal value', { key: 'k', value: 'v' }, taint('NoSchedule', 'v'), true],
  ['other value', { key: 'k', operator: 'Equal', value: 'w' }, taint('NoSchedule', 'v'), false],
  ['exists', { key: 'k', operator: 'Exists' }, taint('NoSchedule', 'v'), true],
  ['everything', { operator: 'Exists' }, taint('NoExecute', 'v'), true],
  ['other effect', { key: 'k', operator: 'Exists', effect: 'NoSchedule' }, taint('NoExecute'), false],
] as const)
  test(`tolerations: ${why}`, () => assert.equal(toleratesTaint(toleration as Toleration, given), want));
test('tolerations: how long a pod may stay', () => {
  const taints = [taint('NoExecute'), taint('NoSchedule', 'x')];
  assert.equal(tolerationTime(taints, []), 'evict');
  assert.equal(tolerationTime(taints, [{ operator: 'Exists' }]), 'stay');
  assert.deepEqual(tolerationTime(taints, [{ key: 'k', operator: 'Exists', tolerationSeconds: 300 }]), { ms: 300_000 });
  assert.equal(findUntoleratedTaint(taints, [{ key: 'k', operator: 'Equal' }]), taints[1]);
});

const node: Node = { metadata: { name: 'n1', labels: { zone: 'a', cores: '8' } } };
for (const [why, term, want] of [
  [
    'all requirements hold',
    {
      matchExpressions: [
        { key: 'zone', operator: 'In', values: ['a', 'b'] },
        { key: 'cores', operator: 'Gt', values: ['4'] },
      ],
    },
    true,
  ],
  ['a missing label is not in a set', { matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['a'] }] }, true],
  ['not an integer', { matchExpressions: [{ key: 'zone', operator: 'Lt', values: ['4'] }] }, false],
  ['the name', { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }, true],
  ['an empty term matches nothing', {}, false],
  ['an inherited property is no label', { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, false],
] as const)
  test(`node selector: ${why}`, () => assert.equal(matchesNodeSelectorTerm(term, node), want));
test('node affinity: node selector and required terms both count', () => {
  const spec = pod({ nodeSelector: { zone: 'a' } }).spec!;
  assert.ok(fitsRequiredNodeAffinity(spec, node));
  const required = { nodeSelectorTerms: [] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
  assert.equal(fitsRequiredNodeAffinity({ ...spec, affinity }, node), false);
});

test('ports: host ports, collisions, target ports by name and protocol', () => {
  const ports = [
    { name: 'dns', containerPort: 53, protocol: 'UDP', hostPort: 53, hostIP: '10.0.0.1' },
    { name: 'web', containerPort: 80 },
  ];
  const p = pod({ containers: [{ name: 'a', ports }] });
  assert.deepEqual(hostPorts(p.spec!), [{ protocol: 'UDP', hostIp: '10.0.0.1', hostPort: 53 }]);
  const any = { protocol: 'UDP', hostIp: '0.0.0.0', hostPort: 53 };
  assert.ok(portsCollide(hostPorts(p.spec!)[0]!, any));
  assert.equal(portsCollide({ ...any, hostIp: '10.0.0.2' }, hostPorts(p.spec!)[0]!), false);
  assert.deepEqual(
    [findTargetPort(p, 'web'), findTargetPort(p, 'dns'), findTargetPort(p, 'dns', 'UDP'), findTargetPort(p, 9)],
    [80, undefined, 53, 9],
  );
});

test('hash: FNV-1a, and a name part that ignores key order but not the collision count', () => {
  assert.equal(fnv32a('hello'), 0x4f9f2cab);
  assert.equal(fnv32a('é'), fnv32a(String.fromCharCode(0xe9)));
  const hash = templateHash({ a: 1, b: ['x'] });
  assert.match(hash, /^[456789bcdf]{1,10}$/);
  assert.equal(templateHash({ b: ['x'], a: 1, c: undefined }), hash);
  assert.notEqual(templateHash({ a: 1, b: ['x'] }, 1), hash);
  assert.notEqual(templateHash({ a: '1', b: ['x'] }), hash);
});
