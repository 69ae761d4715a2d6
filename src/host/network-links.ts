/** Network links and addresses, from `ip -json`. */
import { HostError } from './host-error.ts';
import type { Spawner } from './spawner.ts';

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly mac: string;
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number; readonly scope: string }[];
}

interface IpAddressEntry {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen: number; readonly scope: string }[];
}

/** @throws HostError without the `ip` program. */
export async function listLinks(spawner: Spawner): Promise<Link[]> {
  const entries = (await ipJson(spawner, ['address', 'show'])) as readonly IpAddressEntry[];
  return entries
    .filter((entry) => entry.ifname !== undefined)
    .map((entry) => ({
      index: entry.ifindex,
      name: entry.ifname,
      up: entry.flags.includes('UP'),
      mtu: entry.mtu,
      mac: entry.address ?? '',
      addresses: (entry.addr_info ?? [])
        .filter((info) => info.local !== undefined)
        .map((info) => ({ address: info.local!, prefixLength: info.prefixlen, scope: info.scope })),
    }));
}

/** The link that carries the default route, undefined when there is none. */
export async function defaultRouteLink(spawner: Spawner, family: 4 | 6 = 4): Promise<string | undefined> {
  const routes = (await ipJson(spawner, [`-${family}`, 'route', 'show', 'default'])) as readonly {
    readonly dev?: string;
  }[];
  return routes[0]?.dev;
}

export async function deleteLink(spawner: Spawner, name: string): Promise<void> {
  const { code, stderr } = await spawner.run('ip', ['link', 'delete', name], { timeoutMs: 10_000 });
  if (code !== 0 && !stderr.toString().includes('Cannot find device'))
    throw new HostError(`Cannot delete link ${name}: ${stderr.toString().trim()}`, { remedy: 'Run as root' });
}

/** What `ip -json` prints; nothing printed is an empty list. @throws HostError */
export async function ipJson(spawner: Spawner, args: readonly string[]): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await spawner.run('ip', ['-json', ...args], { timeoutMs: 10_000 });
  if (code !== 0)
    throw new HostError(`ip ${args.join(' ')} failed: ${stderr.toString().trim()}`, { remedy: 'Look at the message' });
  const text = stdout.toString().trim();
  return text === '' ? [] : (JSON.parse(text) as readonly unknown[]);
}
