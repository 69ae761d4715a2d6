/** Counts and times requests under upstream's names. Children are kept per label set: no string is built on the hot path twice. */
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Timing } from '../base/timings.ts';
import type { RequestInfo } from './request-info.ts';

export interface RequestMetrics {
  /** A request that lasts has opened. @returns to be called once, at its end. */
  lasting(info: RequestInfo): () => void;
  /** A request that is no long one begins. */
  enter(info: RequestInfo): void;
  leave(info: RequestInfo): void;
  /** @param durationMs until the answer's head was known; a watch counts until it opened. */
  observe(info: RequestInfo, request: Observed, code: number, durationMs: number): void;
}

/** What of a request counts. */
export interface Observed {
  readonly method: string;
  /** `?dryRun=`. */
  readonly dryRun: string | null;
  /** `?fieldValidation=`. */
  readonly fieldValidation?: string | null;
  /** The server gave it up to protect itself: no seat, no time left. */
  readonly terminated?: boolean;
  readonly headers: { readonly 'content-type'?: string | undefined; readonly 'content-length'?: string | undefined };
}

/** Upstream's. Source: apiserver/pkg/endpoints/metrics. */
const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;

interface Cell {
  count: number;
  readonly duration: Timing;
  /** Without requests that last: they say nothing of how fast the server is. */
  readonly sli: Timing | undefined;
  /** Of writes whose length is said. */
  readonly body: Timing | undefined;
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
  metrics.gauge<never>({
    name: 'bireme_apiserver_request_label_sets',
    help: 'Label sets of requests since the last scrape.',
    collect: (gauge) => gauge.set({} as Record<never, string>, pending.size),
  });
  metrics.onScrape(() => {
    for (const { labels, count } of pending.values()) total.child(labels).add(count);
    pending.clear();
  });
  const total = metrics.tallies<RequestLabel>({
    name: 'apiserver_request_total',
    help: 'Counter of apiserver requests broken out for each verb, group, version, resource, scope, component, and HTTP response code.',
    labels: requestLabels,
  });
  const durations = metrics.timings<DurationLabel>({
    name: 'apiserver_request_duration_seconds',
    help: 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    labels: durationLabels,
    buckets,
  });
  const slis = metrics.timings<Exclude<DurationLabel, 'dry_run'>>({
    name: 'apiserver_request_sli_duration_seconds',
    help: 'Response latency distribution in seconds of requests that end by themselves.',
    labels: durationLabels.filter((name) => name !== 'dry_run'),
    // What is faster than 50 ms is fast enough for an objective.
    buckets: buckets.filter((bound) => bound >= 0.05),
  });
  const bodies = metrics.timings<'group' | 'resource' | 'verb'>({
    name: 'apiserver_request_body_size_bytes',
    help: 'Apiserver request body size in bytes broken out by resource and verb.',
    labels: ['group', 'resource', 'verb'],
    buckets: bodyBuckets,
  });
  const terminations = metrics.tallies<Exclude<RequestLabel, 'dry_run'>>({
    name: 'apiserver_request_terminations_total',
    help: 'Number of requests which apiserver terminated in self-defense.',
    labels: requestLabels.filter((name) => name !== 'dry_run'),
  });
  const validations = validationTimings(metrics);
  const lasting = lastingGauge(metrics);
  const inFlight = { mutating: 0, readOnly: 0 };
  metrics.gauge<'request_kind'>({
    name: 'apiserver_current_inflight_requests',
    help: 'Requests that are being answered, by kind.',
    labels: ['request_kind'],
    collect: (gauge) => {
      gauge.set({ request_kind: 'mutating' }, inFlight.mutating);
      gauge.set({ request_kind: 'readOnly' }, inFlight.readOnly);
    },
  });
  const cellOf = (key: string, verb: string, dryRun: string, about: About, scope: string, code: number): Cell => {
    let cell = pending.get(key);
    if (cell === undefined) {
      const { apiGroup: group, apiVersion: version, resource, subresource } = about;
      const where = { verb, group, version, resource, subresource, scope, component: 'apiserver', dry_run: dryRun };
      cell = {
        count: 0,
        labels: { ...where, code: String(code) },
        duration: durations.child(where),
        sli: verb === 'WATCH' || verb === 'CONNECT' ? undefined : slis.child(where),
        body: bodyVerbs[verb] && resource !== '' ? bodies.child({ group, resource, verb: bodyVerbs[verb] }) : undefined,
      };
      pending.set(key, cell);
    }
    return cell;
  };
  const defaultValidation = validations('Warn');
  return {
    lasting,
    enter(info) {
      inFlight[readOnlyVerbs.has(info.verb) ? 'readOnly' : 'mutating']++;
    },
    leave(info) {
      inFlight[readOnlyVerbs.has(info.verb) ? 'readOnly' : 'mutating']--;
    },
    observe(info, request, code, durationMs) {
      const verb = verbLabel(info, request);
      const dryRun = request.dryRun === null ? '' : 'All';
      const scope = scopeOf(info);
      const key = `${verb}|${dryRun}|${info.apiGroup}|${info.apiVersion}|${info.resource}|${info.subresource}|${scope}|${code}`;
      const cell =
        pending.get(key) ??
        (isServed(info)
          ? cellOf(key, verb, dryRun, info, scope, code)
          : cellOf(`${verb}|${scope}|${code}`, verb, '', unknown, scope, code));
      cell.count++;
      const seconds = durationMs / 1000;
      cell.duration.observe(seconds);
      cell.sli?.observe(seconds);
      if (cell.body) {
        const length = request.headers['content-length'];
        if (length !== undefined) cell.body.observe(Number(length));
        if (verb !== 'DELETE' && verb !== 'APPLY')
          (request.fieldValidation ? validations(request.fieldValidation) : defaultValidation).observe(seconds);
      }
      if (request.terminated) {
        const { dry_run: _, ...labels } = cell.labels;
        terminations.child(labels).add();
      }
    },
  };
}

/** 50 kB to 3.05 MB, 100 kB apart. */
const bodyBuckets = Array.from({ length: 31 }, (_, i) => 50_000 + i * 100_000);
const bodyVerbs: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  APPLY: 'patch',
  DELETE: 'delete',
};

/** Writes by how strictly their fields are looked at. A word that is no directive is refused, and counts as none. */
function validationTimings(metrics: MetricsRegistry): (directive: string) => Timing {
  const timings = metrics.timings<'field_validation'>({
    name: 'field_validation_request_duration_seconds',
    help: 'Response latency distribution in seconds for each field validation value',
    labels: ['field_validation'],
    buckets: buckets.filter((bound) => bound >= 0.05),
  });
  const known = new Map(
    ['', 'Ignore', 'Warn', 'Strict'].map((directive) => [directive, timings.child({ field_validation: directive })]),
  );
  return (directive) => known.get(directive) ?? known.get('')!;
}

/** Requests that last and are open. */
function lastingGauge(metrics: MetricsRegistry): RequestMetrics['lasting'] {
  const open = new Map<string, { readonly labels: Readonly<Record<LastingLabel, string>>; count: number }>();
  const gauge = metrics.gauge<LastingLabel>({
    name: 'apiserver_longrunning_requests',
    help: 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
    labels: lastingLabels,
  });
  metrics.onScrape(() => {
    for (const { labels, count } of open.values()) gauge.set(labels, count);
  });
  return (info) => {
    const { apiGroup: group, apiVersion: version, resource, subresource } = info;
    const verb = info.verb === 'watch' ? 'WATCH' : 'CONNECT';
    const labels = { verb, group, version, resource, subresource, scope: scopeOf(info), component: 'apiserver' };
    const key = Object.values(labels).join('|');
    let cell = open.get(key);
    if (!cell) open.set(key, (cell = { labels, count: 0 }));
    const mine = cell;
    mine.count++;
    return () => {
      mine.count--;
    };
  };
}

const lastingLabels = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const;
type LastingLabel = (typeof lastingLabels)[number];

type About = Pick<RequestInfo, 'apiGroup' | 'apiVersion' | 'resource' | 'subresource'>;
const unknown: About = Object.freeze({ apiGroup: '', apiVersion: '', resource: '', subresource: '' });

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT']);
const methodLabel = (method: string): string => (methods.has(method) ? method : 'other');

const readOnlyVerbs: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const connections: ReadonlySet<string> = new Set(['attach', 'exec', 'portforward', 'proxy']);

/** HTTP's word, but for LIST, WATCH, APPLY and CONNECT: dashboards ask for `POST|PUT|PATCH|DELETE`. */
function verbLabel(info: RequestInfo, { method, headers }: Observed): string {
  if (!info.isResourceRequest) return methodLabel(method);
  if (info.verb === 'list') return 'LIST';
  if (info.verb === 'watch') return 'WATCH';
  if (info.subresource !== '' && connections.has(info.subresource)) return 'CONNECT';
  if (method === 'PATCH' && headers['content-type']?.startsWith('application/apply-patch')) return 'APPLY';
  return methodLabel(method);
}

const durationLabels = [
  'verb',
  'group',
  'version',
  'resource',
  'subresource',
  'scope',
  'component',
  'dry_run',
] as const;
type DurationLabel = (typeof durationLabels)[number];
const requestLabels = [...durationLabels, 'code'] as const;
type RequestLabel = (typeof requestLabels)[number];

function scopeOf(info: RequestInfo): string {
  if (!info.isResourceRequest) return '';
  if (info.name !== '' || info.verb === 'create') return 'resource';
  return info.namespace !== '' ? 'namespace' : 'cluster';
}
