/** Whatever happens to the watches, the cache ends as the server is, and what handlers were told adds up to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../api/errors.ts';
import type { Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { silentLogger } from '../base/console-log.ts';
import { createSeededRandom } from '../base/seeded-random.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createClient } from './create-client.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { keyOf } from './informer.ts';
import { createInformerFactory } from './informer-factory.ts';
import { createFakeApiServer, failure } from './testdata/fake-api-server.ts';

for (let seed = 1; seed <= 25; seed++)
  test(`informer: ends as the server is, through lost watches and compactions (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const clock = createVirtualClock();
    const server = createFakeApiServer();
    server.streamsLists = seed % 2 === 0;
    const client = createClient(createInProcessTransport(server.handler, { clock }));
    const factory = createInformerFactory(client, { clock, random, log: silentLogger });
    const informer = factory.informer(resources.pods);
    informer.addIndex('node', (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []));
    const told = new Map<string, Pod>();
    informer.addHandler({
      onAdd: (pod) => {
        assert.ok(!told.has(keyOf(pod)), 'an add is of something new');
        told.set(keyOf(pod), pod);
      },
      onUpdate: (previous, pod) => {
        assert.equal(told.get(keyOf(pod)), previous);
        assert.equal(informer.get(keyOf(pod)), pod, 'the cache has it already');
        told.set(keyOf(pod), pod);
      },
      onDelete: (pod) => assert.ok(told.delete(keyOf(pod)), 'a delete is of something known'),
    });
    const wanted = new Map<string, string>();
    for (let step = 0; step < 150; step++) {
      const name = `p${random.below(12)}`;
      const path = `/api/v1/namespaces/ns/pods/${name}`;
      const dice = random.below(100);
      if (dice < 55) {
        const nodeName = `n${random.below(3)}`;
        server.put(path, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns' }, spec: { nodeName } });
        wanted.set(`ns/${name}`, nodeName);
      } else if (dice < 75) {
        if (wanted.delete(`ns/${name}`)) server.remove(path);
      } else if (dice < 82) server.endWatches();
      else if (dice < 86) server.endWatches(ApiError.internal(new Error('broken')));
      else if (dice < 89) server.compact();
      else if (dice < 91) server.bookmark();
      else if (dice < 94) {
        let failures = random.below(3);
        server.intercept = () => (failures-- > 0 ? failure(ApiError.serviceUnavailable('busy')) : undefined);
      } else await clock.advance(random.below(3000));
    }
    server.intercept = undefined;
    await clock.advance(120_000);
    const cached = new Map(informer.list().map((pod) => [keyOf(pod), pod.spec?.nodeName ?? '']));
    const sorted = (map: ReadonlyMap<string, string>) => [...map].sort();
    assert.deepEqual(sorted(cached), sorted(wanted));
    assert.deepEqual(sorted(new Map([...told].map(([key, pod]) => [key, pod.spec?.nodeName ?? '']))), sorted(wanted));
    for (const node of ['n0', 'n1', 'n2'])
      assert.deepEqual(
        informer.byIndex('node', node).map(keyOf).sort(),
        [...wanted]
          .filter(([, value]) => value === node)
          .map(([key]) => key)
          .sort(),
      );
    await factory.stop();
    assert.equal(clock.pendingTimers, 0);
  });
