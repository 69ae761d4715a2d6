/** Several hosts for a test: network namespaces on one bridge inside a machine of the test's own, each with a data directory and a name. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { dataDirAt } from '../../src/cluster/data-dir.ts';
import { readRunRecord } from '../../src/cluster/run-record.ts';
import { readEtcdRecord } from '../../src/cluster/servers/etcd-member.ts';
import { readHostConfig } from '../../src/cluster/servers/host-config.ts';
import type { Requirements } from '../requirements.ts';
import { accessTo, type ClusterAccess } from './cluster.ts';
import { execute, launcher, type Machine, machineNeeds, type Result, startMachine } from './machine.ts';

export const fleetNeeds: Requirements = {
  ...machineNeeds,
  commands: [...(machineNeeds.commands ?? []), 'etcd', 'setpriv'],
};

export interface FleetHost {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  /** `bireme COMMAND --data-dir DIR ...` on that host. */
  bireme(command: string, ...args: readonly string[]): Promise<Result>;
  /** As `bireme`, fails the test unless the exit code is 0. */
  ok(command: string, ...args: readonly string[]): Promise<string>;
  /** With an administrator's rights, asked of this host's API server. */
  access(): ClusterAccess;
  /** Process ids as the machine counts them. */
  pid(of: 'server' | 'etcd'): number;
  signal(of: 'server' | 'etcd', signal: 'KILL' | 'STOP' | 'CONT' | 'TERM'): Promise<void>;
  /** Takes the cable out, or puts it in again. */
  link(state: 'up' | 'down'): Promise<void>;
  /** From and to the other hosts: nothing passes, nothing comes in while what it says gets out, or all is well. The test itself gets through. */
  peers(state: 'cut' | 'deaf' | 'well'): Promise<void>;
}

export interface Fleet {
  readonly machine: Machine;
  readonly hosts: Readonly<Record<string, FleetHost>>;
}

/** Flags of `init` and `join` on hosts whose pods live in memory. */
export const hollow = ['--runtime', 'hollow'] as const;

/** @param env of the hosts' commands and, through them, of their processes. */
export async function startFleet(
  t: Pick<TestContext, 'after'>,
  names: readonly string[],
  env: (host: { readonly dataDir: string }) => Readonly<Record<string, string>> = () => ({}),
): Promise<Fleet> {
  const machine = await startMachine(t);
  const subnet = `10.${100 + (process.pid % 100)}.0`;
  const script = [
    'set -e',
    'ip link add fleet type bridge',
    `ip addr add ${subnet}.1/24 dev fleet`,
    'ip link set fleet up',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'mkdir -p /run/netns',
    ...names.flatMap((name, i) => [
      `ip netns add ${name}`,
      `ip link add v-${name} type veth peer name eth0 netns ${name}`,
      `ip link set v-${name} master fleet up`,
      `ip netns exec ${name} ip addr add ${subnet}.${11 + i}/24 dev eth0`,
      `ip netns exec ${name} ip link set eth0 up`,
      `ip netns exec ${name} ip link set lo up`,
      `ip netns exec ${name} ip route add default via ${subnet}.1`,
    ]),
  ];
  await machine.ok('sh', '-c', script.join('\n'));
  // Goes away with the link it leads over.
  const route = await execute('ip', ['route', 'add', `${subnet}.0/24`, 'via', machine.address]);
  if (route.code !== 0) throw new Error(`ip route add: ${route.stderr}`);
  const hosts: Record<string, FleetHost> = {};
  for (const [i, name] of names.entries())
    hosts[name] = createHost(machine, name, `${subnet}.${11 + i}`, join(machine.folder, name), env);
  return { machine, hosts };
}

function createHost(
  machine: Machine,
  name: string,
  address: string,
  dataDir: string,
  env: (host: { readonly dataDir: string }) => Readonly<Record<string, string>>,
): FleetHost {
  const bireme: FleetHost['bireme'] = (command, ...args) => {
    const own = ['init', 'join'].includes(command)
      ? ['--node-name', name, '--apiserver-advertise-address', address]
      : [];
    return machine.run(
      'ip',
      ...['netns', 'exec', name, 'env', ...Object.entries(env({ dataDir })).map(([key, value]) => `${key}=${value}`)],
      ...[process.execPath, launcher, ...command.split(' ')],
      ...['--data-dir', dataDir, ...own, ...args],
    );
  };
  const pid: FleetHost['pid'] = (of) => {
    const dir = dataDirAt(dataDir);
    const identity = of === 'server' ? readRunRecord(dir)?.controlPlane : readEtcdRecord(dir);
    if (!identity) throw new Error(`${name} has no ${of} process`);
    return identity.pid;
  };
  return {
    name,
    address,
    dataDir,
    bireme,
    async ok(command, ...args) {
      const { code, stdout, stderr } = await bireme(command, ...args);
      if (code !== 0) throw new Error(`bireme ${command} on ${name} ended with ${code}:\n${stdout}${stderr}`);
      return stdout;
    },
    access: () => accessTo(dataDir, `https://${address}:${readHostConfig(dataDirAt(dataDir))?.port ?? 6443}`),
    pid,
    async signal(of, signal) {
      await machine.ok('kill', `-${signal}`, String(pid(of)));
    },
    async link(state) {
      await machine.ok('ip', 'link', 'set', `v-${name}`, state);
    },
    async peers(state) {
      // The test comes from the bridge's own address, .1.
      const others = `${address.replace(/\d+$/, '')}2-${address.replace(/\d+$/, '')}254`;
      const chain = (hook: string, link: string, side: string): string =>
        `add chain ip fault ${hook} { type filter hook ${hook} priority 0; }; add rule ip fault ${hook} ${link} eth0 ip ${side} ${others} drop;`;
      const rules = [
        'add table ip fault; delete table ip fault;',
        ...(state === 'well' ? [] : ['add table ip fault;', chain('input', 'iifname', 'saddr')]),
        ...(state === 'cut' ? [chain('output', 'oifname', 'daddr')] : []),
      ];
      await machine.ok('ip', 'netns', 'exec', name, 'nft', rules.join(' '));
    },
  };
}

/** What `init` prints for others to join with. */
export function joinFlags(printed: string): { readonly worker: readonly string[]; readonly master: readonly string[] } {
  const found = (pattern: RegExp): string => {
    const value = pattern.exec(printed)?.[1];
    if (value === undefined) throw new Error(`init did not print ${pattern}: ${printed}`);
    return value;
  };
  const worker = [
    found(/bireme join (\S+)/),
    ...['--token', found(/--token (\S+)/)],
    ...['--discovery-token-ca-cert-hash', found(/(sha256:[0-9a-f]{64})/)],
  ];
  return { worker, master: [...worker, '--certificate-key', found(/--certificate-key ([0-9a-f]{64})/)] };
}
