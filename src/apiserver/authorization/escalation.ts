/**
 * Nobody gives away rights they do not have: the check behind writes of roles and bindings. Source: pkg/registry/rbac/escalation_check.go
 * and the policybased storages.
 */
import { sameJson } from '../../api/edit.ts';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { PolicyRule, RoleRef } from '../../api/types/rbac-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { mastersGroup } from '../authentication/well-known-users.ts';
import type { Authorizer } from './authorizer.ts';
import { compactRules, describeRule, quoteList, uncovered } from './policy-rule.ts';
import { effectiveRules } from './rbac.ts';
import { type RbacIndex, rbacGroup } from './rbac-index.ts';

export interface RbacWrite {
  readonly resource: 'roles' | 'clusterroles' | 'rolebindings' | 'clusterrolebindings';
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject;
  /** Absent for a create. */
  readonly previous?: JsonObject;
}

/** @throws ApiError 403 (or 404 when a binding names a role that is not there and the user may not `bind`) */
export type CheckEscalation = (write: RbacWrite, user: UserInfo, signal: AbortSignal) => Promise<void>;

/**
 * All but what the garbage collector and the API's own bookkeeping change. Labels count: they make a role part of an aggregated one.
 * Source: pkg/registry/rbac/helpers.go (IsOnlyMutatingGCFields).
 */
function grant(object: JsonObject): JsonObject {
  const {
    ownerReferences: _owners,
    finalizers: _finalizers,
    managedFields: _fields,
    resourceVersion: _version,
    generation: _generation,
    ...metadata
  } = (object.metadata ?? {}) as JsonObject;
  return { ...object, metadata };
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

export function createEscalationCheck(index: RbacIndex, authorizer: Authorizer): CheckEscalation {
  return async (write, user, signal) => {
    if (user.groups.includes(mastersGroup)) return;
    const { resource, namespace, name, object, previous } = write;
    const role = resource === 'roles' || resource === 'clusterroles';
    if (previous !== undefined && sameJson(grant(object), grant(previous))) return;

    const qualified = { group: rbacGroup, resource };
    const may = async (verb: string, what: string, roleName: string): Promise<boolean> => {
      const decision = await authorizer.authorize(
        {
          user,
          verb,
          namespace,
          apiGroup: rbacGroup,
          apiVersion: 'v1',
          resource: what,
          subresource: '',
          name: roleName,
          resourceRequest: true,
          path: '',
        },
        signal,
      );
      return decision.kind === 'allow';
    };
    if (role) {
      if (await may('escalate', resource, name)) return;
      refuseUncovered((object.rules ?? []) as unknown as readonly PolicyRule[], user, namespace, (why) =>
        ApiError.forbidden(qualified, name, why),
      );
      const aggregates = object.aggregationRule !== undefined && object.aggregationRule !== null;
      const aggregated = previous?.aggregationRule !== undefined && previous.aggregationRule !== null;
      if ((aggregates || aggregated) && uncovered(effectiveRules(index, user, '').rules, everything).length > 0)
        throw ApiError.forbidden(qualified, name, 'must have cluster-admin privileges to use the aggregationRule');
      return;
    }
    const roleRef = object.roleRef as unknown as RoleRef;
    const roleResource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
    if (await may('bind', roleResource, roleRef.name)) return;
    const rules = index.rulesOf(roleRef, namespace);
    if (rules === undefined)
      throw ApiError.notFound({ group: rbacGroup, resource: roleResource.slice(0, -1) }, roleRef.name);
    refuseUncovered(rules, user, namespace, (why) => ApiError.forbidden(qualified, name, why));
  };

  function refuseUncovered(
    rules: readonly PolicyRule[],
    user: UserInfo,
    namespace: string,
    refusal: (why: string) => ApiError,
  ): void {
    const own = effectiveRules(index, user, namespace);
    const missing = uncovered(own.rules, rules);
    if (missing.length === 0) return;
    const lines = [...new Set(compactRules(missing).map(describeRule))].sort();
    const errors = own.errors.length === 0 ? '' : `; resolution errors: [${own.errors.join(', ')}]`;
    throw refusal(
      `user ${JSON.stringify(user.name)} (groups=${quoteList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}${errors}`,
    );
  }
}
