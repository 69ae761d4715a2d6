/** A server for the golden cases: memory store, virtual time, what the recorded cluster had. */
import { generateKeyPairSync } from 'node:crypto';
import type { ApiHandler, ApiRequest } from '../../src/api/exchange.ts';
import { createServiceAllocator } from '../../src/apiserver/allocators/service-allocator.ts';
import { signingKey } from '../../src/apiserver/authentication/token-keys.ts';
import { bootstrap } from '../../src/apiserver/bootstrap/index.ts';
import { type ApiServerOptions, createApiServer, followedVersion } from '../../src/apiserver/index.ts';
import { createClusterSecurity } from '../../src/apiserver/security.ts';
import type { Clock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/console-log.ts';
import { createMetricsRegistry } from '../../src/base/metrics.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/base/virtual-clock.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';

export interface GoldenServer {
  readonly handler: ApiHandler;
  readonly clock: VirtualClock;
  identity(user: string): Pick<ApiRequest, 'peer'>;
  revision(): Promise<number>;
  /** Everything before now. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

const serviceCidrs = ['10.0.0.0/16'];

export async function startGoldenServer(): Promise<GoldenServer> {
  const clock = createVirtualClock();
  // The server that was recorded had this name: upstream's manager of its own writes is its program's name.
  return { ...(await startServer({ clock, options: { programName: 'kube-apiserver-clean' } })), clock };
}

/** The same server on another clock. */
export async function startServer({
  clock,
  options = {},
}: {
  readonly clock: Clock;
  readonly options?: Partial<ApiServerOptions>;
}): Promise<Omit<GoldenServer, 'clock'>> {
  const store = createMemoryStore({ clock });
  const random = createSeededRandom(1);
  const log = silentLogger;
  await bootstrap({ store, clock, random, config: { serviceCidrs, securePort: 6443 } });
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const server = createApiServer({
    store,
    clock,
    random,
    log,
    metrics: createMetricsRegistry(),
    version: { ...followedVersion, compiler: 'gc' },
    serverAddress: '192.0.2.10:6443',
    // What bootstrap() writes is written; the parts that take turns have nothing to do for a server without an address of its own.
    beside: { written: () => true, turned: () => true },
    compactionIntervalMs: 0,
    security: createClusterSecurity({
      serviceAccountKey: signingKey(privateKey),
      issuer: 'https://kubernetes.default.svc',
      jwksUri: 'https://192.0.2.10:6443/openid/v1/jwks',
    }),
    hooks: ({ reader }) => createServiceAllocator({ store, reader, clock, random, log, serviceCidrs }).hooks,
    ...options,
  });
  await server.start();
  return {
    handler: server.handler,
    identity: (user) => {
      if (user === '') return {};
      return {
        peer: {
          commonName: user,
          organizations: user === 'admin' ? ['system:masters'] : ['devs'],
          fingerprint: '00'.repeat(32),
        },
      };
    },
    revision: () => store.currentRevision(),
    async compact() {
      const revision = await store.currentRevision();
      await store.compact(revision);
      server.registry.cache.compact(revision);
    },
    async stop() {
      await server.stop();
      await store.close();
    },
  };
}
