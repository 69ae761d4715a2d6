/**
 * What the runtime tells of its containers as it happens (upstream's evented PLEG). It only wakes: what has become of a pod is looked up. A runtime
 * that cannot tell, or stops doing so, is listed instead.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { CriError, type CriRuntime } from '../../runtime/cri.ts';

export interface RuntimeEvents {
  /** Follows the runtime until the signal aborts, or the runtime says that it tells nothing. */
  run(signal: AbortSignal): Promise<void>;
  /** How long until the next listing: seldom while events come, because one may be lost in a full queue. */
  listEveryMs(): number;
}

export interface RuntimeEventsOptions {
  readonly runtime: Pick<CriRuntime, 'getContainerEvents'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timeoutMs: number;
  /** A container or the sandbox of this pod changed. */
  onPod(uid: string): void;
  /** The stream broke: what was missed has to be looked for at once. */
  onBroken(): void;
}

const listMs = 1000;
const listSeldomMs = 10_000;
const retryMs = 5000;

export function createRuntimeEvents(options: RuntimeEventsOptions): RuntimeEvents {
  const { clock, log, runtime } = options;
  let telling = false;
  return {
    listEveryMs: () => (telling ? listSeldomMs : listMs),
    async run(signal) {
      while (!signal.aborted) {
        try {
          for await (const { podSandboxStatus } of runtime.getContainerEvents(
            {},
            { signal, timeoutMs: options.timeoutMs },
          )) {
            // One event proves that they come; before it nobody knows.
            telling = true;
            const uid = podSandboxStatus?.metadata?.uid;
            if (uid) options.onPod(uid);
          }
        } catch (error) {
          if (error instanceof CriError && error.code === 'UNIMPLEMENTED') return;
          if (!signal.aborted) log.debug('The runtime tells no more of its containers', { error });
        }
        if (telling) {
          telling = false;
          options.onBroken();
        }
        await clock.sleep(retryMs, signal);
      }
    },
  };
}
