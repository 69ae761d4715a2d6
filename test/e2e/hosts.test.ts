/** `bireme up --workers 3`: hosts that are real to each other, pods and Services across them, a host's death and return, and no trace after `down`. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { resources } from '../../src/api/types/resources.ts';
import { busyboxArchive } from '../images.ts';
import { requires } from '../requirements.ts';
import { accessTo, type ClusterAccess } from './cluster.ts';
import { containerdNeeds, port, startMachine } from './machine.ts';
import { allReady, busybox, fetch, image, isReady, namespace, ran, server, tally } from './workload.ts';

const workers = ['worker-1', 'worker-2', 'worker-3'];
const web = { namespace, labelSelector: 'app=web' };
const nodePort = 30_080;

test('hosts: three workers carry an application, lose one of them, and leave nothing behind', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const machine = await startMachine(t);
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  const before = await machine.look();
  const bireme = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await machine.bireme(command, ...args);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  await bireme('up', '--workers', '3');
  let cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  t.after(() => cluster.close());
  const { client } = cluster;

  await t.test('status and the API show the workers, each with its own address and pod range', async () => {
    assert.match(await bireme('status'), /host worker-3 \d+ runs[\s\S]*worker-1 Ready[\s\S]*worker-3 Ready/);
    const { items } = await client.resource(resources.nodes).list();
    assert.deepEqual(items.map((node) => node.metadata.name).sort(), workers);
    for (const pick of [
      (node: (typeof items)[0]) => node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address,
      (node: (typeof items)[0]) => node.spec?.podCIDR,
    ])
      assert.equal(new Set(items.map(pick)).size, 3);
  });

  await bireme('image import', archive);
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, { namespace });
  await client.resource(resources.deployments).create({
    metadata: { namespace, name: 'web' },
    spec: {
      replicas: 6,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: server },
    },
  });
  const service = await client.resource(resources.services).create({
    metadata: { namespace, name: 'web' },
    spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080, nodePort }] },
  });
  const clusterIp = service.spec?.clusterIP ?? '';
  const pods = await cluster.until(resources.pods, 'six ready pods', allReady(6), web);
  await endpoints(cluster, 6);

  await t.test('pods spread over the workers', () => {
    assert.deepEqual(
      workers.map((name) => pods.filter((pod) => pod.spec?.nodeName === name).length),
      [2, 2, 2],
    );
  });

  await t.test(
    'from every worker a pod reaches every pod by IP, and the Service by name and by ClusterIP',
    async () => {
      const script = [
        ...pods.map((pod) => fetch(`${pod.status?.podIP}:8080`)),
        fetch('web'),
        fetch(`web.${namespace}.svc.cluster.local`),
        fetch(clusterIp),
      ].join('\n');
      for (const answers of await Promise.all(
        workers.map((name) => ran(cluster, `asks-${name}`, { nodeName: name, containers: [busybox(script)] })),
      )) {
        const lines = answers.trim().split('\n');
        assert.deepEqual(
          lines.slice(0, 6),
          pods.map((pod) => pod.metadata.name),
        );
        assert.equal(lines.length, 9, answers);
        for (const line of lines)
          assert.ok(
            pods.some((pod) => pod.metadata.name === line),
            answers,
          );
      }
    },
  );

  await t.test('a NodePort answers from outside, on the machine and on every worker', async () => {
    const seen = await answers(`http://${machine.address}:${nodePort}/`, 40);
    assert.equal(seen.size, 6, [...seen].join(' '));
    const { items } = await client.resource(resources.nodes).list();
    for (const node of items) {
      const address = node.status?.addresses?.find((a) => a.type === 'InternalIP')?.address;
      const text = await machine.ok('busybox', 'wget', '-q', '-O', '-', `http://${address}:${nodePort}/`);
      assert.match(text, /^web-/);
    }
  });

  await t.test('a host port leads to its container, from other hosts and on the loopback address', async () => {
    await client.resource(resources.pods).create({
      metadata: { namespace, name: 'host-port' },
      spec: {
        ...server,
        nodeName: 'worker-3',
        containers: [
          {
            ...server.containers[0]!,
            ports: [
              { containerPort: 8080, hostPort: 9080 },
              { containerPort: 8080, hostPort: 9081, hostIP: '127.0.0.1' },
            ],
          },
        ],
      },
    });
    const [{ status } = {}] = await cluster.until(resources.pods, 'the pod is ready', allReady(1), {
      namespace,
      fieldSelector: 'metadata.name=host-port',
    });
    // The node's rules follow the pod's status, a moment after it is ready.
    const asked = `busybox wget -q -O - http://${status?.hostIP}:9080/`;
    const outside = await machine.ok('sh', '-c', `for i in $(seq 100); do ${asked} && exit; sleep 0.1; done; exit 1`);
    assert.equal(outside.trim(), 'host-port');
    const inside = await ran(cluster, 'asks-host-port', {
      nodeName: 'worker-3',
      hostNetwork: true,
      containers: [busybox(['127.0.0.1:9080', '127.0.0.1:9081', `${status?.hostIP}:9080`].map(fetch).join('\n'))],
    });
    assert.equal(inside, 'host-port\n'.repeat(3));
    const refused = await ran(cluster, 'asks-wrongly', {
      nodeName: 'worker-1',
      containers: [busybox(fetch(`${status?.hostIP}:9081`))],
    });
    // Two pipes: which of them is read first is nobody's promise.
    assert.deepEqual(refused.trim().split('\n').toSorted(), [
      'lost',
      `wget: can't connect to remote host (${status?.hostIP}): Connection refused`,
    ]);
  });

  await t.test(
    'requests stay on the client’s node while an endpoint is there; none is lost when it is deleted',
    async () => {
      const here = pods.filter((pod) => pod.spec?.nodeName === 'worker-1').map((pod) => pod.metadata.name);
      const stay = `i=0; while [ $i -lt 1000 ]; do ${fetch(clusterIp)}; i=$((i+1)); done`;
      const counts = tally(await ran(cluster, 'stays', { nodeName: 'worker-1', containers: [busybox(stay)] }));
      assert.deepEqual([...counts.keys()].sort(), here.toSorted());
      assert.equal(sum(counts), 1000);

      const asking = ran(cluster, 'moves', {
        nodeName: 'worker-1',
        containers: [busybox(`i=0; while [ $i -lt 1500 ]; do ${fetch(clusterIp)}; i=$((i+1)); done`)],
      });
      await cluster.until(resources.pods, 'the client runs', (all) => all[0]?.status?.phase === 'Running', {
        namespace,
        fieldSelector: 'metadata.name=moves',
      });
      for (const name of here) await client.resource(resources.pods).delete(name ?? '', { namespace });
      const after = tally(await asking);
      assert.equal(after.get('lost') ?? 0, 0);
      assert.equal(sum(after), 1500);
      t.diagnostic(`after the deletion: ${[...after].map(([name, count]) => `${name} ${count}`).join(', ')}`);
    },
  );

  await t.test('kill -9 of the control plane, then up: hosts and containers are adopted', async () => {
    const running = await containers(cluster);
    await machine.kill(...(await machine.pids('up --data-dir')));
    await cluster.close();
    await bireme('up');
    cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
    assert.deepEqual(await containers(cluster), running);
  });

  await t.test('a worker dies: its pods run elsewhere; it comes back: it is used', async () => {
    await bireme('host stop worker-2');
    await cluster.until(
      resources.nodes,
      'the dead worker is not ready',
      (nodes) => nodes.some((node) => node.metadata.name === 'worker-2' && ready(node) !== 'True'),
      { timeoutMs: 90_000 },
    );
    await cluster.until(
      resources.pods,
      'six ready pods on the others',
      (all) => all.filter((pod) => isReady(pod) && pod.spec?.nodeName !== 'worker-2').length >= 6,
      web,
    );
    assert.match(await bireme('host list'), /worker-2 .* off/);
    assert.equal((await answers(`http://${machine.address}:${nodePort}/`, 60)).has('lost'), false);

    await bireme('host start worker-2');
    await cluster.until(resources.nodes, 'all workers are ready', (nodes) =>
      nodes.every((node) => ready(node) === 'True'),
    );
    await ran(cluster, 'back', { nodeName: 'worker-2', containers: [busybox(fetch(clusterIp))] });
    await cluster.client.resource(resources.pods).create({
      metadata: { namespace, name: 'chosen' },
      spec: {
        ...server,
        nodeSelector: { 'kubernetes.io/hostname': 'worker-2' },
      },
    });
    await cluster.until(resources.pods, 'a pod is scheduled to it and runs', allReady(1), {
      namespace,
      fieldSelector: 'metadata.name=chosen',
    });
  });

  await t.test('down leaves the machine as it was', async () => {
    await bireme('down');
    assert.deepEqual(await machine.look(), before);
  });
});

const ready = (node: { readonly status?: { readonly conditions?: readonly { type: string; status: string }[] } }) =>
  node.status?.conditions?.find((c) => c.type === 'Ready')?.status;

const endpoints = (cluster: ClusterAccess, count: number): Promise<unknown> =>
  cluster.until(
    resources.endpointSlices,
    `${count} endpoints`,
    (slices) => slices.flatMap((slice) => slice.endpoints).filter((e) => e?.conditions?.ready).length === count,
    { namespace, labelSelector: 'kubernetes.io/service-name=web' },
  );

/** Which containers run, and how often they were started again. */
async function containers(cluster: ClusterAccess): Promise<readonly string[]> {
  const pods = await cluster.until(resources.pods, 'six ready pods', allReady(6), web);
  return pods
    .map(({ metadata, status }) => {
      const [first] = status?.containerStatuses ?? [];
      return `${metadata.name} ${first?.containerID} ${first?.restartCount}`;
    })
    .sort();
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

/** Different answers to so many requests, each on a connection of its own; a request without an answer is `lost`. */
async function answers(url: string, count: number): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++)
    seen.add(
      await new Promise<string>((resolve) => {
        const request = get(url, { agent: false, timeout: 5000 }, (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () => resolve(text.trim()));
        });
        request.on('timeout', () => request.destroy());
        request.on('error', () => resolve('lost'));
      }),
    );
  return seen;
}
