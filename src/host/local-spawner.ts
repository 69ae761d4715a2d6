/** A Spawner that starts programs from this process: for tools that run once, for tests, and inside the spawner process itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { cannotStart, HostError } from './host-error.ts';
import { identify, readBootId } from './process-table.ts';
import type { Child, ChildOptions, RunOptions, RunResult, Spawner } from './spawner.ts';

export interface LocalSpawnerOptions {
  readonly clock: Clock;
  /** The environment children start from; this process's own when absent. */
  readonly env?: Readonly<Record<string, string>>;
}

const defaultMaxOutputBytes = 4 * 1024 * 1024;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function createLocalSpawner({ clock, env }: LocalSpawnerOptions): Spawner {
  const dying = new Set<ChildProcess>();
  let closed = false;
  const environment = (own: Readonly<Record<string, string>> | undefined) =>
    own === undefined ? env : { PATH: defaultPath, ...env, ...own };
  const open = (): void => {
    if (closed) throw new Error('The spawner is closed');
  };
  return {
    async run(program, args, options) {
      open();
      return runToEnd(program, args, options, { clock, env: environment(options.env) });
    },
    async start(program, args, options) {
      open();
      const child = await startChild(program, args, options, environment(options.env));
      if (options.onParentDeath === 'die') {
        dying.add(child.process);
        child.process.once('exit', () => dying.delete(child.process));
      }
      return child;
    },
    async close() {
      closed = true;
      await Promise.all(
        [...dying].map(
          (child) =>
            new Promise<void>((resolve) => {
              child.once('exit', () => resolve());
              child.kill('SIGKILL');
            }),
        ),
      );
    },
  };
}

function runToEnd(
  program: string,
  args: readonly string[],
  { stdin, cwd, timeoutMs, signal, maxOutputBytes = defaultMaxOutputBytes }: RunOptions,
  { clock, env }: { readonly clock: Clock; readonly env: Readonly<Record<string, string>> | undefined },
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const child = spawn(program, [...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
      child.kill('SIGKILL');
    };
    const timer = clock.timer(timeoutMs, () =>
      fail(
        new HostError(`${JSON.stringify(program)} did not end within ${timeoutMs} ms`, {
          remedy: 'See whether the machine is overloaded or the program waits for something',
        }),
      ),
    );
    const onAbort = (): void => fail(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    for (const name of ['stdout', 'stderr'] as const) {
      let size = 0;
      child[name].on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxOutputBytes)
          fail(new Error(`${JSON.stringify(program)} wrote more than ${maxOutputBytes} bytes to ${name}`));
        else output[name].push(chunk);
      });
    }
    // A program that does not read its input closes the pipe: that is its right.
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      reject(failure ?? cannotStart(program, error));
    });
    child.once('close', (code, by) => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      if (failure !== undefined) reject(failure);
      else resolve({ code, signal: by, stdout: Buffer.concat(output.stdout), stderr: Buffer.concat(output.stderr) });
    });
    child.stdin.end(stdin ?? '');
  });
}

async function startChild(
  program: string,
  args: readonly string[],
  options: ChildOptions,
  env: Readonly<Record<string, string>> | undefined,
): Promise<Child & { readonly process: ChildProcess }> {
  const [command, ...words] = commandLine(program, args, options);
  const log = openSync(options.logFile, 'a', 0o640);
  try {
    // A survivor leads a session of its own: a signal to our group or terminal does not reach it.
    const child = spawn(command!, words, {
      cwd: options.cwd,
      env,
      detached: options.onParentDeath === 'survive',
      stdio: ['ignore', log, log],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(cannotStart(command!, error)));
    });
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null)
        resolve({ code: child.exitCode, signal: child.signalCode });
      else child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    if (options.onParentDeath === 'survive') child.unref();
    const pid = child.pid!;
    return {
      process: child,
      // One that ended already has no start time; nothing will ever match it.
      identity: identify(pid) ?? { pid, startTime: '0', bootId: readBootId() },
      exited,
      kill: (signal) => void child.kill(signal),
    };
  } finally {
    closeSync(log);
  }
}

/** Namespaces are entered by `nsenter` and the parent-death signal set by `setpriv` (util-linux): Node can do neither. Both exec, so the pid stays. */
function commandLine(program: string, args: readonly string[], { namespaces, onParentDeath }: ChildOptions): string[] {
  const line = [program, ...args];
  if (onParentDeath === 'die') line.unshift('setpriv', '--pdeathsig', 'KILL', '--');
  if (namespaces) {
    const enter = Object.entries({
      '--net': namespaces.net,
      '--mount': namespaces.mnt,
      '--uts': namespaces.uts,
      '--pid': namespaces.pid,
    }).flatMap(([flag, file]) => (file === undefined ? [] : [`${flag}=${file}`]));
    // nsenter forks when it enters a pid namespace, unless told not to.
    if (enter.length > 0) line.unshift('nsenter', ...enter, '--no-fork', '--');
  }
  return line;
}
