/**
 * A control plane with one hollow node behind a real HTTPS port, and a configuration of `@kubernetes/client-node` for it. Neither scheduler nor
 * controllers: nothing happens but what a test does.
 */
import { KubeConfig } from '@kubernetes/client-node';
import type { Node } from '../../src/api/types/core-v1.ts';
import type { KubeletUpgrade } from '../../src/apiserver/registry/endpoints/logs.ts';
import { silentLogger } from '../../src/base/console-log.ts';
import { createMetricsRegistry } from '../../src/base/metrics.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createRealRandom } from '../../src/base/real-random.ts';
import { adminPeer, type ControlPlane, startControlPlane } from '../../src/cluster/control-plane.ts';
import { createHollowNodes, type HollowNodes } from '../../src/cluster/hollow-nodes.ts';
import { createKubeletClient } from '../../src/cluster/kubelet-client.ts';
import { createCertificateAuthority, createServiceAccountKeys } from '../../src/cluster/pki.ts';
import { renderKubeconfig } from '../../src/cluster/user-kubeconfig.ts';
import { startHttpsServer } from '../../src/serve/index.ts';
import type { BackendOptions, StreamingBackend } from '../../src/serve/testdata/streaming-backend.ts';
import { startStreamingBackend } from '../../src/serve/testdata/streaming-backend.ts';
import { requestUpgrade } from '../../src/serve/upgrade/request-upgrade.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';

export interface ClientNodeCluster {
  readonly config: KubeConfig;
  readonly controlPlane: ControlPlane;
  readonly hollow: HollowNodes;
  /** What kubelets' streams were asked for. */
  readonly streams: StreamingBackend;
  /** All that happened until now is history. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

export const hollowNode = 'node-1';

/** @param command what answers exec and attach in every pod: hollow containers have no processes. */
export async function startClientNodeCluster(command: BackendOptions['command']): Promise<ClientNodeCluster> {
  const clock = createRealClock({ keepAlive: true });
  const random = createRealRandom();
  const metrics = createMetricsRegistry();
  const log = silentLogger;
  const store = createMemoryStore({ clock });
  const ca = await createCertificateAuthority('test-ca', { clock, random });
  const streams = await startStreamingBackend(command ? { command } : {});
  const kubelets = createKubeletClient({
    clock,
    node: (name) => controlPlane?.server.reader.get('', 'nodes', '', name) as unknown as Node | undefined,
    hollow: (name) => hollow.nodes.get(name)?.handler,
  });
  const controlPlane: ControlPlane = await startControlPlane({
    clock,
    random,
    log,
    metrics,
    store,
    serviceAccountPrivateKey: createServiceAccountKeys().privateKey,
    clientCa: ca.cert,
    advertiseAddress: '127.0.0.1',
    port: 6443,
    kubelet: {
      ...kubelets,
      connect: ({ method, path, query, headers, signal }: KubeletUpgrade) =>
        requestUpgrade(
          { host: '127.0.0.1', port: streams.port },
          { method, path: `${path}?${query}`, headers, signal, clock, timeoutMs: 30_000 },
        ),
    },
    kubeletPage: kubelets.page,
    without: ['scheduler', 'controllers'],
    tuning: { compactionIntervalMs: 0 },
  });
  const transport = controlPlane.transportAs(adminPeer);
  const hollow = createHollowNodes(
    transport,
    { clock, random, log, metrics },
    { transportAs: controlPlane.transportAs },
  );
  hollow.add(hollowNode);
  const server = await startHttpsServer({
    handler: controlPlane.handler,
    ...(await ca.issue({ commonName: 'kube-apiserver', usages: ['server'], ipAddresses: ['127.0.0.1'] })),
    clientCa: ca.cert,
    host: '127.0.0.1',
    port: 0,
    clock,
    log,
    metrics,
    streamsBody: (method, path) => controlPlane.server.streamsBody(method, path),
  });
  const admin = await ca.issue({ ...adminPeer, usages: ['client'] });
  const config = new KubeConfig();
  config.loadFromString(
    renderKubeconfig({
      name: 'test',
      server: `https://127.0.0.1:${server.port}`,
      certificateAuthority: ca.cert,
      clientCertificate: admin.cert,
      clientKey: admin.key,
    }),
  );
  return {
    config,
    controlPlane,
    hollow,
    streams,
    async compact() {
      const revision = await store.currentRevision();
      await store.compact(revision);
      controlPlane.server.registry.cache.compact(revision);
    },
    async stop() {
      await server.stop({ graceMs: 0 });
      await hollow.stop();
      await controlPlane.stop();
      await kubelets.close();
      await transport.close();
      await store.close();
      await streams.stop();
    },
  };
}
