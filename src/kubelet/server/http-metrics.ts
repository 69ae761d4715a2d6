/** Requests to the kubelet's port under upstream's names. Source: pkg/kubelet/server/metrics. */
import type { ApiRequest } from '../../api/exchange.ts';
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';

const labels = ['method', 'path', 'server_type', 'long_running'] as const;
/** Names of pods and containers are no labels: the first part of a path is. */
const paths: ReadonlySet<string> = new Set([
  'attach',
  'checkpoint',
  'configz',
  'containerLogs',
  'exec',
  'healthz',
  'logs',
  'metrics',
  'pods',
  'portForward',
  'run',
  'runningpods',
  'stats',
]);
const longPaths: ReadonlySet<string> = new Set(['attach', 'exec', 'portForward']);
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** @returns called with each request, gives what is to be called at its end. */
export function createHttpMeter(metrics: MetricsRegistry, clock: Clock): (request: ApiRequest) => () => void {
  const total = metrics.tallies({
    name: 'kubelet_http_requests_total',
    help: 'Number of the http requests received since the server started',
    labels,
  });
  const took = metrics.timings({
    name: 'kubelet_http_requests_duration_seconds',
    help: 'Duration in seconds to serve http requests',
    labels,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  const inFlight = metrics.gauge({
    name: 'kubelet_http_inflight_requests',
    help: 'Number of the inflight http requests',
    labels,
  });
  return ({ method, path, query }) => {
    const [, first = '', second = ''] = path.split('/');
    const known = paths.has(first) ? first : 'other';
    const of = {
      method: methods.has(method) ? method : 'other',
      path: known === 'metrics' && second !== '' ? `metrics/${second.slice(0, 16)}` : known,
      server_type: 'readwrite',
      long_running: String(longPaths.has(first) || (first === 'containerLogs' && /(^|&)follow=(true|1)/.test(query))),
    };
    const startMs = clock.monotonic();
    total.child(of).add();
    inFlight.add(of, 1);
    return () => {
      inFlight.add(of, -1);
      took.child(of).observe((clock.monotonic() - startMs) / 1000);
    };
  };
}
