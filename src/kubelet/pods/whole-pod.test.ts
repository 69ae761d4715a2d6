/** What concerns a pod as a whole: all its containers starting over, its resources, its containers' scores when memory runs out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../api/types/core-v1.ts';
import type { PodRuntimeStatus, RuntimeContainer } from '../containers/runtime-status.ts';
import { generatePodStatus, type StatusInputs } from './api-status.ts';
import { podLevelStatus } from './pod-level.ts';
import { oomScoreAdjust } from './qos.ts';
import { decideResize, effectiveResources, wantedAllocation } from './resize.ts';
import { containersToReset, matchingRule } from './restart-rules.ts';

const podOf = (spec: object, more: object = {}): Pod =>
  ({ metadata: { name: 'p', namespace: 'd', uid: 'u' }, spec: { restartPolicy: 'Never', ...spec }, ...more }) as Pod;
const container = (id: string, name: string, state: RuntimeContainer['state'], exitCode = 0) =>
  ({
    id,
    name,
    state,
    exitCode,
    restartCount: 0,
    image: 'i',
    imageRef: 'r',
    startedAtMs: 1,
    finishedAtMs: 1,
    reason: '',
    message: '',
  }) as RuntimeContainer;
const runtimeOf = (...containers: RuntimeContainer[]): PodRuntimeStatus => ({
  uid: 'u',
  sandboxes: [{ id: 's', ready: true, attempt: 0, createdAtMs: 0, ips: ['1.1.1.1'], hostNetwork: false }],
  containers,
});
const forAll = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } };
const pod = podOf({
  initContainers: [{ name: 'init' }, { name: 'sidecar', restartPolicy: 'Always' }],
  containers: [{ name: 'cause', restartPolicy: 'Never', restartPolicyRules: [forAll] }, { name: 'victim' }],
});
const ended = runtimeOf(
  container('4', 'cause', 'exited', 42),
  container('3', 'victim', 'running'),
  container('2', 'sidecar', 'running'),
  container('1', 'init', 'exited', 0),
);
const inputs = (runtime: PodRuntimeStatus, previous?: StatusInputs['previous']): StatusInputs => ({
  runtime,
  previous,
  nodeIPs: [],
  runtimeName: 'containerd',
  waiting: () => undefined,
  ready: () => ({ ready: true, started: true }),
  message: () => undefined,
  nowMs: 0,
  terminal: false,
});
const restarting = (status: ReturnType<typeof generatePodStatus>) =>
  status.conditions?.find(({ type }) => type === 'AllContainersRestarting')?.status;

test('restart rules: the first that speaks of the exit code counts', () => {
  const rules = [
    { action: 'Restart', exitCodes: { operator: 'In', values: [1, 2] } },
    { action: 'RestartAllContainers', exitCodes: { operator: 'NotIn', values: [0] } },
  ];
  const of = (code: number) => matchingRule({ name: 'c', restartPolicyRules: rules } as Container, code)?.action;
  assert.deepEqual([of(0), of(1), of(3)], [undefined, 'Restart', 'RestartAllContainers']);
});

test('restart all: those that caused it go last, init containers after the others', () => {
  assert.deepEqual(
    containersToReset(pod, ended).map(({ name, running }) => `${name} ${running}`),
    ['victim true', 'init false', 'sidecar true', 'cause false'],
  );
});

test('restart all: the pod runs on, says so while containers go, and then that they start over', () => {
  const first = generatePodStatus(pod, inputs(ended));
  assert.deepEqual([first.phase, restarting(first)], ['Running', 'True']);
  const cleared = generatePodStatus(pod, inputs(runtimeOf(), first));
  assert.deepEqual([cleared.phase, restarting(cleared)], ['Running', 'False']);
  for (const status of cleared.containerStatuses ?? []) {
    assert.equal(status.state?.waiting?.reason, 'RestartingAllContainers');
    assert.equal(status.lastState?.terminated?.exitCode, 137);
    assert.equal(status.restartCount, 1);
  }
  const again = generatePodStatus(pod, inputs(runtimeOf(), cleared));
  assert.deepEqual([again.phase, again.containerStatuses?.[0]?.restartCount], ['Running', 1]);
});

test('restart all: without the rule there is no such condition', () => {
  const plain = podOf({ containers: [{ name: 'cause' }] });
  const status = generatePodStatus(plain, inputs(runtimeOf(container('1', 'cause', 'exited', 42))));
  assert.deepEqual([status.phase, restarting(status)], ['Failed', undefined]);
});

const amounts = (cpu: string, memory: string) => ({ cpu, memory });
const whole = podOf({
  resources: { requests: amounts('100m', '64Mi'), limits: amounts('200m', '128Mi') },
  containers: [{ name: 'a', resources: { requests: amounts('50m', '32Mi') } }, { name: 'b' }],
});

test('pod-level resources: what the pod has been given, and what its cgroup has', () => {
  assert.deepEqual(podLevelStatus(whole, whole, true), {
    allocatedResources: amounts('100m', '64Mi'),
    resources: { limits: amounts('200m', '128Mi'), requests: amounts('100m', '64Mi') },
  });
  const sum = podOf({
    containers: [1, 2].map((n) => ({
      name: `c${n}`,
      resources: { requests: amounts('250m', '32Mi'), limits: amounts('1', '64Mi') },
    })),
  });
  assert.deepEqual(podLevelStatus(sum, sum, true), {
    allocatedResources: amounts('500m', '64Mi'),
    resources: { limits: amounts('2', '128Mi'), requests: amounts('500m', '64Mi') },
  });
  const nothing = podOf({ containers: [{ name: 'c' }] });
  assert.deepEqual(podLevelStatus(nothing, nothing, true), { resources: {} });
});

test("pod-level resources: a container without a limit has the pod's, and a resize of the pod is one of its own", () => {
  assert.deepEqual(effectiveResources({ limits: { cpu: '100m' } }, { limits: amounts('1', '1Gi') }).limits, {
    cpu: '100m',
    memory: '1Gi',
  });
  const more = podOf({
    ...whole.spec,
    resources: { requests: amounts('200m', '64Mi'), limits: amounts('200m', '128Mi') },
  });
  const before = wantedAllocation(whole);
  const granted = decideResize(more, before, () => undefined);
  assert.equal(granted.pod.spec?.resources?.requests?.cpu, '200m');
  const refused = decideResize(more, before, () => ({ reason: 'Deferred', message: 'no room' }));
  assert.equal(refused.pod.spec?.resources?.requests?.cpu, '100m');
});

test('oom score: as upstream rounds, a sidecar never before what it serves, the spare memory shared', () => {
  const node = 25_276_502_016;
  const burstable = (spec: object) => podOf(spec, { status: { qosClass: 'Burstable' } });
  const asks = (memory: string) => ({ resources: { requests: { memory } } });
  const one = burstable({ containers: [{ name: 'c', ...asks('30Mi') }] });
  assert.equal(oomScoreAdjust(one, one.spec!.containers[0]!, node), 999);
  const sidecar = { name: 's', restartPolicy: 'Always', ...asks('30Mi') };
  const served = burstable({ initContainers: [sidecar], containers: [{ name: 'c', ...asks('2Gi') }] });
  assert.equal(oomScoreAdjust(served, served.spec!.initContainers![0]!, node), 916);
  const shared = burstable({ resources: { requests: { memory: '4Gi' } }, containers: [{ name: 'a' }, { name: 'b' }] });
  assert.equal(oomScoreAdjust(shared, shared.spec!.containers[0]!, node), 916);
});
