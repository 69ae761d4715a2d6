/** `bireme status`. Exit code 1 when there is no cluster or it is not ready. */
import { stringify } from 'yaml';
import { type ClusterStatus, clusterStatus } from '../cluster/status.ts';
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
      if (found.role) console.log(`Role        ${found.role}`);
      for (const member of found.etcd?.members ?? [])
        console.log(
          `etcd        ${member.name || '(not started)'} ${member.endpoint} ${member.role}${member.version ? ` ${member.version}, ${Math.round(member.dbSizeBytes / 1024)} KiB` : ''}`,
        );
      if (found.etcd) console.log(`Quorum      ${quorumLine(found.etcd)}`);
      for (const alarm of found.etcd?.alarms ?? []) console.log(`Alarm       ${alarm}`);
      for (const [component, host] of Object.entries(found.leaders ?? {}))
        console.log(`Leader      ${component} on ${host}`);
      for (const node of found.nodes)
        console.log(
          `Node        ${node.name} ${node.ready ? 'Ready' : 'NotReady'} ${node.version}, ${node.pods} pod${node.pods === 1 ? '' : 's'}`,
        );
  }
}

function quorumLine({ voters, answering, hasQuorum, toleratesFailures }: NonNullable<ClusterStatus['etcd']>): string {
  const of = `${answering} of ${voters} members answer`;
  if (!hasQuorum) return `lost: ${of}; nothing can be written until ${Math.floor(voters / 2) + 1} do`;
  if (toleratesFailures > 0) return `${of}; ${toleratesFailures} more may fail`;
  const advice =
    voters < 3
      ? 'join a third: a control-plane host, or a small one that only votes (bireme join --etcd-witness)'
      : 'bring back those that do not answer';
  return `${of}; no failure is tolerated: ${advice}`;
}
