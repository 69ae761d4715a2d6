/** What the command takes from its surroundings when nobody said otherwise. The only readers of environment and machine. */
import { readFileSync, statSync } from 'node:fs';
import { homedir, hostname, networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDuration } from '../api/time.ts';
import type { Clock } from '../base/clock.ts';
import { createOffsetClock } from '../base/offset-clock.ts';
import { createRealClock } from '../base/real-clock.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { primaryAddress } from '../cluster/host-facts.ts';

const offsetEveryMs = 100;

/** A command that waits is not done: its timers keep the process alive. */
export const clock = clockOf(process.env.BIREME_CLOCK_OFFSET_FILE);

/** For faults: a file with the milliseconds by which this process's wall clock is wrong. */
function clockOf(offsetFile: string | undefined): Clock {
  const real = createRealClock({ keepAlive: true });
  if (offsetFile === undefined) return real;
  let offsetMs = 0;
  let readAt = Number.NEGATIVE_INFINITY;
  return createOffsetClock(real, () => {
    if (real.monotonic() - readAt < offsetEveryMs) return offsetMs;
    readAt = real.monotonic();
    offsetMs = Number(readFileSync(offsetFile, 'utf8'));
    return offsetMs;
  });
}
export const isRoot = process.getuid?.() === 0;

/** /var/lib/bireme as root, the XDG data folder otherwise. */
export function defaultDataDir(): string {
  if (isRoot) return '/var/lib/bireme';
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'bireme');
}

/** The first file of $KUBECONFIG, else the user's own; under sudo that of the person behind it. */
export function userKubeconfig(): {
  readonly path: string;
  readonly owner?: { readonly uid: number; readonly gid: number };
} {
  const given = (process.env.KUBECONFIG ?? '').split(delimiter).find((path) => path !== '');
  const { SUDO_UID, SUDO_GID, SUDO_USER } = process.env;
  const owner = isRoot && SUDO_UID && SUDO_GID ? { uid: Number(SUDO_UID), gid: Number(SUDO_GID) } : undefined;
  if (given !== undefined) return { path: given, ...(owner ? { owner } : {}) };
  const home = owner && SUDO_USER ? homeOf(SUDO_USER) : homedir();
  return { path: join(home, '.kube', 'config'), ...(owner ? { owner } : {}) };
}

function homeOf(user: string): string {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`));
  return line?.split(':')[5] || homedir();
}

export const nodeName = (): string => hostname().toLowerCase();

/** undefined on a machine without a network. */
export function nodeAddress(): string | undefined {
  let routes = '';
  try {
    routes = readFileSync('/proc/net/route', 'utf8');
  } catch (error) {
    // Not Linux: the first global address will do.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return primaryAddress(networkInterfaces(), routes);
}

/** How this command is started again as another process. */
export function selfCommand(...args: readonly string[]): readonly string[] {
  const built = new URL('../bin/bireme.js', import.meta.url);
  const source = new URL('../../bin/bireme.js', import.meta.url);
  const launcher = [built, source].find((url) => exists(fileURLToPath(url)));
  if (!launcher) throw new Error('The launcher bin/bireme.js is missing beside this program');
  return [process.execPath, fileURLToPath(launcher), ...args];
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** `24h0m0s`, as kubeadm; `0`: for ever. @throws ClusterError */
export function durationMs(text: string): number {
  const found = text === '0' ? 0 : parseDuration(text);
  if (found === undefined || Number(found) < 0)
    throw new ClusterError(`"${text}" is no duration`, 'write it like 24h or 90m, or 0');
  return Number(found);
}
