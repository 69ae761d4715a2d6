import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { requires } from '../../test/requirements.ts';
import type { Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createLocalSpawner } from '../host/local-spawner.ts';
import { createMounts } from '../host/mounts.ts';
import { type RealTestNode, startRealNode, testImage, testSubnet } from './testdata/real-node.ts';

const needs = {
  root: true,
  linux: true,
  commands: ['containerd', 'ctr', 'runc', 'busybox', 'ip'],
  files: ['/usr/lib/cni/bridge'],
};
/** Independent of each other: they run side by side on one node. */
const together: (readonly [string, (node: RealTestNode) => Promise<void>])[] = [];
/** Afterwards, one after the other. */
const alone: typeof together = [];
const real = (name: string, body: (node: RealTestNode) => Promise<void>): void => void together.push([name, body]);
const realAlone = (name: string, body: (node: RealTestNode) => Promise<void>): void => void alone.push([name, body]);

const sh = (script: string, more: object = {}) => ({
  name: 'app',
  image: testImage,
  command: ['sh', '-c', script],
  terminationMessagePath: '/dev/termination-log',
  ...more,
});
const ready = (pod: Pod): boolean => pod.status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True';
const succeeded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded';

real('runs a pod with an address, logs and a graceful end', async (n) => {
  await n.createPod('web', {
    containers: [sh('trap "exit 0" TERM; echo one; echo two; while true; do sleep 0.1; done')],
  });
  const pod = await n.until('web', 'ready', ready);
  assert.ok(pod.status?.podIP?.startsWith(testSubnet.replace('0/24', '')));
  assert.match(pod.status?.containerStatuses?.[0]?.containerID ?? '', /^containerd:\/\/[0-9a-f]{64}$/);
  // The runtime copies output to the log a moment later.
  const logged = n.clock.monotonic() + 10_000;
  while ((await n.logs('web')) !== 'one\ntwo\n' && n.clock.monotonic() < logged) await n.clock.sleep(20);
  assert.equal(await n.logs('web'), 'one\ntwo\n');
  assert.equal(await n.logs('web', 'tailLines=1'), 'two\n');
  assert.match(await n.logs('web', 'timestamps=true&tailLines=1'), /^\d{4}-\d\d-\d\dT\S+ two\n$/);
  assert.equal(await n.logs('web', 'limitBytes=5'), 'one\nt');
  const began = n.clock.monotonic();
  await n.client.resource(resources.pods).delete('web', { namespace: 'default' });
  await n.gone('web');
  assert.ok(n.clock.monotonic() - began < 20_000, 'SIGTERM was enough');
  assert.ok(n.events.includes('Killing: Stopping container app'));
});

real('files and environment are right', async (n) => {
  await n.client
    .resource(resources.configMaps)
    .create({ metadata: { name: 'cm', namespace: 'default' }, data: { key: 'cm-value', 'other.txt': 'text' } });
  await n.client.resource(resources.secrets).create({
    metadata: { name: 'sec', namespace: 'default' },
    data: { password: Buffer.from('s3cret').toString('base64') },
  });
  await n.createPod(
    'files',
    {
      restartPolicy: 'Never',
      securityContext: { fsGroup: 2000 },
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['alias'] }],
      volumes: [
        { name: 'cm', configMap: { name: 'cm' } },
        {
          name: 'sec',
          secret: { secretName: 'sec', defaultMode: 0o400, items: [{ key: 'password', path: 'sub/pw' }] },
        },
        { name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        { name: 'dir', emptyDir: {} },
        { name: 'pod', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        {
          name: 'all',
          projected: {
            sources: [
              { configMap: { name: 'cm', items: [{ key: 'key', path: 'k' }] } },
              {
                downwardAPI: {
                  items: [
                    { path: 'cpu', resourceFieldRef: { containerName: 'app', resource: 'limits.cpu', divisor: '1m' } },
                  ],
                },
              },
            ],
          },
        },
      ],
      containers: [
        sh(
          [
            'echo env $A $B $C $D $E $PODIP_OK',
            'echo cm $(cat /cm/key) $(cat /cm/other.txt) $(readlink /cm/key)',
            'echo sec $(cat /sec/sub/pw) $(stat -c %a,%g -L /sec/sub/pw)',
            'echo dirs $(stat -c %a,%g /dir) $(stat -f -c %T /mem) $(stat -f -c %T /dir)',
            'echo labels $(cat /pod/labels)',
            'echo all $(cat /all/k) $(cat /all/cpu)',
            'echo hosts $(grep -c alias /etc/hosts) $(grep -c "$IP.files" /etc/hosts)',
            'echo resolv $(grep nameserver /etc/resolv.conf) $(grep -o "default.svc.cluster.local" /etc/resolv.conf) $(grep -o ndots:5 /etc/resolv.conf)',
            'echo host $(hostname)',
            'echo args $0',
            'echo mem $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)',
            'echo message > /dev/termination-log',
          ].join('; '),
          {
            args: ['$(A)-$(NOPE)-$$(A)'],
            env: [
              { name: 'A', value: 'a' },
              { name: 'B', value: '$(A)b' },
              { name: 'C', valueFrom: { configMapKeyRef: { name: 'cm', key: 'key' } } },
              { name: 'D', valueFrom: { secretKeyRef: { name: 'sec', key: 'password' } } },
              { name: 'E', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            ],
            resources: { limits: { cpu: '250m', memory: '64Mi' } },
            volumeMounts: [
              { name: 'cm', mountPath: '/cm' },
              { name: 'sec', mountPath: '/sec' },
              { name: 'mem', mountPath: '/mem' },
              { name: 'dir', mountPath: '/dir' },
              { name: 'pod', mountPath: '/pod' },
              { name: 'all', mountPath: '/all' },
            ],
          },
        ),
      ],
    },
    { labels: { app: 'x', tier: 'y' } },
  );
  const pod = await n.until('files', 'succeeded', succeeded);
  assert.deepEqual((await n.logs('files')).trim().split('\n'), [
    'env a ab cm-value s3cret files',
    'cm cm-value text ..data/key',
    'sec s3cret 440,2000',
    'dirs 2777,2000 tmpfs ext2/ext3',
    'labels app="x" tier="y"',
    'all cm-value 250',
    'hosts 1 1',
    'resolv nameserver 10.96.0.10 default.svc.cluster.local ndots:5',
    'host files',
    'args a-$(NOPE)-$(A)',
    `mem ${64 * 1024 * 1024}`,
  ]);
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.message, 'message\n');
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
});

real('a changed ConfigMap reaches the running pod', async (n) => {
  const maps = n.client.resource(resources.configMaps);
  await maps.create({ metadata: { name: 'live', namespace: 'default' }, data: { a: '1' } });
  await n.createPod('live', {
    volumes: [{ name: 'v', configMap: { name: 'live' } }],
    containers: [
      sh('while true; do cat /v/a; echo; sleep 0.2; done', { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    ],
  });
  await n.until('live', 'ready', ready);
  const live = await maps.get('live', { namespace: 'default' });
  await maps.update({ ...live, data: { a: '2' } });
  const deadline = n.clock.monotonic() + 10_000;
  while (!(await n.logs('live', 'tailLines=2')).includes('2')) {
    assert.ok(n.clock.monotonic() < deadline, 'the new contents arrive');
    await n.clock.sleep(100);
  }
  await n.client.resource(resources.pods).delete('live', { namespace: 'default', body: { gracePeriodSeconds: 0 } });
  await n.gone('live');
});

real('a killed container is restarted, its log is kept as the previous one', async (n) => {
  await n.createPod('crash', { containers: [sh('echo run; sleep 1; exit 3')] });
  const pod = await n.until('crash', 'restarted', (p) => (p.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 3);
  assert.equal(await n.logs('crash', 'previous=true'), 'run\n');
  await n.until(
    'crash',
    'backs off',
    (p) => p.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  await n.client.resource(resources.pods).delete('crash', { namespace: 'default' });
  await n.gone('crash');
});

real('out of memory: OOMKilled', async (n) => {
  await n.createPod('oom', {
    restartPolicy: 'Never',
    containers: [sh('head -c 200m /dev/zero | tail', { resources: { limits: { memory: '20Mi' } } })],
  });
  const pod = await n.until('oom', 'failed', (p) => p.status?.phase === 'Failed' || p.status?.phase === 'Succeeded');
  assert.equal(pod.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'OOMKilled');
});

real('probes: ready only when the readiness probe says so; liveness restarts', async (n) => {
  await n.createPod('probes', {
    terminationGracePeriodSeconds: 1,
    containers: [
      sh('sleep 1; touch /tmp/ready; sleep 3; rm /tmp/ready; sleep 100', {
        readinessProbe: { exec: { command: ['cat', '/tmp/ready'] }, periodSeconds: 1 },
        livenessProbe: { exec: { command: ['sh', '-c', '! test -e /tmp/ready || sleep 0'] }, periodSeconds: 1 },
      }),
    ],
  });
  await n.until('probes', 'running, not ready', (p) => p.status?.phase === 'Running' && !ready(p));
  await n.until('probes', 'ready', ready);
  await n.createPod('live-probe', {
    terminationGracePeriodSeconds: 1,
    containers: [
      sh('sleep 100', { livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 2 } }),
    ],
  });
  await n.until('live-probe', 'restarted', (p) => (p.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
  assert.ok(n.events.includes('Killing: Container app failed liveness probe, will be restarted'));
  assert.ok(n.events.some((e) => e.startsWith('Unhealthy: Liveness probe failed:')));
  for (const name of ['probes', 'live-probe']) {
    await n.client.resource(resources.pods).delete(name, { namespace: 'default', body: { gracePeriodSeconds: 1 } });
    await n.gone(name);
  }
});

realAlone(
  'adopts running containers after a restart of the kubelet, ends those of pods deleted meanwhile',
  async (n) => {
    await n.createPod('stay', {});
    await n.createPod('leave', { terminationGracePeriodSeconds: 1 });
    const before = (await n.until('stay', 'ready', ready)).status?.containerStatuses?.[0]?.containerID;
    await n.until('leave', 'ready', ready);
    const restarting = n.restart();
    await n.client.resource(resources.pods).delete('leave', { namespace: 'default', body: { gracePeriodSeconds: 0 } });
    await restarting;
    await n.clock.sleep(500);
    const after = await n.until('stay', 'ready', ready);
    assert.equal(after.status?.containerStatuses?.[0]?.containerID, before);
    assert.equal(after.status?.containerStatuses?.[0]?.restartCount, 0);
    const deadline = n.clock.monotonic() + 15_000;
    for (;;) {
      const { items } = await n.runtime.listPodSandbox({}, { timeoutMs: 5000 });
      if (!items.some((item) => item.metadata?.name === 'leave')) break;
      assert.ok(n.clock.monotonic() < deadline, 'the orphan is ended');
      await n.clock.sleep(100);
    }
  },
);

real('kubectl logs -f sees what comes, and ends with the container', async (n) => {
  await n.createPod('follow', {
    restartPolicy: 'Never',
    containers: [sh('for i in 1 2 3; do echo $i; sleep 0.5; done')],
  });
  await n.until('follow', 'running', (p) => p.status?.phase === 'Running');
  assert.equal(await n.logs('follow', 'follow=true'), '1\n2\n3\n');
});

real(
  "the log's end as termination message; a command that is not there; preStop; the host's network; subPath",
  async (n) => {
    await n.createPod('fallback', {
      restartPolicy: 'Never',
      containers: [sh('echo -n DONE; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' })],
    });
    await n.createPod('nothere', { containers: [{ name: 'app', image: testImage, command: ['/no/such/program'] }] });
    await n.createPod('hooks', {
      terminationGracePeriodSeconds: 10,
      volumes: [
        { name: 'd', emptyDir: {} },
        { name: 'h', hostPath: { path: join(n.folder, 'hostpath'), type: 'DirectoryOrCreate' } },
      ],
      containers: [
        sh('trap "exit 0" TERM; while true; do sleep 0.1; done', {
          env: [{ name: 'SUB', value: 'sub/dir' }],
          volumeMounts: [
            { name: 'd', mountPath: '/d', subPathExpr: '$(SUB)' },
            { name: 'h', mountPath: '/h' },
          ],
          lifecycle: {
            postStart: { exec: { command: ['sh', '-c', 'echo started > /h/post; echo x > /d/file'] } },
            preStop: { exec: { command: ['sh', '-c', 'echo stopping > /h/pre'] } },
          },
        }),
      ],
    });
    await n.createPod('hostnet', {
      hostNetwork: true,
      restartPolicy: 'Never',
      containers: [sh('ip link | grep -c eth0')],
    });
    const failed = await n.until('fallback', 'failed', (p) => p.status?.phase === 'Failed');
    assert.equal(failed.status?.containerStatuses?.[0]?.state?.terminated?.message, 'DONE');
    const nothere = await n.until(
      'nothere',
      'waits',
      (p) => p.status?.containerStatuses?.[0]?.state?.waiting?.reason !== 'ContainerCreating',
    );
    assert.ok(
      ['RunContainerError', 'CrashLoopBackOff'].includes(
        nothere.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? '',
      ),
    );
    assert.match(nothere.status?.containerStatuses?.[0]?.lastState?.terminated?.reason ?? '', /StartError/);
    await n.until('hooks', 'ready', ready);
    assert.equal(await readFile(join(n.folder, 'hostpath', 'post'), 'utf8'), 'started\n');
    await n.client.resource(resources.pods).delete('hooks', { namespace: 'default' });
    await n.gone('hooks');
    assert.equal(await readFile(join(n.folder, 'hostpath', 'pre'), 'utf8'), 'stopping\n');
    const hostnet = await n.until(
      'hostnet',
      'done',
      (p) => p.status?.phase === 'Succeeded' || p.status?.phase === 'Failed',
    );
    assert.equal(hostnet.status?.podIP, '10.0.0.1');
    assert.equal(hostnet.status?.phase, 'Succeeded');
  },
);

real("a resize changes the running container's cgroup", async (n) => {
  const file = '$(ls /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)';
  const containers = (memory: string, cpu: string) => [
    sh(`while true; do cat ${file}; sleep 0.2; done`, {
      resources: { limits: { memory, cpu }, requests: { memory, cpu } },
    }),
  ];
  await n.createPod('resize', { containers: containers('32Mi', '100m') });
  const before = await n.until('resize', 'ready', ready);
  const pods = n.client.resource(resources.pods);
  for (const [memory, cpu, bytes] of [
    ['64Mi', '50m', 64],
    ['48Mi', '200m', 48],
  ] as const) {
    await pods.patch(
      'resize',
      {
        type: 'strategic',
        patch: {
          spec: { containers: [{ name: 'app', resources: { limits: { memory, cpu }, requests: { memory, cpu } } }] },
        },
      },
      { namespace: 'default', subresource: 'resize' },
    );
    await n.until('resize', 'resized', (p) => p.status?.containerStatuses?.[0]?.resources?.limits?.memory === memory);
    // The container goes on writing while the log is read: the last line counts, once there is one from after the change.
    const wanted = String(bytes * 1024 * 1024);
    let last = '';
    for (let tries = 0; tries < 100 && last !== wanted; tries++) {
      await n.clock.sleep(200);
      last = (await n.logs('resize', 'tailLines=1')).trim().split('\n').at(-1) ?? '';
    }
    assert.equal(last, wanted);
  }
  const scrape = await n.handler({
    method: 'GET',
    path: '/metrics',
    query: '',
    headers: {},
    peer: { commonName: 'x', organizations: ['system:masters'] },
    remoteAddress: 'test',
    signal: new AbortController().signal,
  });
  const text = scrape.body.kind === 'bytes' ? Buffer.from(scrape.body.bytes).toString() : '';
  assert.match(text, /^kubelet_running_containers\{container_state="running"\} [1-9]/m);
  assert.match(text, /^kubelet_runtime_operations_total\{operation_type="run_pod_sandbox"\} [1-9]/m);
  const after = await n.pod('resize');
  assert.equal(after.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
  await pods.delete('resize', { namespace: 'default', body: { gracePeriodSeconds: 1 } });
  await n.gone('resize');
});

realAlone('deleted pods leave nothing: mounts, folders, cgroups, logs', async (n) => {
  const { items } = await n.client.resource(resources.pods).list({ namespace: 'default' });
  for (const { metadata } of items)
    await n.client
      .resource(resources.pods)
      .delete(metadata.name!, { namespace: 'default', body: { gracePeriodSeconds: 1 } });
  for (const { metadata } of items) await n.gone(metadata.name!);
  // The API object goes first, the last records a moment later.
  const deadline = n.clock.monotonic() + 10_000;
  while ((await readdir(join(n.folder, 'logs'))).length > 0 && n.clock.monotonic() < deadline) await n.clock.sleep(50);
  // Only this node's part of the tree: what others make and remove there meanwhile is not looked at.
  const roots = ['', ...(await readdir('/sys/fs/cgroup'))]
    .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, `bk${process.pid}`))
    .filter((root) => existsSync(root));
  const groups = (await Promise.all(roots.map((root) => readdir(root, { recursive: true })))).flat();
  assert.deepEqual(
    groups.filter((path) => /pod[0-9a-f]{8}-/.test(path)),
    [],
  );
  const mounts = createMounts(createLocalSpawner({ clock: n.clock })).list();
  assert.deepEqual(
    mounts.filter((m) => m.mountPoint.startsWith(join(n.folder, 'kubelet'))),
    [],
  );
  assert.deepEqual(await readdir(join(n.folder, 'kubelet', 'pods')), []);
  assert.deepEqual(await readdir(join(n.folder, 'logs')), []);
  assert.deepEqual((await n.runtime.listPodSandbox({}, { timeoutMs: 5000 })).items, []);
  assert.deepEqual(n.complaints, []);
});

test('kubelet on containerd', { concurrency: true }, async (t) => {
  if (!requires(t, needs)) return;
  const alive = setInterval(() => undefined, 1000);
  const node = await startRealNode();
  try {
    await Promise.all(together.map(([name, body]) => t.test(name, () => body(node))));
    for (const [name, body] of alone) await t.test(name, () => body(node));
  } finally {
    await node.stop();
    clearInterval(alive);
  }
});
