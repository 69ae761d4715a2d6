/** A server for the golden cases: memory store, virtual time, what the recorded cluster had. */
import type { ApiHandler, ApiRequest } from '../../src/api/exchange.ts';
import { createBearerTokenAuthenticator, createTokenUnion } from '../../src/apiserver/authentication/bearer-token.ts';
import { createAuthenticate } from '../../src/apiserver/authentication/chain.ts';
import { createClientCertificateAuthenticator } from '../../src/apiserver/authentication/client-certificate.ts';
import { createRbacAuthorizer } from '../../src/apiserver/authorization/rbac.ts';
import { createRbacIndex } from '../../src/apiserver/authorization/rbac-index.ts';
import { createAuthorizerUnion, createPrivilegedGroups } from '../../src/apiserver/authorization/union.ts';
import { createApiServer } from '../../src/apiserver/index.ts';
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

export async function startGoldenServer(): Promise<GoldenServer> {
  const clock = createVirtualClock();
  const store = createMemoryStore({ clock });
  // A server that is not quite new: revision 1 is too old for a watch, as it was where the cases were recorded.
  for (let i = 0; i < 3; i++)
    await store.txn({
      compare: [],
      success: [{ type: 'put', key: '/registry/masterleases/192.0.2.10', value: Buffer.from('{}') }],
    });
  const server = createApiServer({
    store,
    clock,
    random: createSeededRandom(1),
    log: silentLogger,
    metrics: createMetricsRegistry(),
    version: {
      major: '1',
      minor: '36',
      emulationMajor: '1',
      emulationMinor: '36',
      minCompatibilityMajor: '1',
      minCompatibilityMinor: '35',
      gitVersion: 'v1.36.3',
      gitCommit: 'none',
      gitTreeState: 'clean',
      buildDate: '2026-01-01T00:00:00Z',
      goVersion: 'none',
      compiler: 'gc',
      platform: 'linux/amd64',
    },
    serverAddress: '192.0.2.10:6443',
    compactionIntervalMs: 0,
    security: ({ reader }) => {
      const rbacIndex = createRbacIndex(reader);
      const tokens = createTokenUnion([]);
      return {
        authenticate: createAuthenticate({
          authenticators: [createClientCertificateAuthenticator(), createBearerTokenAuthenticator(tokens, [])],
          anonymousAllowed: true,
        }),
        authorizer: createAuthorizerUnion([createPrivilegedGroups(), createRbacAuthorizer(rbacIndex)]),
        admission: [],
        tokens,
        rbacIndex,
      };
    },
  });
  await server.start();
  return {
    handler: server.handler,
    clock,
    identity: (user) => {
      if (user === '') return {};
      return { peer: { commonName: user, organizations: user === 'admin' ? ['system:masters'] : ['devs'] } };
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
