import type { NetworkInterfaceInfo } from 'node:os';

/**
 * The address under which other hosts and pods reach this one: that of the interface with the default route, else the first global IPv4
 * address, else undefined (a machine without a network). Pure: the caller reads the machine.
 * @param routes text of /proc/net/route.
 */
export function primaryAddress(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
  routes: string,
): string | undefined {
  const global = (name: string): string | undefined =>
    interfaces[name]?.find((a) => a.family === 'IPv4' && !a.internal && !a.address.startsWith('169.254.'))?.address;
  for (const line of routes.split('\n').slice(1)) {
    const [name, destination] = line.split(/\s+/);
    if (name === undefined || destination !== '00000000') continue;
    const address = global(name);
    if (address !== undefined) return address;
  }
  for (const name of Object.keys(interfaces).sort()) {
    const address = global(name);
    if (address !== undefined) return address;
  }
  return undefined;
}
