/** What webhooks and admission policies share: the requests they see, and the conditions under which they do. */
import { checkPathSegmentName, checkQualifiedName } from '../names.ts';
import type { MatchCondition, MatchResources, RuleWithOperations } from '../types/admissionregistration-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateLabelSelector } from './metadata.ts';

export const failurePolicies = ['Fail', 'Ignore'];
export const matchPolicies = ['Equivalent', 'Exact'];
export const reinvocationPolicies = ['IfNeeded', 'Never'];
const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
const mutatingOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];
const scopes = ['*', 'Cluster', 'Namespaced'];

/** Errors of an optional field that takes one of a few words. */
export function validateChoice(
  errors: ErrorList,
  value: string | null | undefined,
  supported: readonly string[],
  field: string,
): void {
  if ((value ?? null) !== null && !supported.includes(value!)) errors.notSupported(field, value, supported);
}

export function validateRule(errors: ErrorList, rule: RuleWithOperations, field: string): void {
  const { operations: wanted = [], apiGroups = [], apiVersions = [], scope } = rule;
  if (wanted.length === 0) errors.required(`${field}.operations`);
  if (wanted.length > 1 && wanted.includes('*'))
    errors.invalid(`${field}.operations`, wanted, "if '*' is present, must not specify other operations");
  for (const [i, operation] of wanted.entries())
    if (!operations.includes(operation)) errors.notSupported(at(`${field}.operations`, i), operation, operations);
  if (apiGroups.length === 0) errors.required(`${field}.apiGroups`);
  if (apiGroups.length > 1 && apiGroups.includes('*'))
    errors.invalid(`${field}.apiGroups`, apiGroups, "if '*' is present, must not specify other API groups");
  if (apiVersions.length === 0) errors.required(`${field}.apiVersions`);
  if (apiVersions.length > 1 && apiVersions.includes('*'))
    errors.invalid(`${field}.apiVersions`, apiVersions, "if '*' is present, must not specify other API versions");
  for (const [i, version] of apiVersions.entries()) if (!version) errors.required(at(`${field}.apiVersions`, i));
  validateResources(errors, rule.resources ?? [], `${field}.resources`);
  validateChoice(errors, scope, scopes, `${field}.scope`);
}

function validateResources(errors: ErrorList, resources: readonly string[], field: string): void {
  if (resources.length === 0) errors.required(field);
  const whole = new Set<string>();
  const everywhere = new Set<string>();
  // As upstream has it: the last resource without a subresource decides.
  let plain = false;
  for (const [i, resource] of resources.entries()) {
    if (!resource) {
      errors.required(at(field, i));
      continue;
    }
    const slash = resource.indexOf('/');
    if (slash < 0) {
      plain = resource !== '*';
      continue;
    }
    const [name, sub] = [resource.slice(0, slash), resource.slice(slash + 1)];
    if (whole.has(name))
      errors.invalid(at(field, i), resource, `if '${name}/*' is present, must not specify ${resource}`);
    if (everywhere.has(sub))
      errors.invalid(at(field, i), resource, `if '*/${sub}' is present, must not specify ${resource}`);
    if (sub === '*') whole.add(name);
    if (name === '*') everywhere.add(sub);
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.invalid(field, resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && plain)
    errors.invalid(field, resources, "if '*' is present, must not specify other resources without subresources");
}

export function validateMatchResources(errors: ErrorList, match: MatchResources, field: string): void {
  const { matchPolicy, namespaceSelector, objectSelector } = match;
  if (!matchPolicy) errors.required(`${field}.matchPolicy`);
  else validateChoice(errors, matchPolicy, matchPolicies, `${field}.matchPolicy`);
  if (!namespaceSelector) errors.required(`${field}.namespaceSelector`);
  else validateLabelSelector(errors, namespaceSelector, `${field}.namespaceSelector`);
  if (!objectSelector) errors.required(`${field}.objectSelector`);
  else validateLabelSelector(errors, objectSelector, `${field}.objectSelector`);
  for (const list of ['resourceRules', 'excludeResourceRules'] as const)
    for (const [i, rule] of (match[list] ?? []).entries()) {
      const path = at(`${field}.${list}`, i);
      const names = new Set<string>();
      for (const [j, name] of (rule.resourceNames ?? []).entries()) {
        errors.invalidEach(at(`${path}.resourceNames`, j), name, checkPathSegmentName(name));
        if (names.has(name)) errors.duplicate(at(`${path}.resourceNames`, j), name);
        names.add(name);
      }
      validateRule(errors, rule, path);
    }
}

/** Nothing is left to change of an object that is deleted. */
export function validateMutatedOperations(errors: ErrorList, match: MatchResources, field: string): void {
  for (const { operations: wanted = [] } of match.resourceRules ?? [])
    for (const operation of wanted)
      if (!mutatingOperations.includes(operation))
        errors.notSupported(`${field}.resourceRules.operations`, operation, mutatingOperations);
}

export function validateMatchConditions(
  errors: ErrorList,
  conditions: readonly MatchCondition[] | undefined,
  field: string,
): void {
  if (!conditions) return;
  if (conditions.length > 64) errors.tooMany(field, conditions.length, 64);
  const names = new Set<string>();
  for (const [i, { name, expression }] of conditions.entries()) {
    const path = at(field, i);
    if (!expression?.trim()) errors.required(`${path}.expression`);
    if (!name) {
      errors.required(`${path}.name`);
      continue;
    }
    errors.invalidEach(`${path}.name`, name, checkQualifiedName(name));
    if (names.has(name)) errors.duplicate(`${path}.name`, name);
    names.add(name);
  }
}
