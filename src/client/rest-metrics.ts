/** Requests of a client under client-go's names. Source: client-go/tools/metrics, component-base/metrics/prometheus/restclient. */
import type { Clock } from '../base/clock.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Tally } from '../base/tallies.ts';
import type { Timing } from '../base/timings.ts';

export interface RestMeter {
  /** Asked once for each request; what it returns is told how it went. */
  start(method: string, bodyBytes: number): RestRun;
}

export interface RestRun {
  /** @param code HTTP's, or `<error>` when there was no answer. */
  answered(code: string): void;
  read(bytes: number): void;
}

const durations = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];
const sizes = [64, 256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

export function createRestMeter(metrics: MetricsRegistry, clock: Clock, host: string): RestMeter {
  const total = metrics.tallies<'code' | 'method' | 'host'>({
    name: 'rest_client_requests_total',
    help: 'Number of HTTP requests, partitioned by status code, method, and host.',
    labels: ['code', 'method', 'host'],
  });
  const labels = ['verb', 'host'] as const;
  const took = metrics.timings<'verb' | 'host'>({
    name: 'rest_client_request_duration_seconds',
    help: 'Request latency in seconds. Broken down by verb, and host.',
    labels,
    buckets: durations,
  });
  const sent = metrics.timings<'verb' | 'host'>({
    name: 'rest_client_request_size_bytes',
    help: 'Request size in bytes. Broken down by verb and host.',
    labels,
    buckets: sizes,
  });
  const received = metrics.timings<'verb' | 'host'>({
    name: 'rest_client_response_size_bytes',
    help: 'Response size in bytes. Broken down by verb and host.',
    labels,
    buckets: sizes,
  });
  interface Cell {
    readonly took: Timing;
    readonly sent: Timing;
    readonly received: Timing;
    readonly codes: Map<string, Tally>;
  }
  const known = new Map<string, Cell>();
  const cellOf = (verb: string): Cell => {
    let cell = known.get(verb);
    if (!cell) {
      const at = { verb, host };
      cell = { took: took.child(at), sent: sent.child(at), received: received.child(at), codes: new Map() };
      known.set(verb, cell);
    }
    return cell;
  };
  return {
    start(method, bodyBytes) {
      const startMs = clock.monotonic();
      const cell = cellOf(method);
      return {
        answered(code) {
          cell.took.observe((clock.monotonic() - startMs) / 1000);
          cell.sent.observe(bodyBytes);
          let tally = cell.codes.get(code);
          if (!tally) cell.codes.set(code, (tally = total.child({ code, method, host })));
          tally.add();
        },
        read: (bytes) => cell.received.observe(bytes),
      };
    },
  };
}
