/**
 * `bireme up`: one cluster on this machine. This process is the control plane; the node process is its child (containerd) or there are hollow
 * nodes in this process. Nothing is left half-started: what fails early is undone before the error is told.
 */

import { ApiError } from '../api/errors.ts';
import type { ApiHandler } from '../api/exchange.ts';
import type { Node } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import type { Spawner } from '../host/spawner.ts';
import { assertPortFree, ListenError, startHttpsServer } from '../serve/index.ts';
import { openEmbeddedStore } from '../store/embedded/embedded-store.ts';
import { StoreError } from '../store/store.ts';
import { loadOrCreateCertificates } from './certificates.ts';
import { clusterDnsAddress } from './cluster-dns-objects.ts';
import { ClusterError } from './cluster-error.ts';
import type { Surroundings } from './component.ts';
import {
  adminPeer,
  type ClusterNetwork,
  type ControlPlane,
  defaultClusterNetwork,
  startControlPlane,
} from './control-plane.ts';
import { type DataDir, dataDirAt, openDataDir, rememberBefore, unusable, writeFileAtomically } from './data-dir.ts';
import { stopNodeParts } from './down.ts';
import { createHollowNodes } from './hollow-nodes.ts';
import { type HostsRecord, isSwitchedOff, readHostsRecord } from './hosts-record.ts';
import { createKubeletClient } from './kubelet-client.ts';
import { type NodeConfig, type NodeSettings, nodeFiles, writeNodeSetup } from './node-config.ts';
import { issueNodeSetup } from './node-credentials.ts';
import { assertNotRunning, type RunRecord, removeRunRecord, thisProcess, writeRunRecord } from './run-record.ts';
import { chooseRung, type MachineFacts, type Rung } from './rung.ts';
import type { SnapshotSchedule } from './servers/host-config.ts';
import { clusterId, openSegment, type RunningHosts, runHosts, workerNames } from './simulated-hosts.ts';
import { superviseNode } from './supervise-node.ts';
import {
  cleanUserKubeconfig,
  type FileOwner,
  type KubeconfigEntry,
  laterChange,
  mergeUserKubeconfig,
  renderKubeconfig,
} from './user-kubeconfig.ts';

export interface LocalClusterOptions extends Surroundings {
  readonly dataDir: string;
  readonly listenAddress: string;
  readonly port: number;
  readonly runtime: 'auto' | 'containerd' | 'hollow';
  /** Absent: one when there is no real node, else none. */
  readonly hollowNodes?: number;
  /** Hosts of their own for pods, beside this machine, which then carries none. Absent: as at the last start; else none. */
  readonly workers?: number;
  readonly nodeName: string;
  /** Address under which pods and other hosts reach this one; undefined on a machine without a network. */
  readonly nodeAddress?: string;
  /** The user's kubeconfig; undefined: left alone. */
  readonly kubeconfig?: { readonly path: string; readonly owner?: FileOwner };
  readonly machine: MachineFacts;
  readonly pid: number;
  /** Program and arguments of this command. */
  readonly command: readonly string[];
  /** Program and arguments that run the node process on a data directory. */
  readonly nodeCommand: readonly string[];
  /** Of what the cluster stores. Absent: as it is where nobody says: none of the embedded store, those of `init` on hosts with etcd. */
  readonly snapshots?: SnapshotSchedule;
  readonly network?: Partial<ClusterNetwork>;
  /** The same for all nodes. */
  readonly nodes: NodeSettings;
  readonly progress: (step: ProgressStep) => void;
  readonly spawner: Spawner;
}

export type ProgressStep =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'note'; readonly text: string };

export interface LocalCluster {
  readonly server: string;
  readonly contextName: string;
  readonly adminKubeconfig: string;
  readonly rung: Rung;
  readonly nodes: readonly string[];
  readonly controlPlane: ControlPlane;
  /** Rejects when a component or the node process fails for good. */
  readonly failed: Promise<never>;
  /** Ends all processes of the cluster in order; its data stays. */
  stop(): Promise<void>;
}

export { isBatchRejection } from '../store/embedded/disk-error.ts';

export const contextName = 'bireme';
const kubeletPort = 10_250;
const nodeReadyTimeoutMs = 120_000;

/** @throws ClusterError: one sentence and the remedy. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { clock, random, log, metrics, progress } = options;
  const rung = chooseRung(options.runtime, options.machine);
  const before = assertNotRunning(dataDirAt(options.dataDir));
  const leaveAsBefore = rememberBefore(options.dataDir);
  let dir: DataDir;
  try {
    dir = openDataDir(options.dataDir);
  } catch (error) {
    leaveAsBefore([]);
    throw error;
  }
  progress({ kind: 'note', text: rungText(rung, options) });
  let network: ClusterNetwork = { ...defaultClusterNetwork, ...options.network };
  const server = `https://127.0.0.1:${options.port}`;
  const undo: (() => Promise<void>)[] = [];
  /** Called when every node has been ready: what fails later is mended, not the end of it all. */
  const settle: (() => void)[] = [];
  let record: RunRecord | undefined;
  const step = (text: string): void => progress({ kind: 'step', text });

  try {
    const workers = rung.kind === 'containerd' ? (options.workers ?? readHostsRecord(dir)?.hosts.length ?? 0) : 0;
    if (rung.kind === 'containerd' && workers === 0) await assertPortFree('0.0.0.0', kubeletPort);
    let hosts: HostsRecord | undefined;
    if (workers > 0) {
      if (/^(127\.|::1$|localhost$)/.test(options.listenAddress))
        throw new ClusterError(
          `The workers cannot reach an API server that listens on ${options.listenAddress} only`,
          'leave out --listen-address with --workers',
        );
      // The port before the segment: a start that cannot succeed leaves the machine alone.
      await assertPortFree(options.listenAddress, options.port);
      step(`Network segment for ${workers === 1 ? 'one worker' : `${workers} workers`}`);
      hosts = await openSegment({ ...options, dir, hosts: workerNames(workers), network });
      network = { ...network, ...hosts.ranges };
    }
    const address = hosts?.segment.gateway ?? options.nodeAddress ?? '127.0.0.1';
    step('Certificates');
    const certificates = await loadOrCreateCertificates({
      pkiDir: dir.pki,
      clock,
      random,
      dnsNames: [options.nodeName],
      ipAddresses: [
        address,
        firstAddress(network.serviceCidr),
        ...(options.nodeAddress === undefined ? [] : [options.nodeAddress]),
      ],
      clusterDomain: network.clusterDomain,
    });

    step(`API server on port ${options.port}`);
    // The port first: a second start must fail before anything of the first is touched.
    let handler: ApiHandler = async () => starting();
    let controlPlane: ControlPlane | undefined;
    const https = await startHttpsServer({
      handler: (request) => handler(request),
      key: certificates.apiserver.key,
      cert: certificates.apiserver.cert,
      clientCa: certificates.ca.cert,
      frontProxyCa: certificates.frontProxyCa.cert,
      host: options.listenAddress,
      port: options.port,
      clock,
      log: log.with({ component: 'kube-apiserver' }),
      metrics,
      streamsBody: (method, path) => controlPlane?.server.streamsBody(method, path) ?? false,
    });
    undo.push(() => https.stop({ graceMs: 3000 }));
    const store = await openEmbeddedStore({ path: dir.store, clock, log: log.with({ component: 'store' }) });
    undo.push(() => store.close());
    const hollowHandlers = new Map<string, ApiHandler>();
    const kubelets = createKubeletClient({
      clock,
      node: (name) => controlPlane?.server.reader.get('', 'nodes', '', name) as unknown as Node | undefined,
      hollow: (name) => hollowHandlers.get(name),
      certificate: certificates.apiserverKubeletClient,
      ca: certificates.ca.cert,
    });
    undo.push(() => kubelets.close());
    controlPlane = await startControlPlane({
      clock,
      random,
      log,
      metrics,
      store,
      serviceAccountPrivateKey: certificates.serviceAccountPrivateKey,
      rootCa: certificates.ca.cert,
      clientCa: certificates.ca.cert,
      frontProxyCa: certificates.frontProxyCa.cert,
      frontProxyClient: certificates.frontProxyClient,
      certificateSigner: certificates.ca,
      hostname: options.nodeName,
      advertiseAddress: address,
      port: options.port,
      network,
      kubelet: kubelets,
      kubeletPage: kubelets.page,
      clusterDns: true,
    });
    const running = controlPlane;
    undo.push(() => running.stop());
    handler = running.handler;

    const admin: KubeconfigEntry = {
      name: contextName,
      server,
      certificateAuthority: certificates.ca.cert,
      clientCertificate: certificates.admin.cert,
      clientKey: certificates.admin.key,
    };
    writeFileAtomically(dir.adminKubeconfig, renderKubeconfig(admin), 0o600);
    const kubeconfig = options.kubeconfig
      ? await mergeUserKubeconfig(options.kubeconfig.path, admin, {
          clock,
          ...(options.kubeconfig.owner ? { owner: options.kubeconfig.owner } : {}),
        })
      : undefined;
    // What the file looked like before the very first start is what `down` restores.
    const kept =
      kubeconfig && before?.kubeconfig?.path === kubeconfig.path
        ? laterChange(before.kubeconfig, kubeconfig)
        : kubeconfig;
    const started: RunRecord = {
      controlPlane: thisProcess(options.pid),
      server,
      runtime: rung.kind,
      ...(kept ? { kubeconfig: kept } : {}),
      startedAt: new Date(clock.now()).toISOString(),
    };
    record = started;
    writeRunRecord(dir, started);

    const failures = Promise.withResolvers<never>();
    failures.promise.catch(() => undefined);
    controlPlane.done.catch((error: unknown) => failures.reject(error));
    const names: string[] = [];
    if (rung.kind === 'containerd') {
      step(hosts ? listed(hosts.hosts.map((host) => host.name)) : `Node ${options.nodeName} with containerd`);
      const common = { ...nodeConfig(network, rung), ...options.nodes };
      const nodeServer = `https://${address}:${options.port}`;
      writeNodeSetup(
        dir,
        await issueNodeSetup({
          pkiDir: dir.pki,
          ca: certificates.ca,
          server: nodeServer,
          clock,
          config: {
            ...common,
            nodeName: options.nodeName,
            nodeIp: address,
            // With workers this machine carries no pods: the API server only has to reach theirs.
            // It is on their segment, whatever they use among themselves.
            ...(hosts ? { kubelet: false, podRouting: 'auto', proxyTable: `bireme-proxy-${clusterId(dir)}` } : {}),
          },
        }),
      );
      const node = superviseNode({
        command: [...options.nodeCommand, '--data-dir', dir.path],
        logFile: `${dir.logs}/node.log`,
        failureFile: nodeFiles(dir).failure,
        clock,
        log,
        onStart: (identity) => writeRunRecord(dir, { ...started, node: identity }),
      });
      undo.push(() => node.stop());
      settle.push(() => node.settle());
      node.failed.catch((error: unknown) => failures.reject(error));
      if (hosts) {
        const { stop, failed, settled } = runHosts({
          ...options,
          dir,
          record: hosts,
          prepare: async ({ name, address: nodeIp }, inside) => {
            const config = { ...common, nodeName: name, nodeIp };
            const pkiDir = inside.pki;
            writeNodeSetup(
              inside,
              await issueNodeSetup({ pkiDir, ca: certificates.ca, server: nodeServer, clock, config }),
            );
          },
        });
        undo.push(stop);
        settle.push(settled);
        failed.catch((error: unknown) => failures.reject(error));
        for (const { name } of hosts.hosts) if (!isSwitchedOff(dir, name)) names.push(name);
      } else names.push(options.nodeName);
    }
    const hollowCount = options.hollowNodes ?? (rung.kind === 'hollow' ? (options.workers ?? 1) : 0);
    if (hollowCount > 0) {
      step(hollowCount === 1 ? 'One hollow node' : `${hollowCount} hollow nodes`);
      const hollow = createHollowNodes(
        running.transportAs(adminPeer),
        { clock, random, log, metrics },
        { transportAs: running.transportAs },
      );
      undo.push(() => hollow.stop());
      for (let i = 1; i <= hollowCount; i++) {
        const name = `hollow-${i}`;
        const node = hollow.add(name);
        hollowHandlers.set(name, node.handler);
        names.push(name);
      }
    }
    step('Waiting until every node is ready');
    await Promise.race([waitForNodes(createClient(running.transportAs(adminPeer)), names, options), failures.promise]);
    for (const say of settle) say();
    const { snapshots } = options;
    if (snapshots && snapshots.everyMs > 0) {
      const { snapshotStoreRegularly } = await import('./servers/embedded-snapshots.ts');
      const tasks = createTaskGroup();
      tasks.run('snapshots', (stop) => snapshotStoreRegularly(dir, { ...options, ...snapshots }, stop));
      undo.push(() => tasks.stop());
    }
    return {
      server,
      contextName,
      adminKubeconfig: dir.adminKubeconfig,
      rung,
      nodes: names,
      controlPlane: running,
      failed: failures.promise,
      stop: () => unwind(undo),
    };
  } catch (error) {
    await unwind(undo);
    const told = explained(error, dir);
    // Containers of an earlier start go on; what a first start made goes away again.
    if (before === undefined) {
      if (rung.kind === 'containerd') await stopNodeParts({ ...options, progress: () => undefined });
      if (record?.kubeconfig) await cleanUserKubeconfig(record.kubeconfig, clock);
      removeRunRecord(dir);
      leaveAsBefore(rung.kind === 'containerd' && record ? ['logs'] : []);
    }
    throw told;
  }
}

/** The newest first; each once. */
async function unwind(undo: (() => Promise<void>)[]): Promise<void> {
  for (let next = undo.pop(); next; next = undo.pop()) await next();
}

function rungText(rung: Rung, { nodeAddress }: LocalClusterOptions): string {
  if (rung.kind === 'containerd')
    return `Containers run with containerd${nodeAddress === undefined ? '' : ` on ${nodeAddress}`}.`;
  return `Pods run on hollow nodes, in memory only: ${rung.reason}.`;
}

const starting = (): ReturnType<ApiHandler> extends Promise<infer R> ? R : never => {
  const { status } = ApiError.serviceUnavailable('the API server is starting');
  return {
    status: 503,
    headers: { 'content-type': 'application/json', 'retry-after': '1' },
    body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(status)) },
  };
};

/** The first usable address of a range: the `kubernetes` Service's. */
function firstAddress(cidr: string): string {
  const [base = ''] = cidr.split('/');
  const parts = base.split('.').map(Number);
  const last = parts.pop() ?? 0;
  return [...parts, last + 1].join('.');
}

function nodeConfig(
  network: ClusterNetwork,
  rung: Extract<Rung, { kind: 'containerd' }>,
): Omit<NodeConfig, 'nodeName' | 'nodeIp' | 'trafficDistribution'> {
  return {
    podCidr: network.podCidr,
    kubeletPort,
    cniBinDir: rung.cniBinDir,
    clusterDomain: network.clusterDomain,
    clusterDns: clusterDnsAddress(network.serviceCidr),
  };
}

const listed = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');

/** @throws ClusterError naming the node that is not ready in time, and why. */
export async function waitForNodes(
  client: Client,
  names: readonly string[],
  { clock }: Pick<LocalClusterOptions, 'clock'>,
  pauseMs = 20,
): Promise<void> {
  const deadline = clock.monotonic() + nodeReadyTimeoutMs;
  for (;;) {
    const { items } = await client.resource(resources.nodes).list();
    const ready = new Set(
      items
        .filter((n) => n.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'))
        .map((n) => n.metadata.name),
    );
    const missing = names.filter((name) => !ready.has(name));
    if (missing.length === 0) return;
    if (clock.monotonic() > deadline) {
      const condition = items
        .find((n) => n.metadata.name === missing[0])
        ?.status?.conditions?.find((c) => c.type === 'Ready');
      throw new ClusterError(
        `Node "${missing[0]}" is not ready after ${nodeReadyTimeoutMs / 1000} seconds${condition?.message ? `: ${condition.message}` : ''}`,
        'look into logs/node.log in the data directory',
      );
    }
    await clock.sleep(pauseMs);
  }
}

/** Failures of the rooms below, as the person at the keyboard should read them. */
export function explained(error: unknown, dir: DataDir): unknown {
  if (error instanceof ListenError) {
    const [what = '', remedy = 'choose another with --port or --listen-address'] = error.message.split('; ');
    if (error.message.includes(`:${kubeletPort}:`))
      return new ClusterError(
        `${what}: the kubelet needs it, and one machine carries one real node`,
        `end that program (\`ss -ltnp sport = :${kubeletPort}\` names it), or use hollow nodes with --runtime hollow`,
        { cause: error },
      );
    return new ClusterError(what, remedy, { cause: error });
  }
  if (error instanceof StoreError) {
    const remedies: Readonly<Record<string, string>> = {
      inUse: 'end the other process, or choose another --data-dir',
      readonly: 'make it writable, or choose another --data-dir',
      noSpace: 'free some space on the disk, or choose another --data-dir',
      corrupt: `put "${dir.store}" back from a backup, or start over with "bireme down"`,
      invalid: 'run the version of Bireme that wrote it, or start over with "bireme down"',
    };
    return new ClusterError(error.message.replace(/\.$/, ''), remedies[error.code] ?? `look at "${dir.store}"`, {
      cause: error,
    });
  }
  if (error instanceof Error && 'syscall' in error && 'path' in error && String(error.path).startsWith(dir.path))
    return unusable(dir.path, error);
  if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT'))
    return unusable(dir.path, error);
  if (
    error instanceof Error &&
    'remedy' in error &&
    typeof error.remedy === 'string' &&
    !(error instanceof ClusterError)
  )
    return new ClusterError(error.message, error.remedy, { cause: error });
  return error;
}
