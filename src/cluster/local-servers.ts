/**
 * `bireme up --control-planes M --workers N`: a cluster of servers on one machine. Each is a simulated host on which `bireme init` or `bireme join`
 * runs, as it would on a server; this process only has the hosts' power switches, does what a service manager does for them, and leads
 * 127.0.0.1 to whichever API server answers.
 */
import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createTaskGroup } from '../base/task-group.ts';
import { createClient } from '../client/create-client.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../client/kubeconfig.ts';
import { isAlive, listProcesses } from '../host/process-table.ts';
import { commandInHost } from '../host/simulated-host.ts';
import type { ProcessIdentity } from '../host/spawner.ts';
import { assertPortFree } from '../serve/index.ts';
import { caCertHash } from './certificates.ts';
import { ClusterError } from './cluster-error.ts';
import { defaultClusterNetwork } from './control-plane.ts';
import {
  type DataDir,
  dataDirAt,
  openDataDir,
  readFileIfPresent,
  rememberBefore,
  writeFileAtomically,
} from './data-dir.ts';
import { stopNodeParts } from './down.ts';
import {
  dataDirOfHost,
  type HostRecord,
  type HostsRecord,
  hostDataDir,
  isSwitchedOff,
  readHostsRecord,
  writeHostsRecord,
} from './hosts-record.ts';
import { contextName, explained, type LocalCluster, type LocalClusterOptions, waitForNodes } from './local-cluster.ts';
import { type NodeSettings, required } from './node-config.ts';
import { assertNotRunning, type RunRecord, removeRunRecord, thisProcess, writeRunRecord } from './run-record.ts';
import { chooseRung } from './rung.ts';
import { generateCertificateKey } from './servers/certificate-upload.ts';
import { readHostConfig } from './servers/host-config.ts';
import { startLoadBalancer } from './servers/load-balancer.ts';
import { findEtcd } from './servers/prepare.ts';
import { generateToken } from './servers/tokens.ts';
import { bootHost, hostCgroup, openSegment, untilSwitchedOn } from './simulated-hosts.ts';
import {
  cleanUserKubeconfig,
  type KubeconfigEntry,
  laterChange,
  mergeUserKubeconfig,
  renderKubeconfig,
} from './user-kubeconfig.ts';

export interface LocalServersOptions extends LocalClusterOptions {
  readonly controlPlanes: number;
  readonly etcdWitness: boolean;
}

const serverPort = 6443;
const commandTimeoutMs = 300_000;
const pollMs = 100;
const watchMs = 1000;

/** @throws ClusterError: one sentence and the remedy. */
export async function startLocalServers(options: LocalServersOptions): Promise<Omit<LocalCluster, 'controlPlane'>> {
  const { clock, random, log, progress } = options;
  const rung = chooseRung('containerd', options.machine);
  findEtcd('etcd', options.machine.path);
  const before = assertNotRunning(dataDirAt(options.dataDir));
  const leaveAsBefore = rememberBefore(options.dataDir);
  const dir = openDataDir(options.dataDir);
  const step = (text: string): void => progress({ kind: 'step', text });
  const undo: (() => Promise<void>)[] = [];
  let record: RunRecord | undefined;
  try {
    if (readFileIfPresent(join(dir.pki, 'ca.crt')) !== undefined)
      throw new ClusterError(
        `A cluster with its control plane in one process lives in "${dir.path}"`,
        'go on with "bireme up", remove it with "bireme down", or choose another --data-dir',
      );
    await assertPortFree('127.0.0.1', options.port);
    const wanted = serversOf(options);
    step(`Network segment for ${wanted.length} hosts`);
    const hosts = await openSegment({
      ...options,
      dir,
      hosts: wanted,
      network: { ...defaultClusterNetwork, ...options.network },
    });
    step('Hosts');
    const fleet = createFleet(dir, hosts, options);
    await Promise.all(hosts.hosts.map(({ name }) => fleet.bootIfOff(name)));

    const masters = hosts.hosts.filter(({ role }) => role === 'control-plane');
    const first = masters[0]!;
    const secrets = { token: textOf(generateToken(random)), certificateKey: generateCertificateKey(random) };
    if (!fleet.isServer(first.name)) {
      step(`bireme init on ${first.name}`);
      await fleet.bireme(first, 'init', [
        ...['--upload-certs', '--token', secrets.token, '--certificate-key', secrets.certificateKey],
        ...['--pod-network-cidr', hosts.ranges.podCidr, '--service-cidr', hosts.ranges.serviceCidr],
        ...snapshotArguments(options.snapshots),
      ]);
    } else await fleet.startIfDown(first);
    const firstDir = dataDirOfHost(dir, first.name);
    const ca = required(join(firstDir.pki, 'ca.crt'));
    const balancer = await startLoadBalancer({
      port: options.port,
      backends: masters.map(({ address }) => `${address}:${serverPort}`),
      ca,
      clock,
      log: log.with({ component: 'load-balancer' }),
    });
    undo.push(() => balancer.stop());
    const server = `https://127.0.0.1:${options.port}`;
    const admin: KubeconfigEntry = {
      name: contextName,
      server,
      certificateAuthority: ca,
      clientCertificate: required(join(firstDir.pki, 'admin.crt')),
      clientKey: required(join(firstDir.pki, 'admin.key')),
    };
    const kubeconfigText = renderKubeconfig(admin);
    writeFileAtomically(dir.adminKubeconfig, kubeconfigText, 0o600);
    const change = options.kubeconfig
      ? await mergeUserKubeconfig(options.kubeconfig.path, admin, {
          clock,
          ...(options.kubeconfig.owner ? { owner: options.kubeconfig.owner } : {}),
        })
      : undefined;
    const kept = change && before?.kubeconfig?.path === change.path ? laterChange(before.kubeconfig, change) : change;
    record = {
      controlPlane: thisProcess(options.pid),
      server,
      runtime: rung.kind,
      ...(kept ? { kubeconfig: kept } : {}),
      startedAt: new Date(clock.now()).toISOString(),
    };
    writeRunRecord(dir, record);

    // Masters one after the other: etcd takes one new member at a time.
    const others = hosts.hosts.filter(({ name }) => name !== first.name);
    const joining = others.filter(({ name }) => !fleet.isServer(name));
    await Promise.all(others.filter(({ name }) => fleet.isServer(name)).map((host) => fleet.startIfDown(host)));
    if (joining.length > 0) {
      step(`bireme join on ${joining.map(({ name }) => name).join(', ')}`);
      const join = (host: HostRecord): Promise<void> =>
        fleet.bireme(host, 'join', [
          `${first.address}:${serverPort}`,
          ...['--token', secrets.token, '--discovery-token-ca-cert-hash', caCertHash(ca)],
          ...(host.role === 'worker' ? [] : ['--certificate-key', secrets.certificateKey]),
          ...(host.role === 'control-plane' ? ['--control-plane'] : []),
          ...(host.role === 'etcd-witness' ? ['--etcd-witness'] : []),
        ]);
      await Promise.all([
        (async () => {
          for (const host of joining) if (host.role !== 'worker') await join(host);
        })(),
        ...joining.filter(({ role }) => role === 'worker').map(join),
      ]);
    }
    step('Waiting until every node is ready');
    const names = hosts.hosts
      .filter(({ role, name }) => role !== 'etcd-witness' && !isSwitchedOff(dir, name))
      .map(({ name }) => name);
    const transport = createHttpsTransport(
      transportOptionsOf(parseKubeconfig(kubeconfigText, dir.adminKubeconfig), { clock }),
    );
    try {
      await waitForNodes(createClient(transport), names, options, pollMs);
    } finally {
      await transport.close();
    }
    const keeping = fleet.keep();
    undo.push(() => keeping.stop());
    return {
      server,
      contextName,
      adminKubeconfig: dir.adminKubeconfig,
      rung,
      nodes: names,
      failed: new Promise<never>(() => undefined),
      stop: async () => {
        for (let next = undo.pop(); next; next = undo.pop()) await next();
      },
    };
  } catch (error) {
    for (let next = undo.pop(); next; next = undo.pop()) await next();
    if (before === undefined) {
      await stopNodeParts({ ...options, progress: () => undefined });
      if (record?.kubeconfig) await cleanUserKubeconfig(record.kubeconfig, clock);
      removeRunRecord(dir);
      leaveAsBefore(['logs']);
    }
    throw explained(error, dir);
  }
}

/** A cluster of servers was made here before. */
export const hasServers = (dataDir: string): boolean =>
  (readHostsRecord(dataDirAt(dataDir))?.hosts ?? []).some(({ role }) => role === 'control-plane');

/** As at the last start, or as the options say. */
function serversOf({
  dataDir,
  controlPlanes,
  workers = 0,
  etcdWitness,
}: LocalServersOptions): readonly Pick<HostRecord, 'name' | 'role'>[] {
  const known = readHostsRecord(dataDirAt(dataDir))?.hosts ?? [];
  if (known.length > 0) return known;
  return [
    ...Array.from({ length: controlPlanes }, (_, i) => ({
      name: `control-plane-${i + 1}`,
      role: 'control-plane' as const,
    })),
    ...(etcdWitness ? [{ name: 'witness-1', role: 'etcd-witness' as const }] : []),
    ...Array.from({ length: workers }, (_, i) => ({ name: `worker-${i + 1}`, role: 'worker' as const })),
  ];
}

/** The hosts as somebody in front of them sees them: power switches and a console on each. */
function createFleet(dir: DataDir, record: HostsRecord, options: LocalServersOptions) {
  const { spawner, clock, log, command } = options;
  let hosts = record.hosts;
  const find = (name: string): HostRecord => hosts.find((host) => host.name === name)!;
  const alive = (name: string): ProcessIdentity | undefined => {
    const { init } = find(name);
    return init && isAlive(init) ? init : undefined;
  };
  const run = async (name: string, words: readonly string[]): Promise<void> => {
    const init = alive(name);
    if (!init) throw new ClusterError(`Host "${name}" is off`, `switch it on with "bireme host start ${name}"`);
    const [program, ...args] = commandInHost(init, hostCgroup(dir, name), [...command, ...words]);
    const { code, stdout, stderr } = await spawner.run(program, args, { timeoutMs: commandTimeoutMs });
    if (code === 0) return;
    const text = stderr.toString().trim() || stdout.toString().trim();
    const [what = '', remedy = `look into "${join(dataDirOfHost(dir, name).logs, 'host.log')}"`] = text
      .replace(/^Error: /, '')
      .split('\n');
    throw new ClusterError(`On host "${name}": ${what.replace(/\.$/, '')}`, remedy.replace(/\.$/, ''));
  };
  const fleet = {
    /** Was made a server of the cluster by `init` or `join`. */
    isServer: (name: string): boolean => readHostConfig(dataDirOfHost(dir, name)) !== undefined,
    async bootIfOff(name: string): Promise<void> {
      if (alive(name) || isSwitchedOff(dir, name)) return;
      const init = await bootHost(find(name), record, { dir, spawner, clock, log });
      hosts = hosts.map((host) => (host.name === name ? { ...host, init } : host));
      writeHostsRecord(dir, { ...record, hosts });
    },
    bireme: ({ name, address }: HostRecord, what: 'init' | 'join', args: readonly string[]): Promise<void> =>
      run(name, [
        what,
        ...args,
        ...['--data-dir', hostDataDir, '--node-name', name, '--apiserver-advertise-address', address],
        ...nodeArguments(options.nodes),
      ]),
    /** What systemd does at boot, and when the process ends. */
    async startIfDown({ name }: HostRecord): Promise<void> {
      const init = alive(name);
      if (init && !hostProcessRuns(init)) await run(name, ['start', '--data-dir', hostDataDir]);
    },
    /** Keeps hosts on that are not switched off, and their processes running. */
    keep() {
      const tasks = createTaskGroup();
      for (const { name } of record.hosts)
        tasks.run(`host ${name}`, async (signal) => {
          while (!signal.aborted) {
            await untilSwitchedOn(dir, name, signal);
            if (signal.aborted) return;
            try {
              await fleet.bootIfOff(name);
              await fleet.startIfDown(find(name));
            } catch (error) {
              if (!signal.aborted) log.error('A host cannot be kept running, trying again', { host: name, error });
            }
            await clock.sleep(watchMs, signal);
          }
        });
      return tasks;
    },
  };
  return fleet;
}

/** `bireme server` in the process namespace of that host. */
function hostProcessRuns(init: ProcessIdentity): boolean {
  const namespace = namespaceOf(init.pid);
  return listProcesses().some(
    ({ pid, arguments: words }) =>
      words.includes('server') && words.includes(hostDataDir) && namespaceOf(pid) === namespace,
  );
}

function namespaceOf(pid: number): string | undefined {
  const path = `/proc/${pid}/ns/pid`;
  try {
    return existsSync(path) ? readlinkSync(path) : undefined;
  } catch (error) {
    // It ended just now.
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

/** As `init` and `join` read them. Hosts see the machine's files. */
const nodeArguments = (nodes: NodeSettings): readonly string[] => [
  ...['--default-traffic-distribution', nodes.trafficDistribution],
  ...['--pod-network', nodes.podNetwork, '--pod-routing', nodes.podRouting],
  ...(nodes.kubeletConfigFile === undefined ? [] : ['--kubelet-config', nodes.kubeletConfigFile]),
  ...(nodes.kubeletConfigDir === undefined ? [] : ['--kubelet-config-dir', nodes.kubeletConfigDir]),
];

const snapshotArguments = (schedule: LocalServersOptions['snapshots']): readonly string[] =>
  schedule === undefined ? [] : ['--snapshot-every', `${schedule.everyMs}ms`, '--snapshot-keep', String(schedule.keep)];

const textOf = ({ id, secret }: { readonly id: string; readonly secret: string }): string => `${id}.${secret}`;
