/**
 * The worker hosts of `bireme up --workers N`: each a machine of its own on one network segment, with its own containerd, kubelet, proxy,
 * DNS and state, running the node process that a real server runs. They outlive this process; the next start adopts them.
 */
import { existsSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { createTaskGroup } from '../base/task-group.ts';
import { createNft } from '../host/nft.ts';
import { isAlive, signalProcess } from '../host/process-table.ts';
import { attachToSegment, createSegment, freeRange, type SegmentRecord, uplinkMtu } from '../host/segment.ts';
import { commandInHost, startSimulatedHost } from '../host/simulated-host.ts';
import type { ProcessIdentity, Spawner } from '../host/spawner.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';
import { upstreamsOf } from '../network/index.ts';
import { ClusterError } from './cluster-error.ts';
import type { ClusterNetwork } from './control-plane.ts';
import { type DataDir, openDataDir, readFileIfPresent } from './data-dir.ts';
import {
  dataDirOfHost,
  type HostRecord,
  type HostsRecord,
  hostDataDir,
  hostFolder,
  isSwitchedOff,
  readHostsRecord,
  writeHostsRecord,
} from './hosts-record.ts';
import { nodeFiles, podCgroupRoot } from './node-config.ts';
import { superviseNode } from './supervise-node.ts';

export interface HostsOptions {
  readonly dir: DataDir;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pods' watchers (tail -f, log followers, upstream's components) need more of them than most distributions allow. */
const inotifyInstances = { name: 'fs.inotify.max_user_instances', atLeast: 1024 };
const forwarding = 'net.ipv4.ip_forward';
const firstHostNumber = 11;
/** One segment has 254 addresses; the machine's memory ends long before. */
const hostsMax = 200;
const retryMs = 10_000;

/**
 * The segment and the addresses of the hosts on it, made or found again. The machine forwards for them and gives them its own address
 * towards the world.
 */
export async function openSegment(
  options: HostsOptions & {
    readonly hosts: readonly Pick<HostRecord, 'name' | 'role'>[];
    readonly network: ClusterNetwork;
  },
): Promise<HostsRecord> {
  const { dir, spawner, clock, network } = options;
  if (options.hosts.length > hostsMax)
    throw new ClusterError(
      `${options.hosts.length} hosts do not fit on one segment`,
      `ask for at most ${hostsMax}; hollow nodes (--hollow-nodes) may be thousands`,
    );
  const before = readHostsRecord(dir);
  const id = clusterId(dir);
  let segment = before?.segment;
  const ranges = before?.ranges ?? {
    podCidr: await freeRange('pods', [network.podCidr, ...podRanges()], spawner),
    serviceCidr: await freeRange('Services', [network.serviceCidr, ...serviceRanges()], spawner),
  };
  if (!segment || !isAlive(segment.keeper)) {
    // Hosts of a segment that is gone have lost their links: they start anew on the same addresses.
    for (const { init } of before?.hosts ?? []) if (init) signalProcess(init, 'SIGKILL');
    const cidr = segment?.cidr ?? (await freeRange('a network segment', segmentRanges(), spawner));
    segment = await createSegment({
      spawner,
      clock,
      logFile: join(dir.logs, 'segment.log'),
      linkName: `bireme-${id}`,
      cidr,
      gateway: nth(cidr, 1),
      mtu: await uplinkMtu(spawner),
    });
  }
  const names = options.hosts.map(({ name }) => name);
  const known = new Map((before?.hosts ?? []).map((host) => [host.name, host]));
  const record: HostsRecord = {
    segment,
    hosts: withAddresses(options.hosts, before?.hosts ?? [], segment.cidr),
    ranges,
    sysctls: before?.sysctls ?? {
      [forwarding]: readSysctl(forwarding) ?? '1',
      [inotifyInstances.name]: readSysctl(inotifyInstances.name) ?? String(inotifyInstances.atLeast),
    },
  };
  // Before anything of the machine is changed: what is recorded can be undone.
  writeHostsRecord(dir, record);
  for (const host of known.values()) if (!names.includes(host.name) && host.init) signalProcess(host.init, 'SIGKILL');
  writeSysctl(forwarding, '1');
  if (Number(readSysctl(inotifyInstances.name) ?? inotifyInstances.atLeast) < inotifyInstances.atLeast)
    writeSysctl(inotifyInstances.name, String(inotifyInstances.atLeast));
  await createNft(spawner).apply(renderUplink(id, segment));
  // Services are reached through the segment, where the proxy's rules find them; a machine without a default route would find no way at all.
  await spawner.run('ip', ['route', 'add', ranges.serviceCidr, 'dev', segment.linkName, 'src', segment.gateway], {
    timeoutMs: 10_000,
  });
  return record;
}

/** Pure: a host that is known keeps its address, a new one gets the lowest that is free. */
export function withAddresses(
  wanted: readonly Pick<HostRecord, 'name' | 'role'>[],
  known: readonly HostRecord[],
  cidr: string,
): HostRecord[] {
  const taken = new Set(known.map(({ address }) => address));
  let number = firstHostNumber;
  return wanted.map((host) => {
    const before = known.find(({ name }) => name === host.name);
    if (before) return before;
    while (taken.has(nth(cidr, number))) number++;
    const address = nth(cidr, number);
    taken.add(address);
    return { ...host, address };
  });
}

export const workerNames = (count: number): readonly Pick<HostRecord, 'name' | 'role'>[] =>
  Array.from({ length: count }, (_, i) => ({ name: `worker-${i + 1}` }));

/** Pure: the hosts reach the world under the machine's address. */
export function renderUplink(id: string, { cidr, linkName }: SegmentRecord): string {
  const at = `ip bireme-${id}`;
  return [
    `add table ${at}`,
    `delete table ${at}`,
    `add table ${at} { comment "the way out for the hosts of a bireme cluster"; }`,
    `add chain ${at} postrouting { type nat hook postrouting priority srcnat + 1; policy accept; }`,
    `add rule ${at} postrouting ip saddr ${cidr} oifname != "${linkName}" masquerade`,
    '',
  ].join('\n');
}

export interface RunningHosts {
  /** Rejects when a host cannot be kept running before `settled` was called. */
  readonly failed: Promise<never>;
  /** All were ready once: from now on a host that fails is tried again and again, as a cluster lives on without one of its servers. */
  settled(): void;
  /** Ends the node processes; the hosts and their containers go on. */
  stop(): Promise<void>;
}

/** Boots what is off, adopts what runs, and keeps a node process in each. @param nodeCommand runs the node process on a data directory. */
export function runHosts(
  options: HostsOptions & {
    readonly record: HostsRecord;
    readonly nodeCommand: readonly string[];
    /** Writes the node's files into the host's data directory. */
    readonly prepare: (host: HostRecord, dir: DataDir) => Promise<void>;
  },
): RunningHosts {
  const { dir, clock, log, record } = options;
  const tasks = createTaskGroup();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  let hosts = record.hosts;
  const note = (name: string, change: Partial<HostRecord>): void => {
    hosts = hosts.map((host) => (host.name === name ? { ...host, ...change } : host));
    writeHostsRecord(dir, { ...record, hosts });
  };
  let settled = false;
  for (const { name } of record.hosts)
    tasks.run(`host ${name}`, async (signal) => {
      while (!signal.aborted)
        try {
          await keepHost(hosts.find((host) => host.name === name)!, options, note, signal);
        } catch (error) {
          log.error('A host cannot be kept running', { host: name, error });
          if (!settled) {
            failure.reject(error);
            return;
          }
          await clock.sleep(retryMs, signal);
        }
    });
  return {
    failed: failure.promise,
    settled: () => {
      settled = true;
    },
    stop: () => tasks.stop(),
  };
}

async function keepHost(
  host: HostRecord,
  options: Parameters<typeof runHosts>[0],
  note: (name: string, change: Partial<HostRecord>) => void,
  signal: AbortSignal,
): Promise<void> {
  const { dir, clock, log, nodeCommand, prepare, record } = options;
  const { name } = host;
  const cgroup = hostCgroup(dir, name);
  let init = host.init && isAlive(host.init) ? host.init : undefined;
  if (init) log.info('Adopted a host', { host: name, pid: init.pid });
  while (!signal.aborted) {
    await untilSwitchedOn(dir, name, signal);
    if (signal.aborted) return;
    if (!init) {
      init = await bootHost(host, record, options);
      note(name, { init });
    }
    const inside = openDataDir(dataDirOfHost(dir, name).path, { roomBytes: 0 });
    await prepare(host, inside);
    const node = superviseNode({
      command: commandInHost(init, cgroup, [...nodeCommand, '--data-dir', hostDataDir]),
      logFile: join(dir.logs, `${name}.log`),
      failureFile: nodeFiles(inside).failure,
      clock,
      log: log.with({ host: name }),
      onStart: (identity) => note(name, { node: identity }),
      endByInput: true,
      // Without its host there is nothing to be started again in.
      worthwhile: () => init !== undefined && isAlive(init),
    });
    try {
      await Promise.race([node.ended, node.failed, aborted(signal)]);
    } finally {
      await node.stop();
    }
    if (!isAlive(init)) init = undefined;
  }
}

/** Makes the host's namespaces and its link. @returns its first process. */
export async function bootHost(
  host: HostRecord,
  { segment, hosts }: HostsRecord,
  { dir, spawner, clock, log }: HostsOptions,
): Promise<ProcessIdentity> {
  const { name, address } = host;
  const folder = hostFolder(dir, name);
  const inside = openDataDir(dataDirOfHost(dir, name).path, { roomBytes: 0 });
  // What containerd kept of the last boot - sockets, bundles, namespaces - died with it; images and volumes stay.
  rmSync(join(nodeFiles(inside).containerd, 'state'), { recursive: true, force: true });
  const init = await startSimulatedHost({
    name,
    folder,
    cgroup: hostCgroup(dir, name),
    hostsFile: [
      '127.0.0.1 localhost',
      ...hosts.map((other) => `${other.address} ${other.name}`),
      `${segment.gateway} control-plane`,
      '',
    ].join('\n'),
    resolvConf: reachableResolvers(),
    spawner,
    clock,
  });
  await attachToSegment(segment, { pid: init.pid, portName: `p${address.split('.').pop()}`, address }, spawner);
  log.info('Started a host', { host: name, address, pid: init.pid });
  return init;
}

/** Resolvers on the machine's loopback are out of the hosts' reach; systemd-resolved tells elsewhere whom it asks. */
function reachableResolvers(): string {
  for (const file of ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']) {
    const reachable = upstreamsOf(readFileIfPresent(file) ?? '').filter(({ address }) => !address.startsWith('127.'));
    if (reachable.length > 0) return reachable.map(({ address }) => `nameserver ${address}\n`).join('');
  }
  return '';
}

/** Ends all hosts with everything in them, then the segment. Their files stay. Success when they are gone already. */
export async function endHosts({ dir, spawner, clock }: Omit<HostsOptions, 'log'>): Promise<void> {
  const record = readHostsRecord(dir);
  if (!record) return;
  const processes = record.hosts.flatMap(({ init, node }) => [node, init]).filter((one) => one !== undefined);
  for (const identity of [...processes, record.segment.keeper]) signalProcess(identity, 'SIGKILL');
  for (const identity of [...processes, record.segment.keeper]) while (isAlive(identity)) await clock.sleep(5);
  const table = `ip bireme-${clusterId(dir)}`;
  await createNft(spawner).apply(`add table ${table}\ndelete table ${table}\n`);
  // The kernel takes a dead namespace's links away a moment later; a start that follows at once must not meet them.
  await spawner.run('ip', ['link', 'delete', record.segment.linkName], { timeoutMs: 10_000 });
}

/** Puts back the kernel parameters that `openSegment` changed. */
export function restoreSysctls(dir: DataDir): void {
  for (const [name, value] of Object.entries(readHostsRecord(dir)?.sysctls ?? {})) writeSysctl(name, value);
}

export const hostCgroup = (dir: DataDir, name: string): string => `${podCgroupRoot(dir)}/hosts/${name}`;

/** Eight characters that tell this data directory's cluster from others on the machine. */
export const clusterId = (dir: DataDir): string => podCgroupRoot(dir).slice(-8);

/** Ranges that hardly anybody uses. */
function* segmentRanges(): Generator<string> {
  for (let i = 0; i < 256; i++) yield `10.190.${i}.0/24`;
}

function* podRanges(): Generator<string> {
  for (let i = 245; i < 255; i++) yield `10.${i}.0.0/16`;
}

function* serviceRanges(): Generator<string> {
  for (let i = 112; i < 176; i += 16) yield `10.${i}.0.0/12`;
}

const nth = (cidr: string, number: number): string => cidr.replace(/\.\d+\/\d+$/, `.${number}`);

/** Resolves also when `signal` aborts. */
export async function untilSwitchedOn(dir: DataDir, name: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && isSwitchedOff(dir, name) && existsSync(hostFolder(dir, name))) {
    const changed = Promise.withResolvers<void>();
    const watcher = watch(hostFolder(dir, name), () => changed.resolve());
    try {
      if (isSwitchedOff(dir, name)) await Promise.race([changed.promise, aborted(signal)]);
    } finally {
      watcher.close();
    }
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
