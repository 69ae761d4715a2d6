/**
 * Metrics belong to an instance, never to the module (decision 9). A thin layer over prom-client: names, units and labels follow upstream.
 * Hot paths ask for a child once (`labels(...)`) and keep it.
 */
import { Counter as PromCounter, Gauge as PromGauge, Registry } from 'prom-client';
import { type Tallies, type TalliesDefinition, TallySet } from './tallies.ts';
import { TimingSet, type Timings, type TimingsDefinition } from './timings.ts';

export interface MetricDefinition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}
export interface Counter<L extends string> {
  increment(labels: Readonly<Record<L, string>>, by?: number): void;
  /** Ends a series: what it counted is gone. */
  remove(labels: Readonly<Record<L, string>>): void;
}
export interface Gauge<L extends string> {
  set(labels: Readonly<Record<L, string>>, value: number): void;
  add(labels: Readonly<Record<L, string>>, by: number): void;
  /** Ends all series: what is gathered anew at each scrape. */
  reset(): void;
}
export interface Histogram<L extends string> {
  /** In base units: seconds, bytes. */
  observe(labels: Readonly<Record<L, string>>, value: number): void;
  remove(labels: Readonly<Record<L, string>>): void;
}

export interface MetricsRegistry {
  counter<L extends string = never>(definition: MetricDefinition<L>): Counter<L>;
  /** `collect` is called at each scrape to set current values. */
  gauge<L extends string = never>(
    definition: MetricDefinition<L> & { readonly collect?: (gauge: Gauge<L>) => void },
  ): Gauge<L>;
  histogram<L extends string = never>(
    definition: MetricDefinition<L> & { readonly buckets: readonly number[] },
  ): Histogram<L>;
  /** A histogram for hot paths. */
  timings<L extends string>(definition: TimingsDefinition<L>): Timings<L>;
  /** A counter for hot paths. */
  tallies<L extends string>(definition: TalliesDefinition<L>): Tallies<L>;
  /** Runs before each scrape: for what is gathered elsewhere and handed over only then. */
  onScrape(collect: () => void): void;
  /** What there is. */
  names(): readonly string[];
  /** Prometheus text format 0.0.4. */
  text(): Promise<string>;
}

/** A registry of its own: two clusters in one process share nothing. Asking twice for a name gives the same metric. */
export function createMetricsRegistry(): MetricsRegistry {
  const registry = new Registry();
  const timings = new Map<string, TimingSet<string>>();
  const tallies = new Map<string, TallySet<string>>();
  const collectors: (() => void)[] = [];
  const timingsOf = <L extends string>(definition: TimingsDefinition<L>): Timings<L> => {
    const known = timings.get(definition.name);
    if (known) return known as unknown as Timings<L>;
    const made = new TimingSet<L>(definition);
    timings.set(definition.name, made as unknown as TimingSet<string>);
    return made;
  };
  return {
    counter<L extends string>({ name, help, labels = [] }: MetricDefinition<L>) {
      const metric =
        (registry.getSingleMetric(name) as PromCounter<string> | undefined) ??
        new PromCounter<string>({ name, help, labelNames: [...labels], registers: [registry] });
      return { increment: (values, by = 1) => metric.inc(values, by), remove: (values) => metric.remove(values) };
    },
    gauge<L extends string>({
      name,
      help,
      labels = [],
      collect,
    }: MetricDefinition<L> & { collect?: (gauge: Gauge<L>) => void }) {
      const wrap = (metric: PromGauge<string>): Gauge<L> => ({
        set: (values, value) => metric.set(values, value),
        add: (values, by) => metric.inc(values, by),
        reset: () => metric.reset(),
      });
      const existing = registry.getSingleMetric(name) as PromGauge<string> | undefined;
      if (existing) return wrap(existing);
      const metric: PromGauge<string> = new PromGauge<string>({
        name,
        help,
        labelNames: [...labels],
        registers: [registry],
        ...(collect ? { collect: () => collect(wrap(metric)) } : {}),
      });
      return wrap(metric);
    },
    histogram<L extends string>(definition: MetricDefinition<L> & { buckets: readonly number[] }): Histogram<L> {
      const metric: Timings<L> = timingsOf({ ...definition, labels: definition.labels ?? [] });
      return {
        observe: (values, value) => metric.child(values).observe(value),
        remove: (values) => metric.remove(values),
      };
    },
    timings: timingsOf,
    tallies<L extends string>(definition: TalliesDefinition<L>) {
      const known = tallies.get(definition.name);
      if (known) return known as unknown as Tallies<L>;
      const made = new TallySet<L>(definition);
      tallies.set(definition.name, made as unknown as TallySet<string>);
      return made;
    },
    onScrape(collect) {
      collectors.push(collect);
    },
    names: () => [
      ...registry.getMetricsAsArray().map((metric) => (metric as unknown as { readonly name: string }).name),
      ...timings.keys(),
      ...tallies.keys(),
    ],
    async text() {
      for (const collect of collectors) collect();
      const text = await registry.metrics();
      return text + [...timings.values(), ...tallies.values()].map((each) => `\n${each.text()}`).join('');
    },
  };
}
