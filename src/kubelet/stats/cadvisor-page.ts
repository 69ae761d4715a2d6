/**
 * `/metrics/cadvisor`: the machine, the tiers of pods, each pod and container, by cadvisor's names and labels. What the control groups count stands first;
 * where there are none (hollow nodes) the summary says what it can. Source: cadvisor's metrics/prometheus.go, pkg/kubelet/server (its labels).
 */
import type { Pod } from '../../api/types/core-v1.ts';
import type { CgroupStats, Throttling } from '../../host/cgroup-stats.ts';
import type { DiskCounters, InterfaceCounters, ProcessDetail } from '../../host/group-detail.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { GroupDetail } from './group-detail.ts';
import { createPage, type Labels } from './page.ts';
import type { ContainerStats, FsStats, NodeStats, PodStats, Summary } from './summary-types.ts';

export interface CadvisorContext {
  readonly version: string;
  readonly nowMs: number;
  pod(uid: string): Pod | undefined;
  /** Absent: the node has no control groups. */
  readonly detail?: GroupDetail | undefined;
}

interface Row {
  readonly labels: Labels;
  readonly summary: Pick<ContainerStats, 'cpu' | 'memory' | 'swap' | 'startTime'> | undefined;
  readonly fs: FsStats | undefined;
  readonly group: CgroupStats | undefined;
  readonly processes: ProcessDetail | undefined;
  readonly interfaces: readonly InterfaceCounters[];
  /** Of the machine alone. */
  readonly disks: readonly DiskCounters[];
}

type Value = number | undefined;
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly value: (row: Row) => Value;
}

export async function cadvisorPage(summary: Summary, machine: MachineInfo, context: CadvisorContext): Promise<string> {
  const rows = await rowsOf(summary, context);
  const disks = new Map((await context.detail?.disks())?.map((disk) => [`${disk.major}:${disk.minor}`, disk.name]));
  const device = (await context.detail?.device()) ?? '';
  const page = createPage();
  const atMs = context.nowMs;
  const all = (type: 'counter' | 'gauge', metrics: readonly Metric[]): void => {
    for (const { name, help, value } of metrics)
      page.metric(
        name,
        type,
        help,
        rows.map((row) => [row.labels, value(row), atMs] as const),
      );
  };
  page.metric(
    'cadvisor_version_info',
    'gauge',
    "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.",
    [
      [
        {
          cadvisorRevision: '',
          cadvisorVersion: context.version,
          dockerVersion: '',
          kernelVersion: machine.kernelVersion,
          osVersion: machine.osImage,
        },
        1,
      ],
    ],
  );
  page.metric(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    rows.map((row) => [{ ...row.labels, cpu: 'total' }, cpuSeconds(row), atMs] as const),
  );
  all('counter', counters);
  all('gauge', gauges(atMs));
  page.metric(
    'container_memory_failures_total',
    'counter',
    'Cumulative count of memory allocation failures.',
    rows.flatMap((row) => faults(row).map(([more, value]) => [{ ...row.labels, ...more }, value, atMs] as const)),
  );
  page.metric(
    'container_ulimits_soft',
    'gauge',
    'Soft ulimit values for the container root process. Unlimited if -1, except priority and nice',
    rows.map((row) => [{ ...row.labels, ulimit: 'max_open_files' }, row.processes?.filesMax, atMs] as const),
  );
  for (const [name, help, value] of networkMetrics)
    page.metric(
      `container_network_${name}_total`,
      'counter',
      help,
      rows.flatMap(({ labels, interfaces }) =>
        interfaces.map((each) => [{ ...labels, interface: each.name }, value(each), atMs] as const),
      ),
    );
  for (const [name, type, help, value] of fileSystemMetrics)
    page.metric(
      `container_fs_${name}`,
      type,
      help,
      rows.map(({ labels, fs }) => [{ ...labels, device }, fs && value(fs), atMs] as const),
    );
  for (const [name, type, help, ofDisk, ofGroup] of diskMetrics)
    page.metric(
      `container_fs_${name}`,
      type,
      help,
      rows.flatMap(({ labels, disks: own, group }) =>
        own.length > 0
          ? own.map((disk) => [{ ...labels, device: disk.name }, ofDisk(disk), atMs] as const)
          : (group?.io ?? []).map(
              (io) =>
                [
                  { ...labels, device: disks.get(`${io.major}:${io.minor}`) ?? `${io.major}:${io.minor}` },
                  ofGroup?.(io),
                  atMs,
                ] as const,
            ),
      ),
    );
  const of = { boot_id: machine.bootId, machine_id: machine.machineId, system_uuid: machine.systemUuid };
  page.metric('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [[of, machine.cpus]]);
  page.metric('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [
    [of, machine.memoryBytes],
  ]);
  page.metric('machine_swap_bytes', 'gauge', 'Amount of swap memory available on the machine.', [
    [of, machine.swapBytes],
  ]);
  page.metric(
    'container_scrape_error',
    'gauge',
    '1 if there was an error while getting container metrics, 0 otherwise',
    [[{}, 0]],
  );
  page.metric('machine_scrape_error', 'gauge', '1 if there was an error while getting machine metrics, 0 otherwise.', [
    [{}, 0],
  ]);
  return page.text();
}

async function rowsOf({ node, pods }: Summary, { pod: podOf, detail }: CadvisorContext): Promise<readonly Row[]> {
  const ofGroup = async (id: string) => ({
    group: await detail?.stats(id),
    processes: await detail?.processes(id),
  });
  const bare = (id: string): Labels => ({ container: '', id, image: '', name: '', namespace: '', pod: '' });
  const rows: Row[] = [
    {
      labels: bare('/'),
      summary: node,
      fs: node.fs,
      ...(await ofGroup('/')),
      interfaces: detail ? await detail.interfaces() : interfacesOf(node),
      disks: (await detail?.disks()) ?? [],
    },
  ];
  for (const id of detail?.tiers ?? []) {
    const group = await detail?.stats(id);
    if (group)
      rows.push({
        labels: bare(id),
        summary: undefined,
        fs: undefined,
        ...(await ofGroup(id)),
        interfaces: [],
        disks: [],
      });
  }
  for (const stats of pods) {
    const { name: pod, namespace, uid } = stats.podRef;
    const object = podOf(uid);
    const id = object && detail ? detail.podPath(object) : `/kubepods/pod${uid}`;
    const ownNetwork = object?.spec?.hostNetwork !== true;
    rows.push({
      labels: { container: '', id, image: '', name: '', namespace, pod },
      summary: stats,
      fs: undefined,
      ...(await ofGroup(id)),
      interfaces: ownNetwork ? (detail ? await detail.interfaces(id) : interfacesOf(stats)) : [],
      disks: [],
    });
    for (const container of stats.containers ?? []) {
      const status = statusOf(object, container.name);
      const name = status?.containerID?.replace(/^.*:\/\//, '') ?? '';
      const path = name === '' ? id : `${id}/${name}`;
      rows.push({
        labels: { container: container.name, id: path, image: status?.image ?? '', name, namespace, pod },
        summary: container,
        fs: container.rootfs,
        ...(name === '' ? { group: undefined, processes: undefined } : await ofGroup(path)),
        interfaces: [],
        disks: [],
      });
    }
  }
  return rows;
}

const statusOf = (pod: Pod | undefined, name: string) =>
  [
    ...(pod?.status?.containerStatuses ?? []),
    ...(pod?.status?.initContainerStatuses ?? []),
    ...(pod?.status?.ephemeralContainerStatuses ?? []),
  ].find((status) => status.name === name);

const interfacesOf = ({ network }: Pick<NodeStats | PodStats, 'network'>): readonly InterfaceCounters[] =>
  (network?.interfaces ?? []).map((each) => ({
    name: each.name,
    rxBytes: each.rxBytes ?? 0,
    rxErrors: each.rxErrors ?? 0,
    rxPackets: 0,
    rxDropped: 0,
    txBytes: each.txBytes ?? 0,
    txErrors: each.txErrors ?? 0,
    txPackets: 0,
    txDropped: 0,
  }));

const seconds = (ns: Value): Value => (ns === undefined ? undefined : ns / 1e9);
const cpuSeconds = ({ group, summary }: Row): Value =>
  seconds(group?.cpu.usageNs ?? summary?.cpu?.usageCoreNanoSeconds);
/** Only groups with a limit are throttled: others have no such series. */
const throttled =
  (take: (throttling: Throttling) => number) =>
  ({ group }: Row): Value =>
    group?.cpu.quotaUs !== undefined && group.cpu.throttling ? take(group.cpu.throttling) : undefined;

const counters: readonly Metric[] = [
  {
    name: 'container_cpu_user_seconds_total',
    help: 'Cumulative user cpu time consumed in seconds.',
    value: ({ group }) => seconds(group?.cpu.userNs),
  },
  {
    name: 'container_cpu_system_seconds_total',
    help: 'Cumulative system cpu time consumed in seconds.',
    value: ({ group }) => seconds(group?.cpu.systemNs),
  },
  {
    name: 'container_cpu_cfs_periods_total',
    help: 'Number of elapsed enforcement period intervals.',
    value: throttled(({ periods }) => periods),
  },
  {
    name: 'container_cpu_cfs_throttled_periods_total',
    help: 'Number of throttled period intervals.',
    value: throttled(({ throttledPeriods }) => throttledPeriods),
  },
  {
    name: 'container_cpu_cfs_throttled_seconds_total',
    help: 'Total time duration the container has been throttled.',
    value: throttled(({ throttledNs }) => throttledNs / 1e9),
  },
  {
    name: 'container_cpu_cfs_burst_periods_total',
    help: 'Number of periods when burst occurs.',
    value: throttled(({ burstPeriods }) => burstPeriods),
  },
  {
    name: 'container_cpu_cfs_burst_seconds_total',
    help: 'Total time duration when burst occurs.',
    value: throttled(({ burstNs }) => burstNs / 1e9),
  },
  {
    name: 'container_memory_failcnt',
    help: 'Number of memory usage hits limits',
    value: ({ group }) => group?.memory.failures,
  },
  {
    name: 'container_oom_events_total',
    help: 'Count of out of memory events observed for the container',
    value: ({ group }) => group?.memory.oomKills,
  },
];

const gauges = (nowMs: number): readonly Metric[] => [
  {
    name: 'container_memory_usage_bytes',
    help: 'Current memory usage in bytes, including all memory regardless of when it was accessed',
    value: ({ group, summary }) => group?.memory.usage ?? summary?.memory?.usageBytes,
  },
  {
    name: 'container_memory_working_set_bytes',
    help: 'Current working set in bytes.',
    value: ({ group, summary }) => group?.memory.workingSet ?? summary?.memory?.workingSetBytes,
  },
  {
    name: 'container_memory_rss',
    help: 'Size of RSS in bytes.',
    value: ({ group, summary }) => group?.memory.rss ?? summary?.memory?.rssBytes,
  },
  {
    name: 'container_memory_cache',
    help: 'Number of bytes of page cache memory.',
    value: ({ group }) => group?.memory.cache,
  },
  {
    name: 'container_memory_swap',
    help: 'Container swap usage in bytes.',
    value: ({ group, summary }) => group?.memory.swap ?? summary?.swap?.swapUsageBytes,
  },
  {
    name: 'container_memory_mapped_file',
    help: 'Size of memory mapped files in bytes.',
    value: ({ group }) => group?.memory.mapped,
  },
  {
    name: 'container_memory_kernel_usage',
    help: 'Size of kernel memory allocated in bytes.',
    value: ({ group }) => group?.memory.kernel,
  },
  {
    name: 'container_memory_max_usage_bytes',
    help: 'Maximum memory usage recorded in bytes',
    value: ({ group }) => group?.memory.most,
  },
  {
    name: 'container_memory_total_active_file_bytes',
    help: 'Current total active file in bytes.',
    value: ({ group }) => group?.memory.activeFile,
  },
  {
    name: 'container_memory_total_inactive_file_bytes',
    help: 'Current total inactive file in bytes.',
    value: ({ group }) => group?.memory.inactiveFile,
  },
  {
    name: 'container_processes',
    help: 'Number of processes running inside the container.',
    value: ({ processes }) => processes?.processes,
  },
  {
    name: 'container_threads',
    help: 'Number of threads running inside the container',
    value: ({ group }) => group?.threads,
  },
  {
    name: 'container_threads_max',
    help: 'Maximum number of threads allowed inside the container, infinity if value is zero',
    value: ({ group }) => group && (group.threadsMax ?? 0),
  },
  {
    name: 'container_file_descriptors',
    help: 'Number of open file descriptors for the container.',
    value: ({ processes }) => processes?.files,
  },
  {
    name: 'container_sockets',
    help: 'Number of open sockets for the container.',
    value: ({ processes }) => processes?.sockets,
  },
  {
    name: 'container_last_seen',
    help: 'Last time a container was seen by the exporter',
    value: () => Math.floor(nowMs / 1000),
  },
  {
    name: 'container_start_time_seconds',
    help: 'Start time of the container since unix epoch in seconds.',
    value: ({ summary }) =>
      summary?.startTime === undefined || summary.startTime === null ? undefined : Date.parse(summary.startTime) / 1000,
  },
  // The machine has no limits of its own: as upstream, its row has none of these.
  {
    name: 'container_spec_cpu_period',
    help: 'CPU period of the container.',
    value: ({ group, labels }) => (labels.id === '/' ? undefined : group?.cpu.periodUs),
  },
  {
    name: 'container_spec_cpu_quota',
    help: 'CPU quota of the container.',
    value: ({ group }) => group?.cpu.quotaUs,
  },
  {
    name: 'container_spec_cpu_shares',
    help: 'CPU share of the container.',
    value: ({ group, labels }) => (labels.id === '/' ? undefined : group?.cpu.shares),
  },
  {
    name: 'container_spec_memory_limit_bytes',
    help: 'Memory limit for the container.',
    value: ({ group, labels }) => (labels.id === '/' ? undefined : group && (group.memory.limit ?? 0)),
  },
  {
    name: 'container_spec_memory_reservation_limit_bytes',
    help: 'Memory reservation limit for the container.',
    value: ({ group, labels }) => (labels.id === '/' ? undefined : group && (group.memory.reservation ?? 0)),
  },
  {
    name: 'container_spec_memory_swap_limit_bytes',
    help: 'Memory swap limit for the container.',
    value: ({ group, labels }) => (labels.id === '/' ? undefined : group && (group.memory.swapLimit ?? 0)),
  },
];

function faults({ group, summary }: Row): readonly (readonly [Labels, Value])[] {
  const whole = group?.memory.faults;
  const own = group?.memory.ownFaults;
  const each = (failure_type: string, scope: string, value: Value) => [{ failure_type, scope }, value] as const;
  return [
    each('pgfault', 'container', own?.minor),
    each('pgfault', 'hierarchy', whole?.minor ?? summary?.memory?.pageFaults),
    each('pgmajfault', 'container', own?.major),
    each('pgmajfault', 'hierarchy', whole?.major ?? summary?.memory?.majorPageFaults),
  ];
}

const networkMetrics: readonly (readonly [string, string, (of: InterfaceCounters) => number])[] = [
  ['receive_bytes', 'Cumulative count of bytes received', ({ rxBytes }) => rxBytes],
  ['receive_errors', 'Cumulative count of errors encountered while receiving', ({ rxErrors }) => rxErrors],
  ['receive_packets_dropped', 'Cumulative count of packets dropped while receiving', ({ rxDropped }) => rxDropped],
  ['receive_packets', 'Cumulative count of packets received', ({ rxPackets }) => rxPackets],
  ['transmit_bytes', 'Cumulative count of bytes transmitted', ({ txBytes }) => txBytes],
  ['transmit_errors', 'Cumulative count of errors encountered while transmitting', ({ txErrors }) => txErrors],
  ['transmit_packets_dropped', 'Cumulative count of packets dropped while transmitting', ({ txDropped }) => txDropped],
  ['transmit_packets', 'Cumulative count of packets transmitted', ({ txPackets }) => txPackets],
];

const fileSystemMetrics: readonly (readonly [string, 'gauge', string, (fs: FsStats) => Value])[] = [
  ['inodes_free', 'gauge', 'Number of available Inodes', ({ inodesFree }) => inodesFree],
  ['inodes_total', 'gauge', 'Number of Inodes', ({ inodes }) => inodes],
  [
    'limit_bytes',
    'gauge',
    'Number of bytes that can be consumed by the container on this filesystem.',
    ({ capacityBytes }) => capacityBytes,
  ],
  [
    'usage_bytes',
    'gauge',
    'Number of bytes that are consumed by the container on this filesystem.',
    ({ usedBytes }) => usedBytes,
  ],
];

type Io = CgroupStats['io'][number];
/** The third: of the machine's disks; the fourth: of a group, where its controller counts it. */
const diskMetrics: readonly (readonly [
  string,
  'counter' | 'gauge',
  string,
  (disk: DiskCounters) => Value,
  ((io: Io) => number)?,
])[] = [
  ['reads_bytes_total', 'counter', 'Cumulative count of bytes read', () => undefined, ({ readBytes }) => readBytes],
  [
    'writes_bytes_total',
    'counter',
    'Cumulative count of bytes written',
    () => undefined,
    ({ writeBytes }) => writeBytes,
  ],
  ['reads_total', 'counter', 'Cumulative count of reads completed', ({ reads }) => reads, ({ reads }) => reads],
  ['writes_total', 'counter', 'Cumulative count of writes completed', ({ writes }) => writes, ({ writes }) => writes],
  ['reads_merged_total', 'counter', 'Cumulative count of reads merged', ({ readsMerged }) => readsMerged],
  ['writes_merged_total', 'counter', 'Cumulative count of writes merged', ({ writesMerged }) => writesMerged],
  ['sector_reads_total', 'counter', 'Cumulative count of sector reads completed', ({ sectorsRead }) => sectorsRead],
  [
    'sector_writes_total',
    'counter',
    'Cumulative count of sector writes completed',
    ({ sectorsWritten }) => sectorsWritten,
  ],
  ['read_seconds_total', 'counter', 'Cumulative count of seconds spent reading', ({ readMs }) => readMs / 1000],
  ['write_seconds_total', 'counter', 'Cumulative count of seconds spent writing', ({ writeMs }) => writeMs / 1000],
  ['io_current', 'gauge', 'Number of I/Os currently in progress', ({ inFlight }) => inFlight],
  ['io_time_seconds_total', 'counter', 'Cumulative count of seconds spent doing I/Os', ({ busyMs }) => busyMs / 1000],
  [
    'io_time_weighted_seconds_total',
    'counter',
    'Cumulative weighted I/O time in seconds',
    ({ weightedMs }) => weightedMs / 1000,
  ],
];
