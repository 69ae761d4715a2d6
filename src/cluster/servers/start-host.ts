/** Starting the host process in the background and waiting until it does its work. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { identify, isAlive } from '../../host/process-table.ts';
import type { ProcessIdentity } from '../../host/spawner.ts';
import { ClusterError } from '../cluster-error.ts';
import { type DataDir, readFileIfPresent, writeFileAtomically } from '../data-dir.ts';
import { failurePath, readFailure } from './run-host.ts';
import { installUnit } from './systemd.ts';

const readyPath = (dir: DataDir): string => join(dir.run, 'host-ready.json');
const pollMs = 50;

/** The host process says that it does its work. */
export function writeReady(dir: DataDir, identity: ProcessIdentity): void {
  writeFileAtomically(readyPath(dir), JSON.stringify(identity), 0o600);
}

export interface StartHostOptions {
  readonly dir: DataDir;
  /** Program and arguments of the host process. */
  readonly command: readonly string[];
  /** By systemd, now and at every boot; else as a process in the background. */
  readonly systemd: boolean;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** @throws ClusterError with the reason that the process itself gave, where it gave one. */
export async function startHostProcess(options: StartHostOptions): Promise<void> {
  const { dir, clock, command } = options;
  rmSync(readyPath(dir), { force: true });
  rmSync(failurePath(dir), { force: true });
  let ended: string | undefined;
  let pid: number | undefined;
  if (options.systemd) installUnit(command);
  else {
    const [program = '', ...args] = command;
    const log = openSync(join(dir.logs, 'host.log'), 'a', 0o600);
    try {
      const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] });
      pid = child.pid;
      child.on('error', (error) => {
        ended = error.message;
      });
      child.on('exit', (code, signal) => {
        ended = signal ? `ended by ${signal}` : `exit code ${code}`;
      });
      child.unref();
    } finally {
      closeSync(log);
    }
  }
  const deadline = clock.monotonic() + options.timeoutMs;
  while (!isReady(dir)) {
    const failure = existsSync(failurePath(dir)) ? readFailure(dir) : undefined;
    if (failure) throw failure;
    const gone = ended ?? (pid !== undefined && identify(pid) === undefined ? 'it is gone' : undefined);
    if (gone !== undefined)
      throw new ClusterError(`The host process has ended (${gone})`, `look into "${join(dir.logs, 'host.log')}"`);
    if (clock.monotonic() > deadline)
      throw new ClusterError(
        `The host process does not do its work after ${Math.round(options.timeoutMs / 1000)} seconds`,
        `look into "${join(dir.logs, 'host.log')}" and "${join(dir.logs, 'etcd.log')}"`,
      );
    await clock.sleep(pollMs);
  }
}

function isReady(dir: DataDir): boolean {
  const text = readFileIfPresent(readyPath(dir));
  return text !== undefined && isAlive(JSON.parse(text) as ProcessIdentity);
}
