/** What a namespace uses of a quota, counted from its objects. Source: k8s.io/apiserver/pkg/quota/v1 (CalculateUsage). */
import type { JsonObject } from '../json.ts';
import { addResources, onlyResources, type ResourceList, zero } from '../resource-list.ts';
import type { ResourceQuota } from '../types/core-v1.ts';
import { countedNames, isInScope } from './evaluator.ts';
import { evaluatorOf, resourcesCounted } from './evaluators.ts';

/**
 * @param objectsOf of the quota's namespace; undefined for a resource that is not served: its names are left out.
 * @param now milliseconds since the epoch.
 * @throws QuantityError
 */
export function quotaUsage(
  quota: ResourceQuota,
  objectsOf: (group: string, resource: string) => readonly JsonObject[] | undefined,
  now: number,
): ResourceList {
  const hard = quota.spec?.hard;
  let used: ResourceList = new Map();
  for (const { group, resource } of resourcesCounted(Object.keys(hard ?? {}))) {
    const evaluator = evaluatorOf(group, resource);
    const objects = evaluator && objectsOf(group, resource);
    if (!objects) continue;
    const names = countedNames(evaluator, hard);
    let own: ResourceList = new Map(names.map((name) => [name, zero]));
    for (const object of objects)
      if (isInScope(quota, evaluator, object)) own = addResources(own, evaluator.usage(object, now));
    used = addResources(
      used,
      onlyResources(own, (name) => names.includes(name)),
    );
  }
  return used;
}
