/** The collector against its naive twin: what is left is what some root still reaches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../api/errors.ts';
import type { KubeObject } from '../../api/object.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { failure } from '../../client/testdata/fake-api-server.ts';
import { createBench } from '../testdata/controller-bench.ts';
import { createGarbageCollector } from './garbage-collector.ts';

const kinds = [resources.configMaps, resources.secrets, resources.serviceAccounts] as const;

for (let seed = 1; seed <= 20; seed++)
  test(`garbage: what is left is what a living owner reaches (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const bench = createBench();
    if (seed % 2 === 0) bench.start(createGarbageCollector());
    const objects: {
      readonly object: KubeObject;
      readonly kind: (typeof kinds)[number];
      readonly owners: readonly number[];
    }[] = [];
    for (let i = 0; i < 40; i++) {
      const kind = kinds[random.below(kinds.length)]!;
      const owners = new Set<number>();
      if (i > 5 && random.below(10) < 8) for (let n = 1 + random.below(2); n > 0; n--) owners.add(random.below(i));
      const ownerReferences: OwnerReference[] = [...owners].map((owner) => ({
        apiVersion: 'v1',
        kind: objects[owner]!.kind.kind,
        name: `o${owner}`,
        uid: objects[owner]!.object.metadata.uid ?? '',
        blockOwnerDeletion: random.below(2) === 0,
      }));
      const metadata = { name: `o${i}`, namespace: 'ns', ...(ownerReferences.length > 0 ? { ownerReferences } : {}) };
      objects.push({ object: bench.put(kind, { metadata }) as KubeObject, kind, owners: [...owners] });
    }
    if (seed % 2 === 1) bench.start(createGarbageCollector());
    await bench.clock.advance(random.below(2) * 2000);
    // Some requests fail, some watches break: it must heal.
    bench.server.intercept = () =>
      random.below(20) === 0 ? failure(ApiError.internal(new Error('flaky'))) : undefined;
    const removed = new Set<number>();
    for (let i = 0; i < 5; i++) {
      const victim = random.below(12);
      if (removed.has(victim)) continue;
      removed.add(victim);
      bench.server.endWatches();
      const policy = random.below(3) === 0 ? 'Foreground' : 'Background';
      const { kind } = objects[victim]!;
      const gone = (): boolean => bench.get(kind, 'ns', `o${victim}`)?.metadata.deletionTimestamp !== undefined;
      while (bench.get(kind, 'ns', `o${victim}`) && !gone()) {
        try {
          await bench.context.client
            .resource(kind)
            .delete(`o${victim}`, { namespace: 'ns', body: { propagationPolicy: policy } });
        } catch (error) {
          assert.ok(error instanceof ApiError);
        }
      }
      await bench.clock.advance(random.below(500));
    }
    await bench.clock.advance(60_000);
    bench.server.intercept = undefined;
    await bench.clock.advance(600_000);

    const living = new Set<number>();
    for (const [i, { owners }] of objects.entries())
      if (!removed.has(i) && (owners.length === 0 || owners.some((owner) => living.has(owner)))) living.add(i);
    const left = objects.flatMap(({ kind }, i) => (bench.get(kind, 'ns', `o${i}`) ? [i] : []));
    assert.deepEqual(left, [...living]);
    await bench.stop();
  });
