/** `bireme snapshot save | restore | list`. */
import { existsSync } from 'node:fs';
import { createLogger } from '../base/console-log.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { type DataDir, dataDirAt } from '../cluster/data-dir.ts';
import { createSpawner } from '../cluster/host-spawner.ts';
import { restoreStoreSnapshot, saveStoreSnapshot } from '../cluster/servers/embedded-snapshots.ts';
import { type HostConfig, readHostConfig } from '../cluster/servers/host-config.ts';
import { restoreHere } from '../cluster/servers/restore-here.ts';
import { listSnapshots, saveSnapshot } from '../cluster/servers/snapshots.ts';
import { clock, defaultDataDir, selfCommand } from './defaults.ts';
import { progressOf } from './servers.ts';
import { columns } from './tokens.ts';

interface Common {
  readonly dataDir?: string;
}

export async function snapshotSave(
  path: string | undefined,
  options: Common & { readonly keep?: number },
): Promise<void> {
  const at = dataDirAt(options.dataDir ?? defaultDataDir());
  const named = path === undefined ? {} : { path };
  const config = readHostConfig(at);
  const saved =
    config === undefined && existsSync(at.store)
      ? await saveStoreSnapshot(at, { clock, ...named, ...(options.keep === undefined ? {} : { keep: options.keep }) })
      : await saveSnapshot(at, serverOf(options).config, { clock, ...named });
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
  const dataDir = options.dataDir ?? defaultDataDir();
  const progress = progressOf();
  if (readHostConfig(dataDirAt(dataDir)) === undefined && snapshot.endsWith('.lmdb')) {
    const log = createLogger({ clock, level: 'warn', write: (line) => void process.stderr.write(line) });
    progress.step('Restoring the snapshot');
    try {
      await restoreStoreSnapshot(dataDir, snapshot, { clock, log });
    } catch (error) {
      progress.fail();
      throw error;
    }
    progress.done('The store is what it was. "bireme up" goes on from there.');
    return;
  }
  const { dir, config } = serverOf(options);
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
      'run this on a control-plane host, or where "bireme up" has made a cluster',
    );
  return { dir, config };
}
