/**
 * The spawner process and its protocol: JSON lines over stdin and stdout, one request or answer a line, output in base64. The process ends,
 * with every child that must not survive, when its stdin ends - that is when its parent is gone.
 */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { HostError } from './host-error.ts';
import { createLocalSpawner } from './local-spawner.ts';
import type { Child, ChildOptions, RunOptions } from './spawner.ts';

export type SpawnerRequest =
  | {
      readonly id: number;
      readonly op: 'run';
      readonly program: string;
      readonly args: readonly string[];
      /** `stdin` in base64. */
      readonly options: Omit<RunOptions, 'signal' | 'stdin'> & { readonly stdin?: string };
    }
  | {
      readonly id: number;
      readonly op: 'start';
      readonly program: string;
      readonly args: readonly string[];
      readonly options: ChildOptions;
    }
  | { readonly id: number; readonly op: 'abort' };

export type SpawnerAnswer =
  | { readonly id: number; readonly kind: 'ready'; readonly pid: number }
  | {
      readonly id: number;
      readonly kind: 'result';
      readonly code: number | null;
      readonly signal: string | null;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly id: number; readonly kind: 'started'; readonly identity: Child['identity'] }
  | { readonly id: number; readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null }
  | { readonly id: number; readonly kind: 'error'; readonly message: string; readonly remedy: string | undefined };

/** Serves until the input ends; then ends the children that must die with us. */
export async function serveSpawner(
  input: Readable,
  output: Writable,
  { clock, env, pid }: { readonly clock: Clock; readonly env?: Readonly<Record<string, string>>; readonly pid: number },
): Promise<void> {
  const spawner = createLocalSpawner({ clock, ...(env ? { env } : {}) });
  const runs = new Map<number, AbortController>();
  const say = (answer: SpawnerAnswer): void => void output.write(`${JSON.stringify(answer)}\n`);
  const sayError = (id: number, error: unknown): void =>
    say({
      id,
      kind: 'error',
      message: error instanceof Error ? error.message : String(error),
      remedy: error instanceof HostError ? error.remedy : undefined,
    });

  const handle = async (request: SpawnerRequest): Promise<void> => {
    switch (request.op) {
      case 'run': {
        const controller = new AbortController();
        runs.set(request.id, controller);
        try {
          const { stdin, ...options } = request.options;
          const result = await spawner.run(request.program, request.args, {
            ...options,
            ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin, 'base64') }),
            signal: controller.signal,
          });
          say({
            id: request.id,
            kind: 'result',
            code: result.code,
            signal: result.signal,
            stdout: result.stdout.toString('base64'),
            stderr: result.stderr.toString('base64'),
          });
        } finally {
          runs.delete(request.id);
        }
        return;
      }
      case 'start': {
        const child = await spawner.start(request.program, request.args, request.options);
        say({ id: request.id, kind: 'started', identity: child.identity });
        void child.exited.then(({ code, signal }) => {
          say({ id: request.id, kind: 'exited', code, signal });
        });
        return;
      }
      case 'abort':
        runs.get(request.id)?.abort();
        return;
    }
  };

  // The parent may be gone while we write: the end of the input tells.
  output.on('error', () => undefined);
  say({ id: 0, kind: 'ready', pid });
  for await (const line of createInterface({ input })) {
    const request = JSON.parse(line) as SpawnerRequest;
    void handle(request).catch((error) => sayError(request.id, error));
  }
  for (const controller of runs.values()) controller.abort();
  await spawner.close();
}
