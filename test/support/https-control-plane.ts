/** A control plane on a memory store behind a real HTTPS port. Neither scheduler nor controllers: nothing happens but what a test does. */
import { silentLogger } from '../../src/base/console-log.ts';
import { createMetricsRegistry } from '../../src/base/metrics.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createRealRandom } from '../../src/base/real-random.ts';
import {
  adminPeer,
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from '../../src/cluster/control-plane.ts';
import { createCertificateAuthority, createServiceAccountKeys } from '../../src/cluster/pki.ts';
import { renderKubeconfig } from '../../src/cluster/user-kubeconfig.ts';
import { startHttpsServer } from '../../src/serve/index.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';

type Surroundings = Pick<ControlPlaneOptions, 'clock' | 'random' | 'log' | 'metrics'>;

export interface HttpsControlPlane extends Surroundings {
  readonly controlPlane: ControlPlane;
  /** An administrator's. */
  readonly kubeconfig: string;
  /** All that happened until now is history. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

export async function startHttpsControlPlane(
  more: (parts: Surroundings) => Partial<ControlPlaneOptions> = () => ({}),
): Promise<HttpsControlPlane> {
  const clock = createRealClock({ keepAlive: true });
  const parts: Surroundings = {
    clock,
    random: createRealRandom(),
    metrics: createMetricsRegistry(),
    log: silentLogger,
  };
  const store = createMemoryStore({ clock });
  const ca = await createCertificateAuthority('test-ca', parts);
  const controlPlane = await startControlPlane({
    ...parts,
    store,
    serviceAccountPrivateKey: createServiceAccountKeys().privateKey,
    clientCa: ca.cert,
    advertiseAddress: '127.0.0.1',
    port: 6443,
    without: ['scheduler', 'controllers'],
    tuning: { compactionIntervalMs: 0 },
    ...more(parts),
  });
  const server = await startHttpsServer({
    ...parts,
    handler: controlPlane.handler,
    ...(await ca.issue({ commonName: 'kube-apiserver', usages: ['server'], ipAddresses: ['127.0.0.1'] })),
    clientCa: ca.cert,
    host: '127.0.0.1',
    port: 0,
    streamsBody: (method, path) => controlPlane.server.streamsBody(method, path),
  });
  const admin = await ca.issue({ ...adminPeer, usages: ['client'] });
  return {
    ...parts,
    controlPlane,
    kubeconfig: renderKubeconfig({
      name: 'test',
      server: `https://127.0.0.1:${server.port}`,
      certificateAuthority: ca.cert,
      clientCertificate: admin.cert,
      clientKey: admin.key,
    }),
    async compact() {
      const revision = await store.currentRevision();
      await store.compact(revision);
      controlPlane.server.registry.cache.compact(revision);
    },
    async stop() {
      await server.stop({ graceMs: 0 });
      await controlPlane.stop();
      await store.close();
    },
  };
}
