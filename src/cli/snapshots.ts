/** `bireme snapshot save | restore | list`. */
import { createLogger } from '../base/console-log.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { type DataDir, dataDirAt } from '../cluster/data-dir.ts';
import { createSpawner } from '../cluster/host-spawner.ts';
import { type HostConfig, readHostConfig } from '../cluster/servers/host-config.ts';
import { restoreHere } from '../cluster/servers/restore-here.ts';
import { listSnapshots, saveSnapshot } from '../cluster/servers/snapshots.ts';
import { clock, defaultDataDir, selfCommand } from './defaults.ts';
import { progressOf } from './servers.ts';
import { columns } from './tokens.ts';

interface Common {
  readonly dataDir?: string;
}

export async function snapshotSave(path: string | undefined, options: Common): Promise<void> {
  const { dir, config } = serverOf(options);
  const saved = await saveSnapshot(dir, config, { clock, ...(path === undefined ? {} : { path }) });
  console.log(
    `Saved ${saved.path} (${saved.bytes} bytes), and the cluster's authorities beside it: keep both as secret as they are.`,
  );
}

export function snapshotList(options: Common & { readonly output: string }): void {
  const found = listSnapshots(dataDirAt(options.dataDir ?? defaultDataDir()));
  if (options.output === 'json') console.log(JSON.stringify(found, null, 2));
  else if (options.output === 'name') for (const { name } of found) console.log(name);
  else
    console.log(
      columns([
        ['NAME', 'BYTES', 'CREATED'],
        ...found.map(({ name, bytes, created }) => [name, String(bytes), created]),
      ]),
    );
}

export async function snapshotRestore(snapshot: string, options: Common): Promise<void> {
  const { dir, config } = serverOf(options);
  const progress = progressOf();
  const spawner = createSpawner(clock);
  try {
    await restoreHere({
      dir,
      config,
      snapshot,
      spawner,
      clock,
      log: createLogger({ clock, level: 'warn', write: (line) => void process.stderr.write(line) }),
      path: process.env.PATH ?? '',
      hostCommand: selfCommand('server', '--data-dir', dir.path),
      progress: (text) => progress.step(text),
    });
    progress.done(
      'The cluster is what it was. etcd has this one member now: on other control-plane hosts and witnesses run "bireme reset --force", then join them again.',
    );
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    await spawner.close();
  }
}

function serverOf(options: Common): { readonly dir: DataDir; readonly config: HostConfig } {
  const dir = dataDirAt(options.dataDir ?? defaultDataDir());
  const config = readHostConfig(dir);
  if (config?.etcd === undefined)
    throw new ClusterError(
      `There is no etcd in "${dir.path}"`,
      'run this on a control-plane host; the cluster of "bireme up" is backed up by copying its data directory while it is stopped',
    );
  return { dir, config };
}
