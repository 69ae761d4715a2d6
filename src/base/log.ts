/**
 * Structured logs: a constant message and variable pairs. `pod`, `node` and the like carry a reference (`namespace/name`), not a body.
 * error = someone should act, warn = something is off but handled, info = something changed, debug = one line per item.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogPairs = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, pairs?: LogPairs): void;
  info(message: string, pairs?: LogPairs): void;
  warn(message: string, pairs?: LogPairs): void;
  /** `error` belongs in pairs as `{ error }`; its stack is printed for programming errors. */
  error(message: string, pairs?: LogPairs): void;
  /** Why lines cannot be written, while that is so. Absent: nobody looks. */
  failure?(): string | undefined;
  /** A logger that adds these pairs to every line. */
  with(pairs: LogPairs): Logger;
}
