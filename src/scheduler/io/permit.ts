import { formatDuration } from '../../api/time.ts';
import type { Clock } from '../../base/clock.ts';
import { type PermitStatus, type Rejected, rejected } from '../core/status.ts';

export type PermitWait = { readonly plugin: string } & Extract<PermitStatus, { kind: 'wait' }>;

/** Waits for the plugins that asked for time. @returns the first refusal; a plugin that takes too long refuses. */
export async function waitForPermit(
  clock: Clock,
  waits: readonly PermitWait[],
  signal: AbortSignal,
): Promise<Rejected | undefined> {
  const answers = await Promise.all(waits.map((wait) => waitForOne(clock, wait, signal)));
  return answers.find((answer) => answer.kind === 'rejected');
}

async function waitForOne(
  clock: Clock,
  { plugin, timeoutMs, decided }: PermitWait,
  signal: AbortSignal,
): Promise<{ readonly kind: 'allow' } | Rejected> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal.addEventListener('abort', stop);
  const timeout = clock.sleep(timeoutMs, over.signal).then(() => {
    const reason = `rejected due to timeout after waiting ${formatDuration(timeoutMs)} at plugin ${plugin}`;
    return rejected(plugin, reason, { preemptionMayHelp: true });
  });
  try {
    return await Promise.race([decided, timeout]);
  } finally {
    stop();
    signal.removeEventListener('abort', stop);
  }
}
