/** What a scrape asks of the server as a whole, under upstream's names: read when somebody scrapes, free otherwise. */
import type { Info } from '../api/types/apimachinery.ts';
import type { MetricsRegistry } from '../base/metrics.ts';

export interface ServerFacts {
  readonly version: Info;
  readonly watchers: () => number;
  /** `deployments.apps` and how many of them are stored. */
  readonly objects: () => Iterable<readonly [resource: string, count: number]>;
}

const buildLabels = [
  'build_date',
  'compiler',
  'git_commit',
  'git_tree_state',
  'git_version',
  'go_version',
  'major',
  'minor',
  'platform',
] as const;

export function registerServerMetrics(metrics: MetricsRegistry, { version, watchers, objects }: ServerFacts): void {
  metrics.gauge<(typeof buildLabels)[number]>({
    name: 'kubernetes_build_info',
    help: 'The version whose API this is, and of what it was built.',
    labels: buildLabels,
    collect: (gauge) =>
      gauge.set(
        {
          build_date: version.buildDate,
          compiler: version.compiler,
          git_commit: version.gitCommit,
          git_tree_state: version.gitTreeState,
          git_version: version.gitVersion,
          go_version: version.goVersion,
          major: version.major,
          minor: version.minor,
          platform: version.platform,
        },
        1,
      ),
  });
  metrics.gauge<never>({
    name: 'apiserver_registered_watchers',
    help: 'Number of currently registered watchers.',
    collect: (gauge) => gauge.set({} as Record<never, string>, watchers()),
  });
  metrics.gauge<'resource'>({
    name: 'apiserver_storage_objects',
    help: 'Number of stored objects by resource.',
    labels: ['resource'],
    collect: (gauge) => {
      for (const [resource, count] of objects()) gauge.set({ resource }, count);
    },
  });
}
