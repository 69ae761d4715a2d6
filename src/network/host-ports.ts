/**
 * Host ports: a port of this node's address that leads to a container's, by one nft table that follows the node's Pods. The CNI plugin
 * `portmap` does the same with iptables, which this network does without.
 */
import type { ContainerPort, Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createNft } from '../host/nft.ts';
import type { Spawner } from '../host/spawner.ts';
import { readSysctl, writeSysctl } from '../host/sysctl.ts';

export interface HostPort {
  /** Empty: any of the node's addresses. */
  readonly hostIp: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostPort: number;
  readonly podIp: string;
  readonly containerPort: number;
}

export const hostPortsTableName = 'bireme-hostports';
const retryMs = 1000;

/** Pure: of pods that have an address and may run, in the order of their ports. The first of two pods that want one port keeps it. */
export function hostPortsOf(pods: readonly Pod[]): HostPort[] {
  const found = new Map<string, HostPort>();
  for (const { spec, status } of pods) {
    const podIp = status?.podIPs?.find(({ ip }) => ip.includes('.'))?.ip ?? status?.podIP ?? '';
    if (!spec || podIp === '' || podIp.includes(':') || spec.hostNetwork) continue;
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
    const sidecars = (spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
    for (const { ports = [] } of [...sidecars, ...spec.containers])
      for (const port of ports) {
        const entry = entryOf(port, podIp);
        if (!entry) continue;
        const key = `${entry.hostIp} ${entry.protocol} ${entry.hostPort}`;
        if (!found.has(key)) found.set(key, entry);
      }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function entryOf(port: ContainerPort, podIp: string): HostPort | undefined {
  const { hostPort = 0, hostIP = '', containerPort, protocol = 'TCP' } = port;
  if (hostPort === 0 || hostIP.includes(':')) return undefined;
  return {
    hostIp: hostIP === '0.0.0.0' ? '' : hostIP,
    protocol: protocol.toLowerCase() as HostPort['protocol'],
    hostPort,
    podIp,
    containerPort,
  };
}

/** Pure: the whole table in one transaction. */
export function renderHostPorts(ports: readonly HostPort[], bridgeName: string): string {
  const at = `ip ${hostPortsTableName}`;
  const one = ports.filter((port) => port.hostIp !== '');
  const any = ports.filter((port) => port.hostIp === '');
  const to = ({ podIp, containerPort }: HostPort): string => `${podIp} . ${containerPort}`;
  const elements = (name: string, list: readonly string[]): string[] =>
    list.length === 0 ? [] : [`add element ${at} ${name} { ${list.join(', ')} }`];
  const pods = [...new Set(ports.map((port) => `${port.podIp} . ${port.podIp}`))];
  return [
    `add table ${at}`,
    `delete table ${at}`,
    `add table ${at} { comment "host ports of the pods on this node"; }`,
    `add map ${at} one-address { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add map ${at} any-address { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add set ${at} themselves { type ipv4_addr . ipv4_addr; }`,
    `add chain ${at} translate`,
    `add chain ${at} from-outside { type nat hook prerouting priority dstnat - 5; policy accept; }`,
    `add chain ${at} from-here { type nat hook output priority -105; policy accept; }`,
    `add chain ${at} to-pods { type nat hook postrouting priority srcnat - 5; policy accept; }`,
    `add chain ${at} loopback { type filter hook prerouting priority raw; policy accept; }`,
    `add rule ${at} translate meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @one-address`,
    `add rule ${at} translate meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . th dport map @any-address`,
    `add rule ${at} from-outside fib daddr type local jump translate`,
    `add rule ${at} from-here fib daddr type local jump translate`,
    // A pod cannot answer to 127.0.0.1, nor to itself past the translation.
    `add rule ${at} to-pods ip saddr 127.0.0.0/8 oifname "${bridgeName}" masquerade`,
    `add rule ${at} to-pods ct status dnat ip saddr . ip daddr @themselves masquerade`,
    // Loopback packets may leave through the bridge for the sake of 127.0.0.1's ports; none may come in by it.
    `add rule ${at} loopback iifname "${bridgeName}" ip daddr 127.0.0.0/8 drop`,
    ...elements(
      'one-address',
      one.map((port) => `${port.hostIp} . ${port.protocol} . ${port.hostPort} : ${to(port)}`),
    ),
    ...elements(
      'any-address',
      any.map((port) => `${port.protocol} . ${port.hostPort} : ${to(port)}`),
    ),
    ...elements('themselves', pods),
    '',
  ].join('\n');
}

/** Follows the node's Pods until `signal` aborts; the table stays, as its pods do. */
export async function runHostPorts(
  options: {
    readonly informers: InformerFactory;
    readonly spawner: Spawner;
    readonly clock: Clock;
    readonly log: Logger;
    readonly nodeName: string;
    readonly bridgeName: string;
  },
  signal: AbortSignal,
): Promise<void> {
  const { informers, spawner, clock, log, bridgeName } = options;
  const pods = informers.informer(resources.pods, { fieldSelector: `spec.nodeName=${options.nodeName}` });
  const nft = createNft(spawner);
  let dirty = true;
  let resume = (): void => undefined;
  const wake = (): void => {
    dirty = true;
    resume();
  };
  const remove = pods.addHandler({ onAdd: wake, onUpdate: wake, onDelete: wake });
  signal.addEventListener('abort', wake, { once: true });
  let loaded: string | undefined;
  try {
    await pods.waitForSync(signal);
    while (!signal.aborted) {
      dirty = false;
      const ports = hostPortsOf(pods.list());
      const text = JSON.stringify(ports);
      // A node whose pods never had a host port has no table.
      if (text !== loaded && (loaded !== undefined || ports.length > 0))
        try {
          const switchName = `net.ipv4.conf.${bridgeName}.route_localnet`;
          if (ports.length > 0 && readSysctl(switchName) !== undefined) writeSysctl(switchName, '1');
          await nft.apply(renderHostPorts(ports, bridgeName), signal);
          loaded = text;
        } catch (error) {
          if (signal.aborted) break;
          log.error('Cannot load the rules of host ports, trying again', { error });
          await clock.sleep(retryMs, signal);
          continue;
        }
      while (!dirty)
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    remove();
    signal.removeEventListener('abort', wake);
  }
}
