/** A Spawner whose programs are started by a small process, forked before this one's heap grows (decision 10). */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { HostError } from './host-error.ts';
import { signalProcess } from './process-table.ts';
import type { Child, ProcessIdentity, RunResult, Spawner } from './spawner.ts';
import type { SpawnerAnswer, SpawnerRequest } from './spawner-process.ts';

export interface ForkedSpawnerOptions {
  /** Program and arguments of the spawner process, e.g. `[process.execPath, '.../spawner-main.ts']`. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Pending {
  resolve(answer: SpawnerAnswer): void;
  reject(error: unknown): void;
}

/** Resolves when the process is ready. @throws HostError when it cannot be started. */
export async function createForkedSpawner({ command, env }: ForkedSpawnerOptions): Promise<Spawner> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const pending = new Map<number, Pending>();
  const exits = new Map<number, (exit: { code: number | null; signal: string | null }) => void>();
  let nextId = 1;
  let ended: HostError | undefined;

  const lost = (cause?: unknown): void => {
    ended ??= new HostError('The spawner process has ended', {
      remedy: 'Start the node again',
      ...(cause ? { cause } : {}),
    });
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
    // Its children that had to die with it are dead.
    for (const resolve of exits.values()) resolve({ code: null, signal: null });
    exits.clear();
  };
  const send = (request: SpawnerRequest): void => void child.stdin.write(`${JSON.stringify(request)}\n`);
  const ask = (id: number, request: SpawnerRequest): Promise<SpawnerAnswer> =>
    new Promise((resolve, reject) => {
      if (ended) {
        reject(ended);
        return;
      }
      pending.set(id, { resolve, reject });
      send(request);
    });

  const ready = new Promise<void>((resolve, reject) => {
    pending.set(0, { resolve: () => resolve(), reject });
  });
  child.once('error', lost);
  child.once('exit', () => lost());
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as SpawnerAnswer;
    if (answer.kind === 'exited') {
      exits.get(answer.id)?.({ code: answer.code, signal: answer.signal });
      exits.delete(answer.id);
      return;
    }
    const waiting = pending.get(answer.id);
    pending.delete(answer.id);
    if (answer.kind !== 'error') waiting?.resolve(answer);
    else
      waiting?.reject(
        answer.remedy === undefined
          ? new Error(answer.message)
          : new HostError(answer.message, { remedy: answer.remedy }),
      );
  });
  await ready;

  return {
    async run(program, args, { signal, stdin, ...options }): Promise<RunResult> {
      signal?.throwIfAborted();
      const id = nextId++;
      const onAbort = (): void => send({ id, op: 'abort' });
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        const input = stdin === undefined ? {} : { stdin: Buffer.from(stdin).toString('base64') };
        const answer = await ask(id, { id, op: 'run', program, args, options: { ...options, ...input } });
        if (answer.kind !== 'result') throw new Error(`Unexpected answer ${answer.kind} to run`);
        return {
          code: answer.code,
          signal: answer.signal,
          stdout: Buffer.from(answer.stdout, 'base64'),
          stderr: Buffer.from(answer.stderr, 'base64'),
        };
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', onAbort);
      }
    },
    async start(program, args, options): Promise<Child> {
      const id = nextId++;
      const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => exits.set(id, resolve));
      const answer = await ask(id, { id, op: 'start', program, args, options }).catch((error) => {
        exits.delete(id);
        throw error;
      });
      if (answer.kind !== 'started') throw new Error(`Unexpected answer ${answer.kind} to start`);
      const identity: ProcessIdentity = answer.identity;
      return { identity, exited, kill: (signal) => void signalProcess(identity, signal) };
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null || ended) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.stdin.end();
      await gone;
    },
  };
}
