/** Counts and times requests under upstream's names. Children are kept per label set: no string is built on the hot path twice. */
import type { MetricsRegistry } from '../base/metrics.ts';
import type { RequestInfo } from './request-info.ts';

export interface RequestMetrics {
  /** @param durationMs until the answer's head was known; a watch counts until it opened. */
  observe(info: RequestInfo, method: string, code: number, durationMs: number): void;
}

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

interface Cell {
  count: number;
  readonly labels: Readonly<Record<RequestLabel, string>>;
}

/**
 * prom-client sorts and hashes label values at every count, which costs more than the rest of a small request: requests are counted here and handed over
 * when somebody scrapes.
 */
export function createRequestMetrics(
  metrics: MetricsRegistry,
  /** Whether a request is about something that is served. Other names are a caller's own: they would be series for ever. */
  isServed: (info: RequestInfo) => boolean,
): RequestMetrics {
  const pending = new Map<string, Cell>();
  // Before the counter, so that a scrape shows what was handed over for it.
  metrics.gauge<never>({
    name: 'bireme_apiserver_request_label_sets',
    help: 'Label sets of requests since the last scrape.',
    collect: (gauge) => {
      gauge.set({} as Record<never, string>, pending.size);
      for (const { labels, count } of pending.values()) total.increment(labels, count);
      pending.clear();
    },
  });
  const total = metrics.counter<RequestLabel>({
    name: 'apiserver_request_total',
    help: 'Counter of apiserver requests broken out for each verb, group, version, resource, scope, component, and HTTP response code.',
    labels: requestLabels,
  });
  const durations = metrics.histogram<'verb'>({
    name: 'apiserver_request_duration_seconds',
    help: 'Response latency distribution in seconds for each verb.',
    labels: ['verb'],
    buckets,
  });
  const cellOf = (key: string, verb: string, about: About, scope: string, code: number): Cell => {
    let cell = pending.get(key);
    if (cell === undefined) {
      const { apiGroup: group, apiVersion: version, resource, subresource } = about;
      const labels = { verb, group, version, resource, subresource, scope, component: 'apiserver', code: String(code) };
      pending.set(key, (cell = { count: 0, labels }));
    }
    return cell;
  };
  return {
    observe(info, method, code, durationMs) {
      const verb = info.isResourceRequest && info.verb !== '' ? info.verb.toUpperCase() : methodLabel(method);
      const scope = scopeOf(info);
      const key = `${verb}|${info.apiGroup}|${info.apiVersion}|${info.resource}|${info.subresource}|${scope}|${code}`;
      const cell =
        pending.get(key) ??
        (isServed(info)
          ? cellOf(key, verb, info, scope, code)
          : cellOf(`${verb}|${scope}|${code}`, verb, unknown, scope, code));
      cell.count++;
      durations.observe({ verb }, durationMs / 1000);
    },
  };
}

type About = Pick<RequestInfo, 'apiGroup' | 'apiVersion' | 'resource' | 'subresource'>;
const unknown: About = Object.freeze({ apiGroup: '', apiVersion: '', resource: '', subresource: '' });

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT']);
const methodLabel = (method: string): string => (methods.has(method) ? method : 'other');

const requestLabels = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component', 'code'] as const;
type RequestLabel = (typeof requestLabels)[number];

function scopeOf(info: RequestInfo): string {
  if (!info.isResourceRequest) return '';
  if (info.name !== '' || info.verb === 'create') return 'resource';
  return info.namespace !== '' ? 'namespace' : 'cluster';
}
