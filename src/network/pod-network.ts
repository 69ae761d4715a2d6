/**
 * The pod network of one host: a CNI configuration for the standard bridge plugin (a bridge with the node's pod range, addresses handed out
 * by host-local) and an nft table that masquerades what pods send out of the cluster. Level-triggered: `apply` may run any number of times.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Spawner } from '../host/spawner.ts';
import { hostPortsTableName } from './host-ports.ts';

export interface PodNetworkOptions {
  /** This node's range, e.g. 10.244.1.0/24. */
  readonly podCidr: string;
  /** All pods' range: traffic inside it is never masqueraded. */
  readonly clusterCidr: string;
  readonly bridgeName: string;
  /** Folder that the runtime reads CNI configurations from. */
  readonly cniConfDir: string;
  /** Where host-local keeps its leases; inside the data directory, so that nothing stays behind. */
  readonly leaseDir: string;
  readonly mtu?: number;
}

export const defaultBridgeName = 'bireme0';
export const networkTableName = 'bireme-network';
export const cniConfigFile = '10-bireme.conflist';
const forwardSysctl = '/proc/sys/net/ipv4/ip_forward';
const nftTimeoutMs = 30_000;

/** Pure: the CNI network configuration list (CNI specification 1.0.0). */
export function renderCniConfig(options: PodNetworkOptions): string {
  const bridge = {
    type: 'bridge',
    bridge: options.bridgeName,
    // The default route comes with the addresses below.
    isGateway: true,
    hairpinMode: true,
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
    ipam: {
      type: 'host-local',
      dataDir: options.leaseDir,
      ranges: [[{ subnet: options.podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'bireme', plugins: [bridge] }, null, 2)}\n`;
}

/** Pure: pods reach the world under the node's address; each other under their own. */
export function renderMasquerade(options: PodNetworkOptions): string {
  const at = `ip ${networkTableName}`;
  return [
    `add table ${at}`,
    `delete table ${at}`,
    `add table ${at} { comment "masquerade of the bireme pod network"; }`,
    `add chain ${at} postrouting { type nat hook postrouting priority srcnat + 1; policy accept; }`,
    `add rule ${at} postrouting ip saddr ${options.podCidr} ip daddr != ${options.clusterCidr} ip daddr != 224.0.0.0/4 oifname != "${options.bridgeName}" masquerade`,
    '',
  ].join('\n');
}

export interface PodNetworkState {
  /** The value of net.ipv4.ip_forward before; put back by `remove`. */
  readonly previousIpForward: string;
}

/** To be kept before the first `apply`, for `remove`. */
export const readPodNetworkState = (): PodNetworkState => ({
  previousIpForward: readFileSync(forwardSysctl, 'utf8').trim(),
});

/** Writes the configuration last: the runtime reports its network ready as soon as the file is there. @throws Error with what nft said. */
export async function applyPodNetwork(options: PodNetworkOptions, spawner: Spawner): Promise<void> {
  writeFileSync(forwardSysctl, '1');
  await nft(spawner, renderMasquerade(options), 'load the masquerade rules of the pod network');
  mkdirSync(options.leaseDir, { recursive: true });
  const path = join(options.cniConfDir, cniConfigFile);
  mkdirSync(dirname(path), { recursive: true });
  const text = renderCniConfig(options);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  // Whole or not at all: on a full disk the last one stays. Runtimes read names that end in .conf, .conflist or .json only.
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Takes out the bridge, the rules and the sysctl change. Success when they are gone already. */
export async function removePodNetwork(
  bridgeName: string,
  spawner: Spawner,
  state: PodNetworkState | undefined,
): Promise<void> {
  await nft(
    spawner,
    [networkTableName, hostPortsTableName].map((name) => `add table ip ${name}\ndelete table ip ${name}\n`).join(''),
    'remove the masquerade rules of the pod network',
  );
  const link = await spawner.run('ip', ['link', 'delete', bridgeName], { timeoutMs: nftTimeoutMs });
  if (link.code !== 0 && !/Cannot find device/.test(link.stderr.toString()))
    throw new Error(`Cannot remove the bridge "${bridgeName}": ${link.stderr.toString().trim()}`);
  if (state?.previousIpForward === '0') writeFileSync(forwardSysctl, '0');
}

async function nft(spawner: Spawner, text: string, what: string): Promise<void> {
  const result = await spawner.run('nft', ['-f', '-'], { stdin: text, timeoutMs: nftTimeoutMs });
  if (result.code !== 0) throw new Error(`Cannot ${what}: ${result.stderr.toString().trim()}`);
}
