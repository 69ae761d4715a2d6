import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../api/json.ts';
import type { Node, Pod } from '../api/types/core-v1.ts';
import { type HollowTestNode, startHollowNode } from './testdata/hollow-node.ts';

const hollow = (name: string, body: (node: HollowTestNode) => Promise<void>): void => {
  test(`kubelet: ${name}`, async () => {
    const node = await startHollowNode();
    try {
      await body(node);
    } finally {
      await node.stop();
    }
    assert.deepEqual(node.complaints, []);
    assert.equal(node.clock.pendingTimers, 0, 'timers left after the stop');
  });
};
const condition = (pod: Pod | undefined, type: string): string | undefined =>
  pod?.status?.conditions?.find((c) => c.type === type)?.status;
const containers = (pod: Pod | undefined) => pod?.status?.containerStatuses ?? [];

hollow('registers its node, becomes ready when it has a pod CIDR, and renews its lease', async (node) => {
  const registered = node.server.get('/api/v1/nodes/n1') as unknown as Node;
  assert.deepEqual(registered.metadata.labels, {
    'kubernetes.io/hostname': 'n1',
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': 'amd64',
  });
  assert.equal(registered.status?.conditions?.find((c) => c.type === 'Ready')?.status, 'True');
  assert.deepEqual(registered.status?.allocatable, {
    cpu: '4',
    'ephemeral-storage': '96636764000',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: '8286208Ki',
    pods: '110',
  });
  assert.ok(node.events.includes('NodeReady: Node n1 status is now: NodeReady'));
  const lease = (): string =>
    (
      (node.server.get('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1') as JsonObject)
        .spec as JsonObject
    ).renewTime as string;
  const before = lease();
  const statusWrites = node.server.requests.filter((r) => r.startsWith('PATCH /api/v1/nodes')).length;
  await node.clock.advance(60_000);
  assert.ok(lease() > before);
  assert.equal(node.server.requests.filter((r) => r.startsWith('PATCH /api/v1/nodes')).length, statusWrites);
});

hollow('runs a pod: address, ready, one or two status writes', async (node) => {
  node.createPod('web');
  await node.clock.advance(100);
  const pod = node.pod('web')!;
  assert.equal(pod.status?.phase, 'Running');
  assert.equal(condition(pod, 'Ready'), 'True');
  assert.equal(condition(pod, 'PodReadyToStartContainers'), 'True');
  assert.equal(pod.status?.podIP, '10.244.1.2');
  assert.equal(pod.status?.hostIP, '10.0.0.1');
  assert.equal(containers(pod)[0]?.ready, true);
  assert.match(containers(pod)[0]!.containerID!, /^hollow:\/\/[0-9a-f]{64}$/);
  assert.ok(
    node.server.requests.filter((r) => r.startsWith('PATCH /api/v1/namespaces/default/pods/web/status')).length <= 2,
  );
  assert.deepEqual(node.events.slice(1), [
    'Pulling: Pulling image "app:1"',
    'Pulled: Successfully pulled image "app:1" in 0s (0s including waiting). Image size: 10000000 bytes.',
    'Created: Container created',
    'Started: Container started',
  ]);
});

hollow('ends a deleted pod gracefully, writes its last status and removes it with its uid', async (node) => {
  node.createPod('web', {}, { annotations: { 'hollow.bireme.dev/stop-seconds': '5' } });
  await node.clock.advance(100);
  node.deletePod('web');
  await node.clock.advance(4000);
  assert.equal(condition(node.pod('web'), 'Ready'), 'True');
  await node.clock.advance(2000);
  assert.equal(node.pod('web'), undefined);
  const last = node.server.seen.filter((r) => r.method === 'DELETE').at(-1)!;
  assert.equal((last.body as { value: JsonObject }).value.gracePeriodSeconds, 0);
  assert.ok(((last.body as { value: JsonObject }).value.preconditions as JsonObject).uid);
  assert.ok(node.events.includes('Killing: Stopping container app'));
  await node.clock.advance(1000);
  assert.deepEqual((await node.runtime.listPodSandbox({}, { timeoutMs: 1 })).items, []);
});

hollow('a container that outlives its grace period is killed: exit code 137', async (node) => {
  node.createPod('web', {}, { annotations: { 'hollow.bireme.dev/stop-seconds': '500' }, finalizers: ['x'] });
  await node.clock.advance(100);
  const statuses: Pod[] = [];
  const before = node.server.intercept!;
  node.server.intercept = (request) => {
    const answer = before(request);
    if (request.method === 'PATCH' && request.path.endsWith('web/status')) statuses.push(node.pod('web')!);
    return answer;
  };
  node.deletePod('web', 10);
  await node.clock.advance(11_000);
  assert.equal(statuses.at(-1)?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137);
  assert.equal(statuses.at(-1)?.status?.phase, 'Failed');
});

hollow(
  'restarts a failing container at once, then after 10 s, 20 s, ... at most 5 min, and starts over after 10 min',
  async (node) => {
    node.createPod(
      'crash',
      {},
      {
        annotations: { 'hollow.bireme.dev/run-seconds': '2', 'hollow.bireme.dev/exit-code': '3' },
      },
    );
    const starts: number[] = [];
    const zero = node.clock.monotonic();
    let seen = -1;
    for (let t = 0; t < 1500; t++) {
      await node.clock.advance(1000);
      const restarts = containers(node.pod('crash'))[0]?.restartCount ?? -1;
      if (restarts > seen) starts.push(Math.round((node.clock.monotonic() - zero) / 1000));
      seen = restarts;
    }
    const gaps = starts.slice(1).map((at, i) => at - starts[i]!);
    assert.deepEqual(
      gaps.map((gap) => Math.round(gap / 10) * 10),
      [0, 10, 20, 40, 80, 160, 300, 300, 300],
    );
    const status = containers(node.pod('crash'))[0]!;
    assert.equal(status.state?.waiting?.reason, 'CrashLoopBackOff');
    assert.match(
      status.state?.waiting?.message ?? '',
      /^back-off 5m0s restarting failed container=app pod=crash_default\(uid-\d+\)$/,
    );
    assert.equal(status.lastState?.terminated?.exitCode, 3);
    assert.equal(node.pod('crash')?.status?.phase, 'Running');
  },
);

for (const [policy, code, phase] of [
  ['Never', 0, 'Succeeded'],
  ['Never', 2, 'Failed'],
  ['OnFailure', 0, 'Succeeded'],
] as const)
  hollow(`restartPolicy ${policy} and exit code ${code}: ${phase}`, async (node) => {
    node.createPod(
      'job',
      { restartPolicy: policy },
      {
        annotations: { 'hollow.bireme.dev/run-seconds': '3', 'hollow.bireme.dev/exit-code': String(code) },
      },
    );
    await node.clock.advance(5000);
    const pod = node.pod('job')!;
    assert.equal(pod.status?.phase, phase);
    assert.equal(containers(pod)[0]?.state?.terminated?.exitCode, code);
    assert.equal(condition(pod, 'Ready'), 'False');
    assert.equal(
      pod.status?.conditions?.find((c) => c.type === 'Ready')?.reason,
      phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed',
    );
    assert.equal(pod.status?.podIP, '10.244.1.2', 'an ended pod keeps telling its address');
    node.deletePod('job');
    await node.clock.advance(100);
    assert.equal(node.pod('job'), undefined);
  });

hollow('init containers run one after the other before the others; a sidecar stays and ends last', async (node) => {
  node.createPod(
    'init',
    {
      initContainers: [
        { name: 'one', image: 'i:1' },
        { name: 'side', image: 's:1', restartPolicy: 'Always' },
        { name: 'two', image: 'i:1' },
      ],
    },
    { annotations: { 'hollow.bireme.dev/run-seconds.one': '2', 'hollow.bireme.dev/run-seconds.two': '2' } },
  );
  await node.clock.advance(1000);
  let pod = node.pod('init')!;
  assert.equal(pod.status?.phase, 'Pending');
  assert.equal(
    pod.status?.conditions?.find((c) => c.type === 'Initialized')?.message,
    'containers with incomplete status: [one side two]',
  );
  assert.equal(containers(pod)[0]?.state?.waiting?.reason, 'PodInitializing');
  await node.clock.advance(1500);
  pod = node.pod('init')!;
  assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
  assert.ok(pod.status?.initContainerStatuses?.[1]?.state?.running, 'the sidecar runs');
  assert.ok(pod.status?.initContainerStatuses?.[2]?.state?.running);
  await node.clock.advance(2000);
  pod = node.pod('init')!;
  assert.equal(pod.status?.phase, 'Running');
  assert.equal(condition(pod, 'Ready'), 'True');
  node.events.length = 0;
  node.deletePod('init');
  await node.clock.advance(100);
  assert.deepEqual(node.events, ['Killing: Stopping container app', 'Killing: Stopping container side']);
  assert.equal(node.pod('init'), undefined);
});

hollow('a failed init container of a pod that must not restart fails the pod', async (node) => {
  node.createPod(
    'init',
    { restartPolicy: 'Never', initContainers: [{ name: 'one', image: 'i:1' }] },
    {
      annotations: { 'hollow.bireme.dev/run-seconds.one': '1', 'hollow.bireme.dev/exit-code.one': '7' },
    },
  );
  await node.clock.advance(3000);
  assert.equal(node.pod('init')?.status?.phase, 'Failed');
  assert.equal(containers(node.pod('init'))[0]?.state?.waiting?.reason, 'PodInitializing');
});

hollow("an image that cannot be pulled: ErrImagePull, then ImagePullBackOff, with upstream's texts", async (node) => {
  node.createPod('pull', {}, { annotations: { 'hollow.bireme.dev/pull-error': 'no such host' } });
  await node.clock.advance(100);
  assert.equal(containers(node.pod('pull'))[0]?.state?.waiting?.reason, 'ErrImagePull');
  assert.equal(containers(node.pod('pull'))[0]?.state?.waiting?.message, 'no such host');
  assert.equal(node.pod('pull')?.status?.phase, 'Pending');
  await node.clock.advance(15_000);
  assert.ok(node.events.includes('Failed: Failed to pull image "app:1": no such host'));
  await node.clock.advance(120_000);
  const tries = node.events.filter((event) => event.startsWith('Pulling')).length;
  assert.ok(tries >= 3 && tries <= 6, `${tries} tries`);
});

hollow('a missing ConfigMap: CreateContainerConfigError until it appears', async (node) => {
  node.createPod('cfg', {
    containers: [
      { name: 'app', image: 'app:1', env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'a' } } }] },
    ],
  });
  await node.clock.advance(100);
  assert.deepEqual(containers(node.pod('cfg'))[0]?.state?.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'configmap "cm" not found',
  });
  node.server.put('/api/v1/namespaces/default/configmaps/cm', {
    metadata: { name: 'cm', namespace: 'default' },
    data: { a: '1' },
  });
  await node.clock.advance(15_000);
  assert.equal(node.pod('cfg')?.status?.phase, 'Running');
});

hollow(
  'a pod created again under its name while the old one ends: both are handled, the new one is not touched',
  async (node) => {
    node.createPod('web', {}, { uid: 'old', annotations: { 'hollow.bireme.dev/stop-seconds': '20' } });
    await node.clock.advance(100);
    node.server.remove('/api/v1/namespaces/default/pods/web');
    node.createPod('web', {}, { uid: 'new' });
    await node.clock.advance(1000);
    const pod = node.pod('web')!;
    assert.equal(pod.metadata.uid, 'new');
    assert.equal(pod.status?.phase, 'Running');
    assert.notEqual(pod.status?.podIP, '10.244.1.2', 'the old one still has its address');
    assert.equal((await node.runtime.listContainers({}, { timeoutMs: 1 })).containers.length, 2);
    await node.clock.advance(25_000);
    assert.equal((await node.runtime.listContainers({}, { timeoutMs: 1 })).containers.length, 1);
    assert.equal(condition(node.pod('web'), 'Ready'), 'True');
  },
);

hollow('adopts running containers after a restart instead of restarting them', async (node) => {
  node.createPod('web');
  await node.clock.advance(100);
  const before = containers(node.pod('web'))[0]!.containerID;
  const writes = node.server.requests.length;
  await node.restart();
  await node.clock.advance(2000);
  assert.equal(containers(node.pod('web'))[0]!.containerID, before);
  assert.equal(containers(node.pod('web'))[0]!.restartCount, 0);
  assert.deepEqual(
    node.server.requests.slice(writes).filter((r) => r.includes('pods/web/status')),
    [],
  );
});

hollow('a pod that does not fit is rejected: Failed, OutOfcpu', async (node) => {
  node.createPod('big', { containers: [{ name: 'app', image: 'a:1', resources: { requests: { cpu: '3' } } }] });
  node.createPod('more', { containers: [{ name: 'app', image: 'a:1', resources: { requests: { cpu: '2' } } }] });
  await node.clock.advance(100);
  assert.equal(node.pod('big')?.status?.phase, 'Running');
  const { phase, reason, message } = node.pod('more')!.status!;
  assert.deepEqual(
    [phase, reason, message],
    [
      'Failed',
      'OutOfcpu',
      "Pod was rejected: Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000",
    ],
  );
  assert.ok(
    node.events.includes(
      "OutOfcpu: Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000",
    ),
  );
});

test('kubelet: a pod whose containers have ended makes room, before its volumes are gone', async () => {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const node = await startHollowNode({ environment: { release: () => released } });
  try {
    const containers = [{ name: 'app', image: 'a:1', resources: { requests: { cpu: '3' } } }];
    node.createPod('old', { containers });
    await node.clock.advance(100);
    node.deletePod('old', 1);
    await node.clock.advance(2000);
    // The status says so, and the scheduler binds the next one.
    assert.equal(node.pod('old')?.status?.phase, 'Succeeded');
    node.createPod('next', { containers });
    await node.clock.advance(100);
    assert.equal(node.pod('next')?.status?.phase, 'Running', node.pod('next')?.status?.message ?? '');
    release();
    await node.clock.advance(100);
    assert.equal(node.pod('old'), undefined);
  } finally {
    release();
    await node.stop();
  }
});

test('kubelet: a pod taken out of the API by force makes room, while its containers still end', async () => {
  const node = await startHollowNode();
  try {
    const containers = [{ name: 'app', image: 'a:1', resources: { requests: { cpu: '3' } } }];
    node.createPod('old', { containers }, { annotations: { 'hollow.bireme.dev/stop-seconds': '20' } });
    await node.clock.advance(100);
    node.server.remove('/api/v1/namespaces/default/pods/old');
    await node.clock.advance(100);
    node.createPod('next', { containers });
    await node.clock.advance(100);
    assert.equal(node.pod('next')?.status?.phase, 'Running', node.pod('next')?.status?.message ?? '');
  } finally {
    await node.stop();
  }
});

hollow('activeDeadlineSeconds ends a pod: Failed, DeadlineExceeded', async (node) => {
  node.createPod('late', { activeDeadlineSeconds: 30 });
  await node.clock.advance(29_000);
  assert.equal(node.pod('late')?.status?.phase, 'Running');
  await node.clock.advance(3000);
  assert.equal(node.pod('late')?.status?.phase, 'Failed');
  assert.equal(node.pod('late')?.status?.reason, 'DeadlineExceeded');
});

hollow('writes its status again when another client overwrites it', async (node) => {
  node.createPod('web');
  await node.clock.advance(100);
  const pod = node.pod('web') as unknown as JsonObject;
  node.server.put('/api/v1/namespaces/default/pods/web', {
    ...pod,
    status: { ...(pod.status as JsonObject), phase: 'Pending', podIP: '1.2.3.4' },
  });
  await node.clock.advance(1000);
  assert.equal(node.pod('web')?.status?.phase, 'Running');
  assert.equal(node.pod('web')?.status?.podIP, '10.244.1.2');
});

hollow(
  'an ephemeral container is started once, tells its status, and is not started again when it ends',
  async (node) => {
    const pod = node.createPod(
      'web',
      {},
      { annotations: { 'hollow.bireme.dev/run-seconds.debug': '5' } },
    ) as unknown as JsonObject;
    await node.clock.advance(100);
    node.server.put('/api/v1/namespaces/default/pods/web', {
      ...(node.pod('web') as unknown as JsonObject),
      metadata: { ...((node.pod('web') as unknown as JsonObject).metadata as JsonObject), generation: 2 },
      spec: {
        ...(pod.spec as JsonObject),
        ephemeralContainers: [{ name: 'debug', image: 'd:1', targetContainerName: 'app' }],
      },
    });
    await node.clock.advance(100);
    assert.ok(node.pod('web')?.status?.ephemeralContainerStatuses?.[0]?.state?.running);
    assert.equal(node.pod('web')?.status?.observedGeneration, 2);
    await node.clock.advance(60_000);
    assert.equal(node.pod('web')?.status?.ephemeralContainerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
    assert.equal(node.pod('web')?.status?.ephemeralContainerStatuses?.[0]?.restartCount, 0);
    assert.equal(condition(node.pod('web'), 'Ready'), 'True');
  },
);

const sized = (cpu: string, more: JsonObject = {}): JsonObject => ({
  containers: [{ name: 'app', image: 'a:1', resources: { requests: { cpu }, limits: { cpu: '4' } }, ...more }],
});
const resize = (node: HollowTestNode, name: string, spec: JsonObject): void => {
  const pod = node.pod(name) as unknown as JsonObject;
  const metadata = pod.metadata as JsonObject;
  node.server.put(`/api/v1/namespaces/default/pods/${name}`, {
    ...pod,
    metadata: { ...metadata, generation: Number(metadata.generation) + 1 },
    spec: { ...(pod.spec as JsonObject), ...spec },
  });
};
const resizeCondition = (node: HollowTestNode, name: string): string => {
  const found = (node.pod(name)?.status?.conditions ?? []).filter((c) => c.type.startsWith('PodResize'));
  return found.map((c) => `${c.type} ${c.reason ?? ''} ${c.message ?? ''}`).join('; ');
};

hollow(
  'a resize in place: the container goes on, its status tells the new resources, no condition stays',
  async (node) => {
    node.createPod('web', sized('1'));
    await node.clock.advance(100);
    const before = containers(node.pod('web'))[0]!;
    resize(node, 'web', sized('2'));
    await node.clock.advance(100);
    const after = containers(node.pod('web'))[0]!;
    assert.equal(after.containerID, before.containerID);
    assert.deepEqual(after.resources?.requests, { cpu: '2' });
    assert.deepEqual(after.allocatedResources, { cpu: '2' });
    assert.equal(resizeCondition(node, 'web'), '');
    assert.equal(node.pod('web')?.status?.observedGeneration, 2);
  },
);

hollow('a resize by restart when the policy says so', async (node) => {
  const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
  node.createPod('web', sized('1', { resizePolicy }));
  await node.clock.advance(100);
  resize(node, 'web', sized('2', { resizePolicy }));
  await node.clock.advance(2000);
  assert.ok(
    node.events.includes('Killing: Container app resize requires restart, will be restarted'),
    node.events.join(),
  );
  assert.equal(containers(node.pod('web'))[0]?.restartCount, 1);
  assert.deepEqual(containers(node.pod('web'))[0]?.resources?.requests, { cpu: '2' });
  assert.equal(resizeCondition(node, 'web'), '');
});

hollow(
  'a resize that never fits is infeasible, one that does not fit now is deferred until there is room',
  async (node) => {
    node.createPod('web', sized('1'));
    node.createPod('other', sized('2'));
    await node.clock.advance(100);
    resize(node, 'web', sized('5'));
    await node.clock.advance(100);
    assert.equal(
      resizeCondition(node, 'web'),
      "PodResizePending Infeasible Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000",
    );
    resize(node, 'web', sized('3'));
    await node.clock.advance(100);
    assert.match(
      resizeCondition(node, 'web'),
      /^PodResizePending Deferred Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000$/,
    );
    assert.deepEqual(containers(node.pod('web'))[0]?.resources?.requests, { cpu: '1' });
    node.deletePod('other');
    await node.clock.advance(20_000);
    assert.equal(resizeCondition(node, 'web'), '');
    assert.deepEqual(containers(node.pod('web'))[0]?.resources?.requests, { cpu: '3' });
    assert.equal(containers(node.pod('web'))[0]?.restartCount, 0);
  },
);

hollow('a RuntimeClass gives the handler; one that is missing keeps the sandbox from being made', async (node) => {
  const handlers: (string | undefined)[] = [];
  const { runPodSandbox } = node.runtime;
  node.runtime.runPodSandbox = (request, options) => {
    handlers.push(request.runtimeHandler);
    return runPodSandbox(request, options);
  };
  node.server.put('/apis/node.k8s.io/v1/runtimeclasses/gvisor', { metadata: { name: 'gvisor' }, handler: 'runsc' });
  node.createPod('web', { runtimeClassName: 'gvisor' });
  await node.clock.advance(100);
  assert.deepEqual(handlers, ['runsc']);
  assert.equal(node.pod('web')?.status?.phase, 'Running');
});

const labelled = (node: HollowTestNode, labels: JsonObject): void => {
  const known = node.server.get('/api/v1/nodes/n1')!;
  node.server.put('/api/v1/nodes/n1', { ...known, metadata: { ...(known.metadata as JsonObject), labels } });
};
const zoned = { nodeSelector: { zone: 'b' } };

test('kubelet: a label that the node got a moment before the pod is asked for before the pod is refused', async () => {
  const node = await startHollowNode({ watchesNode: false });
  try {
    labelled(node, { zone: 'b' });
    node.createPod('web', zoned);
    await node.clock.advance(100);
    assert.equal(node.pod('web')?.status?.phase, 'Running');
    assert.equal(node.events.filter((event) => event.startsWith('NodeAffinity')).length, 0);
  } finally {
    await node.stop();
  }
});

hollow('what others change at its node is seen as it happens', async (node) => {
  labelled(node, { zone: 'b' });
  await node.clock.advance(100);
  node.createPod('first', zoned);
  await node.clock.advance(100);
  labelled(node, { zone: 'c' });
  await node.clock.advance(100);
  const reads = node.server.requests.filter((request) => request === 'GET /api/v1/nodes/n1').length;
  node.createPod('second', zoned);
  await node.clock.advance(100);
  assert.equal(node.pod('first')?.status?.phase, 'Running');
  assert.equal(node.pod('second')?.status?.reason, 'NodeAffinity');
  assert.equal(node.server.requests.filter((request) => request === 'GET /api/v1/nodes/n1').length, reads + 1);
});
