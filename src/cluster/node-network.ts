/** The pod network of one host: its own bridge as soon as the node has a range, and the routes to everybody else's pods. */
import type { Node } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { InformerFactory } from '../client/informer.ts';
import { listLinks } from '../host/network-links.ts';
import type { Spawner } from '../host/spawner.ts';
import {
  applyPodNetwork,
  defaultBridgeName,
  runHostPorts,
  runNodeRoutes,
  tunnelOverheadBytes,
} from '../network/index.ts';
import type { Surroundings } from './component.ts';
import type { NodeConfig, NodeFiles } from './node-config.ts';

export interface NodeNetworkOptions extends Pick<Surroundings, 'clock' | 'log'> {
  readonly config: NodeConfig;
  readonly files: NodeFiles;
  readonly spawner: Spawner;
  /** With rights to watch this Node and its Pods. */
  readonly informers: InformerFactory;
  /** With rights to watch all Nodes. */
  readonly allNodes: InformerFactory;
}

/** Runs until `signal` aborts; bridge, rules and routes stay. */
export async function runNodeNetwork(options: NodeNetworkOptions, signal: AbortSignal): Promise<void> {
  const { config, files, spawner, informers } = options;
  const nodes = informers.informer(resources.nodes, { fieldSelector: `metadata.name=${config.nodeName}` });
  let tunnel = false;
  // A change that comes while one is being made must not be lost.
  let dirty = true;
  let resume = (): void => undefined;
  const wake = (): void => {
    dirty = true;
    resume();
  };
  const remove = nodes.addHandler({
    onAdd: wake,
    onUpdate: (before, after) => {
      if (ownCidr(before) !== ownCidr(after)) wake();
    },
  });
  signal.addEventListener('abort', wake, { once: true });
  const routes = runRoutes(options, signal, (used) => {
    if (tunnel === used) return;
    tunnel = used;
    wake();
  });
  const own = (async () => {
    let current = '';
    while (!signal.aborted) {
      dirty = false;
      const podCidr = ownCidr(nodes.get(config.nodeName));
      const mtu = (await hostMtu(config.nodeIp, spawner)) - (tunnel ? tunnelOverheadBytes : 0);
      const next = `${podCidr} ${mtu}`;
      if (podCidr !== '' && next !== current) {
        await applyPodNetwork(
          {
            podCidr,
            clusterCidr: config.podCidr,
            bridgeName: defaultBridgeName,
            cniConfDir: files.cniConf,
            leaseDir: files.cniLeases,
            mtu,
          },
          spawner,
        );
        current = next;
      }
      while (!dirty)
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
    }
  })();
  const ports = runHostPorts({ ...options, nodeName: config.nodeName, bridgeName: defaultBridgeName }, signal);
  try {
    await Promise.all([own, routes, ports]);
  } finally {
    remove();
    signal.removeEventListener('abort', wake);
  }
}

/** Only the routes, for a host without pods of its own. */
export function runRoutes(
  { config, spawner, allNodes, clock, log }: Omit<NodeNetworkOptions, 'informers' | 'files'>,
  signal: AbortSignal,
  onTunnel?: (used: boolean) => void,
): Promise<void> {
  return runNodeRoutes(
    {
      informers: allNodes,
      spawner,
      clock,
      log,
      nodeName: config.nodeName,
      nodeIp: config.nodeIp,
      clusterCidr: config.podCidr,
      routing: config.podRouting ?? 'auto',
      ...(onTunnel ? { onTunnel } : {}),
    },
    signal,
  );
}

const ownCidr = (node: Node | undefined): string =>
  (node?.spec?.podCIDRs ?? [node?.spec?.podCIDR ?? '']).find((cidr) => cidr.includes('.')) ?? '';

/** Of the link that carries the node's address: pods must not send what it cannot. */
async function hostMtu(nodeIp: string, spawner: Spawner): Promise<number> {
  const links = await listLinks(spawner);
  const own = links.find((link) => link.addresses.some(({ address }) => address === nodeIp));
  // The loopback's 65536 is nobody's path to another host.
  return own && own.name !== 'lo' ? own.mtu : 1500;
}
