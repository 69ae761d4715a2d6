/**
 * Keeps the kernel's routes to other nodes' pods as `planPodRoutes` says, following the Nodes. Level-triggered: what is there is read, the
 * difference made; routes are known by their protocol number, so nobody else's is touched.
 */
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { HostError } from '../host/host-error.ts';
import { ipJson, type Link, listLinks } from '../host/network-links.ts';
import type { Spawner } from '../host/spawner.ts';
import { type PodRoute, type PodRouting, planPodRoutes, podCidrsOf, tunnelMac, tunnelName } from './pod-routes.ts';

export interface NodeRoutesOptions {
  /** With rights to list and watch all Nodes. */
  readonly informers: InformerFactory;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  readonly nodeIp: string;
  /** All pods' range: routes outside of it are another cluster's. */
  readonly clusterCidr: string;
  readonly routing: PodRouting;
  /** Told when traffic begins or ceases to go through the tunnel: new pods get a smaller MTU. */
  readonly onTunnel?: (used: boolean) => void;
}

/** Routes of ours: a number that iproute2 gives to nobody. */
const routeProtocol = '142';
const tunnelId = 4_242;
/** The kernel's port for VXLAN as other pod networks use it. */
const tunnelPort = 8472;
export const tunnelOverheadBytes = 50;
const retryMs = 1000;
/** Links come and go without an event of the API; a look now and then mends what somebody else took away. */
const resyncMs = 30_000;
const timeoutMs = 10_000;

/** Runs until `signal` aborts; the routes stay. */
export async function runNodeRoutes(options: NodeRoutesOptions, signal: AbortSignal): Promise<void> {
  const { informers, spawner, clock, log, nodeName } = options;
  const nodes = informers.informer(resources.nodes);
  let wake = (): void => undefined;
  let dirty = true;
  const raise = (): void => {
    dirty = true;
    wake();
  };
  const remove = nodes.addHandler({
    onAdd: raise,
    onUpdate: (before, after) => {
      if (relevant(before) !== relevant(after)) raise();
    },
    onDelete: raise,
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    await nodes.waitForSync(signal);
    while (!signal.aborted) {
      dirty = false;
      let waitMs = resyncMs;
      try {
        const links = await listLinks(spawner);
        const plan = planPodRoutes({ nodes: nodes.list(), ownName: nodeName, links, routing: options.routing });
        const own = nodes.get(nodeName);
        const ownCidr = own && podCidrsOf(own)[0];
        // Before our own range is known the tunnel has no address; our Node's next change brings us back.
        const usable = plan.filter((route) => route.kind === 'direct' || ownCidr !== undefined);
        await apply(usable, links, ownCidr, options);
        options.onTunnel?.(usable.some((route) => route.kind === 'tunnel'));
      } catch (error) {
        if (signal.aborted) break;
        log.error('Cannot set the routes to other pods, trying again', { error });
        waitMs = retryMs;
      }
      if (dirty) continue;
      const pause = new AbortController();
      wake = () => pause.abort();
      if (signal.aborted) break;
      await clock.sleep(waitMs, pause.signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    remove();
  }
}

const relevant = (node: Parameters<typeof podCidrsOf>[0]): string =>
  JSON.stringify([podCidrsOf(node), node.status?.addresses]);

async function apply(
  plan: readonly PodRoute[],
  links: readonly Link[],
  ownCidr: string | undefined,
  { spawner, nodeIp, clusterCidr }: NodeRoutesOptions,
): Promise<void> {
  const current = (await ipJson(spawner, [
    '-4',
    'route',
    'show',
    'root',
    clusterCidr,
    'proto',
    routeProtocol,
  ])) as readonly {
    readonly dst: string;
    readonly gateway?: string;
    readonly dev?: string;
  }[];
  const text = (cidr: string, via: string, dev: string): string => `${cidr} ${via} ${dev}`;
  const there = new Set(current.map(({ dst, gateway = '', dev = '' }) => text(dst, gateway, dev)));
  const tunnels = plan.filter((route) => route.kind === 'tunnel');
  const commands: string[] = [];
  const bridgeCommands: string[] = [];
  const own = links.find((link) => link.addresses.some(({ address }) => address === nodeIp));
  const tunnel = links.find((link) => link.name === tunnelName);
  if (tunnels.length > 0) {
    if (!own) throw new HostError(`No link has the node's address ${nodeIp}`, { remedy: 'Look at "ip address"' });
    const mtu = own.mtu - tunnelOverheadBytes;
    if (!tunnel) {
      commands.push(
        `link add ${tunnelName} mtu ${mtu} address ${tunnelMac(nodeIp)} type vxlan id ${tunnelId} dev ${own.name} local ${nodeIp} dstport ${tunnelPort} nolearning`,
      );
      commands.push(`link set ${tunnelName} up`);
    }
    const address = ownCidr?.split('/')[0] ?? '';
    if (!tunnel?.addresses.some((found) => found.address === address))
      commands.push(`address replace ${address}/32 dev ${tunnelName}`);
    const known = tunnel ? await forwardingEntries(spawner) : new Set<string>();
    for (const { via, mac, remote } of tunnels) {
      commands.push(`neighbour replace ${via} lladdr ${mac} dev ${tunnelName} nud permanent`);
      if (!known.delete(`${mac} ${remote}`)) bridgeCommands.push(`fdb replace ${mac} dev ${tunnelName} dst ${remote}`);
    }
    for (const entry of known) bridgeCommands.push(`fdb del ${entry.split(' ')[0]} dev ${tunnelName}`);
  }
  const wanted = new Set<string>();
  for (const route of plan) {
    const dev = route.kind === 'direct' ? route.dev : tunnelName;
    const line = text(route.cidr, route.via, dev);
    wanted.add(line);
    if (!there.has(line))
      commands.push(
        `route replace ${route.cidr} via ${route.via} dev ${dev} proto ${routeProtocol}${route.kind === 'tunnel' ? ' onlink' : ''}`,
      );
  }
  const replaced = new Set(plan.map((route) => route.cidr));
  for (const { dst, gateway = '', dev = '' } of current)
    if (!wanted.has(text(dst, gateway, dev)) && !replaced.has(dst))
      commands.push(`route delete ${dst} proto ${routeProtocol}`);
  if (tunnels.length === 0 && tunnel) commands.push(`link delete ${tunnelName}`);
  await batch(spawner, 'ip', commands);
  await batch(spawner, 'bridge', bridgeCommands);
}

/** `MAC REMOTE` of the tunnel's entries. */
async function forwardingEntries(spawner: Spawner): Promise<Set<string>> {
  const { stdout } = await spawner.run('bridge', ['-json', 'fdb', 'show', 'dev', tunnelName], { timeoutMs });
  const text = stdout.toString().trim();
  const entries = (text === '' ? [] : JSON.parse(text)) as readonly { readonly mac: string; readonly dst?: string }[];
  return new Set(entries.flatMap(({ mac, dst }) => (dst === undefined ? [] : [`${mac} ${dst}`])));
}

async function batch(spawner: Spawner, program: 'ip' | 'bridge', commands: readonly string[]): Promise<void> {
  if (commands.length === 0) return;
  const { code, stderr } = await spawner.run(program, ['-batch', '-'], {
    stdin: `${commands.join('\n')}\n`,
    timeoutMs,
  });
  if (code !== 0)
    throw new HostError(`${program} refused the routes: ${stderr.toString().trim().slice(0, 1000)}`, {
      remedy: 'Look at the message',
    });
}

/** Takes the tunnel and the routes away. Success when they are gone already. */
export async function removeNodeRoutes(clusterCidr: string, spawner: Spawner): Promise<void> {
  await spawner.run('ip', ['-4', 'route', 'flush', 'root', clusterCidr, 'proto', routeProtocol], { timeoutMs });
  await spawner.run('ip', ['link', 'delete', tunnelName], { timeoutMs });
}
