/**
 * Which runtime this machine can carry (decision 20: rungs, not cliffs). The reason is said in one line at each start.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ClusterError } from './cluster-error.ts';

export type Rung =
  | { readonly kind: 'containerd'; readonly cniBinDir: string }
  | { readonly kind: 'hollow'; readonly reason: string };

export interface MachineFacts {
  readonly platform: NodeJS.Platform;
  readonly uid: number | undefined;
  /** The PATH of the process; the sbin folders are searched too. */
  readonly path: string;
  /** A CRI server of somebody else's runs already: containerd's programs are not needed. */
  readonly runtimeRuns?: boolean;
}

const runtimePrograms = ['containerd', 'containerd-shim-runc-v2', 'runc', 'ctr'];
const hostPrograms = ['nft', 'ip', 'mount', 'umount'];
const cniBinDirs = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];
const remedy =
  'install them (Debian: apt-get install containerd runc containernetworking-plugins nftables iproute2), or use hollow nodes with --runtime hollow';

/** @throws ClusterError when containerd was asked for and cannot be. */
export function chooseRung(requested: 'auto' | 'containerd' | 'hollow', facts: MachineFacts): Rung {
  if (requested === 'hollow') return { kind: 'hollow', reason: '--runtime hollow was given' };
  const obstacle = obstacleOf(facts);
  if (obstacle === undefined)
    return { kind: 'containerd', cniBinDir: cniBinDirs.find((dir) => isThere(join(dir, 'bridge')))! };
  if (requested === 'containerd')
    throw new ClusterError(`Cannot run containers with containerd: ${obstacle.text}`, obstacle.remedy);
  return { kind: 'hollow', reason: obstacle.text };
}

function obstacleOf({
  platform,
  uid,
  path,
  runtimeRuns = false,
}: MachineFacts): { readonly text: string; readonly remedy: string } | undefined {
  if (platform !== 'linux')
    return { text: `this is ${platform}, not Linux`, remedy: 'use hollow nodes with --runtime hollow' };
  if (uid !== 0)
    return { text: 'this user is not root', remedy: 'run as root, or use hollow nodes with --runtime hollow' };
  const missing = [...(runtimeRuns ? [] : runtimePrograms), ...hostPrograms].filter(
    (program) => !findProgram(program, path),
  );
  if (missing.length > 0)
    return { text: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed`, remedy };
  if (!cniBinDirs.some((dir) => isThere(join(dir, 'bridge')) && isThere(join(dir, 'host-local'))))
    return { text: 'the CNI plugins bridge and host-local are not installed', remedy };
  return undefined;
}

export function findProgram(program: string, path: string): string | undefined {
  for (const dir of [...path.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']) {
    const full = join(dir, program);
    if (isThere(full)) return full;
  }
  return undefined;
}

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return false;
  }
}
