/** `/metrics/slis`: what each health check said last, and how often it said what. Source: component-base/metrics/prometheus/slis. */
import { createMetricsRegistry } from '../base/metrics.ts';

export interface HealthSlis {
  /** @param endpoint `healthz`, `livez` or `readyz`. */
  observe(endpoint: string, check: string, well: boolean): void;
  text(): Promise<string>;
}

/** A registry of its own: the page holds nothing else. */
export function createHealthSlis(): HealthSlis {
  const metrics = createMetricsRegistry();
  const result = metrics.gauge<'name' | 'type'>({
    name: 'kubernetes_healthcheck',
    help: 'This metric records the result of a single healthcheck.',
    labels: ['name', 'type'],
  });
  const results = metrics.tallies<'name' | 'type' | 'status'>({
    name: 'kubernetes_healthchecks_total',
    help: 'This metric records the results of all healthcheck.',
    labels: ['name', 'type', 'status'],
  });
  metrics
    .gauge<never>({
      name: 'process_start_time_seconds',
      help: 'When this process started, in seconds since the epoch.',
    })
    .set({} as Record<never, string>, performance.timeOrigin / 1000);
  return {
    observe(type, name, well) {
      result.set({ name, type }, well ? 1 : 0);
      results.child({ name, type, status: well ? 'success' : 'error' }).add();
    },
    text: () => metrics.text(),
  };
}
