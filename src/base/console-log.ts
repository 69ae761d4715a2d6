import type { Clock } from './clock.ts';
import type { Logger, LogLevel, LogPairs } from './log.ts';

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/**
 * Lines such as `2026-01-02T03:04:05.678Z info  scheduler: Bound pod to node pod=default/web-1 node=worker-1`.
 * @param write one line, newline included. @param level the lowest that is written.
 */
export function createLogger(options: {
  readonly clock: Clock;
  readonly write: (line: string) => void;
  /** What the writer says of itself: `Logger.failure`. */
  readonly failure?: () => string | undefined;
  readonly level?: LogLevel;
  readonly pairs?: LogPairs;
}): Logger {
  const { clock, write, level = 'info', pairs = {} } = options;
  const lowest = order.indexOf(level);
  const line = (at: LogLevel, message: string, more: LogPairs | undefined): void => {
    if (order.indexOf(at) < lowest) return;
    const { component, ...rest } = { ...pairs, ...more };
    let text = `${new Date(clock.now()).toISOString()} ${at.padEnd(5)} ${typeof component === 'string' ? `${component}: ` : ''}${message}`;
    let stack = '';
    for (const [key, value] of Object.entries(rest)) {
      if (value === undefined) continue;
      if (value instanceof Error) {
        text += ` ${key}=${JSON.stringify(describe(value))}`;
        if (at === 'error' && value.stack)
          stack += `\n  ${value.stack
            .split('\n')
            .slice(1, 9)
            .map((l) => l.trim())
            .join('\n  ')}`;
      } else
        text += ` ${key}=${typeof value === 'string' ? quote(value) : JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))}`;
    }
    write(`${text}${stack}\n`);
  };
  return {
    debug: (message, more) => line('debug', message, more),
    info: (message, more) => line('info', message, more),
    warn: (message, more) => line('warn', message, more),
    error: (message, more) => line('error', message, more),
    ...(options.failure ? { failure: options.failure } : {}),
    with: (more) => createLogger({ ...options, pairs: { ...pairs, ...more } }),
  };
}

/** How long a line may stand unwritten. Source: apiserver/pkg/server/healthz, whose flushing is looked at in the same way. */
const unwrittenMaxMs = 120_000;

/** Lines for a stream, and what became of them: the health check `log` of upstream's components. */
export function createLineWriter(
  stream: { write(line: string, done: (error?: Error | null) => void): boolean },
  clock: Clock,
): { readonly write: (line: string) => void; readonly failure: () => string | undefined } {
  let unwritten = 0;
  let since = 0;
  let failed: string | undefined;
  return {
    write(line) {
      if (unwritten++ === 0) since = clock.monotonic();
      stream.write(line, (error) => {
        unwritten--;
        since = clock.monotonic();
        failed = error ? `cannot write the log: ${error.message}` : undefined;
      });
    },
    failure: () => (unwritten > 0 && clock.monotonic() - since > unwrittenMaxMs ? 'logging blocked' : failed),
  };
}

/** Throws everything away. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
};

const quote = (value: string): string => (/^[^\s="]+$/.test(value) ? value : JSON.stringify(value));

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `: ${describe(error.cause)}` : '';
  return `${error.message}${cause && !error.message.includes((error.cause as Error).message) ? cause : ''}`;
}
