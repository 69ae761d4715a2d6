import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { HostError } from '../host/host-error.ts';
import { isAlive } from '../host/process-table.ts';
import type { Spawner } from '../host/spawner.ts';
import { importArchive } from '../runtime/containerd/containerd.ts';
import { ClusterError } from './cluster-error.ts';
import { type DataDir, dataDirAt, readFileIfPresent } from './data-dir.ts';
import { dataDirOfHost, readHostsRecord } from './hosts-record.ts';
import { nodeFiles, readNodeConfig } from './node-config.ts';
import { isRunning, readRunRecord } from './run-record.ts';

/** Puts the images of an archive into the node's containerd. @returns their names. @throws ClusterError */
export async function importImage(options: {
  readonly archive: string;
  readonly dataDir: string;
  readonly spawner: Spawner;
}): Promise<readonly string[]> {
  const dir = dataDirAt(options.dataDir);
  const record = readRunRecord(dir);
  if (!isRunning(record)) throw new ClusterError(`No cluster runs in "${dir.path}"`, 'start one with "bireme up"');
  if (record.runtime !== 'containerd')
    throw new ClusterError(
      'This cluster has hollow nodes only: they run no images',
      'start it where containerd is installed to run real containers',
    );
  const archive = resolve(options.archive);
  if (!existsSync(archive))
    throw new ClusterError(
      `There is no file "${archive}"`,
      'give the path of an archive made by "docker save" or in OCI layout',
    );
  try {
    // Every host has a store of its own, as every server has.
    const nodes = (readHostsRecord(dir)?.hosts ?? [])
      .filter(({ init, role }) => role !== 'etcd-witness' && init !== undefined && isAlive(init))
      .map(({ name }) => dataDirOfHost(dir, name));
    const found = await Promise.all(
      (nodes.length > 0 ? nodes : [dir]).map((node) =>
        importArchive(archive, {
          socket: socketOf(node),
          spawner: options.spawner,
        }),
      ),
    );
    return [...new Set(found.flat())];
  } catch (error) {
    if (error instanceof HostError) throw new ClusterError(error.message, error.remedy, { cause: error });
    throw error;
  }
}

/** Of the node's own containerd, or of somebody else's that it uses; another kind of runtime says itself that it does not understand. */
function socketOf(dir: DataDir): string {
  const files = nodeFiles(dir);
  const config = readFileIfPresent(files.config) === undefined ? undefined : readNodeConfig(dir);
  return config?.runtimeEndpoint?.replace(/^unix:\/\//, '') ?? join(files.containerd, 'containerd.sock');
}
