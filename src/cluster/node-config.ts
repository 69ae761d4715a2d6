/**
 * What makes a host a node: the files that the node process (`bireme node --data-dir DIR`) starts from. `up` writes them for this machine
 * and for simulated hosts, `join` on a server; the process itself does not know which.
 *
 *   run/node.json                 NodeConfig
 *   pki/ca.crt                    the cluster's authority: whose clients the kubelet believes
 *   node/kubelet.conf             the node's identity, or
 *   node/bootstrap-kubelet.conf   a bootstrap token's, with which the process asks for one
 *   node/kube-proxy.conf          the proxy's identity; absent: the node's own, which then needs the role system:node-proxier
 *   pki/kubelet-server.{crt,key}  what the kubelet serves with
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { PodRouting } from '../network/index.ts';
import type { DefaultTrafficDistribution } from '../proxy/index.ts';
import { ClusterError } from './cluster-error.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from './data-dir.ts';
import type { KeyPair } from './pki.ts';

export interface NodeTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

/** `run/node.json`. Optional fields have the default that is named. */
export interface NodeConfig {
  readonly nodeName: string;
  /** Under which other hosts reach this one. */
  readonly nodeIp: string;
  /** The cluster's pods; this node's part of it comes from its Node object. */
  readonly podCidr: string;
  readonly kubeletPort: number;
  readonly cniBinDir: string;
  readonly clusterDomain: string;
  /** The Service address that pods ask. */
  readonly clusterDns: string;
  readonly trafficDistribution: DefaultTrafficDistribution;
  /** Labels and taints that the node registers with. Default: none. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly NodeTaint[];
  /** `external`: somebody else's CNI plugin, installed into /etc/cni/net.d. Default `bireme`. */
  readonly podNetwork?: 'bireme' | 'external';
  /** `unix://...` of a CRI server that runs already (CRI-O, another containerd). Default: a containerd of our own. */
  readonly runtimeEndpoint?: string;
  /** How other nodes' pods are reached. Default `auto`: routes on one segment, VXLAN across segments. */
  readonly podRouting?: PodRouting;
  /**
   * `false`: no kubelet and no Node object; only the proxy and the routes to the pods of others, for a control-plane host that carries no
   * pods. Default `true`.
   */
  readonly kubelet?: boolean;
  /** Name of the proxy's nft table where two clusters share a machine's network. Default `bireme-proxy`. */
  readonly proxyTable?: string;
  /** A KubeletConfiguration, and a folder whose `*.conf` are merged over it. Absolute paths. Default: none. */
  readonly kubeletConfigFile?: string;
  readonly kubeletConfigDir?: string;
}

/** What one command says of all its nodes. */
export type NodeSettings = Required<Pick<NodeConfig, 'trafficDistribution' | 'podNetwork' | 'podRouting'>> &
  Pick<NodeConfig, 'kubeletConfigFile' | 'kubeletConfigDir' | 'runtimeEndpoint'>;

export const defaultNodeSettings: NodeSettings = {
  trafficDistribution: 'PreferSameNode',
  podNetwork: 'bireme',
  podRouting: 'auto',
};

/** Those that a node was made with. */
export function settingsIn(config: NodeConfig): Partial<NodeSettings> {
  const { trafficDistribution, podNetwork, podRouting, kubeletConfigFile, kubeletConfigDir, runtimeEndpoint } = config;
  return Object.fromEntries(
    Object.entries({
      ...{ trafficDistribution, podNetwork, podRouting },
      ...{ kubeletConfigFile, kubeletConfigDir, runtimeEndpoint },
    }).filter(([, value]) => value !== undefined),
  );
}

/** Where runtimes look for networks that nobody told them of. */
export const externalCniConfDir = '/etc/cni/net.d';

export interface NodeFiles {
  readonly config: string;
  readonly kubeletKubeconfig: string;
  readonly bootstrapKubeconfig: string;
  readonly proxyKubeconfig: string;
  readonly kubeletCert: string;
  readonly kubeletKey: string;
  readonly clientCa: string;
  readonly networkState: string;
  /** Why the node process ended last: one sentence. */
  readonly failure: string;
  readonly containerd: string;
  readonly cniConf: string;
  readonly cniLeases: string;
  readonly kubelet: string;
  readonly podLogs: string;
  /** Volumes of the built-in provisioner. */
  readonly localVolumes: string;
}

export function nodeFiles(dir: DataDir): NodeFiles {
  return {
    config: join(dir.run, 'node.json'),
    kubeletKubeconfig: join(dir.node, 'kubelet.conf'),
    bootstrapKubeconfig: join(dir.node, 'bootstrap-kubelet.conf'),
    proxyKubeconfig: join(dir.node, 'kube-proxy.conf'),
    kubeletCert: join(dir.pki, 'kubelet-server.crt'),
    kubeletKey: join(dir.pki, 'kubelet-server.key'),
    clientCa: join(dir.pki, 'ca.crt'),
    networkState: join(dir.run, 'network.json'),
    failure: join(dir.run, 'node-failure.txt'),
    containerd: join(dir.node, 'c'),
    cniConf: join(dir.node, 'cni', 'net.d'),
    cniLeases: join(dir.node, 'cni', 'leases'),
    kubelet: join(dir.node, 'kubelet'),
    podLogs: join(dir.node, 'pod-logs'),
    localVolumes: join(dir.node, 'local-volumes'),
  };
}

/** Everything that is written before the node process starts; kubeconfigs as text. */
export interface NodeSetup {
  readonly config: NodeConfig;
  /** PEM. */
  readonly ca: string;
  /** Exactly one of the two. */
  readonly kubeletKubeconfig?: string;
  readonly bootstrapKubeconfig?: string;
  readonly proxyKubeconfig?: string;
  readonly serving?: KeyPair;
}

/** Writes them; the configuration last, so that a host with `run/node.json` is a node whose files are complete. */
export function writeNodeSetup(dir: DataDir, setup: NodeSetup): void {
  const files = nodeFiles(dir);
  const write = (path: string, text: string | undefined, mode = 0o600): void => {
    if (text !== undefined && readFileIfPresent(path) !== text) writeFileAtomically(path, text, mode);
  };
  write(files.clientCa, setup.ca, 0o644);
  write(files.kubeletKubeconfig, setup.kubeletKubeconfig);
  write(files.bootstrapKubeconfig, setup.bootstrapKubeconfig);
  write(files.proxyKubeconfig, setup.proxyKubeconfig);
  write(files.kubeletKey, setup.serving?.key);
  write(files.kubeletCert, setup.serving?.cert, 0o644);
  write(files.config, `${JSON.stringify(setup.config, null, 1)}\n`);
}

/** @throws ClusterError when this data directory makes no node. */
export function readNodeConfig(dir: DataDir): NodeConfig {
  return JSON.parse(required(nodeFiles(dir).config)) as NodeConfig;
}

export function required(path: string): string {
  const text = readFileIfPresent(path);
  if (text === undefined)
    throw new ClusterError(
      `The file "${path}" is missing`,
      'start the cluster with "bireme up", or join one with "bireme join"',
    );
  return text;
}

/**
 * cgroup below which all pods of this node live, so that `down` can take it away whole; no other cluster's pods do. The folder's number
 * on its file system is part of it: machines that share a cgroup tree (containers, tests) have clusters at the same path.
 */
export function podCgroupRoot(dir: DataDir): string {
  const found = statSync(dir.path, { throwIfNoEntry: false });
  const which = found ? `${dir.path} ${found.dev} ${found.ino}` : dir.path;
  return `/bireme-${createHash('sha256').update(which).digest('hex').slice(0, 8)}`;
}
