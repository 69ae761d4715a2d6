/** What pods count: themselves, what they ask for, and what they may use. Source: pkg/quota/v1/evaluator/core/pods.go. */
import type { JsonObject } from '../json.ts';
import { qosClassOf } from '../pod/qos.ts';
import { podResourceList } from '../pod/resource-lists.ts';
import type { Quantity } from '../quantity.ts';
import { type QuantityTexts, type ResourceList, readResources } from '../resource-list.ts';
import { parseTime } from '../time.ts';
import type { Affinity, Container, Pod, PodAffinityTerm } from '../types/core-v1.ts';
import { one, type QuotaEvaluator, type ScopeRequirement, scopeAdmits } from './evaluator.ts';

const countOfPods = 'count/pods';
const named: ReadonlySet<string> = new Set([
  countOfPods,
  'pods',
  ...['cpu', 'memory', 'ephemeral-storage'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);
/** A quota on these wants every container to say how much. */
const required: ReadonlySet<string> = new Set(
  ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
);
const deviceClassPrefix = 'deviceclass.resource.kubernetes.io/';

const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
const isExtendedForQuota = (name: string): boolean =>
  name.startsWith('requests.') && (!isNative(name) || name.startsWith(`requests.${deviceClassPrefix}`));
const isExtended = (name: string): boolean => !isNative(name) || name.startsWith(deviceClassPrefix);

const podOf = (object: JsonObject): Pod => object as unknown as Pod;

export const podEvaluator: QuotaEvaluator = Object.freeze({
  group: '',
  resource: 'pods',
  handles({ operation, subresource, object, oldObject }) {
    if (subresource === 'resize') return operation === 'UPDATE';
    if (subresource !== '') return false;
    // A pod can get or lose its deadline, and so change from one scope to another.
    if (operation === 'UPDATE') return oldObject !== undefined && hasDeadline(object) !== hasDeadline(oldObject);
    return true;
  },
  counts: (name) =>
    named.has(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('requests.hugepages-') ||
    isExtendedForQuota(name),
  matchesScope,
  missing: missingFrom,
  usage(object, now) {
    const pod = podOf(object);
    if (isOver(pod, now)) return new Map([[countOfPods, one]]);
    const options = { overhead: true, useStatus: true };
    const usage = computed(podResourceList(pod, 'requests', options), podResourceList(pod, 'limits', options));
    return usage.set(countOfPods, one);
  },
} satisfies QuotaEvaluator);

/** A finished pod, or one whose time to end is over, uses nothing but its place. */
function isOver({ metadata, status }: Pod, now: number): boolean {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return true;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return false;
  return now > (parseTime(deletionTimestamp) ?? now) + Number(deletionGracePeriodSeconds) * 1000;
}

function computed(requests: ResourceList, limits: ResourceList): Map<string, Quantity> {
  const usage = new Map<string, Quantity>([['pods', one]]);
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    const request = requests.get(name);
    if (request) usage.set(name, request).set(`requests.${name}`, request);
    const limit = limits.get(name);
    if (limit) usage.set(`limits.${name}`, limit);
  }
  for (const [name, request] of requests) {
    if (name.startsWith('hugepages-')) usage.set(name, request).set(`requests.${name}`, request);
    if (isExtended(name)) usage.set(`requests.${name}`, request);
  }
  return usage;
}

function missingFrom(names: readonly string[], object: JsonObject): string | undefined {
  const { spec } = podOf(object);
  if (!spec || isPodLevel(spec.resources)) return undefined;
  const lacking = new Map<string, Set<string>>();
  const wanted = names.filter((name) => required.has(name));
  const look = ({ name, resources }: Container): void => {
    const has = computed(readResources(resources?.requests), readResources(resources?.limits));
    for (const each of wanted)
      if (!has.has(each)) lacking.set(each, (lacking.get(each) ?? new Set<string>()).add(name));
  };
  for (const container of spec.containers ?? []) look(container);
  for (const container of spec.initContainers ?? []) look(container);
  if (lacking.size === 0) return undefined;
  const lines = [...lacking.keys()].sort().map((name) => `${name} for: ${[...lacking.get(name)!].sort().join(',')}`);
  return `must specify ${lines.join('; ')}`;
}

function isPodLevel(
  resources: { readonly requests?: QuantityTexts; readonly limits?: QuantityTexts } | undefined,
): boolean {
  for (const list of [resources?.requests, resources?.limits])
    for (const name in list) if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')) return true;
  return false;
}

function hasDeadline(object: JsonObject): boolean {
  const seconds = podOf(object).spec?.activeDeadlineSeconds;
  return seconds !== undefined && seconds !== null && Number(seconds) >= 0;
}

function matchesScope(scope: ScopeRequirement, object: JsonObject): boolean {
  const pod = podOf(object);
  switch (scope.scopeName) {
    case 'Terminating':
      return hasDeadline(object);
    case 'NotTerminating':
      return !hasDeadline(object);
    case 'BestEffort':
      return qosClassOf(pod) === 'BestEffort';
    case 'NotBestEffort':
      return qosClassOf(pod) !== 'BestEffort';
    case 'PriorityClass':
      return scopeAdmits(scope, pod.spec?.priorityClassName ? [pod.spec.priorityClassName] : []);
    case 'CrossNamespacePodAffinity':
      return looksIntoOtherNamespaces(pod.spec?.affinity);
    default:
      return false;
  }
}

function looksIntoOtherNamespaces(affinity: Affinity | undefined): boolean {
  const crosses = (term: PodAffinityTerm): boolean =>
    (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined;
  return [affinity?.podAffinity, affinity?.podAntiAffinity].some(
    (kind) =>
      kind?.requiredDuringSchedulingIgnoredDuringExecution?.some(crosses) ||
      kind?.preferredDuringSchedulingIgnoredDuringExecution?.some(({ podAffinityTerm }) => crosses(podAffinityTerm)),
  );
}
