/** When a request is sent again. Source: client-go rest/with_retry.go. */
import type { Clock } from '../base/clock.ts';
import { TransportError, type TransportRequest } from './transport.ts';

const maxRetries = 10;

/** What a sent request came to, as far as trying again is concerned. */
export interface Attempt<A> {
  readonly status: number;
  /** Seconds, from the header `retry-after`; dates are not understood, as upstream. */
  readonly retryAfter: string | undefined;
  readonly answer: A;
  /** Drops the answer's body before the next try. */
  discard(): void;
}

/**
 * Sends again, at most ten times, when the server says when (429 or 5xx with `Retry-After`), and a GET whose connection broke before the
 * answer. Nothing else: a write may have happened. @throws what `send` throws; the signal's reason when it aborts while waiting.
 */
export async function withRetries<A>(
  request: TransportRequest,
  clock: Clock,
  send: () => Promise<Attempt<A>>,
): Promise<Attempt<A>> {
  for (let retries = 0; ; retries++) {
    let delayMs: number;
    try {
      const attempt = await send();
      if (attempt.status < 429 || (attempt.status !== 429 && attempt.status < 500)) return attempt;
      const seconds =
        attempt.retryAfter !== undefined && /^\d+$/.test(attempt.retryAfter) ? Number(attempt.retryAfter) : -1;
      if (seconds < 0 || retries === maxRetries) return attempt;
      attempt.discard();
      delayMs = seconds * 1000;
    } catch (error) {
      const broken = error instanceof TransportError && error.kind === 'reset';
      if (!broken || request.method !== 'GET' || retries === maxRetries) throw error;
      delayMs = 1000;
    }
    await clock.sleep(delayMs, request.signal);
    request.signal?.throwIfAborted();
  }
}
