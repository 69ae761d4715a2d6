/** Everything a control group counts, from the files of its controllers: for `/metrics/cadvisor`. Source: cadvisor's container/libcontainer, runc's cgroups. */
import { flatKeyed } from './cgroup-usage.ts';

/** Absent fields: the kernel does not count it here. Times in nanoseconds, sizes in bytes. */
export interface CgroupStats {
  readonly cpu: CgroupCpu;
  readonly memory: CgroupMemory;
  readonly threads?: number | undefined;
  /** undefined: no limit. */
  readonly threadsMax?: number | undefined;
  readonly io: readonly DeviceIo[];
}

export interface CgroupCpu {
  readonly usageNs: number;
  readonly userNs?: number | undefined;
  readonly systemNs?: number | undefined;
  readonly throttling?: Throttling | undefined;
  /** As in version 1: 1024 for a core. */
  readonly shares?: number | undefined;
  readonly periodUs?: number | undefined;
  /** undefined: no limit. */
  readonly quotaUs?: number | undefined;
}

export interface Throttling {
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNs: number;
  readonly burstPeriods: number;
  readonly burstNs: number;
}

export interface CgroupMemory {
  readonly usage: number;
  readonly workingSet: number;
  readonly rss: number;
  readonly cache: number;
  readonly swap?: number | undefined;
  readonly mapped?: number | undefined;
  readonly kernel?: number | undefined;
  readonly failures?: number | undefined;
  readonly most?: number | undefined;
  readonly activeFile?: number | undefined;
  readonly inactiveFile?: number | undefined;
  /** Of the group and those below; `own` of the group alone. */
  readonly faults: { readonly minor: number; readonly major: number };
  readonly ownFaults: { readonly minor: number; readonly major: number };
  readonly oomKills?: number | undefined;
  /** undefined: no limit. */
  readonly limit?: number | undefined;
  readonly reservation?: number | undefined;
  readonly swapLimit?: number | undefined;
}

export interface DeviceIo {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly reads: number;
  readonly writes: number;
}

/** Contents of a file of the group, without the space around them; undefined when it is not there. */
export type ReadFileV1 = (controller: string, file: string) => Promise<string | undefined>;
export type ReadFileV2 = (file: string) => Promise<string | undefined>;

/** Above this a version 1 limit means none (the kernel's largest value, rounded to pages). */
const noLimit = 2 ** 62;
/** The kernel's USER_HZ: ten milliseconds, on every platform it runs on here. */
const tickNs = 10_000_000;

/** @returns undefined when the group is gone. */
export async function statsV1(read: ReadFileV1): Promise<CgroupStats | undefined> {
  const [usage, stat] = await Promise.all([read('memory', 'memory.usage_in_bytes'), read('memory', 'memory.stat')]);
  if (usage === undefined || stat === undefined) return undefined;
  const [cpu, ticks, cfs, shares, period, quota] = await Promise.all([
    read('cpuacct', 'cpuacct.usage'),
    read('cpuacct', 'cpuacct.stat'),
    read('cpu', 'cpu.stat'),
    read('cpu', 'cpu.shares'),
    read('cpu', 'cpu.cfs_period_us'),
    read('cpu', 'cpu.cfs_quota_us'),
  ]);
  const [failures, most, both, limit, reservation, swapLimit, kernel, oom] = await Promise.all([
    read('memory', 'memory.failcnt'),
    read('memory', 'memory.max_usage_in_bytes'),
    read('memory', 'memory.memsw.usage_in_bytes'),
    read('memory', 'memory.limit_in_bytes'),
    read('memory', 'memory.soft_limit_in_bytes'),
    read('memory', 'memory.memsw.limit_in_bytes'),
    read('memory', 'memory.kmem.usage_in_bytes'),
    read('memory', 'memory.oom_control'),
  ]);
  const [threads, threadsMax, bytes, operations] = await Promise.all([
    read('pids', 'pids.current'),
    read('pids', 'pids.max'),
    read('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    read('blkio', 'blkio.throttle.io_serviced_recursive'),
  ]);
  const counts = flatKeyed(stat);
  const used = Number(usage);
  const time = flatKeyed(ticks ?? '');
  return {
    cpu: {
      usageNs: Number(cpu ?? 0),
      userNs: scaled(time.get('user'), tickNs),
      systemNs: scaled(time.get('system'), tickNs),
      throttling: throttlingOf(flatKeyed(cfs ?? ''), 'throttled_time', 'burst_time', 1),
      shares: number(shares),
      periodUs: number(period),
      quotaUs: quota === undefined || Number(quota) <= 0 ? undefined : Number(quota),
    },
    memory: {
      usage: used,
      workingSet: Math.max(0, used - (counts.get('total_inactive_file') ?? 0)),
      rss: counts.get('total_rss') ?? 0,
      cache: counts.get('total_cache') ?? 0,
      swap: counts.get('total_swap') ?? (both === undefined ? undefined : Math.max(0, Number(both) - used)),
      mapped: counts.get('total_mapped_file'),
      kernel: number(kernel),
      failures: number(failures),
      most: number(most),
      activeFile: counts.get('total_active_file'),
      inactiveFile: counts.get('total_inactive_file'),
      faults: { minor: counts.get('total_pgfault') ?? 0, major: counts.get('total_pgmajfault') ?? 0 },
      ownFaults: { minor: counts.get('pgfault') ?? 0, major: counts.get('pgmajfault') ?? 0 },
      oomKills: flatKeyed(oom ?? '').get('oom_kill'),
      limit: limited(limit),
      reservation: limited(reservation),
      swapLimit: limited(swapLimit),
    },
    threads: number(threads),
    threadsMax: limited(threadsMax),
    io: devicesV1(bytes ?? '', operations ?? ''),
  };
}

/** @returns undefined when the group is gone. */
export async function statsV2(read: ReadFileV2): Promise<CgroupStats | undefined> {
  const [usage, stat] = await Promise.all([read('memory.current'), read('memory.stat')]);
  if (usage === undefined || stat === undefined) return undefined;
  const [cpu, weight, max, events, most, swap, limit, low, swapLimit] = await Promise.all([
    read('cpu.stat'),
    read('cpu.weight'),
    read('cpu.max'),
    read('memory.events'),
    read('memory.peak'),
    read('memory.swap.current'),
    read('memory.max'),
    read('memory.low'),
    read('memory.swap.max'),
  ]);
  const [ownEvents, threads, threadsMax, io] = await Promise.all([
    read('memory.events.local'),
    read('pids.current'),
    read('pids.max'),
    read('io.stat'),
  ]);
  const counts = flatKeyed(stat);
  const time = flatKeyed(cpu ?? '');
  const used = Number(usage);
  const faults = { minor: counts.get('pgfault') ?? 0, major: counts.get('pgmajfault') ?? 0 };
  const [quota, period] = (max ?? '').split(' ');
  return {
    cpu: {
      usageNs: (time.get('usage_usec') ?? 0) * 1000,
      userNs: scaled(time.get('user_usec'), 1000),
      systemNs: scaled(time.get('system_usec'), 1000),
      throttling: throttlingOf(time, 'throttled_usec', 'burst_usec', 1000),
      shares: weight === undefined ? undefined : sharesOfWeight(Number(weight)),
      periodUs: number(period === '' ? undefined : period),
      quotaUs: quota === undefined || quota === '' || quota === 'max' ? undefined : Number(quota),
    },
    memory: {
      usage: used,
      workingSet: Math.max(0, used - (counts.get('inactive_file') ?? 0)),
      rss: counts.get('anon') ?? 0,
      cache: counts.get('file') ?? 0,
      swap: number(swap),
      mapped: counts.get('file_mapped'),
      kernel: counts.get('kernel') ?? counts.get('kernel_stack'),
      failures: flatKeyed(ownEvents ?? events ?? '').get('max'),
      most: number(most),
      activeFile: counts.get('active_file'),
      inactiveFile: counts.get('inactive_file'),
      // The kernel counts them for the whole tree; a leaf, where processes are, has none below.
      faults,
      ownFaults: faults,
      oomKills: flatKeyed(events ?? '').get('oom_kill'),
      limit: limited(limit),
      reservation: limited(low),
      swapLimit: limited(swapLimit),
    },
    threads: number(threads),
    threadsMax: limited(threadsMax),
    io: devicesV2(io ?? ''),
  };
}

/** The inverse of runc's conversion. Source: cadvisor's container/common. */
export const sharesOfWeight = (weight: number): number => Math.floor(2 + ((weight - 1) * 262_142) / 9999);

function throttlingOf(
  counts: ReadonlyMap<string, number>,
  throttled: string,
  burst: string,
  unitNs: number,
): Throttling | undefined {
  const periods = counts.get('nr_periods');
  if (periods === undefined) return undefined;
  return {
    periods,
    throttledPeriods: counts.get('nr_throttled') ?? 0,
    throttledNs: (counts.get(throttled) ?? 0) * unitNs,
    burstPeriods: counts.get('nr_bursts') ?? 0,
    burstNs: (counts.get(burst) ?? 0) * unitNs,
  };
}

const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
const scaled = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value * by;

function limited(text: string | undefined): number | undefined {
  if (text === undefined || text === 'max') return undefined;
  const value = Number(text);
  return value >= noLimit ? undefined : value;
}

type Counted = { -readonly [K in keyof DeviceIo]: DeviceIo[K] };

function deviceAt(devices: Map<string, Counted>, at: string): Counted {
  let device = devices.get(at);
  if (!device) {
    const [major, minor] = at.split(':').map(Number);
    devices.set(
      at,
      (device = { major: major ?? 0, minor: minor ?? 0, readBytes: 0, writeBytes: 0, reads: 0, writes: 0 }),
    );
  }
  return device;
}

/** Lines `8:0 Read 4096`. */
function devicesV1(bytes: string, operations: string): readonly DeviceIo[] {
  const devices = new Map<string, Counted>();
  const each = (text: string, take: (device: Counted, what: string, value: number) => void): void => {
    for (const line of text.split('\n')) {
      const [at = '', what = '', value] = line.split(' ');
      if (value !== undefined) take(deviceAt(devices, at), what, Number(value));
    }
  };
  each(bytes, (device, what, value) => {
    if (what === 'Read') device.readBytes = value;
    else if (what === 'Write') device.writeBytes = value;
  });
  each(operations, (device, what, value) => {
    if (what === 'Read') device.reads = value;
    else if (what === 'Write') device.writes = value;
  });
  return [...devices.values()];
}

/** Lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`. */
function devicesV2(text: string): readonly DeviceIo[] {
  const devices = new Map<string, Counted>();
  for (const line of text.split('\n')) {
    const [at = '', ...fields] = line.split(' ');
    if (!at.includes(':') || fields.length === 0) continue;
    const device = deviceAt(devices, at);
    for (const field of fields) {
      const [name, value] = field.split('=');
      if (name === 'rbytes') device.readBytes = Number(value);
      else if (name === 'wbytes') device.writeBytes = Number(value);
      else if (name === 'rios') device.reads = Number(value);
      else if (name === 'wios') device.writes = Number(value);
    }
  }
  return [...devices.values()];
}
