/** A real node for tests: containerd of its own, CNI bridge, the real kubelet, and the real API server in this process. Root only. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxArchive } from '../../../test/images.ts';
import type { ApiHandler } from '../../api/exchange.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createRealRandom } from '../../base/real-random.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { createInProcessTransport } from '../../client/in-process-transport.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { startRealApiServer } from '../../client/testdata/real-api-server.ts';
import { createLocalSpawner } from '../../host/local-spawner.ts';
import { deleteLink } from '../../host/network-links.ts';
import { downContainerd, startContainerd } from '../../runtime/containerd/containerd.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import { createCriClient } from '../../runtime/cri-client.ts';
import { defaultKubeletConfig } from '../config.ts';
import { createHostKubelet } from '../host-kubelet.ts';
import type { Kubelet } from '../kubelet.ts';
import { quietLog } from './hollow-node.ts';

export interface RealTestNode {
  readonly clock: Clock;
  readonly client: Client;
  readonly runtime: CriRuntime;
  readonly folder: string;
  readonly events: string[];
  readonly complaints: string[];
  kubelet: Kubelet;
  handler: ApiHandler;
  pod(name: string): Promise<Pod>;
  createPod(name: string, spec: Partial<NonNullable<Pod['spec']>>, metadata?: Partial<Pod['metadata']>): Promise<Pod>;
  /** Polls until the pod is as wanted. @throws Error that shows it otherwise. */
  until(name: string, what: string, ok: (pod: Pod) => boolean, timeoutMs?: number): Promise<Pod>;
  gone(name: string, timeoutMs?: number): Promise<void>;
  logs(pod: string, query?: string): Promise<string>;
  /** Ends the kubelet, not the containers, and starts another. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Its own for each run: several may go on at once on one machine. */
export const testSubnet = `10.213.${process.pid % 250}.0/24`;
export const testImage = 'localhost/test/busybox:1';

export async function startRealNode(
  options: { readonly port?: number; readonly syncFrequencyMs?: number } = {},
): Promise<RealTestNode> {
  const clock = createRealClock();
  const random = createRealRandom();
  const folder = await mkdtemp(join(tmpdir(), 'bk-'));
  const spawner = createLocalSpawner({ clock });
  const bridge = `bk${process.pid % 100_000}`;
  const complaints: string[] = [];
  const log = quietLog((message, pairs) =>
    complaints.push(`${message} ${JSON.stringify(pairs)} ${String(pairs?.error ?? '')}`),
  );
  const events: string[] = [];
  const recorder: EventRecorder = {
    withComponent: () => recorder,
    event: (_, { reason, message }) => void events.push(`${reason}: ${message}`),
  };
  const containerdOptions = { stateDir: join(folder, 'c'), spawner, clock, log, cniConfDir: join(folder, 'cni') };
  await mkdir(containerdOptions.cniConfDir);
  await writeFile(
    join(containerdOptions.cniConfDir, '10-test.conflist'),
    JSON.stringify({
      cniVersion: '1.0.0',
      name: `bk-${process.pid}`,
      plugins: [
        {
          type: 'bridge',
          bridge,
          isGateway: true,
          ipam: { type: 'host-local', dataDir: join(folder, 'ipam'), ranges: [[{ subnet: testSubnet }]] },
        },
      ],
    }),
  );
  const containerd = await startContainerd(containerdOptions);
  const archive = join(folder, 'busybox.tar');
  await writeFile(archive, busyboxArchive(testImage));
  await containerd.importImage(archive);
  const api = await startRealApiServer(clock);
  const transport = createInProcessTransport(api.server.handler, { clock });
  const client = createClient(transport, { fieldManager: 'kubelet' });
  for (const name of ['default', 'kube-node-lease'])
    await client.resource(resources.namespaces).create({ metadata: { name } });
  const runtime = createCriClient({ endpoint: containerd.endpoint, clock });

  const start = async () => {
    const stop = new AbortController();
    const informers = createInformerFactory(client, { clock, random, log });
    const { kubelet, handler } = await createHostKubelet({
      nodeName: 'real',
      nodeIPs: ['10.0.0.1'],
      client,
      events: recorder,
      runtime,
      clock,
      random,
      log,
      metrics: createMetricsRegistry(),
      config: {
        ...defaultKubeletConfig,
        enableServer: options.port !== undefined,
        port: options.port ?? 0,
        clusterDNS: ['10.96.0.10'],
        cgroupRoot: `/bk${process.pid}`,
        syncFrequencyMs: options.syncFrequencyMs ?? 2000,
      },
      version: 'v1.36.0',
      informers,
      spawner,
      rootDir: join(folder, 'kubelet'),
      podLogsDir: join(folder, 'logs'),
    });
    const running = kubelet.run(stop.signal);
    return {
      kubelet,
      handler,
      end: async () => {
        stop.abort();
        await running;
        await informers.stop();
      },
    };
  };
  let current = await start();
  const pods = client.resource(resources.pods);
  const poll = async (what: string, timeoutMs: number, ok: () => Promise<string | undefined>): Promise<void> => {
    const deadline = clock.monotonic() + timeoutMs;
    for (;;) {
      const problem = await ok();
      if (problem === undefined) return;
      if (clock.monotonic() > deadline)
        throw new Error(
          `${what}: not within ${timeoutMs} ms: ${problem}\nevents:\n${events.join('\n')}\nlog:\n${complaints.join('\n')}`,
        );
      await clock.sleep(20);
    }
  };
  const node: RealTestNode = {
    clock,
    client,
    runtime,
    folder,
    events,
    complaints,
    get kubelet() {
      return current.kubelet;
    },
    get handler() {
      return current.handler;
    },
    pod: (name) => pods.get(name, { namespace: 'default' }),
    createPod: (name, spec, metadata = {}) =>
      pods.create({
        metadata: { name, namespace: 'default', ...metadata },
        spec: {
          nodeName: 'real',
          terminationGracePeriodSeconds: 2,
          containers: [{ name: 'app', image: testImage, command: ['sleep', '1000'] }],
          ...spec,
        },
      } as Pod),
    async until(name, what, ok, timeoutMs = 40_000) {
      let pod = await node.pod(name);
      await poll(`pod ${name} ${what}`, timeoutMs, async () => {
        pod = await node.pod(name);
        return ok(pod) ? undefined : JSON.stringify(pod.status, null, 1);
      });
      return pod;
    },
    gone: (name, timeoutMs = 40_000) =>
      poll(`pod ${name} gone`, timeoutMs, async () => {
        const { items } = await pods.list({ namespace: 'default', fieldSelector: `metadata.name=${name}` });
        return items.length === 0 ? undefined : JSON.stringify(items[0]?.status, null, 1);
      }),
    async logs(pod, query = '') {
      const answer = await current.handler({
        method: 'GET',
        path: `/containerLogs/default/${pod}/app`,
        query,
        headers: {},
        peer: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
        remoteAddress: 'in-process',
        signal: new AbortController().signal,
      });
      const parts: Uint8Array[] = [];
      if (answer.body.kind === 'stream') for await (const part of answer.body.stream) parts.push(part);
      else if (answer.body.kind === 'bytes') parts.push(answer.body.bytes);
      return Buffer.concat(parts).toString();
    },
    async restart() {
      await current.end();
      current = await start();
    },
    async stop() {
      await current.end();
      await runtime.close();
      await transport.close();
      await api.stop();
      await downContainerd({ ...containerdOptions, removeState: true });
      await deleteLink(spawner, bridge);
      const { openCgroups } = await import('../../host/cgroups.ts');
      await (await openCgroups(clock)).remove(`/bk${process.pid}`);
      const { createMounts } = await import('../../host/mounts.ts');
      await createMounts(spawner).unmountUnder(folder);
      await rm(folder, { recursive: true, force: true });
      await spawner.close();
    },
  };
  return node;
}
