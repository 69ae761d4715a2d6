/**
 * The node process (decision 10): kubelet, proxy and pod network of one host, and the containerd they use. It knows the cluster only through
 * the API server's port, so upstream's own parts can take its place.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { createTaskGroup } from '../base/task-group.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { createHttpsTransport } from '../client/https-transport.ts';
import { parseKubeconfig, transportOptionsOf } from '../client/kubeconfig.ts';
import type { Spawner } from '../host/spawner.ts';
import { defaultKubeletConfig, type KubeletConfig } from '../kubelet/config.ts';
import { loadConfiguration } from '../kubelet/configuration-file.ts';
import { createHostKubelet } from '../kubelet/host-kubelet.ts';
import { runLocalFolders } from '../kubelet/volumes/local-folders.ts';
import {
  createRecursionRule,
  defaultDnsPort,
  readPodNetworkState,
  startClusterDns,
  upstreamsOf,
} from '../network/index.ts';
import { runProxy } from '../proxy/index.ts';
import { startContainerd } from '../runtime/containerd/containerd.ts';
import { pauseImageName } from '../runtime/containerd/pause-image.ts';
import { createCriClient } from '../runtime/cri-client.ts';
import { startHttpsServer } from '../serve/index.ts';
import { clusterDnsLabel } from './cluster-dns-objects.ts';
import { type Component, createComponent, type Surroundings } from './component.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import {
  externalCniConfDir,
  type NodeConfig,
  type NodeFiles,
  nodeFiles,
  podCgroupRoot,
  readNodeConfig,
  required,
} from './node-config.ts';
import { runNodeNetwork, runRoutes } from './node-network.ts';
import { keepNodeCertificates } from './servers/node-certificates.ts';
import { version } from './version.ts';

export interface NodeProcessOptions extends Surroundings {
  readonly dir: DataDir;
  readonly spawner: Spawner;
  /** Calls back when the machine is about to go down: pods are ended in order first. */
  onMachineShutdown?(listener: () => void): void;
}

/** Runs until `signal` aborts; containers go on. Rejects with the first part that fails. */
export async function runNodeProcess(options: NodeProcessOptions, signal: AbortSignal): Promise<void> {
  const { dir, spawner, clock, random, log, metrics } = options;
  const surroundings: Surroundings = { clock, random, log, metrics };
  const files = nodeFiles(dir);
  const config = readNodeConfig(dir);
  if (config.kubelet === false) return runEdge(config, options, signal);
  mkdirSync(files.cniConf, { recursive: true });
  // A pod with users of its own gets to its files through these; what is in them keeps its own rights.
  for (const folder of [dir.path, dir.node]) chmodSync(folder, 0o711);
  // Before anything is changed: `down` undoes the network of a node whose state is known, and of no other.
  if (readFileIfPresent(files.networkState) === undefined)
    writeFileAtomically(files.networkState, JSON.stringify(readPodNetworkState()), 0o600);
  const cni =
    config.podNetwork === 'external'
      ? { cniConfDir: externalCniConfDir, cniBinDir: externalCniBinDir }
      : { cniConfDir: files.cniConf, cniBinDir: config.cniBinDir };
  // Somebody else's runtime is used as it is; it looks for networks where all do.
  const containerd =
    config.runtimeEndpoint === undefined
      ? await startContainerd({
          stateDir: files.containerd,
          spawner,
          clock,
          log: log.with({ component: 'containerd' }),
          ...cni,
          signal,
        })
      : undefined;

  const kubeletTransport = transportFrom(files.kubeletKubeconfig, options);
  const proxyTransport = proxyTransportOf(files, options);
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
  const runtime = createCriClient({ endpoint: containerd?.endpoint ?? config.runtimeEndpoint ?? '', clock });
  const { config: fromFile, ignored: withoutEffect } = await loadConfiguration(
    {
      ...defaultKubeletConfig,
      port: config.kubeletPort,
      clusterDomain: config.clusterDomain,
      clusterDNS: [config.clusterDns],
      nodeLabels: { ...config.labels, [clusterDnsLabel]: String(dns.port) },
      registerWithTaints: config.taints ?? [],
      cgroupRoot: podCgroupRoot(dir),
    },
    {
      ...(config.kubeletConfigFile === undefined ? {} : { file: config.kubeletConfigFile }),
      ...(config.kubeletConfigDir === undefined ? {} : { dropInDir: config.kubeletConfigDir }),
    },
  );
  // These are this process's own, whatever a file says.
  const own = ['containerRuntimeEndpoint', 'podLogsDir', 'clientCAFile', 'tlsCertFile', 'tlsPrivateKeyFile'] as const;
  const ignored = [...withoutEffect, ...own.filter((name) => fromFile[name] !== defaultKubeletConfig[name])];
  if (ignored.length > 0) node.log.warn('These fields of the kubelet configuration have no effect here', { ignored });
  const kubeletConfig: KubeletConfig = {
    ...fromFile,
    containerRuntimeEndpoint: containerd?.endpoint ?? config.runtimeEndpoint ?? '',
    podLogsDir: files.podLogs,
    clientCAFile: files.clientCa,
    tlsCertFile: files.kubeletCert,
    tlsPrivateKeyFile: files.kubeletKey,
    healthzPort: 0,
  };
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
    config: kubeletConfig,
    sandboxImages: [pauseImageName],
    version: version.kubernetes,
    rootDir: files.kubelet,
    podLogsDir: kubeletConfig.podLogsDir,
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
  options.onMachineShutdown?.(() => void kubelet.parts?.shutdown());
  if (config.podNetwork !== 'external')
    tasks.run('pod-network', (stop) =>
      runNodeNetwork(
        {
          config,
          files: config.runtimeEndpoint === undefined ? files : { ...files, cniConf: externalCniConfDir },
          spawner,
          clock,
          log: log.with({ component: 'pod-network' }),
          informers: node.informers,
          allNodes: proxy.informers,
        },
        stop,
      ),
    );
  tasks.run('local-path', (stop) =>
    runLocalFolders(
      {
        client: node.client,
        informers: node.informers,
        nodeName: config.nodeName,
        folder: files.localVolumes,
        clock,
        log: log.with({ component: 'local-path' }),
      },
      stop,
    ),
  );
  tasks.run('node-certificates', (stop) =>
    keepNodeCertificates(
      {
        dir,
        nodeName: config.nodeName,
        address: config.nodeIp,
        client: node.client,
        clock,
        random,
        log: node.log,
        onServing: (pair) => server.reloadCertificates({ ...pair, clientCa: required(files.clientCa) }),
      },
      stop,
    ),
  );
  tasks.run('kube-proxy', (stop) => runProxy(proxyOptions(config, proxy, spawner), stop));
  tasks.run('cluster-dns', (stop) => dns.run(stop));
  if (containerd)
    tasks.run('containerd', async (stop) => {
      await Promise.race([containerd.exited, untilAborted(stop)]);
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

/** What a host needs that carries no pods but reaches all of them and all Services: a control plane's. */
async function runEdge(config: NodeConfig, options: NodeProcessOptions, signal: AbortSignal): Promise<void> {
  const { dir, spawner, clock, random, log, metrics } = options;
  const transport = proxyTransportOf(nodeFiles(dir), options);
  const proxy = createComponent(transport, 'kube-proxy', { clock, random, log, metrics }, { host: config.nodeName });
  const tasks = createTaskGroup(signal);
  if (config.podNetwork !== 'external')
    tasks.run('pod-network', (stop) =>
      runRoutes(
        { config, spawner, clock, log: log.with({ component: 'pod-network' }), allNodes: proxy.informers },
        stop,
      ),
    );
  tasks.run('kube-proxy', (stop) => runProxy(proxyOptions(config, proxy, spawner), stop));
  try {
    await tasks.done;
  } finally {
    await tasks.stop();
    await proxy.stop();
    await transport.close();
  }
}

const proxyOptions = (config: NodeConfig, proxy: Component, spawner: Spawner): Parameters<typeof runProxy>[0] => ({
  ...proxy,
  spawner,
  nodeName: config.nodeName,
  clusterCidr: config.podCidr,
  defaultTrafficDistribution: config.trafficDistribution,
  ports: true,
  ...(config.proxyTable === undefined ? {} : { tableName: config.proxyTable }),
});

/** With the proxy's identity where it has one, else with the node's. */
function proxyTransportOf(files: NodeFiles, options: Pick<NodeProcessOptions, 'clock' | 'metrics'>) {
  const own = readFileIfPresent(files.proxyKubeconfig) !== undefined;
  return transportFrom(own ? files.proxyKubeconfig : files.kubeletKubeconfig, options);
}

function transportFrom(path: string, { clock, metrics }: Pick<NodeProcessOptions, 'clock' | 'metrics'>) {
  return createHttpsTransport({
    ...transportOptionsOf(parseKubeconfig(required(path), path), { clock }),
    metrics,
    userAgent: `bireme/${version.kubernetes}`,
  });
}

/** Where CNI plugins that are installed into a cluster put themselves. */
const externalCniBinDir = '/opt/cni/bin';
