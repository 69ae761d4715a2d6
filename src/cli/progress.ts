/**
 * The progress display: on a terminal one line per step that turns from a spinner into a check mark, elsewhere plain lines. A detached start
 * sends its steps to the waiting command as JSON lines.
 */
import type { Clock, Timer } from '../base/clock.ts';

export interface Progress {
  /** A step begins; the one before has succeeded. */
  step(text: string): void;
  /** The last step has succeeded, optionally with a closing word. */
  done(text?: string): void;
  /** A line that stays, e.g. the chosen rung and the reason. */
  note(text: string): void;
  /** The last step failed. */
  fail(): void;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

export function terminalProgress(out: NodeJS.WriteStream, clock: Clock): Progress {
  let current: { readonly text: string; readonly startMs: number } | undefined;
  let timer: Timer | undefined;
  let frame = 0;
  const spin = (): void => {
    if (!current) return;
    out.write(`\r\x1b[K${frames[frame++ % frames.length]} ${current.text}`);
    timer = clock.timer(80, spin);
  };
  const close = (mark: string): void => {
    timer?.cancel();
    if (!current) return;
    const seconds = (clock.monotonic() - current.startMs) / 1000;
    out.write(`\r\x1b[K${mark} ${current.text} ${seconds >= 0.1 ? `\x1b[2m${seconds.toFixed(1)}s\x1b[0m` : ''}\n`);
    current = undefined;
  };
  return {
    step(text) {
      close('✓');
      current = { text, startMs: clock.monotonic() };
      spin();
    },
    done(text) {
      close('✓');
      if (text) out.write(`${text}\n`);
    },
    note(text) {
      close('✓');
      out.write(`${text}\n`);
    },
    fail: () => close('✗'),
  };
}

export function plainProgress(write: (line: string) => void): Progress {
  return {
    step: (text) => write(`${text} ...\n`),
    done: (text) => text && write(`${text}\n`),
    note: (text) => write(`${text}\n`),
    fail: () => undefined,
  };
}
