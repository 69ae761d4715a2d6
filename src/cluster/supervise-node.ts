/**
 * Keeps the node process running: a child whose standard input is a pipe held by us, so that it ends when we end, however we end. It is
 * started again when it dies, with a back-off, because its containers outlive it and only it can mind them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { createTaskGroup } from '../base/task-group.ts';
import { untilAborted } from '../base/until-aborted.ts';
import { identify } from '../host/process-table.ts';
import type { ProcessIdentity } from '../host/spawner.ts';
import { ClusterError } from './cluster-error.ts';
import { readFileIfPresent } from './data-dir.ts';

export interface SupervisedNode {
  /** Rejects when the process keeps failing at once. */
  readonly failed: Promise<never>;
  /** Resolves when it is not started again: `worthwhile` said so. */
  readonly ended: Promise<void>;
  /** It has served: from now on it is started again however often it dies, for what it fails from may pass (a full disk). */
  settle(): void;
  /** Ends the process in order (SIGTERM), by force after ten seconds. */
  stop(): Promise<void>;
}

const firstDelayMs = 500;
/** Short: pods are not minded meanwhile. */
const maxDelayMs = 15_000;
/** A process that lived so long starts the back-off over: it was ended, and does not fail at its start. */
const servedMs = 10_000;
/** One that lived so long is not given up any more. */
const settledMs = 60_000;
/** So many failures in a row before it ever settled: something is wrong that a restart does not mend. */
const hopelessAfter = 4;
const graceMs = 10_000;

export function superviseNode(options: {
  readonly command: readonly string[];
  readonly logFile: string;
  /** Where the process says in one sentence why it fails. */
  readonly failureFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onStart: (identity: ProcessIdentity) => void;
  /** The process is not ours to signal but ends with its input: what we start only waits for it. */
  readonly endByInput?: boolean;
  /** Asked before the process is started again. Default: always. */
  readonly worthwhile?: () => boolean;
}): SupervisedNode {
  const { clock, log, logFile } = options;
  const tasks = createTaskGroup();
  const failure = Promise.withResolvers<never>();
  const ended = Promise.withResolvers<void>();
  failure.promise.catch(() => undefined);
  let settled = false;
  tasks.run('node-process', async (signal) => {
    let delayMs = firstDelayMs;
    let failures = 0;
    while (!signal.aborted) {
      const startMs = clock.monotonic();
      const how = await runOnce(options, signal);
      if (signal.aborted) return;
      if (options.worthwhile?.() === false) {
        ended.resolve();
        return;
      }
      const livedMs = clock.monotonic() - startMs;
      log.error('The node process has ended, starting it again', { how, livedMs: Math.round(livedMs), log: logFile });
      settled ||= livedMs >= settledMs;
      failures = livedMs >= settledMs ? 0 : failures + 1;
      if (!settled && failures >= hopelessAfter) {
        const why = readFileIfPresent(options.failureFile)?.trim();
        failure.reject(new ClusterError(`The node process does not stay up: ${why ?? how}`, `look into "${logFile}"`));
        return;
      }
      delayMs = livedMs >= servedMs ? firstDelayMs : Math.min(delayMs * 2, maxDelayMs);
      await clock.sleep(delayMs, signal);
    }
  });
  return {
    failed: failure.promise,
    ended: ended.promise,
    settle: () => {
      settled = true;
    },
    stop: () => tasks.stop(),
  };
}

/** @returns how it ended. */
async function runOnce(
  { command, logFile, clock, onStart, endByInput = false }: Parameters<typeof superviseNode>[0],
  signal: AbortSignal,
): Promise<string> {
  const [program = '', ...args] = command;
  const log = openSync(logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(program, args, { stdio: ['pipe', log, log] });
  } finally {
    closeSync(log);
  }
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, by) => resolve(by ? `ended by ${by}` : `exit code ${code}`));
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity) onStart(identity);
  // A write to a pipe whose reader is gone is nobody's concern: the exit tells.
  child.stdin?.on('error', () => undefined);
  const end = (): void => (endByInput ? void child.stdin?.end() : void child.kill('SIGTERM'));
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const overdue = new AbortController();
  const force = (async () => {
    await untilAborted(signal, overdue.signal);
    await clock.sleep(graceMs, overdue.signal);
    if (!overdue.signal.aborted) child.kill('SIGKILL');
  })();
  const how = await exited;
  overdue.abort();
  signal.removeEventListener('abort', end);
  if (signal.aborted) await force;
  return how;
}
