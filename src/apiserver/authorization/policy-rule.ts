/** One RBAC rule and what it covers. Source: pkg/apis/rbac/v1/evaluation_helpers.go. */
import type { PolicyRule } from '../../api/types/rbac-v1.ts';
import type { AuthorizationAttributes } from './authorizer.ts';

export function ruleAllows(rule: PolicyRule, attributes: AuthorizationAttributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false;
  if (!attributes.resourceRequest) return urlMatches(rule.nonResourceURLs, attributes.path);
  return (
    has(rule.apiGroups, attributes.apiGroup) &&
    resourceMatches(rule.resources, attributes.resource, attributes.subresource) &&
    nameMatches(rule.resourceNames, attributes.name)
  );
}

/** `*` or the value itself. */
function has(list: readonly string[] | undefined, value: string): boolean {
  if (list === undefined) return false;
  for (let i = 0; i < list.length; i++) if (list[i] === '*' || list[i] === value) return true;
  return false;
}

// `pods`, `pods/log`, `*` (subresources included) and `*/scale` (that subresource of everything).
function resourceMatches(list: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (list === undefined) return false;
  for (let i = 0; i < list.length; i++) {
    const entry = list[i]!;
    if (entry === '*') return true;
    if (subresource === '') {
      if (entry === resource) return true;
    } else if (
      entry.length === resource.length + subresource.length + 1 &&
      entry.startsWith(resource) &&
      entry.charCodeAt(resource.length) === slash &&
      entry.endsWith(subresource)
    )
      return true;
    else if (entry.startsWith('*/') && entry.length === subresource.length + 2 && entry.endsWith(subresource))
      return true;
  }
  return false;
}
const slash = 47;

function nameMatches(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.length === 0 || names.includes(name);
}

/** `/metrics`, `/apis/*` and `*`. */
function urlMatches(urls: readonly string[] | undefined, path: string): boolean {
  if (urls === undefined) return false;
  for (const url of urls) {
    if (url === '*' || url === path) return true;
    if (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, ''))) return true;
  }
  return false;
}

/** Whether `owner` together allow all that `wanted` does, and what is missing, one right a rule. Source: component-helpers/auth/rbac/validation.Covers. */
export function uncovered(owner: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  const missing: PolicyRule[] = [];
  for (const rule of wanted)
    for (const single of breakDown(rule)) if (!owner.some((own) => ruleCovers(own, single))) missing.push(single);
  return missing;
}

/** Rules of one verb, one group, one resource and at most one name each. */
function* breakDown(rule: PolicyRule): Generator<PolicyRule> {
  for (const verb of rule.verbs) {
    for (const apiGroup of rule.apiGroups ?? [])
      for (const resource of rule.resources ?? []) {
        const base = { verbs: [verb], apiGroups: [apiGroup], resources: [resource] };
        if (rule.resourceNames && rule.resourceNames.length > 0)
          for (const name of rule.resourceNames) yield { ...base, resourceNames: [name] };
        else yield base;
      }
    for (const url of rule.nonResourceURLs ?? []) yield { verbs: [verb], nonResourceURLs: [url] };
  }
}

function ruleCovers(owner: PolicyRule, single: PolicyRule): boolean {
  if (!has(owner.verbs, single.verbs[0]!)) return false;
  const [url] = single.nonResourceURLs ?? [];
  if (url !== undefined)
    return (owner.nonResourceURLs ?? []).some(
      (own) => own === '*' || own === url || (own.endsWith('*') && url.startsWith(own.replace(/\*+$/, ''))),
    );
  const resource = single.resources?.[0] ?? '';
  const names = owner.resourceNames ?? [];
  const [name] = single.resourceNames ?? [];
  return (
    has(owner.apiGroups, single.apiGroups?.[0] ?? '') &&
    (has(owner.resources, resource) || coversSubresource(owner.resources, resource)) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

function coversSubresource(list: readonly string[] | undefined, resource: string): boolean {
  const at = resource.indexOf('/');
  return at >= 0 && (list ?? []).includes(`*${resource.slice(at)}`);
}

/** Rights that differ only in their verb as one rule. Source: pkg/registry/rbac/validation.CompactRules. */
export function compactRules(rules: readonly PolicyRule[]): readonly PolicyRule[] {
  const compact: PolicyRule[] = [];
  const byResource = new Map<string, { rule: PolicyRule; verbs: string[] }>();
  for (const rule of rules) {
    const simple =
      rule.resources?.length === 1 &&
      rule.apiGroups?.length === 1 &&
      (rule.resourceNames?.length ?? 0) <= 1 &&
      (rule.nonResourceURLs?.length ?? 0) === 0;
    if (!simple) {
      compact.push(rule);
      continue;
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames ?? []]);
    const known = byResource.get(key);
    if (known) known.verbs.push(...rule.verbs);
    else byResource.set(key, { rule, verbs: [...rule.verbs] });
  }
  for (const { rule, verbs } of byResource.values()) compact.push({ ...rule, verbs });
  return compact;
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const say = (name: string, values: readonly string[] | undefined): void => {
    if (values && values.length > 0) parts.push(`${name}:${quoteList(values)}`);
  };
  say('APIGroups', rule.apiGroups);
  say('Resources', rule.resources);
  say('NonResourceURLs', rule.nonResourceURLs);
  say('ResourceNames', rule.resourceNames);
  say('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}

/** Go's `%q` of a slice. */
export const quoteList = (values: readonly string[]): string =>
  `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
