/**
 * The node process (decision 10): kubelet, proxy and pod network of one host, and the containerd they use. It knows the cluster only through
 * the API server's port, so upstream's own parts can take its place.
 */
import { mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { resources } from '../api/types/resources.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from '../client/client.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import type { InformerFactory } from '../client/informer.ts';
import { parseKubeconfig, transportOptionsOf } from '../client/kubeconfig.ts';
import type { Spawner } from '../host/spawner.ts';
import { defaultKubeletConfig } from '../kubelet/config.ts';
import { createHostKubelet } from '../kubelet/host-kubelet.ts';
import {
  applyPodNetwork,
  createRecursionRule,
  defaultBridgeName,
  defaultDnsPort,
  readPodNetworkState,
  startClusterDns,
  upstreamsOf,
} from '../network/index.ts';
import { runProxy } from '../proxy/index.ts';
import { startContainerd } from '../runtime/containerd/containerd.ts';
import { createCriClient } from '../runtime/cri-client.ts';
import { startHttpsServer } from '../serve/index.ts';
import { clusterDnsLabel } from './cluster-dns-objects.ts';
import { createComponent, type Surroundings } from './component.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import { type NodeConfig, type NodeFiles, nodeFiles, podCgroupRoot, readNodeConfig, required } from './node-config.ts';
import { version } from './version.ts';

export interface NodeProcessOptions extends Surroundings {
  readonly dir: DataDir;
  readonly spawner: Spawner;
}

/** Runs until `signal` aborts; containers go on. Rejects with the first part that fails. */
export async function runNodeProcess(options: NodeProcessOptions, signal: AbortSignal): Promise<void> {
  const { dir, spawner, clock, random, log, metrics } = options;
  const surroundings: Surroundings = { clock, random, log, metrics };
  const files = nodeFiles(dir);
  const config = readNodeConfig(dir);
  mkdirSync(files.cniConf, { recursive: true });
  // Before anything is changed: `down` undoes the network of a node whose state is known, and of no other.
  if (readFileIfPresent(files.networkState) === undefined)
    writeFileAtomically(files.networkState, JSON.stringify(readPodNetworkState()), 0o600);
  const containerd = await startContainerd({
    stateDir: files.containerd,
    spawner,
    clock,
    log: log.with({ component: 'containerd' }),
    cniConfDir: files.cniConf,
    cniBinDir: config.cniBinDir,
    signal,
  });

  const kubeletTransport = transportFrom(files.kubeletKubeconfig, options);
  const proxyTransport = transportFrom(
    readFileIfPresent(files.proxyKubeconfig) === undefined ? files.kubeletKubeconfig : files.proxyKubeconfig,
    options,
  );
  const node = createComponent(kubeletTransport, 'kubelet', surroundings, { host: config.nodeName });
  const proxy = createComponent(proxyTransport, 'kube-proxy', surroundings, { host: config.nodeName });
  // With the proxy's identity: it shares the proxy's caches of Services and slices.
  const dns = await startClusterDns({
    ...proxy,
    log: log.with({ component: 'cluster-dns' }),
    address: config.nodeIp,
    port: defaultDnsPort,
    clusterDomain: config.clusterDomain,
    upstreams: () => upstreamsOf(readFileIfPresent(defaultKubeletConfig.resolvConf) ?? ''),
    ownAddresses: [config.clusterDns],
    mayRecurse: createRecursionRule([config.podCidr], networkInterfaces()),
  });
  const runtime = createCriClient({ endpoint: containerd.endpoint, clock });
  const { kubelet, handler } = await createHostKubelet({
    nodeName: config.nodeName,
    nodeIPs: [config.nodeIp],
    client: node.client,
    informers: node.informers,
    events: node.events,
    runtime,
    spawner,
    clock,
    random,
    log: node.log,
    metrics,
    config: {
      ...defaultKubeletConfig,
      port: config.kubeletPort,
      clusterDomain: config.clusterDomain,
      clusterDNS: [config.clusterDns],
      nodeLabels: { ...config.labels, [clusterDnsLabel]: String(dns.port) },
      registerWithTaints: config.taints ?? [],
      cgroupRoot: podCgroupRoot(dir),
    },
    version: version.kubernetes,
    rootDir: files.kubelet,
    podLogsDir: files.podLogs,
  });
  const server = await startHttpsServer({
    handler,
    key: required(files.kubeletKey),
    cert: required(files.kubeletCert),
    clientCa: required(files.clientCa),
    host: '0.0.0.0',
    port: config.kubeletPort,
    clock,
    log: node.log,
    metrics,
  });

  const tasks = createTaskGroup(signal);
  tasks.run('kubelet', (stop) => kubelet.run(stop));
  tasks.run('pod-network', (stop) =>
    keepPodNetwork({ config, files, spawner, client: node.client, informers: node.informers }, stop),
  );
  tasks.run('kube-proxy', (stop) =>
    runProxy(
      {
        ...proxy,
        spawner,
        nodeName: config.nodeName,
        clusterCidr: config.podCidr,
        defaultTrafficDistribution: config.trafficDistribution,
      },
      stop,
    ),
  );
  tasks.run('cluster-dns', (stop) => dns.run(stop));
  tasks.run('containerd', async (stop) => {
    await Promise.race([containerd.exited, aborted(stop)]);
    // Its shims keep the containers; the supervisor starts this process again, which starts containerd and adopts them.
    if (!stop.aborted) throw new Error('containerd has ended');
  });
  try {
    await tasks.done;
  } finally {
    await tasks.stop();
    await server.stop({ graceMs: 2000 });
    await Promise.all([node.stop(), proxy.stop()]);
    await runtime.close();
    await Promise.all([kubeletTransport.close(), proxyTransport.close()]);
  }
}

/** As soon as the node has a pod range, the network is made for it; until then the runtime says that it has none. */
async function keepPodNetwork(
  {
    config,
    files,
    spawner,
    informers,
  }: {
    readonly config: NodeConfig;
    readonly files: NodeFiles;
    readonly spawner: Spawner;
    readonly client: Client;
    readonly informers: InformerFactory;
  },
  signal: AbortSignal,
): Promise<void> {
  const nodes = informers.informer(resources.nodes, { fieldSelector: `metadata.name=${config.nodeName}` });
  let current = '';
  let wake = (): void => undefined;
  const remove = nodes.addHandler({ onAdd: () => wake(), onUpdate: () => wake() });
  try {
    while (!signal.aborted) {
      const podCidr = nodes.get(config.nodeName)?.spec?.podCIDR ?? '';
      if (podCidr !== '' && podCidr !== current) {
        await applyPodNetwork(
          {
            podCidr,
            clusterCidr: config.podCidr,
            bridgeName: defaultBridgeName,
            cniConfDir: files.cniConf,
            leaseDir: files.cniLeases,
          },
          spawner,
        );
        current = podCidr;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  } finally {
    remove();
  }
}

function transportFrom(path: string, { clock }: Pick<NodeProcessOptions, 'clock'>) {
  return createHttpsTransport({
    ...transportOptionsOf(parseKubeconfig(required(path), path), { clock }),
    userAgent: `bireme/${version.kubernetes}`,
  });
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );
