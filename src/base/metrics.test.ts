import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLineWriter } from './console-log.ts';
import { createHealthSlis } from './health-slis.ts';
import { boundText } from './metric-text.ts';
import { createMetricsRegistry } from './metrics.ts';
import { createVirtualClock } from './virtual-clock.ts';

for (const [bound, want] of [
  [0, '0'],
  [0.005, '0.005'],
  [1e-4, '0.0001'],
  [1e-5, '1e-05'],
  [2.5e-7, '2.5e-07'],
  [604_800, '604800'],
  [1_000_000, '1e+06'],
  [1_048_576, '1.048576e+06'],
  [-2_000_000, '-2e+06'],
] as const)
  test(`metrics: a bound of ${bound} is written as Go does`, () => assert.equal(boundText(bound), want));

test('metrics: histograms and tallies without labels have a series from the start, others with their first child', async () => {
  const metrics = createMetricsRegistry();
  metrics.timings<never>({ name: 'took_seconds', help: 'h', labels: [], buckets: [1] });
  metrics.tallies<never>({ name: 'done_total', help: 'h', labels: [] });
  const byKind = metrics.tallies<'kind'>({ name: 'kinds_total', help: 'h', labels: ['kind'] });
  byKind.child({ kind: 'a"b\\c' }).add(3);
  byKind.child({ kind: 'gone' }).add();
  byKind.remove({ kind: 'gone' });
  assert.equal(
    (await metrics.text()).trim(),
    [
      '# HELP took_seconds h',
      '# TYPE took_seconds histogram',
      'took_seconds_bucket{le="1"} 0',
      'took_seconds_bucket{le="+Inf"} 0',
      'took_seconds_sum 0',
      'took_seconds_count 0',
      '',
      '# HELP done_total h',
      '# TYPE done_total counter',
      'done_total 0',
      '',
      '# HELP kinds_total h',
      '# TYPE kinds_total counter',
      'kinds_total{kind="a\\"b\\\\c"} 3',
    ].join('\n'),
  );
});

test('metrics: what is gathered elsewhere is handed over before a scrape', async () => {
  const metrics = createMetricsRegistry();
  const total = metrics
    .tallies<never>({ name: 'seen_total', help: 'h', labels: [] })
    .child({} as Record<never, string>);
  let seen = 4;
  metrics.onScrape(() => {
    total.add(seen);
    seen = 0;
  });
  assert.match(await metrics.text(), /seen_total 4\n/);
  assert.match(await metrics.text(), /seen_total 4\n/);
});

test('health slis: the last result and how often there was which', async () => {
  const slis = createHealthSlis();
  slis.observe('readyz', 'etcd', false);
  slis.observe('readyz', 'etcd', true);
  slis.observe('livez', 'etcd', true);
  const text = await slis.text();
  for (const line of [
    'kubernetes_healthcheck{name="etcd",type="readyz"} 1',
    'kubernetes_healthchecks_total{name="etcd",type="readyz",status="error"} 1',
    'kubernetes_healthchecks_total{name="etcd",type="readyz",status="success"} 1',
    'kubernetes_healthchecks_total{name="etcd",type="livez",status="success"} 1',
  ])
    assert.ok(text.split('\n').includes(line), line);
});

test('log lines: a line that cannot be written, or stands unwritten for two minutes, is told until one is written', async () => {
  const clock = createVirtualClock();
  const pending: ((error?: Error | null) => void)[] = [];
  const { write, failure } = createLineWriter({ write: (_, done) => pending.push(done) > 0 }, clock);
  write('a');
  pending.shift()!(new Error('no space left on device'));
  assert.equal(failure(), 'cannot write the log: no space left on device');
  write('b');
  pending.shift()!();
  assert.equal(failure(), undefined);
  write('c');
  await clock.advance(120_000);
  assert.equal(failure(), undefined);
  await clock.advance(1);
  assert.equal(failure(), 'logging blocked');
  pending.shift()!(null);
  assert.equal(failure(), undefined);
});
