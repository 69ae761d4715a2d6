/** What each of upstream's components tells of itself: its version, its features, and how many metrics it has. */

import gateData from '../../schema/feature-gates.json' with { type: 'json' };
import stageData from '../../schema/feature-stages.json' with { type: 'json' };
import stabilityData from '../../schema/metric-stability.json' with { type: 'json' };
import type { MetricsRegistry } from './metrics.ts';

export interface ComponentVersion {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
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

/** Once for a registry: several components of one process are of one version. Source: component-base/metrics. */
export function registerComponentMetrics(metrics: MetricsRegistry, version: ComponentVersion): void {
  if (metrics.names().includes('kubernetes_build_info')) return;
  metrics
    .gauge<(typeof buildLabels)[number]>({
      name: 'kubernetes_build_info',
      help: 'The version whose API this is, and of what it was built.',
      labels: buildLabels,
    })
    .set(
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
    );
  const features = metrics.gauge<'name' | 'stage'>({
    name: 'kubernetes_feature_enabled',
    help: 'Whether a feature is on, by its name and stage.',
    labels: ['name', 'stage'],
  });
  const stages: Readonly<Record<string, string>> = stageData;
  for (const [name, on] of Object.entries(gateData as Readonly<Record<string, boolean>>))
    features.set({ name, stage: stages[name] ?? '' }, on ? 1 : 0);
  registerCounts(metrics);
}

function registerCounts(metrics: MetricsRegistry): void {
  const stable = new Set<string>(stabilityData.STABLE);
  const beta = new Set<string>(stabilityData.BETA);
  const registered = metrics.tallies<'stability_level' | 'deprecated_version'>({
    name: 'registered_metrics_total',
    help: 'The count of registered metrics, by stability.',
    labels: ['stability_level', 'deprecated_version'],
  });
  // There is no flag here that turns a metric off or hides one: both stay at 0.
  metrics.tallies({ name: 'disabled_metrics_total', help: 'The count of disabled metrics.', labels: [] });
  metrics.tallies({ name: 'hidden_metrics_total', help: 'The count of hidden metrics.', labels: [] });
  const counted = new Set<string>();
  metrics.onScrape(() => {
    for (const name of metrics.names()) {
      if (counted.has(name)) continue;
      counted.add(name);
      const level = stable.has(name) ? 'STABLE' : beta.has(name) ? 'BETA' : 'ALPHA';
      registered.child({ stability_level: level, deprecated_version: '' }).add();
    }
  });
}
