/**
 * A host of its own on this machine: network, mount, process, host-name, IPC and cgroup namespaces under a first process that holds them.
 * What runs in it sees its own processes, links, /run, /var/lib, /var/log, /etc, /opt and cgroups; the rest of the file system is the machine's.
 * When its first process ends, all of it ends: processes, mounts, links.
 *
 *   FOLDER/lib    /var/lib        FOLDER/etc, FOLDER/opt    what differs from the machine's /etc and /opt
 *   FOLDER/log    /var/log        /run                      in memory, gone with the host
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { groupFolders, joinGroups, moveToLeaf, prepareGroup } from './cgroup-roots.ts';
import { HostError } from './host-error.ts';
import { identify, listProcesses } from './process-table.ts';
import type { ProcessIdentity, Spawner } from './spawner.ts';

export interface SimulatedHostOptions {
  /** Host name. */
  readonly name: string;
  /** The host's own files; not below /etc or /opt. */
  readonly folder: string;
  /** Its cgroup in every hierarchy, e.g. `/bireme-1234/hosts/worker-1`. */
  readonly cgroup: string;
  /** Contents of /etc/hosts and /etc/resolv.conf. */
  readonly hostsFile: string;
  readonly resolvConf: string;
  readonly spawner: Spawner;
  readonly clock: Clock;
}

const setUpTimeoutMs = 30_000;

/** Where the host's /var/lib lies on the machine. */
export const libFolder = (folder: string): string => join(folder, 'lib');

/** Boots one: what an earlier boot had in memory is gone, its files are there. @returns its first process. @throws HostError */
export async function startSimulatedHost(options: SimulatedHostOptions): Promise<ProcessIdentity> {
  const { name, folder, cgroup, spawner, clock } = options;
  for (const part of ['lib', 'log', 'etc', 'etc-work', 'opt', 'opt-work'])
    mkdirSync(join(folder, part), { recursive: true, mode: 0o755 });
  // Its /var/lib, whoever made it first: users of pods' own namespaces get to their files through it.
  chmodSync(libFolder(folder), 0o755);
  for (const [file, text] of [
    ['hostname', `${name}\n`],
    ['hosts', options.hostsFile],
    ['resolv.conf', options.resolvConf],
  ] as const) {
    rmSync(join(folder, 'etc', file), { force: true });
    writeFileSync(join(folder, 'etc', file), text, { mode: 0o644 });
  }
  prepareGroup(cgroup);
  const child = await spawner.start(
    'sh',
    [
      '-c',
      `${joinGroups(cgroup, 'top')}
       exec unshare --net --mount --uts --ipc --pid --cgroup --fork --propagation private -- sh -c '${firstProcess}'`,
    ],
    { logFile: join(folder, 'log', 'host.log'), onParentDeath: 'survive' },
  );
  const init = await childOf(child.identity.pid, clock);
  moveToLeaf(cgroup, [child.identity.pid, init.pid]);
  const { code, stderr } = await spawner.run(
    'nsenter',
    ['-t', String(init.pid), '-n', '-m', '-u', '-i', '-p', '-C', '--', 'sh', '-c', setUpScript(options)],
    { timeoutMs: setUpTimeoutMs },
  );
  if (code !== 0)
    throw new HostError(`Cannot make the simulated host ${name}: ${stderr.toString().trim()}`, {
      remedy: 'Run as root, on a machine that allows namespaces and overlay mounts',
    });
  return init;
}

/** The command line that runs a program in the host, in its cgroup; it ends (SIGTERM) when the returned command's process does. */
export function commandInHost(
  init: ProcessIdentity,
  cgroup: string,
  command: readonly string[],
): readonly [string, ...string[]] {
  const enter = ['nsenter', '-t', String(init.pid), '-n', '-m', '-u', '-i', '-p', '-C', '--'];
  return [
    'sh',
    '-c',
    `${joinGroups(cgroup, 'processes')}\nexec "$@"`,
    'sh',
    ...enter,
    'setpriv',
    '--pdeathsig',
    'TERM',
    ...command,
  ];
}

/** Reaps what others leave behind, as a first process must, and does nothing else. */
const firstProcess =
  'if command -v catatonit >/dev/null; then exec catatonit -P; fi; while :; do sleep 2147483647 & wait; done';

function setUpScript({ name, folder }: SimulatedHostOptions): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const overlay = (path: string): string => {
    // A layer may not lie below another: then the machine's own folder is used.
    const key = path.slice(1);
    if (folder.startsWith(`${path}/`)) return '';
    return `if [ -d ${path} ]; then mount -t overlay overlay -o lowerdir=${path},upperdir=$PWD/${key},workdir=$PWD/${key}-work ${path} 2>/dev/null || {
      # No overlay on this file system: a copy.
      cp -an ${path}/. $PWD/${key}/; mount --bind ./${key} ${path}; }; fi`;
  };
  const groups = groupFolders();
  const cgroupMounts =
    groups.version === 2
      ? ['mount -t cgroup2 cgroup2 /sys/fs/cgroup']
      : [
          'mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup',
          ...groups.hierarchies.flatMap(({ name: folderName, option, aliases }) => [
            `mkdir /sys/fs/cgroup/${folderName}`,
            option === undefined
              ? `mount -t cgroup2 cgroup2 /sys/fs/cgroup/${folderName}`
              : `mount -t cgroup -o ${option} cgroup /sys/fs/cgroup/${folderName}`,
            ...aliases.map((alias) => `ln -s ${folderName} /sys/fs/cgroup/${alias}`),
          ]),
        ];
  return [
    'set -e',
    `cd ${quoted(folder)}`,
    `hostname ${quoted(name)}`,
    'mount -t proc proc /proc',
    'mount -t sysfs sysfs /sys',
    ...cgroupMounts,
    overlay('/etc'),
    overlay('/opt'),
    'mount --bind ./log /var/log',
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mkdir -p /run/netns /run/lock',
    // Last: the folder itself may lie below it.
    'mount --bind ./lib /var/lib',
    // As systemd does: what is mounted in a container with bidirectional propagation is seen by the host.
    'mount --make-rshared /',
    'ip link set lo up',
  ].join('\n');
}

async function childOf(parent: number, clock: Clock): Promise<ProcessIdentity> {
  for (let tries = 0; tries < 2000; tries++) {
    const child = listProcesses().find((process) => process.parent === parent);
    const identity = child && identify(child.pid);
    if (identity) return identity;
    await clock.sleep(2);
  }
  throw new HostError('Cannot make a simulated host: unshare did not start its first process', {
    remedy: 'Run as root, on a machine that allows namespaces',
  });
}
