/** Priority and fairness under upstream's names. Counts are handed over when somebody scrapes, as requests' are. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { PriorityLevel, Seating } from './priority-level.ts';

export interface FlowMetrics {
  count(schema: string, level: string, seating: Seating, waitedMs: number): void;
}

export function createFlowMetrics(metrics: MetricsRegistry, levels: () => Iterable<PriorityLevel>): FlowMetrics {
  const dispatched = metrics.counter<'priority_level' | 'flow_schema'>({
    name: 'apiserver_flowcontrol_dispatched_requests_total',
    help: 'Number of requests executed by API Priority and Fairness subsystem',
    labels: ['priority_level', 'flow_schema'],
  });
  const rejected = metrics.counter<'priority_level' | 'flow_schema' | 'reason'>({
    name: 'apiserver_flowcontrol_rejected_requests_total',
    help: 'Number of requests rejected by API Priority and Fairness subsystem',
    labels: ['priority_level', 'flow_schema', 'reason'],
  });
  const waits = metrics.histogram<'priority_level' | 'flow_schema' | 'execute'>({
    name: 'apiserver_flowcontrol_request_wait_duration_seconds',
    help: 'Length of time a request spent waiting in its queue',
    labels: ['priority_level', 'flow_schema', 'execute'],
    buckets: [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  });
  const pending = new Map<string, { readonly schema: string; readonly level: string; count: number }>();
  metrics.gauge<'priority_level'>({
    name: 'apiserver_flowcontrol_current_executing_seats',
    help: 'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
    labels: ['priority_level'],
    collect: (gauge) => {
      for (const { name, executing } of levels()) gauge.set({ priority_level: name }, executing);
      for (const { schema, level, count } of pending.values())
        dispatched.increment({ priority_level: level, flow_schema: schema }, count);
      pending.clear();
    },
  });
  metrics.gauge<'priority_level'>({
    name: 'apiserver_flowcontrol_current_inqueue_requests',
    help: 'Number of requests currently pending in queues of the API Priority and Fairness subsystem',
    labels: ['priority_level'],
    collect: (gauge) => {
      for (const { name, waiting } of levels()) gauge.set({ priority_level: name }, waiting);
    },
  });
  metrics.gauge<'priority_level'>({
    name: 'apiserver_flowcontrol_nominal_limit_seats',
    help: 'Nominal number of execution seats configured for each priority level',
    labels: ['priority_level'],
    collect: (gauge) => {
      for (const { name, nominal } of levels()) gauge.set({ priority_level: name }, nominal);
    },
  });
  return {
    count(schema, level, seating, waitedMs) {
      if (seating === 'seated') {
        const key = `${level}\n${schema}`;
        const cell = pending.get(key);
        if (cell) cell.count++;
        else pending.set(key, { schema, level, count: 1 });
      } else rejected.increment({ priority_level: level, flow_schema: schema, reason: seating });
      if (waitedMs > 0)
        waits.observe(
          { priority_level: level, flow_schema: schema, execute: String(seating === 'seated') },
          waitedMs / 1000,
        );
    },
  };
}
