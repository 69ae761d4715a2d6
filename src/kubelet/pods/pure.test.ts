/** Tables for the small pure parts of pods: expansion, environment, DNS, fields, QoS, durations, image names, statuses' patches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podRequests } from '../../api/pod/resources.ts';
import type { ContainerStatus, Node, Pod, PodStatus, Service } from '../../api/types/core-v1.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { createBackOff, goDuration } from '../containers/back-off.ts';
import { expand } from '../containers/expansion.ts';
import { withDefaultTag } from '../containers/image-manager.ts';
import { admitPod } from '../node/admission.ts';
import type { ObjectSource } from '../object-source.ts';
import { podPhase } from './api-status.ts';
import { hostsFile, podDns, podHostname } from './dns.ts';
import { makeEnvironment } from './env.ts';
import { fieldValue, resourceValue } from './field-value.ts';
import { cpuQuota, cpuShares, oomScoreAdjust, qosClass } from './qos.ts';
import { sameJson } from './same-json.ts';
import { compareVersions, statusPatch } from './status-manager.ts';

const table = <T extends readonly unknown[]>(what: string, rows: readonly T[], check: (...row: T) => void): void => {
  for (const row of rows) test(`${what}: ${JSON.stringify(row)}`, () => check(...row));
};
const podOf = (spec: object = {}, metadata: object = {}): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'u', ...metadata },
  spec: { containers: [], ...spec },
});

table(
  'expansion',
  [
    ['$(A)', 'a'],
    ['x$(A)y$(B)', 'xayb'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$(NOPE)', '$(NOPE)'],
    ['$(A', '$(A'],
    ['$', '$'],
    ['$$', '$'],
    ['a$x', 'a$x'],
    ['', ''],
    ['$()', '$()'],
    ['$(A)$', 'a$'],
  ],
  (input, want) =>
    assert.equal(
      expand(input, (name) => ({ A: 'a', B: 'b' })[name]),
      want,
    ),
);

table(
  'image with default tag',
  [
    ['busybox', 'busybox:latest'],
    ['busybox:1', 'busybox:1'],
    ['a/b/c', 'a/b/c:latest'],
    ['localhost:5000/a', 'localhost:5000/a:latest'],
    ['localhost:5000/a:2', 'localhost:5000/a:2'],
    [`a@sha256:${'0'.repeat(64)}`, `a@sha256:${'0'.repeat(64)}`],
    ['UPPER', undefined],
    ['a b', undefined],
    ['', undefined],
    ['a:b:c', undefined],
  ] as const,
  (input, want) => assert.equal(withDefaultTag(input), want),
);

table(
  'Go duration',
  [
    [10_000, '10s'],
    [80_000, '1m20s'],
    [300_000, '5m0s'],
    [3_661_000, '1h1m1s'],
  ],
  (ms, want) => assert.equal(goDuration(ms as number), want),
);

test('back-off: doubles, is capped, and starts over after twice the maximum', () => {
  let now = 0;
  const clock = { ...createVirtualClock(), now: () => now };
  const backOff = createBackOff(clock, { initialMs: 10, maxMs: 40 });
  assert.equal(backOff.remainingMs('k', 0), 0);
  const delays: number[] = [];
  for (let i = 0; i < 4; i++) {
    backOff.next('k', now);
    delays.push(backOff.delayMs('k'));
  }
  assert.deepEqual(delays, [10, 20, 40, 40]);
  now = 30;
  assert.equal(backOff.remainingMs('k', 0), 10);
  now = 200;
  assert.equal(backOff.remainingMs('k', 200), 0);
  backOff.next('k', 200);
  assert.equal(backOff.delayMs('k'), 10);
});

const service = (name: string, clusterIP: string, ports: object[]): Service => ({
  metadata: { name, namespace: 'ns' },
  spec: { clusterIP, ports } as Service['spec'],
});
const objects = (services: readonly Service[]): ObjectSource => ({
  configMap: async (_, name) => (name === 'cm' ? { metadata: { name }, data: { a: '1', 'b=': '2' } } : undefined),
  secret: async (_, name) => (name === 's' ? { metadata: { name }, data: { pw: 'cHc=' } } : undefined),
  runtimeClass: async () => undefined,
  claim: async () => undefined,
  volume: async () => undefined,
  services: (namespace) => services.filter((s) => s.metadata.namespace === namespace),
});
const envOf = async (container: object, services: readonly Service[] = [], spec: object = {}) =>
  Object.fromEntries(
    await makeEnvironment(
      podOf({ nodeName: 'n', ...spec }),
      { name: 'c', ...container },
      {
        objects: objects(services),
        nodeName: 'n',
        nodeIPs: ['1.1.1.1'],
        podIPs: ['2.2.2.2'],
        allocatable: { cpu: '4', memory: '1Gi' },
        volumeFile: async (_, volume, path) => {
          if (path !== 'env') throw new Error(`no ${volume}/${path}`);
          return "# of the init container\nA='one'\nB='two\nlines' # so\nC= 'none'\n";
        },
      },
    ),
  );

test('environment: envFrom, then env, with references to what came before; later ones win', async () => {
  assert.deepEqual(
    await envOf({
      envFrom: [
        { prefix: 'P_', configMapRef: { name: 'cm' } },
        { secretRef: { name: 's' } },
        { configMapRef: { name: 'none', optional: true } },
      ],
      env: [
        { name: 'X', value: '$(P_a)-$(LATER)' },
        { name: 'pw', value: 'over' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'OPT', valueFrom: { configMapKeyRef: { name: 'cm', key: 'none', optional: true } } },
      ],
    }),
    { P_a: '1', pw: 'over', X: '1-$(LATER)', IP: '2.2.2.2', CPU: '4' },
  );
});
table(
  "environment: what is missing is told in upstream's words",
  [
    [{ configMapKeyRef: { name: 'no', key: 'k' } }, 'configmap "no" not found'],
    [{ configMapKeyRef: { name: 'cm', key: 'k' } }, "couldn't find key k in ConfigMap ns/cm"],
    [{ secretKeyRef: { name: 'no', key: 'k' } }, 'secret "no" not found'],
    [{ secretKeyRef: { name: 's', key: 'k' } }, "couldn't find key k in Secret ns/s"],
  ] as const,
  (valueFrom, message) => assert.rejects(envOf({ env: [{ name: 'X', valueFrom }] }), { message }),
);
test('environment: services, with and without links', async () => {
  const web = service('web-app', '10.96.0.5', [
    { name: 'http', port: 80 },
    { port: 53, protocol: 'UDP' },
  ]);
  const headless = service('none', 'None', [{ port: 1 }]);
  assert.deepEqual(await envOf({}, [web, headless]), {
    WEB_APP_SERVICE_HOST: '10.96.0.5',
    WEB_APP_SERVICE_PORT: '80',
    WEB_APP_SERVICE_PORT_HTTP: '80',
    WEB_APP_PORT: 'tcp://10.96.0.5:80',
    WEB_APP_PORT_80_TCP: 'tcp://10.96.0.5:80',
    WEB_APP_PORT_80_TCP_PROTO: 'tcp',
    WEB_APP_PORT_80_TCP_PORT: '80',
    WEB_APP_PORT_80_TCP_ADDR: '10.96.0.5',
    WEB_APP_PORT_53_UDP: 'udp://10.96.0.5:53',
    WEB_APP_PORT_53_UDP_PROTO: 'udp',
    WEB_APP_PORT_53_UDP_PORT: '53',
    WEB_APP_PORT_53_UDP_ADDR: '10.96.0.5',
  });
  assert.deepEqual(await envOf({}, [web], { enableServiceLinks: false }), {});
});

const context = { nodeName: 'n', nodeIPs: ['1.1.1.1', 'fd::1'], podIPs: ['2.2.2.2', 'fd::2'] };
table(
  'downward API field',
  [
    ['metadata.name', 'p'],
    ['metadata.uid', 'u'],
    ["metadata.labels['a']", 'x'],
    ["metadata.annotations['none']", ''],
    ['metadata.labels', 'a="x"\nb="y \\"q\\"\\n"'],
    ['spec.nodeName', 'n'],
    ['status.hostIP', '1.1.1.1'],
    ['status.hostIPs', '1.1.1.1,fd::1'],
    ['status.podIPs', '2.2.2.2,fd::2'],
    ['spec.unknown', undefined],
  ] as const,
  (path, want) => assert.equal(fieldValue(podOf({}, { labels: { b: 'y "q"\n', a: 'x' } }), path, context), want),
);
table(
  'downward API resource',
  [
    ['limits.cpu', '1', '1'],
    ['limits.cpu', '1m', '250'],
    ['requests.cpu', '1', '0'],
    ['limits.memory', '1Mi', '64'],
    ['limits.ephemeral-storage', '1', '100'],
  ] as const,
  (path, divisor, want) =>
    assert.equal(
      resourceValue({ name: 'c', resources: { limits: { cpu: '250m', memory: '64Mi' } } }, path, divisor, {
        'ephemeral-storage': '100',
      }),
      want,
    ),
);

const dns = {
  clusterDNS: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  hostResolvConf: 'nameserver 9.9.9.9\nsearch old\nsearch corp. lan # x\noptions edns0\n',
};
test("DNS: cluster first, with the host's search domains after", () => {
  assert.deepEqual(podDns(podOf(), dns), {
    servers: ['10.96.0.10'],
    searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'corp', 'lan'],
    options: ['ndots:5'],
  });
});
test("DNS: pods on the host's network get the host's unless they ask", () => {
  assert.deepEqual(podDns(podOf({ hostNetwork: true }), dns).servers, ['9.9.9.9']);
  assert.deepEqual(podDns(podOf({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), dns).servers, [
    '10.96.0.10',
  ]);
  assert.deepEqual(podDns(podOf({ dnsPolicy: 'Default' }), dns), {
    servers: ['9.9.9.9'],
    searches: ['corp', 'lan'],
    options: ['edns0'],
  });
});
test('DNS: None takes only what the pod gives; options of the same name are replaced', () => {
  const dnsConfig = {
    nameservers: ['1.2.3.4'],
    searches: ['x'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  };
  assert.deepEqual(podDns(podOf({ dnsPolicy: 'None', dnsConfig }), dns), {
    servers: ['1.2.3.4'],
    searches: ['x'],
    options: ['ndots:2', 'edns0'],
  });
  assert.deepEqual(podDns(podOf({ dnsConfig }), dns).options, ['ndots:2', 'edns0']);
});
test('hostname: truncated to 63, with the subdomain as FQDN when asked', () => {
  assert.equal(podHostname(podOf({}, { name: `${'a'.repeat(62)}-b` }), 'c.l').hostname, 'a'.repeat(62));
  assert.deepEqual(podHostname(podOf({ hostname: 'h', subdomain: 's' }), 'c.l'), {
    hostname: 'h',
    domain: 's.ns.svc.c.l',
  });
  assert.equal(
    podHostname(podOf({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }), 'c.l').hostname,
    'h.s.ns.svc.c.l',
  );
});
test('hosts file: address, name and aliases', () => {
  const text = hostsFile(
    podOf({ hostname: 'h', subdomain: 's', hostAliases: [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }] }),
    {
      podIPs: ['2.2.2.2'],
      clusterDomain: 'c.l',
      hostFile: '',
    },
  );
  assert.match(text, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
  assert.match(text, /\n2\.2\.2\.2\th\.s\.ns\.svc\.c\.l\th\n/);
  assert.match(text, /\n# Entries added by HostAliases\.\n1\.2\.3\.4\tx\ty\n$/);
});

const resources = (requests?: object, limits?: object) => ({
  containers: [{ name: 'c', resources: { requests, limits } }],
});
table(
  'QoS class',
  [
    [resources(), 'BestEffort'],
    [resources({ cpu: '1' }), 'Burstable'],
    [resources({ cpu: '1', memory: '1Gi' }, { cpu: '1', memory: '1Gi' }), 'Guaranteed'],
    [resources({ cpu: '1', memory: '1Gi' }, { cpu: '2', memory: '1Gi' }), 'Burstable'],
    [resources({ 'example.com/x': '1' }), 'BestEffort'],
  ] as const,
  (spec, want) => assert.equal(qosClass(podOf(spec)), want),
);
test('CPU shares, quota and OOM score', () => {
  assert.deepEqual([0, 1, 250, 1000, 1_000_000].map(cpuShares), [2, 2, 256, 1024, 262_144]);
  assert.deepEqual(
    [0, 1, 250, 2000].map((m) => cpuQuota(m)),
    [0, 1000, 25_000, 200_000],
  );
  const burstable = podOf(resources({ memory: '4Gi' }));
  const score = (pod: Pod): number => oomScoreAdjust(pod, pod.spec!.containers[0]!, 8 * 1024 ** 3);
  assert.deepEqual(
    [score(burstable), score(podOf(resources())), score(podOf(resources({ cpu: '1' })))],
    [500, 1000, 999],
  );
  assert.equal(score(podOf({ ...resources(), priority: 2_000_001_000 })), -997);
});

const nodeWith = (allocatable: object, more: object = {}): Node => ({
  metadata: { name: 'n', labels: { zone: 'a' } },
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '2', ...allocatable } },
  ...more,
});
table(
  'admission',
  [
    ['fits', resources({ cpu: '1' }), {}, undefined],
    [
      'memory is short',
      resources({ memory: '2Gi' }),
      {},
      "OutOfmemory: Pod was rejected: Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
    ],
    ['an extended resource that the node says nothing of', resources({ 'x.y/z': '1' }), {}, undefined],
    [
      'an extended resource of which nothing is left',
      resources({ 'x.y/z': '1' }),
      { 'x.y/z': '0' },
      "OutOfx.y/z: Pod was rejected: Node didn't have enough resource: x.y/z, requested: 1, used: 0, capacity: 0",
    ],
    [
      'no place for another pod',
      resources(),
      { pods: '0' },
      "OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 0, capacity: 0",
    ],
    [
      'another node is wanted',
      { ...resources(), nodeSelector: { zone: 'b' } },
      {},
      "NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ],
  ] as const,
  (_, spec, allocatable, want) => {
    const verdict = admitPod(podOf(spec), nodeWith(allocatable), []);
    assert.equal(verdict && `${verdict.reason}: ${verdict.message}`, want);
  },
);
test('requests: the hungriest moment of initialisation, sidecars and overhead', () => {
  assert.deepEqual(
    podRequests(
      podOf({
        overhead: { cpu: '10m' },
        initContainers: [
          { name: 'i', resources: { requests: { cpu: '3' } } },
          { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
          { name: 'j', resources: { requests: { memory: '1Gi' } } },
        ],
        containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }],
      }),
    ),
    { cpu: 3010, memory: 1024 ** 3 },
  );
});

const running = { name: 'c', state: { running: {} } } as ContainerStatus;
const ended = (exitCode: number): ContainerStatus =>
  ({ name: 'c', state: { terminated: { exitCode } } }) as ContainerStatus;
const waiting = { name: 'c', state: { waiting: {} } } as ContainerStatus;
const crashed = { name: 'c', state: { waiting: {} }, lastState: { terminated: { exitCode: 1 } } } as ContainerStatus;
table(
  'phase',
  [
    ['Always', [waiting], false, 'Pending'],
    ['Always', [running], false, 'Running'],
    ['Always', [running, waiting], false, 'Pending'],
    ['Always', [crashed], false, 'Running'],
    ['Always', [ended(0)], false, 'Running'],
    ['Never', [ended(0)], false, 'Succeeded'],
    ['Never', [ended(0), ended(1)], false, 'Failed'],
    ['Never', [ended(1), running], false, 'Running'],
    ['OnFailure', [ended(0)], false, 'Succeeded'],
    ['OnFailure', [ended(1)], false, 'Running'],
    ['Always', [ended(0)], true, 'Succeeded'],
    ['Always', [ended(143)], true, 'Failed'],
  ] as const,
  (restartPolicy, statuses, terminal, want) =>
    assert.equal(
      podPhase(
        podOf({ restartPolicy, containers: statuses.map((_, i) => ({ name: `c${i}` })) }),
        [],
        statuses,
        terminal,
      ),
      want,
    ),
);

test("status patch: only what differs; other writers' conditions are left alone; what went away is named", () => {
  const from: PodStatus = {
    phase: 'Pending',
    podIPs: [{ ip: '1.1.1.1' }],
    conditions: [
      { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm', lastTransitionTime: 't' },
      { type: 'Custom', status: 'True' },
    ],
  };
  assert.equal(statusPatch(from, from), undefined);
  assert.deepEqual(
    statusPatch(from, {
      phase: 'Running',
      podIPs: [{ ip: '2.2.2.2' }],
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime: 't2' },
        { type: 'Custom', status: 'False' },
      ],
    }),
    {
      phase: 'Running',
      podIPs: [{ ip: '2.2.2.2' }, { $patch: 'replace' }],
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: 't2', reason: null, message: null }],
    },
  );
});
test('same JSON: null, absent and empty are the same', () => {
  assert.ok(sameJson({ a: 1, b: null, c: {}, d: [] }, { a: 1 }));
  assert.ok(sameJson({ a: [{ b: undefined }] }, { a: [{}] }));
  assert.ok(!sameJson({ a: 0 }, {}));
  assert.ok(!sameJson([1, 2], [2, 1]));
});
test('resource versions: longer numbers are newer', () => {
  assert.ok(compareVersions('9', '10') < 0);
  assert.equal(compareVersions('10', '10'), 0);
});
