import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetricsRegistry } from '../base/metrics.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { createMeasuredStore } from './measured-store.ts';
import { createMemoryStore } from './memory/memory-store.ts';

test('measured store: requests are counted by what they do and to what, failures too; foreign keys are not', async () => {
  const [clock, metrics] = [createVirtualClock(0), createMetricsRegistry()];
  const inner = createMemoryStore();
  const store = createMeasuredStore(inner, {
    metrics,
    clock,
    resourceOf: (key) =>
      key.startsWith('/registry/deployments/') ? { group: 'apps', resource: 'deployments' } : undefined,
  });
  const key = '/registry/deployments/default/a';
  const value = Buffer.from('x');
  const stop = new AbortController();
  const seen = (async () => {
    for await (const { events } of store.watch({ key, signal: stop.signal }))
      if (events.length > 0) return events.length;
    return 0;
  })();
  const create = {
    compare: [{ key, target: 'modRevision', op: '=', value: 0 }],
    success: [{ type: 'put', key, value }],
  } as const;
  const { revision } = await store.txn(create);
  await store.txn({
    compare: [{ key, target: 'modRevision', op: '=', value: revision }],
    success: [{ type: 'put', key, value }],
  });
  await store.range({ key });
  await store.range({ key: '/registry/deployments/', end: '/registry/deployments0' });
  await assert.rejects(store.range({ key, revision: 1_000_000 }));
  await store.txn({ compare: [], success: [{ type: 'delete', key }] });
  await store.txn({ compare: [], success: [{ type: 'put', key: 'compact_rev_key', value }] });
  assert.ok((await seen) > 0);
  stop.abort();
  const text = await metrics.text();
  const count = (operation: string, name = 'etcd_requests_total'): string | undefined =>
    new RegExp(`${name}\\{operation="${operation}",group="apps",resource="deployments"\\} (\\d+)`).exec(text)?.[1];
  assert.deepEqual(
    ['create', 'update', 'get', 'list', 'delete'].map((operation) => count(operation)),
    ['1', '1', '2', '1', '1'],
  );
  assert.equal(count('get', 'etcd_request_errors_total'), '1');
  assert.match(
    text,
    /etcd_request_duration_seconds_bucket\{operation="create",group="apps",resource="deployments",le="0.005"\} 1/,
  );
  assert.match(text, /apiserver_storage_events_received_total\{group="apps",resource="deployments"\} \d/);
  assert.doesNotMatch(text, /compact_rev_key/);
  assert.match(await metrics.text(), /apiserver_storage_size_bytes\{storage_cluster_id="etcd-0"\} \d/);
  await store.close();
});
