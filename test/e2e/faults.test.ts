/** What dies or goes away under a worker of its own host: pods converge to what was asked, nothing starts twice, nothing is left. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { resources } from '../../src/api/types/resources.ts';
import { requires } from '../requirements.ts';
import { containerdNeeds, type Machine } from './machine.ts';
import { eventually, gone, longMode, restarts, startWorker } from './worker.ts';
import { allReady, busybox, createPod, fetch, namespace, podLog, ran, server, tally, untilPod } from './workload.ts';

/** How long the API server is away, and how long endpoints flap. */
const awayMs = longMode ? 600_000 : 8000;
const flappingMs = longMode ? 120_000 : 4000;

test('faults: whatever dies under a worker, pods converge to what was asked', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const worker = await startWorker(t);
  const { bireme, cluster, killNodeProcess, machine } = worker;
  const clean = await worker.traces();

  await t.test('a killed shim: its pod runs again, once', async () => {
    await createPod(cluster, 'shim', { containers: [busybox('exec sleep 70001')] });
    await untilPod(cluster, 'shim', 'runs', (pod) => pod.status?.phase === 'Running');
    const [shim] = await machine.pids('containerd-shim-runc-v2');
    assert.ok(shim);
    await machine.kill(shim);
    await untilPod(cluster, 'shim', 'was started again', (pod) => restarts(pod) > 0 && allReady(1)([pod]));
    assert.equal((await machine.pids('sleep 70001')).length, 1);
    await gone(cluster, 'shim');
  });

  await t.test('kill -9 of the node process while pods start and end: each runs once, none is forgotten', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `many-${i}`);
    await Promise.all(
      names.map((name, i) => createPod(cluster, name, { containers: [busybox(`exec sleep 7100${i}`)] })),
    );
    // In the middle of their start, twice, and of the end of some.
    for (let round = 0; round < 2; round++) {
      await setTimeout(400);
      await killNodeProcess();
    }
    await Promise.all(names.map((name) => untilPod(cluster, name, 'is ready', (pod) => allReady(1)([pod]))));
    for (const [i, name] of names.entries()) {
      assert.equal((await machine.pids(`sleep 7100${i}`)).length, 1, name);
      // A container that was made but not started when the kubelet died is made again, which counts as a restart, as upstream's.
      const counted = restarts(await untilPod(cluster, name, 'is there', () => true));
      assert.ok(counted <= 1, `${name}: ${counted} restarts`);
    }
    const ends = names.map((name) => gone(cluster, name));
    await setTimeout(200);
    await killNodeProcess();
    await Promise.all(ends);
    // They were out of the API at once, so the kubelet finds them as nobody's after its start.
    assert.ok(await eventually(async () => (await machine.pids('sleep 7100')).length === 0), 'some were forgotten');
  });

  await t.test('a container that ignores SIGTERM ends with its grace period', async () => {
    const stubborn = busybox(`trap '' TERM; while true; do sleep 1; done`);
    await createPod(cluster, 'stubborn', { terminationGracePeriodSeconds: 2, containers: [stubborn] });
    await untilPod(cluster, 'stubborn', 'runs', (pod) => pod.status?.phase === 'Running');
    const startMs = Date.now();
    await gone(cluster, 'stubborn', 2);
    const tookMs = Date.now() - startMs;
    t.diagnostic(`a stubborn container was gone after ${tookMs} ms`);
    assert.ok(tookMs >= 1900, `${tookMs} ms`);
  });

  await t.test(
    'a container over its memory limit is killed, said so, and started again; its neighbour is not',
    async () => {
      await createPod(cluster, 'neighbour', { containers: [busybox('exec sleep 70002')] });
      await createPod(cluster, 'hungry', {
        containers: [busybox('exec tail /dev/zero', { resources: { limits: { memory: '24Mi' } } })],
      });
      const hungry = await untilPod(cluster, 'hungry', 'was killed', (pod) => restarts(pod) > 0);
      const [status] = hungry.status?.containerStatuses ?? [];
      const ended = status?.lastState?.terminated ?? status?.state?.terminated;
      assert.deepEqual([ended?.reason, ended?.exitCode], ['OOMKilled', 137]);
      assert.equal(restarts(await untilPod(cluster, 'neighbour', 'runs', (pod) => pod.status?.phase === 'Running')), 0);
      await Promise.all([gone(cluster, 'hungry'), gone(cluster, 'neighbour')]);
    },
  );

  await t.test('the API server away: containers are restarted without it, and it learns of it', async () => {
    await createPod(cluster, 'alone', { containers: [busybox('exec sleep 70003')] });
    await untilPod(cluster, 'alone', 'runs', (pod) => pod.status?.phase === 'Running');
    const [victim] = await machine.pids('sleep 70003');
    const control = await controlPlane(machine);
    await machine.ok('kill', '-STOP', String(control));
    try {
      await machine.kill(victim ?? 0);
      const again = await eventually(async () => {
        const [now] = await machine.pids('sleep 70003');
        return now !== undefined && now !== victim;
      });
      assert.ok(again, 'not restarted while the API server was away');
      await setTimeout(awayMs);
    } finally {
      await machine.ok('kill', '-CONT', String(control));
    }
    await untilPod(cluster, 'alone', 'counts one restart', (pod) => restarts(pod) === 1 && allReady(1)([pod]));
    await gone(cluster, 'alone');
  });

  await t.test(
    'endpoints flapping at 500 changes a second: connections go on, no stale endpoint lives for a second',
    async (step) => {
      const addresses: string[] = [];
      for (const name of ['left', 'right']) {
        await createPod(cluster, name, server);
        addresses.push((await untilPod(cluster, name, 'is ready', (pod) => allReady(1)([pod]))).status?.podIP ?? '');
      }
      const services = cluster.client.resource(resources.services);
      const slices = cluster.client.resource(resources.endpointSlices);
      const service = await services.create({
        metadata: { namespace, name: 'flaps' },
        spec: { ports: [{ port: 80, targetPort: 8080 }] },
      });
      const endpoints = (turn: number) => [{ addresses: [addresses[turn % 2]!], conditions: { ready: true } }];
      await slices.create({
        metadata: { namespace, name: 'flaps', labels: { 'kubernetes.io/service-name': 'flaps' } },
        addressType: 'IPv4',
        ports: [{ port: 8080, protocol: 'TCP' }],
        endpoints: endpoints(0),
      });
      // A connection that lives through it all, and new ones all the time.
      const asker = await createPod(cluster, 'asks', {
        restartPolicy: 'Never',
        // One client and one address: in two minutes it asks more often than it has ports by default.
        securityContext: { sysctls: [{ name: 'net.ipv4.ip_local_port_range', value: '1024 65535' }] },
        containers: [
          busybox(`while [ ! -e /stop ]; do { ${fetch(service.spec?.clusterIP ?? '')}; } 2>&1; done`),
          {
            ...busybox(
              `(sleep 1; printf 'GET / HTTP/1.0\\r\\n'; for i in $(seq ${3 + flappingMs / 2000}); do sleep 2; printf 'X: y\\r\\n'; done; printf '\\r\\n'; sleep 1) | nc ${service.spec?.clusterIP} 80`,
            ),
            name: 'long',
          },
        ],
      });
      await untilPod(cluster, asker.metadata.name ?? '', 'asks', (pod) => pod.status?.phase === 'Running');
      const startMs = Date.now();
      let changes = 0;
      // Several writers at once, as 500 changes a second have; each waits until its turn comes.
      const writer = async (): Promise<void> => {
        while (Date.now() - startMs < flappingMs) {
          const turn = ++changes;
          await slices.patch('flaps', { type: 'merge', patch: { endpoints: endpoints(turn) } }, { namespace });
          const aheadMs = turn * 2 - (Date.now() - startMs);
          if (aheadMs > 0) await setTimeout(aheadMs);
        }
      };
      await Promise.all(Array.from({ length: 16 }, writer));
      step.diagnostic(`${Math.round(changes / ((Date.now() - startMs) / 1000))} changes a second`);
      await slices.patch('flaps', { type: 'merge', patch: { endpoints: endpoints(0) } }, { namespace });
      await setTimeout(1000);
      const after = tally(
        await ran(cluster, 'after', {
          containers: [busybox(`for i in $(seq 50); do ${fetch(service.spec?.clusterIP ?? '')}; done`)],
        }),
      );
      assert.deepEqual([...after], [['left', 50]]);
      const during = (await podLog(cluster, 'asks', 'main')).trim().split('\n');
      const lost = during.flatMap((line, i) => (/^(left|right|lost)$/.test(line) ? [] : [`line ${i}: ${line}`]));
      assert.ok(!during.includes('lost'), `of ${during.length} lines ${lost.length}: ${lost[0]} ... ${lost.at(-1)}`);
      step.diagnostic(`${during.length} connections`);
      await untilPod(cluster, 'asks', 'has kept its long connection', (pod) =>
        (pod.status?.containerStatuses ?? []).some((c) => c.name === 'long' && c.state?.terminated?.exitCode === 0),
      );
      assert.match(await podLog(cluster, 'asks', 'long'), /200 OK[\s\S]*(left|right)/);
      await Promise.all(['asks', 'after', 'left', 'right'].map((name) => gone(cluster, name)));
      await services.delete('flaps', { namespace });
      await slices.delete('flaps', { namespace });
    },
  );

  await t.test('a reboot: the pods of the worker run again, with their volumes', async (step) => {
    await createPod(cluster, 'boots', {
      containers: [
        busybox('date >> /kept/starts; exec sleep 70004', { volumeMounts: [{ name: 'kept', mountPath: '/kept' }] }),
      ],
      volumes: [{ name: 'kept', emptyDir: {} }],
    });
    const before = await untilPod(cluster, 'boots', 'runs', (pod) => pod.status?.phase === 'Running');
    const startMs = Date.now();
    await bireme('host stop worker-1');
    assert.deepEqual(await machine.pids('sleep 70004'), []);
    await bireme('host start worker-1');
    const after = await untilPod(cluster, 'boots', 'runs again', (pod) => restarts(pod) === 1 && allReady(1)([pod]));
    step.diagnostic(`off and on, its pod ready again: ${Date.now() - startMs} ms`);
    assert.equal(after.metadata.uid, before.metadata.uid);
    assert.equal((await machine.pids('sleep 70004')).length, 1);
    const counted = await ran(cluster, 'reaches', {
      containers: [busybox('nslookup kubernetes.default.svc.cluster.local')],
    });
    assert.match(counted, /10\.96\.0\.1/);
    await Promise.all([gone(cluster, 'boots'), gone(cluster, 'reaches')]);
  });

  await t.test('after all of it nothing is left on the worker', async () => {
    for (const name of (await cluster.client.resource(resources.pods).list({ namespace })).items)
      await gone(cluster, name.metadata.name ?? '');
    // What a kubelet has left that was killed is swept away at its next start (and each minute).
    await killNodeProcess();
    await worker.clean(clean);
  });
});

/** The process that serves: of the two with that command line the one that was left behind. */
async function controlPlane(machine: Machine): Promise<number> {
  const { controlPlane: found } = JSON.parse(await machine.ok('cat', join(machine.dataDir, 'run', 'cluster.json'))) as {
    readonly controlPlane: { readonly pid: number };
  };
  return found.pid;
}
