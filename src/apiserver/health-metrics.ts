/** `/metrics/slis`: how each health check went, last and in all, in a registry of its own. Source: component-base/metrics/prometheus/slis. */
import { createMetricsRegistry } from '../base/metrics.ts';
import type { HealthResult } from './health.ts';

export interface HealthMetrics {
  readonly observe: HealthResult;
  text(): Promise<string>;
}

export function createHealthMetrics(): HealthMetrics {
  const metrics = createMetricsRegistry();
  const last = metrics.gauge<'name' | 'type'>({
    name: 'kubernetes_healthcheck',
    help: 'Whether the check went well when it last ran.',
    labels: ['name', 'type'],
  });
  const total = metrics.counter<'name' | 'status' | 'type'>({
    name: 'kubernetes_healthchecks_total',
    help: 'How often the check ran, by how it went.',
    labels: ['name', 'status', 'type'],
  });
  return {
    observe(type, name, well) {
      // Upstream leaves out the hooks: they are many, and go well once.
      if (name.startsWith('poststarthook/')) return;
      last.set({ name, type }, well ? 1 : 0);
      total.increment({ name, status: well ? 'success' : 'error', type });
    },
    text: () => metrics.text(),
  };
}
