/**
 * The state folder of a cluster on one host: what lies where, who may use it, and one owner at a time.
 *
 *   pki/          certificates and keys, as kubeadm names them        admin.conf    the administrator's kubeconfig
 *   store/        the embedded store                                  run/          process records, the cluster's description
 *   node/         kubelet, containerd and CNI state                   logs/
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { ClusterError } from './cluster-error.ts';

export interface DataDir {
  readonly path: string;
  readonly pki: string;
  readonly store: string;
  readonly run: string;
  readonly node: string;
  readonly logs: string;
  readonly adminKubeconfig: string;
}

/** @param given absolute or from the working directory; links are followed, as the mount table does. */
export function dataDirAt(given: string): DataDir {
  const path = existsSync(given) ? realpathSync(given) : resolve(given);
  return {
    path,
    pki: join(path, 'pki'),
    store: join(path, 'store'),
    run: join(path, 'run'),
    node: join(path, 'node'),
    logs: join(path, 'logs'),
    adminKubeconfig: join(path, 'admin.conf'),
  };
}

/** Creates the folders (0700). @throws ClusterError when it cannot be created or written, or holds something else than a cluster. */
export function openDataDir(given: string): DataDir {
  try {
    mkdirSync(given, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(given, error);
  }
  const dir = dataDirAt(given);
  const { path } = dir;
  try {
    const strangers = readdirSync(path).filter((name) => !known.has(name));
    if (strangers.length > 0) {
      throw new ClusterError(
        `The data directory "${path}" holds files that are not Bireme's (${strangers.slice(0, 3).join(', ')})`,
        'choose an empty one with --data-dir',
      );
    }
    for (const folder of [dir.pki, dir.store, dir.run, dir.node, dir.logs])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw unusable(path, error);
  }
  return dir;
}

const known = new Set(['pki', 'store', 'run', 'node', 'logs', 'admin.conf']);

function unusable(path: string, error: unknown): ClusterError {
  const code = (error as NodeJS.ErrnoException).code;
  const remedies: Readonly<Record<string, string>> = {
    EACCES: 'run as a user who may write there, or choose another place with --data-dir',
    EPERM: 'run as a user who may write there, or choose another place with --data-dir',
    EROFS: 'the file system is mounted read-only: choose another place with --data-dir',
    ENOSPC: 'the disk is full: free some space, or choose another place with --data-dir',
    ENOTDIR: 'a file is in the way: choose another place with --data-dir',
    EEXIST: 'a file is in the way: choose another place with --data-dir',
  };
  return new ClusterError(
    `Cannot use the data directory "${path}": ${code ?? String(error)}`,
    remedies[code ?? ''] ?? 'choose another place with --data-dir',
    { cause: error },
  );
}

/** Writes a file so that a reader, or a crash, sees the old or the new content and nothing between. */
export function writeFileAtomically(path: string, content: string, mode: number): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', mode);
  try {
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}

/** @returns undefined when the file does not exist. */
export function readFileIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
