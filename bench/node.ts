/**
 * A node with containerd: a pod from POST to Running beside the same container by direct CRI calls, many pods at once, their namespace deleted, and
 * what kubelet and proxy cost with them idle. Needs root and containerd; runs in namespaces of its own.
 * Run: node bench/node.ts [pods at once] [idle seconds] [single pods]
 */
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import type { CriRuntime } from '../src/runtime/cri.ts';
import { createCriClient } from '../src/runtime/cri-client.ts';
import { accessTo, type ClusterAccess } from '../test/e2e/cluster.ts';
import { port, startMachine } from '../test/e2e/machine.ts';
import { image } from '../test/e2e/workload.ts';
import { busyboxArchive } from '../test/images.ts';
import { cpuSeconds, residentMiB } from './support/built-cluster.ts';
import { conditions, median, print } from './support/figures.ts';

const [many = 100, idleSeconds = 30, singles = 15] = process.argv.slice(2).map(Number);
const command = ['sleep', '100000'];
const namespace = 'bench';

const undo: (() => Promise<void> | void)[] = [];
try {
  const machine = await startMachine({ after: (work: () => Promise<void>) => void undo.push(work) });
  const up = await machine.bireme('up');
  if (up.code !== 0) throw new Error(up.stdout + up.stderr);
  undo.push(async () => void (await machine.bireme('down')));
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  await machine.bireme('image import', archive);
  await using cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  const cri = createCriClient({
    endpoint: `unix://${join(machine.dataDir, 'node', 'c', 'containerd.sock')}`,
    clock: createRealClock({ keepAlive: true }),
  });
  try {
    await measure(cluster, cri, nodeProcess(machine.dataDir), join(machine.dataDir, 'node', 'pod-logs'));
  } finally {
    await cri.close();
  }
} finally {
  for (let next = undo.pop(); next; next = undo.pop()) await next();
}

async function measure(cluster: ClusterAccess, cri: CriRuntime, node: number, podLogs: string): Promise<void> {
  const { client } = cluster;
  await client.resource(resources.namespaces).create({ metadata: { name: namespace } });
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, { namespace });
  const pods = client.resource(resources.pods);
  const create = (name: string): Promise<Pod> =>
    pods.create({
      metadata: { namespace, name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image, imagePullPolicy: 'Never', command }],
      },
    });
  const running = (count: number): Promise<unknown> =>
    cluster.until(resources.pods, `${count} pods run`, (all) => all.filter(isRunning).length === count, {
      namespace,
      timeoutMs: 600_000,
    });

  // In turn, so that both meet the same machine.
  const direct: number[] = [];
  const posted: number[] = [];
  for (let i = 0; i < singles; i++) {
    direct.push(await timed(() => directly(cri, i)));
    posted.push(
      await timed(async () => {
        const seen = running(1);
        await create(`single-${i}`);
        await seen;
      }),
    );
    await pods.delete(`single-${i}`, { namespace });
    await cluster.until(resources.pods, 'it is gone', (all) => all.length === 0, { namespace });
  }
  console.log(conditions());
  print({ what: 'sandbox and container by direct CRI calls', unit: 'ms', measured: direct });
  print({ what: 'a pod from POST to Running', target: median(direct) + 120, unit: 'ms', measured: posted });

  const logged = await create('log');
  await running(1);
  print({
    what: '100 MB of a log from the API server',
    target: 1000,
    unit: 'ms',
    measured: await readLogs(cluster, logged, podLogs),
  });
  await pods.delete('log', { namespace });
  await cluster.until(resources.pods, 'it is gone', (all) => all.length === 0, { namespace });

  const before = cpuSeconds(node);
  const atOnce = await timed(async () => {
    const all = running(many);
    await Promise.all(Array.from({ length: many }, (_, i) => create(`many-${i}`)));
    await all;
  });
  print({ what: `${many} pods at once, all Running`, unit: 's', measured: [atOnce / 1000] });
  const perPod = ((cpuSeconds(node) - before) / many) * 1000;
  print({ what: '  CPU of kubelet, proxy and DNS for each', unit: 'ms', measured: [perPod] });

  await pause(10);
  const idleBefore = cpuSeconds(node);
  await pause(idleSeconds);
  const percent = ((cpuSeconds(node) - idleBefore) / idleSeconds) * 100;
  print({
    what: `kubelet, proxy and DNS with ${many} idle pods: resident set`,
    target: 170,
    unit: 'MiB',
    measured: [residentMiB(node)],
  });
  print({ what: `  CPU over ${idleSeconds} s`, target: 2, unit: '% of a core', measured: [percent] });

  const gone = await timed(async () => {
    await client.resource(resources.namespaces).delete(namespace);
    await cluster.until(
      resources.namespaces,
      'the namespace is gone',
      (all) => !all.some(({ metadata }) => metadata.name === namespace),
      { timeoutMs: 600_000 },
    );
  });
  print({ what: `a namespace with ${many} pods deleted`, unit: 's', measured: [gone / 1000] });
}

/** What a kubelet cannot do without: a sandbox, a container in it, started. It is taken away again outside of the time. */
async function directly(cri: CriRuntime, attempt: number): Promise<void> {
  const timeoutMs = 60_000;
  const name = `direct-${attempt}`;
  const config = {
    metadata: { name, uid: name, namespace, attempt: 0 },
    hostname: name,
    logDirectory: '',
    linux: { cgroupParent: '' },
  };
  const { podSandboxId } = await cri.runPodSandbox({ config }, { timeoutMs });
  const { containerId } = await cri.createContainer(
    {
      podSandboxId,
      sandboxConfig: config,
      config: { metadata: { name: 'main', attempt: 0 }, image: { image }, command, linux: {} },
    },
    { timeoutMs },
  );
  await cri.startContainer({ containerId }, { timeoutMs });
  setImmediate(
    () =>
      void cri
        .stopPodSandbox({ podSandboxId }, { timeoutMs })
        .then(() => cri.removePodSandbox({ podSandboxId }, { timeoutMs })),
  );
}

/** Milliseconds for 100 MB of lines as a container writes them, read by a client over HTTPS. The file is filled here: a container would be slower. */
async function readLogs({ client }: ClusterAccess, pod: Pod, podLogs: string): Promise<number[]> {
  const { name = '', uid = '' } = pod.metadata;
  const file = join(podLogs, `${namespace}_${name}_${uid}`, 'main', '0.log');
  const line = 'x'.repeat(99);
  const lines = `2026-11-23T13:00:00.123456789Z stdout F ${line}\n`.repeat(10_000);
  const figures: number[] = [];
  for (let round = 0; round < 3; round++) {
    const rounds = 200;
    for (let i = 0; i < rounds; i++) appendFileSync(file, lines);
    let bytes = 0;
    const ms = await timed(async () => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/log`;
      for await (const chunk of await client.transport.stream({ method: 'GET', path })) bytes += chunk.length;
    });
    if (bytes !== rounds * 10_000 * 100) throw new Error(`${bytes} bytes came of a log with ${rounds * 1_000_000}`);
    figures.push((ms / bytes) * 100e6);
    truncateSync(file);
  }
  return figures;
}

/** Its process as this machine counts it. */
function nodeProcess(dataDir: string): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      if (words.includes('node') && words[words.indexOf('--data-dir') + 1] === dataDir) return Number(name);
    } catch (error) {
      // It may have ended meanwhile.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  throw new Error('There is no node process');
}

function isRunning({ status }: Pod): boolean {
  return status?.phase === 'Running' && (status.containerStatuses ?? []).every(({ ready }) => ready);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
