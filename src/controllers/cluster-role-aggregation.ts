/** Fills ClusterRoles that have an aggregation rule with the rules of those they select. Source: pkg/controller/clusterroleaggregation. */

import { sameJson } from '../api/edit.ts';
import { isNotFound } from '../api/errors.ts';
import { labelMatcherFrom, matchLabels } from '../api/selectors/label-selector.ts';
import type { ClusterRole, PolicyRule } from '../api/types/rbac-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

export function createClusterRoleAggregation(): Controller {
  return {
    name: 'clusterrole-aggregation-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const api = client.resource(resources.clusterRoles);
      const roles = informers.informer(resources.clusterRoles);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'ClusterRoleAggregator' } });
      // Any role may feed any aggregated one, and there are few of those: all of them look again.
      const enqueueAll = (): void => {
        for (const role of roles.list()) if (role.aggregationRule) queue.add(role.metadata.name ?? '');
      };
      if (!(await untilSynced([roles], signal))) return;
      enqueueAll();
      observe(
        roles,
        {
          onAdd: (_, isInInitialList) => {
            if (!isInInitialList) enqueueAll();
          },
          onUpdate: enqueueAll,
          onDelete: enqueueAll,
        },
        signal,
      );
      await runWorkers(
        queue,
        1,
        async (name) => {
          const role = roles.get(name);
          if (!role?.aggregationRule) return;
          const rules = aggregatedRules(role, roles.list());
          if (sameJson(rules, role.rules ?? [])) return;
          try {
            await api.update({ ...role, rules }, { signal });
          } catch (error) {
            if (!isNotFound(error)) throw error;
          }
        },
        { clock, log, kind: 'clusterRole' },
        signal,
      );
    },
  };
}

/** The rules of all selected roles, by role name, each once. A role never feeds itself. */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): readonly PolicyRule[] {
  const rules: PolicyRule[] = [];
  const sorted = [...roles].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const matcher = labelMatcherFrom(selector);
    for (const other of sorted) {
      if (other.metadata.name === role.metadata.name || !matchLabels(matcher, other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) if (!rules.some((known) => sameJson(known, rule))) rules.push(rule);
    }
  }
  return rules;
}
