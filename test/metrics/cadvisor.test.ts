/** `/metrics/cadvisor` of a node with one throttled container, beside the names, types and labels that upstream's kubelet shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Pod } from '../../src/api/types/core-v1.ts';
import type { CgroupStats } from '../../src/host/cgroup-stats.ts';
import type { MachineInfo } from '../../src/host/machine-info.ts';
import { cadvisorPage } from '../../src/kubelet/stats/cadvisor-page.ts';
import type { GroupDetail } from '../../src/kubelet/stats/group-detail.ts';
import type { Summary } from '../../src/kubelet/stats/summary-types.ts';
import { absentFromCadvisor, shownWhenCounted } from './absent.ts';
import { differences, readPage } from './page.ts';

const time = '2026-01-01T00:00:00.000Z';
const pod: Pod = {
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  spec: { containers: [{ name: 'c', image: 'nginx:1' }] },
  status: {
    containerStatuses: [
      { name: 'c', containerID: 'containerd://abc', image: 'nginx:1', imageID: 'i', ready: true, restartCount: 0 },
    ],
  },
};
const summary: Summary = {
  node: {
    nodeName: 'n1',
    startTime: '2025-12-31T00:00:00Z',
    fs: { time, capacityBytes: 1000, usedBytes: 400, inodes: 100, inodesFree: 90 },
  },
  pods: [
    {
      podRef: { name: 'web', namespace: 'default', uid: 'u1' },
      startTime: '2026-01-01T00:00:00Z',
      containers: [
        {
          name: 'c',
          startTime: '2026-01-01T00:00:00Z',
          cpu: { time, usageCoreNanoSeconds: 5e9 },
          rootfs: { time, capacityBytes: 1000, usedBytes: 10, inodes: 100, inodesFree: 90 },
        },
      ],
    },
  ],
};
const group: CgroupStats = {
  cpu: {
    usageNs: 2.5e9,
    userNs: 2e9,
    systemNs: 5e8,
    throttling: { periods: 10, throttledPeriods: 3, throttledNs: 77e6, burstPeriods: 0, burstNs: 0 },
    shares: 102,
    periodUs: 100_000,
    quotaUs: 20_000,
  },
  memory: {
    usage: 50,
    workingSet: 41,
    rss: 30,
    cache: 15,
    swap: 0,
    mapped: 1,
    kernel: 4,
    failures: 3,
    most: 60,
    activeFile: 6,
    inactiveFile: 9,
    faults: { minor: 900, major: 4 },
    ownFaults: { minor: 800, major: 3 },
    oomKills: 1,
    limit: 64,
  },
  threads: 3,
  threadsMax: 1024,
  io: [{ major: 254, minor: 0, readBytes: 1024, writeBytes: 2048, reads: 1, writes: 2 }],
};
const detail: GroupDetail = {
  tiers: ['/kubepods', '/kubepods/burstable'],
  podPath: () => '/kubepods/burstable/podu1',
  stats: async (path) => (path === '/kubepods' ? undefined : group),
  processes: async (path) => ({ processes: path.endsWith('abc') ? 2 : 0, files: 9, sockets: 1, filesMax: 1024 }),
  interfaces: async (path) => [
    {
      name: path === undefined ? 'ens3' : 'eth0',
      rxBytes: 1,
      rxPackets: 2,
      rxErrors: 3,
      rxDropped: 4,
      txBytes: 5,
      txPackets: 6,
      txErrors: 7,
      txDropped: 8,
    },
  ],
  disks: async () => [
    {
      name: '/dev/vda',
      major: 254,
      minor: 0,
      reads: 1,
      readsMerged: 2,
      sectorsRead: 3,
      readMs: 4000,
      writes: 5,
      writesMerged: 6,
      sectorsWritten: 7,
      writeMs: 8000,
      inFlight: 0,
      busyMs: 9000,
      weightedMs: 10_000,
    },
  ],
  device: async () => '/dev/vda1',
};
const machine: MachineInfo = {
  cpus: 4,
  memoryBytes: 8e9,
  ephemeralStorageBytes: 1e9,
  machineId: 'm',
  systemUuid: 's',
  bootId: 'b',
  kernelVersion: '6.1',
  osImage: 'Linux',
  operatingSystem: 'linux',
  architecture: 'amd64',
  hostname: 'n1',
  swapBytes: 0,
  hugePages: new Map(),
};
const page = (groups: GroupDetail | undefined): Promise<string> =>
  cadvisorPage(summary, machine, {
    version: 'v1.36.3',
    nowMs: 1_000_000,
    pod: (uid) => (uid === 'u1' ? pod : undefined),
    detail: groups,
  });

test("cadvisor: upstream's names with their types and labels, or the reason why not", async () => {
  const facts = JSON.parse(readFileSync(new URL('upstream/cadvisor.json', import.meta.url), 'utf8'));
  const shown = readPage(await page(detail));
  const { missing, different } = differences(shown, facts);
  assert.deepEqual(different, []);
  assert.deepEqual([...missing].sort(), Object.keys(absentFromCadvisor).sort());
  const others = [...shown.keys()].filter((name) => !(name in facts));
  assert.deepEqual(others.sort(), [...shownWhenCounted.cadvisor].sort());
});

test('cadvisor: the lines of a throttled container', async () => {
  const text = await page(detail);
  const own =
    'container="c",id="/kubepods/burstable/podu1/abc",image="nginx:1",name="abc",namespace="default",pod="web"';
  for (const line of [
    `container_cpu_usage_seconds_total{${own.replace('id=', 'cpu="total",id=')}} 2.5 1000000`,
    `container_cpu_cfs_throttled_seconds_total{${own}} 0.077 1000000`,
    `container_spec_cpu_quota{${own}} 20000 1000000`,
    `container_spec_memory_limit_bytes{${own}} 64 1000000`,
    `container_spec_memory_reservation_limit_bytes{${own}} 0 1000000`,
    `container_memory_working_set_bytes{${own}} 41 1000000`,
    `container_file_descriptors{${own}} 9 1000000`,
    `container_fs_writes_bytes_total{${own.replace('id=', 'device="/dev/vda",id=')}} 2048 1000000`,
    `container_fs_usage_bytes{${own.replace('id=', 'device="/dev/vda1",id=')}} 10 1000000`,
    `container_last_seen{${own}} 1000 1000000`,
    'container_network_receive_packets_dropped_total{container="",id="/kubepods/burstable/podu1",image="",interface="eth0",name="",namespace="default",pod="web"} 4 1000000',
    'container_fs_io_time_seconds_total{container="",device="/dev/vda",id="/",image="",name="",namespace="",pod=""} 9 1000000',
  ])
    assert.ok(text.split('\n').includes(line), line);
  assert.doesNotMatch(text, /container_spec_cpu_shares\{container="",id="\/",/);
  // A tier whose group is gone has no rows.
  assert.doesNotMatch(text, /id="\/kubepods",/);
});

test('cadvisor: a node without control groups says what its summary knows', async () => {
  const text = await page(undefined);
  assert.match(text, /container_cpu_usage_seconds_total\{container="c",.*\} 5 1000000\n/);
  assert.doesNotMatch(text, /container_memory_cache|container_threads/);
});
