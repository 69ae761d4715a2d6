/** Roles and bindings. */
import { sameJson } from '../edit.ts';
import { checkDns1123Subdomain, checkPathSegmentName } from '../names.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '../types/rbac-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateLabelSelector } from './metadata.ts';
import { selects } from './workloads.ts';

export interface Scope {
  readonly namespaced: boolean;
}

export function validateRole(errors: ErrorList, role: Role | ClusterRole, scope: Scope): void {
  for (const [i, rule] of (role.rules ?? []).entries()) validateRule(errors, rule, at('rules', i), scope);
  const aggregation = 'aggregationRule' in role ? role.aggregationRule : undefined;
  if (!aggregation) return;
  const field = 'aggregationRule.clusterRoleSelectors';
  const selectors = aggregation.clusterRoleSelectors ?? [];
  if (selectors.length === 0)
    errors.required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  for (const [i, selector] of selectors.entries()) {
    validateLabelSelector(errors, selector, at(field, i));
    if (selects(selector, {}) === undefined) errors.invalid(at(field, i), null, 'invalid label selector.');
  }
}

function validateRule(errors: ErrorList, rule: PolicyRule, field: string, { namespaced }: Scope): void {
  if (!rule.verbs?.length) errors.required(`${field}.verbs`, 'verbs must contain at least one value');
  const urls = rule.nonResourceURLs ?? [];
  if (urls.length > 0) {
    if (namespaced)
      errors.invalid(`${field}.nonResourceURLs`, urls, 'namespaced rules cannot apply to non-resource URLs');
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length)
      errors.invalid(
        `${field}.nonResourceURLs`,
        urls,
        'rules cannot apply to both regular resources and non-resource URLs',
      );
    return;
  }
  if (!rule.apiGroups?.length)
    errors.required(`${field}.apiGroups`, 'resource rules must supply at least one api group');
  if (!rule.resources?.length)
    errors.required(`${field}.resources`, 'resource rules must supply at least one resource');
}

const rbacGroup = 'rbac.authorization.k8s.io';

export function validateBinding(errors: ErrorList, binding: RoleBinding | ClusterRoleBinding, scope: Scope): void {
  const { roleRef } = binding;
  if (roleRef.apiGroup !== rbacGroup) errors.notSupported('roleRef.apiGroup', roleRef.apiGroup ?? '', [rbacGroup]);
  const kinds = scope.namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (!kinds.includes(roleRef.kind)) errors.notSupported('roleRef.kind', roleRef.kind, kinds);
  if (!roleRef.name) errors.required('roleRef.name');
  else errors.invalidEach('roleRef.name', roleRef.name, checkPathSegmentName(roleRef.name));
  for (const [i, subject] of (binding.subjects ?? []).entries())
    validateSubject(errors, subject, at('subjects', i), scope);
}

function validateSubject(errors: ErrorList, subject: Subject, field: string, { namespaced }: Scope): void {
  const { kind, name, apiGroup = '', namespace } = subject;
  if (!name) errors.required(`${field}.name`);
  switch (kind) {
    case 'ServiceAccount':
      if (name) errors.invalidEach(`${field}.name`, name, checkDns1123Subdomain(name));
      if (apiGroup) errors.notSupported(`${field}.apiGroup`, apiGroup, ['']);
      if (!namespace && !namespaced) errors.required(`${field}.namespace`);
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) errors.notSupported(`${field}.apiGroup`, apiGroup, [rbacGroup]);
      break;
    default:
      errors.notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group']);
  }
}

type Binding = RoleBinding | ClusterRoleBinding;

export function validateBindingUpdate(errors: ErrorList, next: Binding, previous: Binding): void {
  if (!sameJson(next.roleRef, previous.roleRef))
    errors.invalid('roleRef', internalForm(next.roleRef, 'rbac.RoleRef'), 'cannot change roleRef');
}
