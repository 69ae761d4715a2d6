/**
 * The state folder of a cluster on one host: what lies where, who may use it, and one owner at a time.
 *
 *   pki/          certificates and keys, as kubeadm names them        admin.conf    the administrator's kubeconfig
 *   store/        the embedded store                                  run/          process records, the cluster's description
 *   node/         kubelet, containerd and CNI state                   logs/
 *   hosts/        files of the simulated hosts
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
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ClusterError } from './cluster-error.ts';

export interface DataDir {
  readonly path: string;
  readonly pki: string;
  readonly store: string;
  readonly run: string;
  readonly node: string;
  readonly logs: string;
  readonly hosts: string;
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
    hosts: join(path, 'hosts'),
    adminKubeconfig: join(path, 'admin.conf'),
  };
}

/** Less than this and the store cannot grow: LMDB on a full file system ends the process. */
const neededBytes = 16 * 1024 * 1024;

/**
 * Creates the folders (0700).
 * @param roomBytes that must be free; a node asks for none: on a full disk it is the one who evicts those that filled it.
 * @throws ClusterError when it cannot be created or written, has no room, or holds something else than a cluster.
 */
export function openDataDir(given: string, { roomBytes = neededBytes }: { readonly roomBytes?: number } = {}): DataDir {
  try {
    makeFolder(resolve(given));
    const dir = dataDirAt(given);
    const { path } = dir;
    const strangers = readdirSync(path).filter((name) => !known.has(name));
    if (strangers.length > 0)
      throw new ClusterError(
        `The data directory "${path}" holds files that are not Bireme's (${strangers.slice(0, 3).join(', ')})`,
        'choose an empty one with --data-dir',
      );
    for (const folder of [dir.pki, dir.store, dir.run, dir.node, dir.logs]) makeFolder(folder);
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize < roomBytes)
      throw new ClusterError(
        `Cannot use the data directory "${path}": ${Math.floor((bavail * bsize) / 1024)} KiB are free on its file system, ${roomBytes / 1024 / 1024} MiB are needed`,
        'free some space, or choose another place with --data-dir',
      );
    return dir;
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw unusable(given, error);
  }
}

/**
 * Looks at a data directory before a start.
 * @returns takes away, after a failed start, what was not there before; `keep` names folders that stay, for the logs an error speaks of.
 */
export function rememberBefore(given: string): (keep: readonly string[]) => void {
  const path = resolve(given);
  const existed = existsSync(path);
  const names = new Set(existed && statSync(path).isDirectory() ? readdirSync(path) : []);
  return (keep) => {
    if (!existsSync(path) || !statSync(path).isDirectory()) return;
    for (const name of readdirSync(path))
      if (known.has(name) && !names.has(name) && !keep.includes(name))
        rmSync(join(path, name), { recursive: true, force: true });
    if (!existed && readdirSync(path).length === 0) rmdirSync(path);
  };
}

/** As `mkdir -p`; Node's own `recursive` reports a read-only file system as ENOENT. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A folder that is there is fine, whatever mkdir says of the file system it is on.
    if (code !== 'ENOENT' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

const known = new Set(['pki', 'store', 'etcd', 'run', 'node', 'logs', 'hosts', 'snapshots', 'admin.conf']);

/** A file system's refusal as a sentence with its remedy. */
export function unusable(path: string, error: unknown): ClusterError {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'its file system is read-only',
    ENOSPC: 'its disk is full',
    EDQUOT: 'the disk quota is used up',
    ENOTDIR: 'a file is in the way',
    EEXIST: 'a file is in the way',
  };
  const remedies: Readonly<Record<string, string>> = {
    EACCES: 'run as a user who may write there, or choose another place with --data-dir',
    EPERM: 'run as a user who may write there, or choose another place with --data-dir',
    EROFS: 'mount it writable, or choose another place with --data-dir',
    ENOSPC: 'free some space, or choose another place with --data-dir',
    EDQUOT: 'free some space, or choose another place with --data-dir',
  };
  return new ClusterError(
    `Cannot use the data directory "${path}": ${reasons[code ?? ''] ?? code ?? String(error)}`,
    remedies[code ?? ''] ?? 'choose another place with --data-dir',
    { cause: error },
  );
}

/** Writes a file so that a reader, or a crash, sees the old or the new content and nothing between. */
export function writeFileAtomically(path: string, content: string, mode: number): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', mode);
  try {
    writeFileSync(fd, content);
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
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
