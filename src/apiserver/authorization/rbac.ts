/** Role-based access control. Source: plugin/pkg/auth/authorizer/rbac. */
import type { PolicyRule, Subject } from '../../api/types/rbac-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { AuthorizationDecision, Authorizer } from './authorizer.ts';
import { ruleAllows } from './policy-rule.ts';
import { type IndexedBinding, type RbacIndex, rbacGroup } from './rbac-index.ts';

export function createRbacAuthorizer(index: RbacIndex): Authorizer {
  return {
    authorize(attributes): AuthorizationDecision {
      let allowedBy: IndexedBinding | undefined;
      let missing: string[] | undefined;
      index.visitBindings(attributes.user, attributes.namespace, (binding) => {
        const rules = index.rulesOf(binding.roleRef, binding.namespace);
        if (rules === undefined) {
          missing ??= [];
          missing.push(missingRole(binding));
          return true;
        }
        for (let i = 0; i < rules.length; i++)
          if (ruleAllows(rules[i]!, attributes)) {
            allowedBy = binding;
            return false;
          }
        return true;
      });
      if (allowedBy !== undefined) return { kind: 'allow', reason: allowReason(allowedBy) };
      return { kind: 'noOpinion', reason: missing === undefined ? '' : `RBAC: ${errorList(missing)}` };
    },
  };
}

export interface EffectiveRules {
  readonly rules: readonly PolicyRule[];
  /** Roles that bindings name and that do not exist. */
  readonly errors: readonly string[];
}

/** Everything RBAC grants a user in a namespace (empty: cluster-wide only), in the order of binding names. */
export function effectiveRules(index: RbacIndex, user: UserInfo, namespace: string): EffectiveRules {
  const bindings: IndexedBinding[] = [];
  index.visitBindings(user, namespace, (binding) => {
    // Two subjects of one binding may both be this user.
    if (!bindings.some((each) => each.name === binding.name && each.namespace === binding.namespace))
      bindings.push(binding);
    return true;
  });
  bindings.sort((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
  const rules: PolicyRule[] = [];
  const errors: string[] = [];
  for (const binding of bindings) {
    const own = index.rulesOf(binding.roleRef, binding.namespace);
    if (own === undefined) errors.push(missingRole(binding));
    else rules.push(...own);
  }
  return { rules, errors };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const missingRole = ({ roleRef }: IndexedBinding): string =>
  `${roleRef.kind === 'ClusterRole' ? 'clusterrole' : 'role'}.${rbacGroup} ${JSON.stringify(roleRef.name)} not found`;

function allowReason({ name, namespace, roleRef, subject }: IndexedBinding): string {
  const binding =
    namespace === ''
      ? `ClusterRoleBinding ${JSON.stringify(name)}`
      : `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}`;
  return `RBAC: allowed by ${binding} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${describe(subject, namespace)}`;
}

function describe(subject: Subject, bindingNamespace: string): string {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind} ${JSON.stringify(subject.name)}`;
  return `ServiceAccount ${JSON.stringify(`${subject.name}/${subject.namespace || bindingNamespace}`)}`;
}

/** How Go prints several errors as one. */
export function errorList(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`;
}
