import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types/core-v1.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events.ts';
import { podUid } from '../pods/pod-info.ts';
import type { Verdict } from '../pods/verdict.ts';
import type { PodStats } from '../stats/summary-types.ts';
import { createEvictionManager, type EvictionOptions } from './eviction-manager.ts';
import { binaryQuantity, evictionMessage } from './eviction-message.ts';
import { overLocalLimit } from './local-limits.ts';
import { rankForEviction } from './ranking.ts';
import { type Observation, parseThresholds, type Signal, thresholdsMet } from './thresholds.ts';

const none = { evictionHard: {}, evictionSoft: {}, evictionSoftGracePeriod: {}, evictionMinimumReclaim: {} };
const mi = 1024 * 1024;

for (const [name, settings, want] of [
  [
    'an amount and a share',
    { evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '10%' } },
    [
      { signal: 'memory.available', value: { amount: 100 * mi }, graceMs: 0, minReclaim: undefined },
      { signal: 'nodefs.available', value: { percent: 10 }, graceMs: 0, minReclaim: undefined },
    ],
  ],
  ['0% and 0 switch a threshold off', { evictionHard: { 'memory.available': '0', 'nodefs.available': '0%' } }, []],
  [
    'a soft one with its grace and minimum reclaim',
    {
      evictionSoft: { 'pid.available': '100' },
      evictionSoftGracePeriod: { 'pid.available': '1m30s' },
      evictionMinimumReclaim: { 'pid.available': '50' },
    },
    [{ signal: 'pid.available', value: { amount: 100 }, graceMs: 90_000, minReclaim: { amount: 50 } }],
  ],
] as const)
  test(`thresholds: ${name}`, () => assert.deepEqual(parseThresholds({ ...none, ...settings }), want));

for (const [name, settings, message] of [
  ['an unknown signal', { evictionHard: { 'cpu.available': '1' } }, /unsupported eviction signal cpu.available/],
  ['a soft one without grace', { evictionSoft: { 'memory.available': '1Gi' } }, /grace period must be specified/],
  ['more than everything', { evictionHard: { 'nodefs.available': '101%' } }, /must be <= 100%/],
] as const)
  test(`thresholds: refuses ${name}`, () =>
    assert.throws(() => parseThresholds({ ...none, ...settings }), { message }));

test('thresholds: one that was crossed stays so until the minimum reclaim is there as well', () => {
  const [threshold] = parseThresholds({
    ...none,
    evictionHard: { 'memory.available': '100Mi' },
    evictionMinimumReclaim: { 'memory.available': '50Mi' },
  });
  const at = (available: number): ReadonlyMap<Signal, Observation> =>
    new Map([['memory.available', { available, capacity: 1000 * mi }]]);
  const met = (available: number, reclaiming: boolean) =>
    thresholdsMet([threshold!], at(available), { reclaiming }).length;
  assert.deepEqual([met(99 * mi, false), met(100 * mi, false), met(149 * mi, true), met(150 * mi, true)], [1, 0, 1, 0]);
});

const pod = (name: string, { memory, priority = 0 }: { memory?: string; priority?: number } = {}): Pod => ({
  metadata: { name, namespace: 'default', uid: name },
  spec: {
    priority,
    containers: [{ name: 'c', image: 'i', ...(memory ? { resources: { requests: { memory } } } : {}) }],
  },
  status: { qosClass: memory ? 'Burstable' : 'BestEffort' },
});
const stats = (name: string, memoryMi: number, diskMi = 0): PodStats => ({
  podRef: { name, namespace: 'default', uid: name },
  startTime: null,
  containers: [{ name: 'c', startTime: null, memory: { time: '', workingSetBytes: memoryMi * mi } }],
  memory: { time: '', workingSetBytes: memoryMi * mi },
  'ephemeral-storage': { time: '', usedBytes: diskMi * mi, inodesUsed: diskMi },
});
const table = (...rows: readonly PodStats[]) => new Map(rows.map((row) => [row.podRef.uid, row]));

test('ranking: over their requests first, then the less important, then the greedier', () => {
  const pods = [
    pod('keeps', { memory: '100Mi' }),
    pod('high', { priority: 10 }),
    pod('low'),
    pod('lower', { priority: -1 }),
  ];
  const use = table(stats('keeps', 90), stats('high', 500), stats('low', 10), stats('lower', 1));
  assert.deepEqual(rankForEviction('memory.available', pods, use).map(podUid), ['lower', 'low', 'high', 'keeps']);
});
test('ranking: a pod without statistics goes first', () => {
  const ranked = rankForEviction('memory.available', [pod('a'), pod('b')], table(stats('a', 5)));
  assert.deepEqual(ranked.map(podUid), ['b', 'a']);
});
test('ranking: disk counts what a pod holds of it', () => {
  const use = table(stats('a', 500, 1), stats('b', 1, 500));
  assert.deepEqual(rankForEviction('nodefs.available', [pod('a'), pod('b')], use).map(podUid), ['b', 'a']);
});

for (const [amount, text] of [
  [0, '0'],
  [1000, '1000'],
  [1024, '1Ki'],
  [100 * mi, '100Mi'],
  [1536 * mi, '1536Mi'],
  [2048 * mi, '2Gi'],
] as const)
  test(`binary quantity: ${amount} is ${text}`, () => assert.equal(binaryQuantity(amount), text));

test('eviction message: says what was scarce, by how much, and which container used more than it asked for', () => {
  const [threshold] = parseThresholds({ ...none, evictionHard: { 'memory.available': '100Mi' } });
  assert.equal(
    evictionMessage(
      threshold!,
      { available: 50 * mi, capacity: 1000 * mi },
      pod('a', { memory: '10Mi' }),
      stats('a', 20),
    ),
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 20Mi, request is 10Mi, has larger consumption of memory. ',
  );
});

test('local limits: an emptyDir over its size, a container over its ephemeral storage', () => {
  const limited: Pod = {
    ...pod('a'),
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      volumes: [{ name: 'cache', emptyDir: { sizeLimit: '10Mi' } }],
    },
  };
  const of = (usedMi: number): PodStats => ({
    ...stats('a', 0),
    volume: [{ time: '', name: 'cache', usedBytes: usedMi * mi }],
  });
  assert.equal(overLocalLimit(limited, of(10)), undefined);
  assert.equal(overLocalLimit(limited, of(11)), 'Usage of EmptyDir volume "cache" exceeds the limit "10Mi". ');
  const contained: Pod = {
    ...pod('a'),
    spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { 'ephemeral-storage': '5Mi' } } }] },
  };
  assert.equal(
    overLocalLimit(contained, stats('a', 0, 6)),
    'Pod ephemeral local storage usage exceeds the total limit of containers 5Mi. ',
  );
});

function manager(settings: Partial<typeof none>, over: Partial<EvictionOptions> = {}) {
  const clock = createVirtualClock();
  const events: string[] = [];
  const recorder: EventRecorder = {
    withComponent: () => recorder,
    event: (_, { reason, message }) => void events.push(`${reason}: ${message}`),
  };
  let pods: readonly Pod[] = [];
  let observations: ReadonlyMap<Signal, Observation> = new Map();
  const evicted: { name: string; verdict: Verdict; graceSeconds: number }[] = [];
  let use: readonly PodStats[] = [];
  let reclaimed = 0;
  const made = createEvictionManager({
    thresholds: parseThresholds({ ...none, ...settings }),
    pressureTransitionMs: 300_000,
    maxPodGraceSeconds: 0,
    clock,
    log: silentLogger,
    events: recorder,
    observe: async () => observations,
    summary: async () => ({ node: { nodeName: 'n', startTime: null }, pods: use }),
    pods: () => pods,
    node: () => ({ metadata: { name: 'n' } }),
    reclaimDisk: async () => void reclaimed++,
    evict(victim, verdict, graceSeconds) {
      evicted.push({ name: podUid(victim), verdict, graceSeconds });
      pods = pods.filter((other) => other !== victim);
      return true;
    },
    ended: async () => undefined,
    onChange: () => undefined,
    ...over,
  });
  return {
    manager: made,
    clock,
    events,
    evicted,
    reclaimed: () => reclaimed,
    set(next: { pods?: readonly Pod[]; use?: readonly PodStats[]; available?: [Signal, number][] }) {
      if (next.pods) pods = next.pods;
      if (next.use) use = next.use;
      if (next.available)
        observations = new Map(
          next.available.map(([signal, available]) => [signal, { available, capacity: 1000 * mi }]),
        );
    },
    signal: new AbortController().signal,
  };
}

test('eviction: under a hard threshold one pod ends at once, as Evicted, and the node tells MemoryPressure for five minutes', async () => {
  const bench = manager({ evictionHard: { 'memory.available': '100Mi' } });
  bench.set({
    pods: [pod('a'), pod('b')],
    use: [stats('a', 10), stats('b', 20)],
    available: [['memory.available', 50 * mi]],
  });
  assert.equal((await bench.manager.synchronize(bench.signal))?.metadata.name, 'b');
  assert.deepEqual(
    bench.evicted.map(({ name, verdict, graceSeconds }) => [
      name,
      verdict.reason,
      verdict.disruption?.reason,
      graceSeconds,
    ]),
    [['b', 'Evicted', 'TerminationByKubelet', 1]],
  );
  assert.equal(bench.events[0], 'EvictionThresholdMet: Attempting to reclaim memory');
  bench.set({ available: [['memory.available', 500 * mi]] });
  await bench.manager.synchronize(bench.signal);
  assert.deepEqual([...bench.manager.conditions()], ['MemoryPressure']);
  await bench.clock.advance(300_001);
  assert.deepEqual([...bench.manager.conditions()], []);
  assert.equal(bench.evicted.length, 1);
});

test('eviction: a soft threshold waits for its grace, and starts over when it was better meanwhile', async () => {
  const bench = manager({
    evictionSoft: { 'memory.available': '100Mi' },
    evictionSoftGracePeriod: { 'memory.available': '1m' },
  });
  const low: [Signal, number][] = [['memory.available', 50 * mi]];
  bench.set({ pods: [pod('a')], use: [stats('a', 10)], available: low });
  const look = async (afterMs: number) => {
    await bench.clock.advance(afterMs);
    return (await bench.manager.synchronize(bench.signal)) !== undefined;
  };
  assert.equal(await look(0), false);
  assert.equal(await look(59_000), false);
  bench.set({ available: [['memory.available', 500 * mi]] });
  assert.equal(await look(500), false);
  bench.set({ available: low });
  assert.equal(await look(10_000), false);
  assert.equal(await look(60_000), true);
  assert.equal(bench.evicted[0]?.graceSeconds, 30);
});

test('eviction: for disk, dead containers and images go before pods', async () => {
  let better = false;
  const bench = manager(
    { evictionHard: { 'nodefs.available': '100Mi' } },
    {
      reclaimDisk: async () => {
        better = true;
      },
      observe: async () =>
        new Map([['nodefs.available', { available: (better ? 200 : 50) * mi, capacity: 1000 * mi }]]),
    },
  );
  bench.set({ pods: [pod('a')], use: [stats('a', 1, 1)] });
  assert.equal(await bench.manager.synchronize(bench.signal), undefined);
  assert.equal(bench.evicted.length, 0);
});

test('eviction: critical pods stay', async () => {
  const bench = manager({ evictionHard: { 'memory.available': '100Mi' } });
  bench.set({
    pods: [pod('critical', { priority: 2_000_000_000 }), pod('a')],
    use: [stats('critical', 900), stats('a', 1)],
    available: [['memory.available', 50 * mi]],
  });
  assert.equal((await bench.manager.synchronize(bench.signal))?.metadata.name, 'a');
  assert.equal(await bench.manager.synchronize(bench.signal), undefined);
});

test('eviction: under memory pressure best-effort pods are refused unless they tolerate it; under disk pressure all but critical ones', async () => {
  const bench = manager({ evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '100Mi' } });
  bench.set({ available: [['memory.available', 50 * mi]] });
  await bench.manager.synchronize(bench.signal);
  const tolerating: Pod = {
    ...pod('t'),
    spec: {
      containers: [{ name: 'c', image: 'i' }],
      tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }],
    },
  };
  const admitted = (...pods: readonly Pod[]) => pods.map((each) => bench.manager.admit(each)?.message);
  assert.deepEqual(admitted(pod('a'), pod('b', { memory: '1Mi' }), tolerating), [
    'Pod was rejected: The node had condition: [MemoryPressure]. ',
    undefined,
    undefined,
  ]);
  bench.set({ available: [['nodefs.available', 50 * mi]] });
  await bench.manager.synchronize(bench.signal);
  assert.deepEqual(admitted(pod('b', { memory: '1Mi' }), pod('c', { priority: 2_000_000_000 })), [
    'Pod was rejected: The node had condition: [DiskPressure MemoryPressure]. ',
    undefined,
  ]);
});
