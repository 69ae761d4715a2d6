/**
 * The host process of a server (`bireme server --data-dir DIR`): runs what `run/host.json` says this server is. `init` and `join` start it, or
 * systemd does; it starts from its files alone, so that any number of hosts can be stopped and started in any order.
 */
import { join } from 'node:path';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import { createHttpsTransport } from '../../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../../client/kubeconfig.ts';
import type { Spawner } from '../../host/spawner.ts';
import { startHttpsServer } from '../../serve/index.ts';
import { ClusterError } from '../cluster-error.ts';
import { createComponent, type Surroundings } from '../component.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { createHollowNodes } from '../hollow-nodes.ts';
import { nodeFiles, required } from '../node-config.ts';
import { assertNotRunning, type RunRecord, thisProcess, writeRunRecord } from '../run-record.ts';
import { superviseNode } from '../supervise-node.ts';
import { version } from '../version.ts';
import { runEtcdMember } from './etcd-member.ts';
import { bracketed, type HostConfig, ports, readHostConfig, readList, writeList } from './host-config.ts';
import { startLoadBalancer } from './load-balancer.ts';
import { runMaster, serverUrl } from './master.ts';
import { keepNodeCertificates } from './node-certificates.ts';

export interface HostOptions extends Surroundings {
  readonly dir: DataDir;
  readonly pid: number;
  readonly spawner: Spawner;
  /** Program and arguments that run the node process on a data directory. */
  readonly nodeCommand: readonly string[];
  /** The host does its work: an API server answers, a worker's parts are started. */
  readonly onReady: () => void;
}

/** Why the process ended last: one sentence. */
export const failurePath = (dir: DataDir): string => join(dir.run, 'host-failure.txt');

/** Until `signal` aborts. @throws ClusterError when this is no server, or one that runs already; the first part's failure. */
export async function runHost(options: HostOptions, signal: AbortSignal): Promise<void> {
  const { dir, clock, pid } = options;
  const config = readHostConfig(dir);
  if (!config)
    throw new ClusterError(`"${dir.path}" makes no server of a cluster`, 'run "bireme init" or "bireme join" first');
  const before = assertNotRunning(dir);
  const record: RunRecord = {
    controlPlane: thisProcess(pid),
    server:
      config.role === 'worker'
        ? serverUrl('127.0.0.1', config.balancerPort ?? ports.balancer)
        : serverUrl(config.address, config.port),
    runtime: config.runtime === 'containerd' ? 'containerd' : 'hollow',
    ...(before?.kubeconfig ? { kubeconfig: before.kubeconfig } : {}),
    startedAt: new Date(clock.now()).toISOString(),
  };
  writeRunRecord(dir, record);
  const parts = createTaskGroup(signal);
  const node = (): void => {
    if (config.runtime === 'none') return;
    parts.run('node', (stop) => runNode(options, config, record, stop));
  };
  switch (config.role) {
    case 'control-plane':
      parts.run('control-plane', (stop) =>
        runMaster(
          {
            ...options,
            config,
            onServing: () => {
              node();
              options.onReady();
            },
          },
          stop,
        ),
      );
      break;
    case 'worker':
      parts.run('api-servers', (stop) => runBalancer(options, config, stop, node));
      break;
    case 'etcd-witness':
      parts.run('etcd', (stop) =>
        runEtcdMember(
          { ...options, config: config.etcd!, address: config.address, log: options.log.with({ component: 'etcd' }) },
          stop,
        ),
      );
      options.onReady();
      break;
  }
  try {
    await parts.done;
  } finally {
    await parts.stop();
  }
}

/** The node process, or a hollow node in this one. */
async function runNode(
  options: HostOptions,
  config: HostConfig,
  record: RunRecord,
  signal: AbortSignal,
): Promise<void> {
  if (config.runtime === 'hollow') return runHollowNode(options, config, signal);
  const { dir, clock, log } = options;
  const node = superviseNode({
    command: [...options.nodeCommand, '--data-dir', dir.path],
    logFile: join(dir.logs, 'node.log'),
    failureFile: nodeFiles(dir).failure,
    clock,
    log,
    onStart: (identity) => writeRunRecord(dir, { ...record, node: identity }),
  });
  try {
    await Promise.race([node.failed, untilAborted(signal)]);
  } finally {
    await node.stop();
  }
}

async function runHollowNode(options: HostOptions, config: HostConfig, signal: AbortSignal): Promise<void> {
  const { dir, clock, random, log, metrics } = options;
  const files = nodeFiles(dir);
  const surroundings: Surroundings = { clock, random, log, metrics };
  const transport = transportFrom(files.kubeletKubeconfig, options);
  const hollow = createHollowNodes(transport, surroundings, { only: config.nodeName });
  const node = hollow.add(config.nodeName, { addresses: [config.address], kubeletPort: ports.kubelet });
  const server = await startHttpsServer({
    handler: node.handler,
    key: required(files.kubeletKey),
    cert: required(files.kubeletCert),
    clientCa: required(files.clientCa),
    host: '0.0.0.0',
    port: ports.kubelet,
    clock,
    log: log.with({ component: 'kubelet' }),
    metrics,
  });
  const agent = createComponent(transport, 'kubelet', surroundings, { host: config.nodeName });
  try {
    await keepNodeCertificates(
      {
        dir,
        nodeName: config.nodeName,
        address: config.address,
        client: agent.client,
        clock,
        random,
        log,
        onServing: (pair) => server.reloadCertificates({ ...pair, clientCa: required(files.clientCa) }),
      },
      signal,
    );
    await untilAborted(signal);
  } finally {
    await server.stop({ graceMs: 1000 });
    await hollow.stop();
    await agent.stop();
    await transport.close();
  }
}

/** A worker's way to the API servers, whose list it follows and remembers. */
async function runBalancer(
  options: HostOptions,
  config: HostConfig,
  signal: AbortSignal,
  onListening: () => void,
): Promise<void> {
  const { dir, clock, random, log, metrics } = options;
  const files = nodeFiles(dir);
  const balancer = await startLoadBalancer({
    port: config.balancerPort ?? ports.balancer,
    backends: readList(dir, 'masters'),
    ca: required(files.clientCa),
    clock,
    log: log.with({ component: 'load-balancer' }),
  });
  onListening();
  options.onReady();
  const transport = transportFrom(files.kubeletKubeconfig, options);
  const agent = createComponent(transport, 'load-balancer', { clock, random, log, metrics });
  try {
    const slices = agent.informers.informer(resources.endpointSlices, {
      namespace: 'default',
      labelSelector: 'kubernetes.io/service-name=kubernetes',
    });
    const follow = (): void => {
      const masters = mastersOf(slices.list());
      // An empty list says that nobody renews it, not that there is nobody.
      if (masters.length === 0) return;
      balancer.setBackends(masters);
      writeList(dir, 'masters', masters);
    };
    const remove = slices.addHandler({ onAdd: follow, onUpdate: follow, onDelete: follow });
    await untilAborted(signal);
    remove();
  } finally {
    await agent.stop();
    await transport.close();
    await balancer.stop();
  }
}

/** `address:port` of each API server. */
export function mastersOf(slices: readonly EndpointSlice[]): readonly string[] {
  const found = new Set<string>();
  for (const { endpoints = [], ports: served = [] } of slices) {
    const port = served?.find(({ name }) => name === 'https')?.port;
    if (port === undefined) continue;
    for (const { addresses } of endpoints ?? [])
      for (const address of addresses) found.add(`${bracketed(address)}:${port}`);
  }
  return [...found].sort();
}

function transportFrom(path: string, { clock }: Pick<HostOptions, 'clock'>) {
  return createHttpsTransport({
    ...transportOptionsOf(parseKubeconfig(required(path), path), { clock }),
    userAgent: `bireme/${version.kubernetes}`,
  });
}

/** Says why, for whoever waits for this host. */
export function writeFailure(dir: DataDir, error: unknown): void {
  let inner = error;
  while (inner instanceof Error && !(inner instanceof ClusterError) && inner.cause !== undefined) inner = inner.cause;
  const sentence = inner instanceof Error ? inner.message : String(inner);
  const remedy = inner instanceof ClusterError ? inner.remedy : '';
  writeFileAtomically(failurePath(dir), JSON.stringify({ sentence, remedy }), 0o600);
}

/** @returns undefined when it did not say. */
export function readFailure(dir: DataDir): ClusterError | undefined {
  const text = readFileIfPresent(failurePath(dir));
  if (text === undefined) return undefined;
  const { sentence, remedy } = JSON.parse(text) as { readonly sentence: string; readonly remedy: string };
  return new ClusterError(sentence, remedy === '' ? `look into "${join(dir.logs, 'host.log')}"` : remedy);
}
