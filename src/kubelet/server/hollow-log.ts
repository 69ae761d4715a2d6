/** Logs of hollow containers: what the runtime says they printed, through the same options as a file's. */
import type { Clock } from '../../base/clock.ts';
import type { HollowRuntime } from '../../runtime/hollow/hollow-runtime.ts';
import type { RuntimeContainer } from '../containers/runtime-status.ts';
import { type LogContext, type LogOptions, parseLine } from './container-log.ts';

const pollMs = 1000;

export function hollowLogReader(
  runtime: HollowRuntime,
  clock: Clock,
): (container: RuntimeContainer, options: LogOptions, context: LogContext) => AsyncIterable<Uint8Array> {
  return async function* read(container, options, context) {
    let seen = 0;
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    let skip = options.tailLines;
    for (;;) {
      const ended = !options.follow || !context.running();
      const lines = runtime.log(container.id).split('\n').slice(0, -1);
      if (skip !== undefined) seen = Math.max(0, lines.length - skip);
      skip = undefined;
      for (; seen < lines.length && left > 0; seen++) {
        const line = parseLine(Buffer.from(lines[seen]!));
        if (!line || (options.sinceMs !== undefined && Date.parse(line.time) < options.sinceMs)) continue;
        const text = Buffer.from(`${options.timestamps ? `${line.time} ` : ''}${line.text.toString()}\n`).subarray(
          0,
          left,
        );
        left -= text.length;
        yield text;
      }
      if (ended || left <= 0 || context.signal.aborted) return;
      await clock.sleep(pollMs, context.signal);
    }
  };
}
