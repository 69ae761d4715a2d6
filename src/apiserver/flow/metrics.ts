/** Priority and fairness under upstream's names. Counts are handed over when somebody scrapes, as requests' are. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Tally } from '../../base/tallies.ts';
import type { Timing } from '../../base/timings.ts';
import type { PriorityLevel, Refusal } from './priority-level.ts';

export interface FlowMetrics {
  /** The counts of a schema's requests in a level: keep them. */
  of(schema: string, level: string): FlowCounts;
}

/** Requests of one schema in one level. */
export class FlowCounts {
  executing = 0;
  waiting = 0;
  dispatched = 0;
  /** Of requests that waited or were refused. */
  readonly refused: (reason: Refusal) => Tally;
  readonly waited: (executed: boolean) => Timing;
  readonly regular: Timing;
  readonly watch: Timing;

  constructor(series: Pick<FlowCounts, 'refused' | 'waited' | 'regular' | 'watch'>) {
    this.refused = series.refused;
    this.waited = series.waited;
    this.regular = series.regular;
    this.watch = series.watch;
  }
}

const seconds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];

/** @param total the server's seats: without a borrowing limit, a level may have them all beside its own. */
export function createFlowMetrics(
  metrics: MetricsRegistry,
  levels: () => Iterable<PriorityLevel>,
  total: number,
): FlowMetrics {
  const labels = ['priority_level', 'flow_schema'] as const;
  const rejected = metrics.tallies<'priority_level' | 'flow_schema' | 'reason'>({
    name: 'apiserver_flowcontrol_rejected_requests_total',
    help: 'Number of requests rejected by API Priority and Fairness subsystem',
    labels: [...labels, 'reason'],
  });
  const waits = metrics.timings<'priority_level' | 'flow_schema' | 'execute'>({
    name: 'apiserver_flowcontrol_request_wait_duration_seconds',
    help: 'Length of time a request spent waiting in its queue',
    labels: [...labels, 'execute'],
    buckets: seconds,
  });
  const executions = metrics.timings<'priority_level' | 'flow_schema' | 'type'>({
    name: 'apiserver_flowcontrol_request_execution_seconds',
    help: 'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem',
    labels: [...labels, 'type'],
    buckets: seconds,
  });
  const known = new Map<
    string,
    { readonly at: Record<'priority_level' | 'flow_schema', string>; counts: FlowCounts }
  >();
  const dispatched = metrics.tallies<'priority_level' | 'flow_schema'>({
    name: 'apiserver_flowcontrol_dispatched_requests_total',
    help: 'Number of requests executed by API Priority and Fairness subsystem',
    labels,
  });
  const gauge = (name: string, help: string, value: (counts: FlowCounts) => number): void => {
    const series = metrics.gauge<'priority_level' | 'flow_schema'>({ name, help, labels });
    metrics.onScrape(() => {
      for (const { at, counts } of known.values()) series.set(at, value(counts));
    });
  };
  metrics.onScrape(() => {
    for (const { at, counts } of known.values()) {
      dispatched.child(at).add(counts.dispatched);
      counts.dispatched = 0;
    }
  });
  gauge(
    'apiserver_flowcontrol_current_executing_requests',
    'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem',
    ({ executing }) => executing,
  );
  // A request takes one seat here, whatever it asks for.
  gauge(
    'apiserver_flowcontrol_current_executing_seats',
    'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem',
    ({ executing }) => executing,
  );
  gauge(
    'apiserver_flowcontrol_current_inqueue_requests',
    'Number of requests currently pending in queues of the API Priority and Fairness subsystem',
    ({ waiting }) => waiting,
  );
  gauge(
    'apiserver_flowcontrol_current_inqueue_seats',
    'Number of seats currently pending in queues of the API Priority and Fairness subsystem',
    ({ waiting }) => waiting,
  );
  const limit = (name: string, help: string, value: (level: PriorityLevel) => number): void => {
    metrics.gauge<'priority_level'>({
      name: `apiserver_flowcontrol_${name}_limit_seats`,
      help,
      labels: ['priority_level'],
      collect: (series) => {
        for (const level of levels()) series.set({ priority_level: level.name }, value(level));
      },
    });
  };
  limit('nominal', 'Nominal number of execution seats configured for each priority level', ({ nominal }) => nominal);
  limit(
    'lower',
    'Configured lower bound on number of execution seats available to each priority level',
    ({ kept }) => kept,
  );
  limit(
    'upper',
    'Configured upper bound on number of execution seats available to each priority level',
    ({ limitMax, nominal }) => Math.min(limitMax, nominal + total),
  );
  limit(
    'current',
    'Current derived number of execution seats available to each priority level',
    ({ executing, nominal }) => Math.max(executing, nominal),
  );
  return {
    of(schema, level) {
      const key = `${level}\n${schema}`;
      let found = known.get(key);
      if (!found) {
        const at = { priority_level: level, flow_schema: schema };
        const counts = new FlowCounts({
          refused: (reason) => rejected.child({ ...at, reason }),
          waited: (executed) => waits.child({ ...at, execute: String(executed) }),
          regular: executions.child({ ...at, type: 'regular' }),
          watch: executions.child({ ...at, type: 'watch' }),
        });
        known.set(key, (found = { at, counts }));
      }
      return found.counts;
    },
  };
}
