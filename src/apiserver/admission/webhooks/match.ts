/**
 * Whether a webhook is asked about a request, and in which version: rules and scope, equivalent resources, selectors of namespace and object, match conditions.
 * Source: apiserver/pkg/admission/plugin/webhook (generic.ShouldCallHook, predicates).
 */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { GroupVersionKind } from '../../../api/schema/model.ts';
import { matchLabels } from '../../../api/selectors/label-selector.ts';
import type { RuleWithOperations } from '../../../api/types/admissionregistration-v1.ts';
import type { ObjectReader } from '../../registry/object-reader.ts';
import type { AdmissionAttributes } from '../admission.ts';
import type { Hook, Selector } from './hooks.ts';

export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** A webhook that is to be asked, with the resource and kind it asked for. */
export interface Invocation {
  readonly hook: Hook;
  readonly resource: GroupVersionResource;
  readonly kind: GroupVersionKind;
}

export interface Matching {
  readonly reader: ObjectReader;
  /** Other versions (and groups) under which the same objects are served. */
  equivalents(resource: GroupVersionResource, subresource: string): readonly Equivalent[];
}

export interface Equivalent {
  readonly resource: GroupVersionResource;
  readonly kind: GroupVersionKind;
}

/** For requests about a namespace its own name, as upstream's attributes have it. */
export function namespaceOf({ resource, namespace, name, object }: AdmissionAttributes): string {
  if (resource.group !== '' || resource.resource !== 'namespaces') return namespace;
  return name || ((object?.metadata as JsonObject | undefined)?.name as string | undefined) || '';
}

/** @throws ApiError 404 when the namespace is gone, 500 for a selector that cannot be read */
export function matchHook(hook: Hook, attributes: AdmissionAttributes, matching: Matching): Invocation | undefined {
  const inNamespace = attempt(() => matchesNamespace(hook.namespaces, attributes, matching.reader));
  if (inNamespace === false) return undefined;
  const selected = attempt(() => matchesObject(hook.objects, attributes));
  if (selected === false) return undefined;
  const invocation = matchRules(hook, attributes, matching);
  // A selector that failed matters only to requests that are the webhook's business.
  if (!invocation) return undefined;
  if (inNamespace !== true) throw inNamespace;
  if (selected !== true) throw selected;
  return invocation;
}

function attempt(check: () => boolean): boolean | Error {
  try {
    return check();
  } catch (error) {
    return error as Error;
  }
}

function matchRules(hook: Hook, attributes: AdmissionAttributes, matching: Matching): Invocation | undefined {
  const rules = hook.webhook.rules ?? [];
  const { resource, kind, subresource } = attributes;
  for (const rule of rules) if (ruleMatches(rule, attributes, resource)) return { hook, resource, kind };
  if (hook.webhook.matchPolicy === 'Exact') return undefined;
  const equivalents = matching.equivalents(resource, subresource);
  for (const rule of rules)
    for (const other of equivalents) if (ruleMatches(rule, attributes, other.resource)) return { hook, ...other };
  return undefined;
}

function ruleMatches(
  { scope = '*', operations = [], apiGroups = [], apiVersions = [], resources = [] }: RuleWithOperations,
  attributes: AdmissionAttributes,
  { group, version, resource }: GroupVersionResource,
): boolean {
  if (scope !== '*') {
    const cluster = namespaceOf(attributes) === '' || (group === '' && resource === 'namespaces');
    if ((scope === 'Cluster') !== cluster) return false;
  }
  if (!operations.includes('*') && !operations.includes(attributes.operation)) return false;
  if (!apiGroups.includes('*') && !apiGroups.includes(group)) return false;
  if (!apiVersions.includes('*') && !apiVersions.includes(version)) return false;
  return resources.some((pattern) => {
    const slash = pattern.indexOf('/');
    const [wanted, part] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)];
    return (wanted === '*' || wanted === resource) && (part === '*' || part === attributes.subresource);
  });
}

type Labels = Readonly<Record<string, string>>;
const labelsOf = (object: JsonObject | undefined): Labels | undefined =>
  (object?.metadata as { labels?: Labels } | undefined)?.labels;

function matchesNamespace(selector: Selector, attributes: AdmissionAttributes, reader: ObjectReader): boolean {
  const { resource, subresource, operation } = attributes;
  const namespace = namespaceOf(attributes);
  if (namespace === '' && resource.resource !== 'namespaces') return true;
  if (selector.kind === 'broken') throw ApiError.internal(selector.error);
  if (selector.kind === 'all') return true;
  // A namespace that is being written is judged by what it will be.
  if (resource.resource === 'namespaces' && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'))
    return matchLabels(selector.matcher, labelsOf(attributes.object));
  const object = reader.get('', 'namespaces', '', namespace);
  if (!object) throw ApiError.notFound({ group: '', resource: 'namespaces' }, namespace);
  return matchLabels(selector.matcher, labelsOf(object));
}

function matchesObject(selector: Selector, { object, oldObject }: AdmissionAttributes): boolean {
  if (selector.kind === 'broken') throw ApiError.internal(selector.error);
  if (selector.kind === 'all') return true;
  return (
    (object !== undefined && matchLabels(selector.matcher, labelsOf(object))) ||
    (oldObject !== undefined && matchLabels(selector.matcher, labelsOf(oldObject)))
  );
}

/** Configurations of admission are never subject to it, or nobody could take a broken one away. */
export const isExempt = ({ kind }: AdmissionAttributes): boolean =>
  kind.group === 'admissionregistration.k8s.io' &&
  /^(Validating|Mutating)(WebhookConfiguration|AdmissionPolicy(Binding)?)$/.test(kind.kind);
