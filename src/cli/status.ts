/** `bireme status`. Exit code 1 when there is no cluster or it is not ready. */
import { stringify } from 'yaml';
import { clusterStatus } from '../cluster/status.ts';
import { clock, defaultDataDir } from './defaults.ts';

export async function status(options: { readonly dataDir?: string; readonly output: string }): Promise<void> {
  const dataDir = options.dataDir ?? defaultDataDir();
  const found = await clusterStatus(dataDir, clock);
  if (!found?.ready) process.exitCode = 1;
  const shown = found ?? { dataDir, running: false };
  switch (options.output) {
    case 'json':
      console.log(JSON.stringify(shown, null, 2));
      return;
    case 'yaml':
      process.stdout.write(stringify(shown));
      return;
    case 'name':
      for (const node of found?.nodes ?? []) console.log(`node/${node.name}`);
      return;
    default:
      if (!found) {
        console.log(`There is no cluster in "${dataDir}". Start one with: bireme up`);
        return;
      }
      console.log(
        `Cluster     ${found.ready ? 'ready' : found.running ? 'not ready' : 'stopped'}${found.problem ? `: ${found.problem}` : ''}`,
      );
      console.log(`API server  ${found.server}`);
      console.log(`Runtime     ${found.runtime}`);
      console.log(`Data        ${found.dataDir}`);
      for (const process of found.processes)
        console.log(`Process     ${process.name} ${process.pid} ${process.running ? 'runs' : 'has ended'}`);
      for (const node of found.nodes)
        console.log(
          `Node        ${node.name} ${node.ready ? 'Ready' : 'NotReady'} ${node.version}, ${node.pods} pod${node.pods === 1 ? '' : 's'}`,
        );
  }
}
