/** The real API server on a memory store, everything allowed: what client and controller tests of behaviour run against. */
import { alwaysAllow } from '../../apiserver/authorization/index.ts';
import { type ApiServer, createApiServer } from '../../apiserver/index.ts';
import type { Clock } from '../../base/clock.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createMemoryStore } from '../../store/memory/memory-store.ts';

export interface RealApiServer {
  readonly server: ApiServer;
  stop(): Promise<void>;
}

export async function startRealApiServer(clock: Clock): Promise<RealApiServer> {
  const store = createMemoryStore({ clock });
  const server = createApiServer({
    store,
    clock,
    random: createSeededRandom(11),
    log: silentLogger,
    metrics: createMetricsRegistry(),
    security: () => ({
      authenticate: () => ({ name: 'admin', groups: ['system:masters', 'system:authenticated'] }),
      authorizer: alwaysAllow,
      admission: [],
    }),
  });
  await server.start();
  return {
    server,
    async stop() {
      await server.stop();
      await store.close();
    },
  };
}
