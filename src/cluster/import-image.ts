import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { HostError } from '../host/host-error.ts';
import type { Spawner } from '../host/spawner.ts';
import { importArchive } from '../runtime/containerd/containerd.ts';
import { ClusterError } from './cluster-error.ts';
import { dataDirAt } from './data-dir.ts';
import { nodeFiles } from './node-config.ts';
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
    return await importArchive(archive, {
      socket: join(nodeFiles(dir).containerd, 'containerd.sock'),
      spawner: options.spawner,
    });
  } catch (error) {
    if (error instanceof HostError) throw new ClusterError(error.message, error.remedy, { cause: error });
    throw error;
  }
}
