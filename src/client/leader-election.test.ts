import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { silentLogger } from '../base/console-log.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createClient } from './create-client.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { LeadershipLost, runLeaderElection } from './leader-election.ts';
import { createFakeApiServer, failure } from './testdata/fake-api-server.ts';

const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/lock';

function setUp() {
  const clock = createVirtualClock();
  const server = createFakeApiServer();
  const log: string[] = [];
  const candidate = (identity: string) => {
    const own = { down: false, hangs: false };
    const client = createClient(
      createInProcessTransport(
        async (request) => {
          if (own.hangs) await new Promise(() => undefined);
          return own.down ? failure(ApiError.serviceUnavailable('down')) : server.handler(request);
        },
        { clock },
      ),
    );
    const stop = new AbortController();
    const done = runLeaderElection(
      {
        client,
        clock,
        random: createSeededRandom(identity.charCodeAt(0)),
        log: silentLogger,
        namespace: 'kube-system',
        name: 'lock',
        identity,
      },
      async (signal) => {
        log.push(`${identity} leads`);
        await clock.sleep(1e9, signal);
        log.push(`${identity} ends`);
      },
      stop.signal,
    );
    done.catch(() => undefined);
    return { own, stop, done };
  };
  const spec = (): JsonObject => server.get(path)!.spec as JsonObject;
  return { clock, server, candidate, log, spec };
}

test('leader election: the first candidate creates the lease and renews it every two seconds', async () => {
  const { clock, candidate, log, spec, server } = setUp();
  const a = candidate('a');
  await clock.settle();
  assert.deepEqual(spec(), {
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    acquireTime: '2026-01-01T00:00:00.000000Z',
    renewTime: '2026-01-01T00:00:00.000000Z',
    leaseTransitions: 0,
  });
  await clock.advance(20_000);
  assert.equal(spec().renewTime, '2026-01-01T00:00:20.000000Z');
  assert.equal(server.requests.filter((r) => r.startsWith('GET')).length, 1, 'renewals read nothing');
  a.stop.abort();
  await clock.settle();
  await a.done;
  assert.deepEqual(log, ['a leads', 'a ends']);
  assert.equal(clock.pendingTimers, 0);
});

test('leader election: a lease given up at the stop is taken at the next try, and the transition is counted', async () => {
  const { clock, candidate, log, spec } = setUp();
  const a = candidate('a');
  await clock.settle();
  candidate('b');
  await clock.advance(30_000);
  assert.deepEqual(log, ['a leads']);
  a.stop.abort();
  await clock.settle();
  assert.equal(spec().holderIdentity, undefined);
  await clock.advance(5000);
  assert.deepEqual(log, ['a leads', 'a ends', 'b leads']);
  assert.equal(spec().leaseTransitions, 1);
});

test('leader election: a leader cut off stops after the renew deadline, before another takes over', async () => {
  const { clock, candidate, log } = setUp();
  const a = candidate('a');
  await clock.settle();
  candidate('b');
  await clock.advance(5000);
  a.own.down = true;
  await clock.advance(11_900);
  assert.deepEqual(log, ['a leads', 'a ends']);
  await assert.rejects(a.done, LeadershipLost);
  await clock.advance(10_000);
  assert.deepEqual(log, ['a leads', 'a ends', 'b leads']);
});

test('leader election: a leader that cannot give the lease up ends all the same', async () => {
  const { clock, candidate, log, spec } = setUp();
  const a = candidate('a');
  await clock.advance(5000);
  a.own.hangs = true;
  a.stop.abort();
  await clock.advance(2100);
  await a.done;
  assert.deepEqual(log, ['a leads', 'a ends']);
  assert.equal(spec().holderIdentity, 'a');
  assert.equal(clock.pendingTimers, 0);
});

test('leader election: wrong clocks of other candidates do not matter, only that the lease changes', async () => {
  const { clock, candidate, log, server } = setUp();
  const lease = (renewTime: string): JsonObject => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'lock', namespace: 'kube-system' },
    spec: { holderIdentity: 'other', leaseDurationSeconds: 15, renewTime },
  });
  server.put(path, lease('1999-01-01T00:00:00.000000Z'));
  candidate('a');
  for (let i = 1; i < 10; i++) {
    await clock.advance(10_000);
    server.put(path, lease(`1999-01-01T00:00:0${i}.000000Z`));
  }
  assert.deepEqual(log, []);
  await clock.advance(25_000);
  assert.deepEqual(log, ['a leads']);
});

test('leader election: of two that see a free lease only one gets it', async () => {
  const { clock, candidate, log } = setUp();
  candidate('a');
  candidate('b');
  candidate('c');
  await clock.advance(60_000);
  assert.equal(log.length, 1);
});

test('leader election: timings that cannot work are refused', async () => {
  const { clock } = setUp();
  const client = createClient(createInProcessTransport(createFakeApiServer().handler, { clock }));
  await assert.rejects(
    runLeaderElection(
      {
        client,
        clock,
        random: createSeededRandom(1),
        log: silentLogger,
        namespace: 'n',
        name: 'l',
        identity: 'a',
        leaseDurationMs: 10_000,
      },
      async () => undefined,
      new AbortController().signal,
    ),
    /leaseDuration 10000 ms must be greater/,
  );
});
