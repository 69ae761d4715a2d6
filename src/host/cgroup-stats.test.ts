import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharesOfWeight, statsV1, statsV2 } from './cgroup-stats.ts';
import { weightOfShares } from './cgroups.ts';
import { parseDisks, parseInterfaces } from './group-detail.ts';

/** As a kernel 6 showed them for a group of a busy control plane, with a limit and throttling added. */
const v1: Readonly<Record<string, string>> = {
  'memory/memory.stat':
    'cache 281952256\nrss 114688\nmapped_file 64860160\nswap 0\npgfault 2440511\npgmajfault 256\ninactive_file 209281024\nactive_file 72634368\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 281952256\ntotal_rss 114688\ntotal_mapped_file 64860160\ntotal_swap 4096\ntotal_pgfault 2447650\ntotal_pgmajfault 257\ntotal_inactive_file 209281024\ntotal_active_file 72634368',
  'memory/memory.usage_in_bytes': '285782016',
  'memory/memory.max_usage_in_bytes': '814493696',
  'memory/memory.memsw.usage_in_bytes': '285786112',
  'memory/memory.limit_in_bytes': '1073741824',
  'memory/memory.soft_limit_in_bytes': '9223372036854771712',
  'memory/memory.memsw.limit_in_bytes': '9223372036854771712',
  'memory/memory.kmem.usage_in_bytes': '3715072',
  'memory/memory.failcnt': '7',
  'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2',
  'cpuacct/cpuacct.usage': '160662754169',
  'cpuacct/cpuacct.stat': 'user 9599\nsystem 6467',
  'cpu/cpu.stat': 'nr_periods 40\nnr_throttled 9\nthrottled_time 123456789\nnr_bursts 1\nburst_time 1000',
  'cpu/cpu.shares': '512',
  'cpu/cpu.cfs_period_us': '100000',
  'cpu/cpu.cfs_quota_us': '50000',
  'pids/pids.current': '12',
  'pids/pids.max': 'max',
  'blkio/blkio.throttle.io_service_bytes_recursive':
    '8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 8192\n8:0 Total 12288\nTotal 12288',
  'blkio/blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3',
};
const readV1 = (controller: string, file: string): Promise<string | undefined> =>
  Promise.resolve(v1[`${controller}/${file}`]);

test('cgroup stats: version 1, everything a group counts', async () => {
  assert.deepEqual(await statsV1(readV1), {
    cpu: {
      usageNs: 160_662_754_169,
      userNs: 95_990_000_000,
      systemNs: 64_670_000_000,
      throttling: { periods: 40, throttledPeriods: 9, throttledNs: 123_456_789, burstPeriods: 1, burstNs: 1000 },
      shares: 512,
      periodUs: 100_000,
      quotaUs: 50_000,
    },
    memory: {
      usage: 285_782_016,
      workingSet: 285_782_016 - 209_281_024,
      rss: 114_688,
      cache: 281_952_256,
      swap: 4096,
      mapped: 64_860_160,
      kernel: 3_715_072,
      failures: 7,
      most: 814_493_696,
      activeFile: 72_634_368,
      inactiveFile: 209_281_024,
      faults: { minor: 2_447_650, major: 257 },
      ownFaults: { minor: 2_440_511, major: 256 },
      oomKills: 2,
      limit: 1_073_741_824,
      reservation: undefined,
      swapLimit: undefined,
    },
    threads: 12,
    threadsMax: undefined,
    io: [{ major: 8, minor: 0, readBytes: 4096, writeBytes: 8192, reads: 1, writes: 2 }],
  });
});

test('cgroup stats: version 1 without a quota, without blkio, and a group that is gone', async () => {
  const without = async (hidden: (key: string) => boolean, changed: Readonly<Record<string, string>> = {}) =>
    statsV1((controller, file) => {
      const key = `${controller}/${file}`;
      return Promise.resolve(hidden(key) ? undefined : (changed[key] ?? v1[key]));
    });
  assert.equal((await without(() => false, { 'cpu/cpu.cfs_quota_us': '-1' }))?.cpu.quotaUs, undefined);
  assert.deepEqual((await without((key) => key.startsWith('blkio')))?.io, []);
  assert.equal(await without((key) => key.startsWith('memory')), undefined);
});

/** The forms of Documentation/admin-guide/cgroup-v2.rst. */
const v2: Readonly<Record<string, string>> = {
  'cpu.stat':
    'usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 77\nnr_bursts 0\nburst_usec 0',
  'cpu.weight': '20',
  'cpu.max': '20000 100000',
  'memory.current': '50000000',
  'memory.peak': '60000000',
  'memory.stat':
    'anon 30000000\nfile 15000000\nkernel 4000000\nfile_mapped 1000000\ninactive_file 9000000\nactive_file 6000000\npgfault 900\npgmajfault 4',
  'memory.events': 'low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0',
  'memory.events.local': 'low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0',
  'memory.swap.current': '0',
  'memory.swap.max': '0',
  'memory.max': '67108864',
  'memory.low': '0',
  'pids.current': '3',
  'pids.max': '1024',
  'io.stat': '254:0 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=0 dios=0\n7:0',
};

test('cgroup stats: version 2 in the same words', async () => {
  assert.deepEqual(await statsV2((file) => Promise.resolve(v2[file])), {
    cpu: {
      usageNs: 2_500_000_000,
      userNs: 2_000_000_000,
      systemNs: 500_000_000,
      throttling: { periods: 10, throttledPeriods: 3, throttledNs: 77_000, burstPeriods: 0, burstNs: 0 },
      shares: 500,
      periodUs: 100_000,
      quotaUs: 20_000,
    },
    memory: {
      usage: 50_000_000,
      workingSet: 41_000_000,
      rss: 30_000_000,
      cache: 15_000_000,
      swap: 0,
      mapped: 1_000_000,
      kernel: 4_000_000,
      failures: 3,
      most: 60_000_000,
      activeFile: 6_000_000,
      inactiveFile: 9_000_000,
      faults: { minor: 900, major: 4 },
      ownFaults: { minor: 900, major: 4 },
      oomKills: 1,
      limit: 67_108_864,
      reservation: 0,
      swapLimit: 0,
    },
    threads: 3,
    threadsMax: 1024,
    io: [{ major: 254, minor: 0, readBytes: 1024, writeBytes: 2048, reads: 1, writes: 2 }],
  });
});

test('cgroup stats: no quota is "max", and a weight is turned back into about its shares', async () => {
  const stats = await statsV2((file) => Promise.resolve(file === 'cpu.max' ? 'max 100000' : v2[file]));
  assert.equal(stats?.cpu.quotaUs, undefined);
  for (const shares of [2, 102, 1024, 10_240, 262_144])
    assert.ok(Math.abs(sharesOfWeight(weightOfShares(shares)) - shares) <= 27, String(shares));
});

test('group detail: interfaces without the loopback', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
  eth0: 1500 10 1 2 0 0 0 0 700 7 3 4 0 0 0 0
`;
  assert.deepEqual(parseInterfaces(text), [
    {
      name: 'eth0',
      rxBytes: 1500,
      rxPackets: 10,
      rxErrors: 1,
      rxDropped: 2,
      txBytes: 700,
      txPackets: 7,
      txErrors: 3,
      txDropped: 4,
    },
  ]);
});

test('group detail: disks that were used', () => {
  const [disk, ...more] = parseDisks(
    '   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0\n 254       0 vda 2365779 146806 89119530 15875 10806612 2413762 376118312 10076 0 2833 27967 0 0 0 0 0 0\n',
  );
  assert.deepEqual(more, []);
  assert.deepEqual(
    [disk?.name, disk?.reads, disk?.readsMerged, disk?.sectorsWritten, disk?.busyMs, disk?.weightedMs],
    ['/dev/vda', 2_365_779, 146_806, 376_118_312, 2833, 27_967],
  );
});
