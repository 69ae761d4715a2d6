/** Reviews that a component asks for, under upstream's names. Source: apiserver/pkg/authentication/authenticatorfactory/metrics.go and its neighbours. */
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface ReviewMeters {
  /** Times a review; what it throws travels on. */
  authentication<T>(ask: () => Promise<T>): Promise<T>;
  authorization<T>(ask: () => Promise<T>): Promise<T>;
  /** What the memory of tokens did. */
  token<T>(hit: boolean, answer: () => Promise<T>): Promise<T>;
}

const reviewBuckets = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10];
const cacheBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createReviewMeters(metrics: MetricsRegistry, clock: Clock): ReviewMeters {
  const reviews = (what: 'authn' | 'authz', full: string) => {
    const total = metrics.tallies<'code'>({
      name: `apiserver_delegated_${what}_request_total`,
      help: `Number of HTTP requests partitioned by status code of delegated ${full}.`,
      labels: ['code'],
    });
    const took = metrics.timings<'code'>({
      name: `apiserver_delegated_${what}_request_duration_seconds`,
      help: 'Request latency in seconds. Broken down by status code.',
      labels: ['code'],
      buckets: reviewBuckets,
    });
    return async <T>(ask: () => Promise<T>): Promise<T> => {
      const startMs = clock.monotonic();
      const done = (code: string): void => {
        total.child({ code }).add();
        took.child({ code }).observe((clock.monotonic() - startMs) / 1000);
      };
      try {
        const answer = await ask();
        done('201');
        return answer;
      } catch (error) {
        done(codeOf(error));
        throw error;
      }
    };
  };
  const requests = metrics.tallies<'status'>({
    name: 'authentication_token_cache_request_total',
    help: 'Requests of the memory of tokens by status.',
    labels: ['status'],
  });
  const took = metrics.timings<'status'>({
    name: 'authentication_token_cache_request_duration_seconds',
    help: 'Latency of the memory of tokens by status.',
    labels: ['status'],
    buckets: cacheBuckets,
  });
  const fetches = metrics.tallies<'status'>({
    name: 'authentication_token_cache_fetch_total',
    help: 'Tokens that had to be asked for, by how that went.',
    labels: ['status'],
  });
  const active = metrics.gauge<'status'>({
    name: 'authentication_token_cache_active_fetch_count',
    help: 'Tokens that are being asked for. None waits for another here.',
    labels: ['status'],
  });
  active.set({ status: 'in_flight' }, 0);
  active.set({ status: 'blocked' }, 0);
  return {
    authentication: reviews('authn', 'authentication'),
    authorization: reviews('authz', 'authorization'),
    async token(hit, answer) {
      const status = hit ? 'hit' : 'miss';
      const startMs = clock.monotonic();
      requests.child({ status }).add();
      if (!hit) active.add({ status: 'in_flight' }, 1);
      try {
        const value = await answer();
        if (!hit) fetches.child({ status: 'ok' }).add();
        return value;
      } catch (error) {
        fetches.child({ status: 'error' }).add();
        throw error;
      } finally {
        if (!hit) active.add({ status: 'in_flight' }, -1);
        took.child({ status }).observe((clock.monotonic() - startMs) / 1000);
      }
    },
  };
}

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number'
    ? String(error.code)
    : '<error>';
