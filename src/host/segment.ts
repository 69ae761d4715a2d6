/**
 * A network segment on this machine: a bridge in a network namespace of its own, so that the machine's firewall and forwarding rules do not
 * see what passes between simulated hosts, and one link from there to the machine, which is the segment's gateway.
 *
 *   machine: NAME 10.190.0.1/24 ---- "uplink" [ bridge in the keeper's namespace ] HOST ---- host: eth0 10.190.0.2/24
 */
import { existsSync, readlinkSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { HostError } from './host-error.ts';
import { ipJson } from './network-links.ts';
import type { ProcessIdentity, Spawner } from './spawner.ts';

export interface SegmentRecord {
  /** Holds the namespace open; ending it takes all links of the segment away. */
  readonly keeper: ProcessIdentity;
  /** The machine's end: at most 15 characters. */
  readonly linkName: string;
  /** e.g. `10.190.0.0/24` */
  readonly cidr: string;
  /** The machine's address on it. */
  readonly gateway: string;
  readonly mtu: number;
}

const timeoutMs = 10_000;
const bridge = 'segment';

/** Makes namespace, bridge and the machine's link. @throws HostError */
export async function createSegment(
  options: Omit<SegmentRecord, 'keeper'> & {
    readonly spawner: Spawner;
    readonly clock: Clock;
    readonly logFile: string;
  },
): Promise<SegmentRecord> {
  const { spawner, clock, logFile, linkName, cidr, gateway, mtu } = options;
  const child = await spawner.start('unshare', ['--net', '--', 'sleep', 'infinity'], {
    logFile,
    onParentDeath: 'survive',
  });
  const keeper = child.identity;
  try {
    await untilInOwnNamespace(keeper.pid, clock);
    await connect(spawner, keeper.pid, options);
  } catch (error) {
    child.kill('SIGKILL');
    await spawner.run('ip', ['link', 'delete', linkName], { timeoutMs });
    throw error;
  }
  return { keeper, linkName, cidr, gateway, mtu };
}

async function connect(
  spawner: Spawner,
  keeper: number,
  { linkName, cidr, gateway, mtu }: Omit<SegmentRecord, 'keeper'>,
): Promise<void> {
  const inside = ['nsenter', '-t', String(keeper), '-n', '--'];
  const bits = cidr.split('/')[1] ?? '24';
  await script(spawner, 'make a network segment', [
    `ip link delete ${linkName} 2>/dev/null || true`,
    `ip link add ${linkName} mtu ${mtu} type veth peer name uplink mtu ${mtu} netns ${keeper}`,
    `ip address add ${gateway}/${bits} dev ${linkName}`,
    `ip link set ${linkName} up`,
    `${inside.join(' ')} sh -c '
       set -e
       # What is bridged is not filtered here: the hosts have rules of their own.
       for file in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $file ] || echo 0 > $file; done
       ip link add ${bridge} mtu ${mtu} type bridge
       ip link set dev uplink master ${bridge} up
       ip link set ${bridge} up'`,
  ]);
}

/** Gives a namespace the link `eth0` with an address on the segment and a default route. @param pid of a process in that namespace. */
export async function attachToSegment(
  segment: SegmentRecord,
  host: { readonly pid: number; readonly portName: string; readonly address: string },
  spawner: Spawner,
): Promise<void> {
  const { keeper, mtu, cidr, gateway } = segment;
  const bits = cidr.split('/')[1] ?? '24';
  const { pid, portName, address } = host;
  await script(spawner, `connect ${portName} to its segment`, [
    `nsenter -t ${keeper.pid} -n -- ip link delete ${portName} 2>/dev/null || true`,
    `ip link add eth0 mtu ${mtu} netns ${pid} type veth peer name ${portName} mtu ${mtu} netns ${keeper.pid}`,
    `nsenter -t ${keeper.pid} -n -- ip link set ${portName} master ${bridge} up`,
    `nsenter -t ${pid} -n -- sh -c '
       set -e
       ip link set lo up
       ip address add ${address}/${bits} dev eth0
       ip link set eth0 up
       ip route add default via ${gateway}'`,
  ]);
}

/** The first of the candidates that is nobody's on this machine, by its routes. @throws HostError when none is free. */
export async function freeRange(what: string, candidates: Iterable<string>, spawner: Spawner): Promise<string> {
  const routes = (await ipJson(spawner, ['-4', 'route', 'show', 'table', 'all'])) as readonly {
    readonly dst?: string;
  }[];
  const found = firstFree(
    [...candidates],
    routes.flatMap(({ dst }) => (dst === undefined || dst === 'default' ? [] : [dst])),
  );
  if (found !== undefined) return found;
  throw new HostError(`There is no free address range for ${what}`, {
    remedy: 'End other clusters on this machine ("bireme down")',
  });
}

/**
 * Pure. A range apart from all others if there is one; else one that at least holds no other: the more specific route wins, so a company's
 * 10.0.0.0/8 goes on to work beside it.
 */
export function firstFree(candidates: readonly string[], taken: readonly string[]): string | undefined {
  return (
    candidates.find((candidate) => !taken.some((other) => overlap(candidate, other))) ??
    candidates.find((candidate) => !taken.some((other) => holds(candidate, other)))
  );
}

/** MTU of the link with the default route, 1500 on a machine without one. */
export async function uplinkMtu(spawner: Spawner): Promise<number> {
  const routes = (await ipJson(spawner, ['-4', 'route', 'show', 'default'])) as readonly { readonly dev?: string }[];
  const dev = routes[0]?.dev;
  if (dev === undefined) return 1500;
  const links = (await ipJson(spawner, ['link', 'show', 'dev', dev])) as readonly { readonly mtu?: number }[];
  return Math.min(links[0]?.mtu ?? 1500, 1500);
}

/** Pure. IPv4 ranges or single addresses; anything else overlaps nothing. */
export function overlap(a: string, b: string): boolean {
  const first = rangeOf(a);
  const second = rangeOf(b);
  return first !== undefined && second !== undefined && first[0] <= second[1] && second[0] <= first[1];
}

function holds(outer: string, inner: string): boolean {
  const first = rangeOf(outer);
  const second = rangeOf(inner);
  return first !== undefined && second !== undefined && first[0] <= second[0] && second[1] <= first[1];
}

function rangeOf(cidr: string): readonly [number, number] | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(cidr);
  if (!match) return undefined;
  const value = match.slice(1, 5).reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(match[5] ?? 32));
  const base = value - (value % size);
  return [base, base + size - 1];
}

/** unshare enters its namespaces a moment after its start. */
async function untilInOwnNamespace(pid: number, clock: Clock): Promise<void> {
  const ours = readlinkSync('/proc/self/ns/net');
  for (let tries = 0; tries < 1000; tries++) {
    if (existsSync(`/proc/${pid}/ns/net`) && readlinkSync(`/proc/${pid}/ns/net`) !== ours) return;
    await clock.sleep(2);
  }
  throw new HostError('Cannot make a network namespace: unshare did not get one', {
    remedy: 'Run as root, on a machine that allows network namespaces',
  });
}

async function script(spawner: Spawner, what: string, lines: readonly string[]): Promise<void> {
  const { code, stderr } = await spawner.run('sh', ['-c', ['set -e', ...lines].join('\n')], { timeoutMs });
  if (code !== 0)
    throw new HostError(`Cannot ${what}: ${stderr.toString().trim()}`, {
      remedy: 'Run as root, on a machine that allows network namespaces',
    });
}
