/** The process in Prometheus' usual names. For the programs of `cli/`: in a test several clusters share a process. */
import { createMetricsRegistry, type MetricsRegistry } from './metrics.ts';

type None = Record<never, string>;
const none: None = {};

/** A registry that tells of the process, too. */
export function createProcessRegistry(): MetricsRegistry {
  const metrics = createMetricsRegistry();
  registerProcessMetrics(metrics);
  return metrics;
}

function registerProcessMetrics(metrics: MetricsRegistry): void {
  let counted = 0;
  // Before the counter, so that a scrape shows what was added for it.
  metrics.gauge<never>({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory, in bytes.',
    collect: (gauge) => {
      gauge.set(none, process.memoryUsage.rss());
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      cpu.increment(none, seconds - counted);
      counted = seconds;
    },
  });
  const cpu = metrics.counter<never>({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of this process, in seconds.',
  });
  metrics.gauge<never>({
    name: 'process_start_time_seconds',
    help: 'When this process started, in seconds since the epoch.',
    collect: (gauge) => gauge.set(none, performance.timeOrigin / 1000),
  });
}
