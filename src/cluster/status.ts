/** `bireme status`: what runs here, asked of the process table and of the API server itself. */

import type { Node } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import { createClient } from '../client/create-client.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../client/kubeconfig.ts';
import { isAlive } from '../host/process-table.ts';
import { type DataDir, dataDirAt, readFileIfPresent } from './data-dir.ts';
import { dataDirOfHost, readHostsRecord } from './hosts-record.ts';
import { nodeFiles } from './node-config.ts';
import { readRunRecord } from './run-record.ts';
import { type HostConfig, readHostConfig } from './servers/host-config.ts';
import { type EtcdStatus, etcdStatus, leadersOf } from './servers/server-status.ts';

export interface ClusterStatus {
  readonly dataDir: string;
  readonly running: boolean;
  readonly server: string;
  readonly runtime: string;
  readonly ready: boolean;
  /** Why not, in the API server's or the connection's words. */
  readonly problem?: string;
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly running: boolean }[];
  readonly nodes: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly version: string;
    readonly pods: number;
  }[];
  /** On a server of a cluster. */
  readonly role?: HostConfig['role'];
  readonly etcd?: EtcdStatus;
  /** Component -> host that leads. */
  readonly leaders?: Readonly<Record<string, string>>;
}

const timeoutMs = 5000;

/** @returns undefined when there is no cluster on this data directory. */
export async function clusterStatus(dataDir: string, clock: Clock): Promise<ClusterStatus | undefined> {
  const dir = dataDirAt(dataDir);
  const record = readRunRecord(dir);
  if (!record) return undefined;
  const processes = [
    { name: 'control-plane', pid: record.controlPlane.pid, running: isAlive(record.controlPlane) },
    ...(record.node ? [{ name: 'node', pid: record.node.pid, running: isAlive(record.node) }] : []),
    ...(readHostsRecord(dir)?.hosts ?? []).flatMap(({ name, init }) =>
      init ? [{ name: `host ${name}`, pid: init.pid, running: isAlive(init) }] : [],
    ),
  ];
  const base = {
    dataDir: dir.path,
    running: processes[0]!.running,
    server: record.server,
    runtime: record.runtime,
    processes,
    ...roleOf(dir),
  };
  const host = readHostConfig(dir);
  if (host && base.running) return serverStatus(dir, host, base, clock);
  const kubeconfig = readFileIfPresent(dir.adminKubeconfig);
  if (!base.running || kubeconfig === undefined)
    return {
      ...base,
      ready: false,
      nodes: [],
      problem: base.running
        ? "the administrator's kubeconfig is missing"
        : host
          ? 'this server does not run; start it with "bireme start"'
          : 'the control plane does not run; start it with "bireme up"',
    };
  const transport = createHttpsTransport(
    transportOptionsOf(parseKubeconfig(kubeconfig, dir.adminKubeconfig), { clock }),
  );
  const deadline = new AbortController();
  const timer = clock.timer(timeoutMs, () => deadline.abort());
  try {
    const client = createClient(transport);
    // Control-plane hosts of their own: what one of them would say.
    const [master] = (readHostsRecord(dir)?.hosts ?? []).filter(
      ({ role, init }) => role === 'control-plane' && init !== undefined && isAlive(init),
    );
    // At once: members of etcd that do not answer take their own time, which is not the API server's.
    const [nodes, pods, leaders, etcd] = await Promise.all([
      client.resource(resources.nodes).list({ signal: deadline.signal }),
      client.resource(resources.pods).list({ signal: deadline.signal }),
      master && leadersOf(client, deadline.signal),
      master && etcdStatus(dataDirOfHost(dir, master.name), clock),
    ]);
    return {
      ...base,
      ...(etcd ? { etcd } : {}),
      ...(leaders ? { leaders } : {}),
      ready: true,
      nodes: nodes.items.map((node) =>
        shown(node, pods.items.filter((pod) => pod.spec?.nodeName === node.metadata.name).length),
      ),
    };
  } catch (error) {
    return { ...base, ready: false, nodes: [], problem: error instanceof Error ? error.message : String(error) };
  } finally {
    timer.cancel();
    await transport.close();
  }
}

const roleOf = (dir: DataDir): Pick<ClusterStatus, 'role'> => {
  const role = readHostConfig(dir)?.role;
  return role === undefined ? {} : { role };
};

type Base = Omit<ClusterStatus, 'ready' | 'nodes'>;

/** A server sees what its own credentials let it see: a control-plane host everything, a worker its own node, a witness etcd. */
async function serverStatus(dir: DataDir, host: HostConfig, base: Base, clock: Clock): Promise<ClusterStatus> {
  const etcd = host.etcd ? await etcdStatus(dir, clock) : undefined;
  const withEtcd = { ...base, ...(etcd ? { etcd } : {}) };
  if (host.role === 'etcd-witness')
    return etcd?.hasQuorum
      ? { ...withEtcd, ready: true, nodes: [] }
      : { ...withEtcd, ready: false, nodes: [], problem: 'etcd has no majority' };
  const path = host.role === 'worker' ? nodeFiles(dir).kubeletKubeconfig : dir.adminKubeconfig;
  const transport = createHttpsTransport(
    transportOptionsOf(parseKubeconfig(readFileIfPresent(path) ?? '', path), { clock }),
  );
  const deadline = new AbortController();
  const timer = clock.timer(timeoutMs, () => deadline.abort());
  const { signal } = deadline;
  try {
    const client = createClient(transport);
    if (host.role === 'worker') {
      const node = await client.resource(resources.nodes).get(host.nodeName, { signal });
      const own = await client
        .resource(resources.pods)
        .list({ fieldSelector: `spec.nodeName=${host.nodeName}`, signal });
      return { ...withEtcd, ready: isReady(node), nodes: [shown(node, own.items.length)] };
    }
    const [nodes, pods, leaders] = await Promise.all([
      client.resource(resources.nodes).list({ signal }),
      client.resource(resources.pods).list({ signal }),
      leadersOf(client, signal),
    ]);
    const count = (name: string | undefined): number => pods.items.filter((pod) => pod.spec?.nodeName === name).length;
    return {
      ...withEtcd,
      ready: true,
      leaders,
      nodes: nodes.items.map((node) => shown(node, count(node.metadata.name))),
    };
  } catch (error) {
    const said = signal.aborted
      ? 'the API server does not answer'
      : error instanceof Error
        ? error.message
        : String(error);
    return {
      ...withEtcd,
      ready: false,
      nodes: [],
      problem: etcd && !etcd.hasQuorum ? `etcd has no majority: ${etcd.answering} of ${etcd.voters} answer` : said,
    };
  } finally {
    timer.cancel();
    await transport.close();
  }
}

const isReady = (node: Node): boolean =>
  node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;

const shown = (node: Node, pods: number): ClusterStatus['nodes'][number] => ({
  name: node.metadata.name ?? '',
  ready: isReady(node),
  version: node.status?.nodeInfo?.kubeletVersion ?? '',
  pods,
});
