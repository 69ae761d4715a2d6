import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/console-log.ts';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createRealClock } from '../base/real-clock.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createHttpClient } from '../serve/forward/http-client.ts';
import { startHttpsServer } from '../serve/index.ts';
import { checkOfPort } from './component-checks.ts';
import { createCertificateAuthority } from './pki.ts';

test('component checks: a part of the control plane is well, not well, or away', async () => {
  const clock = createRealClock({ keepAlive: true });
  const ca = await createCertificateAuthority('test', { clock, random: createSeededRandom(1) });
  let status = 200;
  const server = await startHttpsServer({
    handler: async () => ({ status, headers: {}, body: { kind: 'bytes', bytes: Buffer.from('ok') } }),
    ...(await ca.issue({ commonName: 'scheduler', usages: ['server'], dnsNames: ['elsewhere'] })),
    host: '127.0.0.1',
    port: 0,
    clock,
    log: silentLogger,
    metrics: createMetricsRegistry(),
  });
  const http = createHttpClient({ clock });
  const check = checkOfPort(http, server.port);
  assert.equal(await check(), undefined);
  status = 500;
  assert.equal(await check(), 'HTTP probe failed with statuscode: 500');
  await server.stop({ graceMs: 0 });
  http.close();
  const address = `127.0.0.1:${server.port}`;
  assert.equal(await check(), `Get "https://${address}/healthz": dial tcp ${address}: connect: connection refused`);
  http.close();
});
