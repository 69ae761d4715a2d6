/** What `up`, `init` and `join` say of nodes in the same words. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { ClusterError } from '../cluster/cluster-error.ts';
import type { NodeSettings } from '../cluster/node-config.ts';

export interface NodeFlags {
  readonly defaultTrafficDistribution: NodeSettings['trafficDistribution'];
  readonly podNetwork: NodeSettings['podNetwork'];
  readonly podRouting: NodeSettings['podRouting'];
  readonly kubeletConfig?: string;
  readonly kubeletConfigDir?: string;
  readonly containerRuntimeEndpoint?: string;
}

export function nodeFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--default-traffic-distribution <value>',
        'where a Service that does not say sends its traffic: to endpoints near the client, or evenly as upstream',
      )
        .choices(['PreferSameNode', 'PreferSameZone', 'Spread'])
        .default('PreferSameNode'),
    )
    .addOption(
      new Option('--pod-network <name>', 'bireme, or external: a CNI plugin that you install into /etc/cni/net.d')
        .choices(['bireme', 'external'])
        .default('bireme'),
    )
    .addOption(
      new Option('--pod-routing <mode>', "how other hosts' pods are reached; auto: routes on one segment, else VXLAN")
        .choices(['auto', 'routes', 'vxlan'])
        .default('auto'),
    )
    .option('--kubelet-config <file>', 'KubeletConfiguration of the nodes that run containers')
    .option('--kubelet-config-dir <folder>', 'folder whose *.conf are merged over it, in the order of their names')
    .option(
      '--container-runtime-endpoint <uri>',
      'CRI server that runs already, for example unix:///run/crio/crio.sock (default: a containerd of our own)',
    );
}

/** @throws ClusterError for what is no socket. */
export function nodeSettings(flags: NodeFlags): NodeSettings {
  const { kubeletConfig, kubeletConfigDir, containerRuntimeEndpoint: endpoint } = flags;
  const path = endpoint?.replace(/^unix:\/\//, '');
  if (path !== undefined && !path.startsWith('/'))
    throw new ClusterError(
      `"${endpoint}" is no socket of a container runtime`,
      'give --container-runtime-endpoint a path or a unix:// address',
    );
  return {
    trafficDistribution: flags.defaultTrafficDistribution,
    podNetwork: flags.podNetwork,
    podRouting: flags.podRouting,
    ...(path === undefined ? {} : { runtimeEndpoint: `unix://${path}` }),
    ...(kubeletConfig === undefined ? {} : { kubeletConfigFile: resolve(kubeletConfig) }),
    ...(kubeletConfigDir === undefined ? {} : { kubeletConfigDir: resolve(kubeletConfigDir) }),
  };
}
