/** What a worker's pods do to it, and what its kubelet's death does to them: a full disk, a fork bomb, slow pulls, volumes over kill -9. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { PodSpec } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import { writeOciArchive } from '../../src/runtime/oci-archive.ts';
import type { TarEntry } from '../../src/runtime/tar.ts';
import { busyboxImage } from '../images.ts';
import { requires } from '../requirements.ts';
import { containerdNeeds } from './machine.ts';
import { eventually, gone, longMode, restarts, startWorker, type Worker } from './worker.ts';
import { allReady, busybox, createPod, isReady, namespace, ran, untilPod } from './workload.ts';

const registryProgram = fileURLToPath(new URL('./slow-registry.ts', import.meta.url));
const registryPort = 5000;
/** What is pulled of each: at the slow one's pace minutes. */
const ownBytes = 1 << 20;
const pidsLimit = 100;

/** Without eviction a full disk stays full; with it the pod that filled it goes. */
const configuration = (evictionHard: Readonly<Record<string, string>>): string =>
  JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    podPidsLimit: pidsLimit,
    serializeImagePulls: false,
    maxParallelImagePulls: 2,
    evictionHard,
    evictionPressureTransitionPeriod: '1s',
  });

test('node faults: a worker outlives what its pods do, and they outlive it', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  let configFile = '';
  const worker = await startWorker(t, {
    async prepare({ folder, dataDir, ok }) {
      configFile = join(folder, 'kubelet.json');
      writeFileSync(configFile, configuration({ 'memory.available': '1Mi' }));
      // Everything the worker keeps is on a disk of its own, small enough to be filled.
      const lib = join(dataDir, 'hosts', 'worker-1', 'lib');
      await ok('mkdir', '-p', lib);
      await ok('mount', '-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', lib);
      return ['--kubelet-config', configFile];
    },
  });
  const clean = await worker.traces();

  await t.test('kill -9 of the kubelet: volumes stay mounted under what runs, and it starts once', () =>
    volumesOverKills(worker),
  );
  await t.test('a fork bomb is held by its limit: its neighbours and the node go on, and it can be ended', () =>
    forkBomb(worker),
  );
  await t.test('slow pulls hold up only those that wait for them, and who waits can be deleted', (step) =>
    slowPulls(step, worker),
  );
  // Not in the short mode: one of sixteen runs failed at the full disk, and why is not known yet (docs/status.md).
  if (longMode) await diskFaults(t, worker, configFile);
  await t.test('after all of it nothing is left on the worker', async () => {
    for (const { metadata } of (await worker.cluster.client.resource(resources.pods).list({ namespace })).items)
      await gone(worker.cluster, metadata.name ?? '');
    // What a kubelet has left that was killed is swept away at its next start.
    await worker.killNodeProcess();
    await worker.clean(clean);
  });
});

async function diskFaults(t: TestContext, worker: Worker, configFile: string): Promise<void> {
  await t.test('a full disk: what runs runs on, the kubelet too, and all goes on when there is room again', () =>
    fullDisk(worker),
  );
  await t.test('a pod that fills the disk is evicted, its neighbour is not, and the node tells it', async () => {
    writeFileSync(configFile, configuration({ 'nodefs.available': '10%' }));
    await worker.killNodeProcess();
    await filledByPod(worker);
  });
}

async function volumesOverKills({ cluster, inside, killNodeProcess, nodeReports }: Worker): Promise<void> {
  await cluster.client.resource(resources.configMaps).create({
    metadata: { namespace, name: 'conf' },
    data: { word: 'kept' },
  });
  await cluster.client.resource(resources.persistentVolumeClaims).create({
    metadata: { namespace, name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  });
  const mounts = ['conf', 'disk', 'memory', 'claimed'].map((name) => ({ name, mountPath: `/${name}` }));
  // Ends by itself as soon as one of them cannot be used.
  const script = `
    token=/var/run/secrets/kubernetes.io/serviceaccount/token
    for v in disk memory claimed; do echo started >> /$v/starts || exit 9; done
    while true; do
      [ "$(cat /conf/word)" = kept ] && [ -s $token ] || exit 9
      for v in disk memory claimed; do echo . >> /$v/beats && [ "$(wc -l < /$v/starts)" = 1 ] || exit 9; done
      sleep 0.1
    done`;
  await createPod(cluster, 'mounted', {
    containers: [
      busybox(script, {
        volumeMounts: [...mounts, { name: 'claimed', mountPath: '/part', subPath: 'part' }],
      }),
    ],
    volumes: [
      { name: 'conf', configMap: { name: 'conf' } },
      { name: 'disk', emptyDir: {} },
      { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      { name: 'claimed', persistentVolumeClaim: { claimName: 'data' } },
    ],
  });
  const before = await untilPod(cluster, 'mounted', 'runs', (pod) => allReady(1)([pod]));
  const mounted = (): Promise<string> =>
    inside(`grep -E 'kubelet/pods/${before.metadata.uid}' /proc/mounts | cut -d' ' -f2 | sort`);
  const mountedBefore = await mounted();
  assert.match(mountedBefore, /memory/);
  for (const pauseMs of [0, 1000]) {
    await setTimeout(pauseMs);
    await killNodeProcess();
  }
  await nodeReports();
  const after = await untilPod(cluster, 'mounted', 'is ready', (pod) => allReady(1)([pod]));
  assert.equal(restarts(after), 0);
  assert.equal(after.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
  assert.equal(await mounted(), mountedBefore);
  // Deleted while no kubelet is there: its container goes first, then its volumes.
  await killNodeProcess();
  await gone(cluster, 'mounted');
  assert.ok(await eventually(async () => (await mounted()) === ''), await mounted());
  await cluster.client.resource(resources.persistentVolumeClaims).delete('data', { namespace });
  await cluster.until(resources.persistentVolumes, 'the volume is gone', (all) => all.length === 0);
  await cluster.client.resource(resources.configMaps).delete('conf', { namespace });
}

async function forkBomb({ cluster, inside, machine, nodeReports }: Worker): Promise<void> {
  await createPod(cluster, 'neighbour', {
    containers: [
      busybox('exec sleep 70011', {
        livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1, timeoutSeconds: 20, failureThreshold: 1 },
      }),
    ],
  });
  // Each makes two of its kind and stays; what cannot be made is tried again for ever.
  await createPod(cluster, 'bomb', {
    containers: [busybox('b() { b & b & exec sleep 70012; }; while true; do (b) 2>/dev/null; done & exec sleep 70012')],
  });
  const bomb = await untilPod(cluster, 'bomb', 'runs', (pod) => pod.status?.phase === 'Running');
  const count = async (): Promise<number> =>
    Number(await inside(`cat $(find /sys/fs/cgroup/pids -name 'pod${bomb.metadata.uid}')/pids.current`));
  let most = 0;
  assert.ok(
    await eventually(async () => {
      most = Math.max(most, await count());
      return most >= pidsLimit - 5;
    }),
    `only ${most} processes`,
  );
  // The node answers, starts others and looks after them meanwhile.
  await nodeReports();
  assert.equal(await ran(cluster, 'meanwhile', { containers: [busybox('echo here')] }), 'here\n');
  assert.ok((await count()) <= pidsLimit);
  assert.equal(restarts(await untilPod(cluster, 'neighbour', 'is ready', (pod) => allReady(1)([pod]))), 0);
  await gone(cluster, 'bomb');
  assert.ok(await eventually(async () => (await machine.pids('sleep 70012')).length === 0));
  await Promise.all([gone(cluster, 'neighbour'), gone(cluster, 'meanwhile')]);
}

async function slowPulls(step: TestContext, { cluster, inside, machine }: Worker): Promise<void> {
  const archives = ['quick', 'slow', 'stalled'].map((how) => {
    const archive = join(machine.folder, `${how}.tar`);
    const image = busyboxImage(`${how}:1`);
    // The worker has the rest of it already.
    const own: TarEntry = { kind: 'file', path: how, mode: 0o644, bytes: Buffer.alloc(ownBytes, how) };
    writeFileSync(archive, writeOciArchive([{ ...image, layers: [...image.layers, [own]] }]));
    return archive;
  });
  await inside(
    `nohup ${process.execPath} ${registryProgram} ${registryPort} ${archives.join(' ')} >/var/log/registry 2>&1 </dev/null &`,
  );
  const ask = (path: string): Promise<string> =>
    inside(`busybox wget -q -O /dev/null http://127.0.0.1:${registryPort}${path} && echo answered || true`);
  assert.ok(await eventually(async () => (await ask('/v2/')).includes('answered')), 'the registry does not answer');
  const pulling = (kind: string): PodSpec => ({
    containers: [
      busybox('exec sleep 70013', {
        image: `localhost:${registryPort}/${kind}/busybox:1`,
        imagePullPolicy: 'Always',
      }),
    ],
  });
  const told = (pod: string, reason: string, timeoutMs = 60_000): Promise<unknown> =>
    cluster.until(
      resources.events,
      `${reason} of ${pod}`,
      (all) => all.some((event) => event.involvedObject?.name === pod && event.reason === reason),
      { namespace, timeoutMs },
    );
  for (const name of ['slow', 'stalled']) {
    await createPod(cluster, name, pulling(name));
    await told(name, 'Pulling');
  }
  // Both places are taken: who needs a third waits, and who has its image does not.
  await createPod(cluster, 'waits', pulling('quick'));
  await told('waits', 'Pulling');
  assert.equal(await ran(cluster, 'has', { containers: [busybox('echo here')] }), 'here\n');
  const waiting = await untilPod(cluster, 'waits', 'waits', () => true);
  assert.equal(waiting.status?.containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating');
  await gone(cluster, 'waits');
  await createPod(cluster, 'next', pulling('quick'));
  await told('next', 'Pulling');
  if (longMode) {
    const startMs = Date.now();
    await told('stalled', 'Failed', 600_000);
    step.diagnostic(`a pull without progress was told after ${Math.round((Date.now() - startMs) / 1000)} s`);
  }
  // A pull that nobody wants any more gives its place to the next.
  await gone(cluster, 'stalled');
  await untilPod(cluster, 'next', 'runs', (pod) => allReady(1)([pod]));
  const slow = await untilPod(cluster, 'slow', 'waits still', () => true);
  assert.equal(slow.status?.phase, 'Pending');
  assert.match(await ask('/go'), /answered/);
  await untilPod(cluster, 'slow', 'runs', (pod) => allReady(1)([pod]));
  await Promise.all(['slow', 'next', 'has'].map((name) => gone(cluster, name)));
  await machine.kill(...(await machine.pids(registryProgram)));
}

async function fullDisk({ cluster, inside, killNodeProcess, machine, nodeReports }: Worker): Promise<void> {
  const named = (name: string, number: number): Promise<unknown> =>
    createPod(cluster, name, {
      containers: [
        busybox(`echo started >> /kept/starts; exec sleep ${number}`, {
          volumeMounts: [{ name: 'kept', mountPath: '/kept' }],
        }),
      ],
      volumes: [{ name: 'kept', emptyDir: {} }],
    });
  await Promise.all([named('steady', 70_021), named('killed', 70_022)]);
  for (const name of ['steady', 'killed']) await untilPod(cluster, name, 'runs', (pod) => allReady(1)([pod]));
  // What others give back is taken too.
  const full = async (): Promise<boolean> => {
    await inside('for bs in 1M 4k; do dd if=/dev/zero bs=$bs 2>/dev/null >> /var/lib/fill; done; true');
    return (await inside('(echo x > /var/lib/x) 2>/dev/null || echo full')).includes('full');
  };
  assert.ok(await eventually(full), 'the disk is not full');

  // What has to be started now mostly cannot be (whoever ends gives a little room back); nobody forgets it, and nobody starts it twice.
  await machine.kill(...(await machine.pids('sleep 70022')));
  await named('later', 70_023);
  await untilPod(cluster, 'killed', 'is told to have ended', (pod) => !isReady(pod));
  await killNodeProcess();
  await nodeReports();
  await setTimeout(3000);
  assert.equal((await machine.pids('sleep 70021')).length, 1);
  for (const number of [70_022, 70_023])
    assert.ok((await machine.pids(`sleep ${number}`)).length <= 1, `${number} runs twice`);

  await inside('rm -f /var/lib/fill /var/lib/x');
  for (const name of ['killed', 'later'])
    await untilPod(cluster, name, 'runs when there is room', (pod) => allReady(1)([pod]), 120_000);
  const steady = await untilPod(cluster, 'steady', 'is ready', (pod) => allReady(1)([pod]));
  assert.equal(restarts(steady), 0);
  for (const number of [70_021, 70_022, 70_023])
    assert.equal((await machine.pids(`sleep ${number}`)).length, 1, String(number));
  await Promise.all(['killed', 'later'].map((name) => gone(cluster, name)));
}

async function filledByPod({ cluster, machine }: Worker): Promise<void> {
  const pressure = (wanted: string): Promise<unknown> =>
    cluster.until(resources.nodes, `disk pressure is ${wanted}`, (nodes) =>
      nodes.some(({ status }) => status?.conditions?.some((c) => c.type === 'DiskPressure' && c.status === wanted)),
    );
  await pressure('False');
  const told = pressure('True');
  await createPod(cluster, 'hog', {
    containers: [
      busybox('dd if=/dev/zero of=/data/x bs=1M; exec sleep 70024', {
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      }),
    ],
    volumes: [{ name: 'data', emptyDir: {} }],
  });
  const hog = await untilPod(cluster, 'hog', 'is evicted', (pod) => pod.status?.phase === 'Failed');
  assert.equal(hog.status?.reason, 'Evicted');
  assert.match(hog.status?.message ?? '', /The node was low on resource: ephemeral-storage/);
  await told;
  await pressure('False');
  const steady = await untilPod(cluster, 'steady', 'is ready', (pod) => allReady(1)([pod]));
  assert.equal(restarts(steady), 0);
  assert.deepEqual(await machine.pids('sleep 70024'), []);
  assert.equal(await ran(cluster, 'afterwards', { containers: [busybox('echo here')] }), 'here\n');
}
