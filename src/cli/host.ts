/** `bireme host`: the simulated hosts of `up --workers`. */
import { stringify } from 'yaml';
import { listHosts, switchHost } from '../cluster/switch-host.ts';
import { clock, defaultDataDir } from './defaults.ts';

export function hostList(options: { readonly dataDir?: string; readonly output: string }): void {
  const hosts = listHosts(options.dataDir ?? defaultDataDir());
  switch (options.output) {
    case 'json':
      console.log(JSON.stringify({ hosts }, null, 2));
      return;
    case 'yaml':
      process.stdout.write(stringify({ hosts }));
      return;
    default:
      for (const { name, address, state } of hosts)
        console.log(options.output === 'name' ? name : `${name}  ${address}  ${state}`);
  }
}

export async function hostSwitch(
  name: string,
  to: 'on' | 'off',
  options: { readonly dataDir?: string },
): Promise<void> {
  await switchHost({ dataDir: options.dataDir ?? defaultDataDir(), name, to }, clock);
  console.log(`${name} is ${to}`);
}
