/** `bireme status`: what runs here, asked of the process table and of the API server itself. */

import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import { createClient } from '../client/create-client.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../client/kubeconfig.ts';
import { isAlive } from '../host/process-table.ts';
import { dataDirAt, readFileIfPresent } from './data-dir.ts';
import { readHostsRecord } from './hosts-record.ts';
import { readRunRecord } from './run-record.ts';

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
  };
  const kubeconfig = readFileIfPresent(dir.adminKubeconfig);
  if (!base.running || kubeconfig === undefined)
    return {
      ...base,
      ready: false,
      nodes: [],
      problem: base.running
        ? "the administrator's kubeconfig is missing"
        : 'the control plane does not run; start it with "bireme up"',
    };
  const transport = createHttpsTransport(
    transportOptionsOf(parseKubeconfig(kubeconfig, dir.adminKubeconfig), { clock }),
  );
  const deadline = new AbortController();
  const timer = clock.timer(timeoutMs, () => deadline.abort());
  try {
    const client = createClient(transport);
    const [nodes, pods] = await Promise.all([
      client.resource(resources.nodes).list({ signal: deadline.signal }),
      client.resource(resources.pods).list({ signal: deadline.signal }),
    ]);
    return {
      ...base,
      ready: true,
      nodes: nodes.items.map((node) => ({
        name: node.metadata.name ?? '',
        ready: node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false,
        version: node.status?.nodeInfo?.kubeletVersion ?? '',
        pods: pods.items.filter((pod) => pod.spec?.nodeName === node.metadata.name).length,
      })),
    };
  } catch (error) {
    return { ...base, ready: false, nodes: [], problem: error instanceof Error ? error.message : String(error) };
  } finally {
    timer.cancel();
    await transport.close();
  }
}
