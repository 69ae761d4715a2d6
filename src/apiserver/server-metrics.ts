/** What a scrape asks of the server as a whole, under upstream's names: read when somebody scrapes, free otherwise. */
import type { Info } from '../api/types/apimachinery.ts';
import { registerComponentMetrics } from '../base/component-metrics.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface ServerFacts {
  readonly version: Info;
  readonly watchers: () => number;
  /** `deployments.apps` and how many of them are stored. */
  readonly objects: () => Iterable<readonly [resource: string, count: number]>;
  /** APIServices by name, and whether they can be reached. */
  readonly apiServices: () => Iterable<readonly [name: string, available: boolean]>;
}

const none = {} as Record<never, string>;

export function registerServerMetrics(metrics: MetricsRegistry, facts: ServerFacts): void {
  registerComponentMetrics(metrics, facts.version);
  metrics.gauge<never>({
    name: 'apiserver_registered_watchers',
    help: 'Number of currently registered watchers.',
    collect: (gauge) => gauge.set(none, facts.watchers()),
  });
  metrics.gauge<'resource'>({
    name: 'apiserver_storage_objects',
    help: 'Number of stored objects by resource.',
    labels: ['resource'],
    collect: (gauge) => {
      for (const [resource, count] of facts.objects()) gauge.set({ resource }, count);
    },
  });
  metrics.gauge<'name'>({
    name: 'aggregator_unavailable_apiservice',
    help: 'Gauge of APIServices which are marked as unavailable broken down by APIService name.',
    labels: ['name'],
    collect: (gauge) => {
      gauge.reset();
      for (const [name, available] of facts.apiServices()) gauge.set({ name }, available ? 0 : 1);
    },
  });
  const { emulationMajor, emulationMinor, minCompatibilityMajor, minCompatibilityMinor } = facts.version;
  metrics
    .gauge<'binary' | 'component' | 'emulation' | 'min_compat'>({
      name: 'version_info',
      help: 'Provides the compatibility version info of the component.',
      labels: ['binary', 'component', 'emulation', 'min_compat'],
    })
    .set(
      {
        binary: facts.version.gitVersion.replace(/^v/, ''),
        component: 'kube',
        emulation: `${emulationMajor}.${emulationMinor}`,
        min_compat: `${minCompatibilityMajor}.${minCompatibilityMinor}`,
      },
      1,
    );
}
