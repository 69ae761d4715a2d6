/**
 * The escalation check as a validating plugin. Upstream has it in the storage of roles and bindings; it looks at the same
 * moment - the object as it will be stored - and answers the same.
 */

import type { CheckEscalation, RbacWrite } from '../authorization/escalation.ts';
import { rbacGroup } from '../authorization/rbac-index.ts';
import type { AdmissionPlugin } from './admission.ts';

const resources: ReadonlySet<string> = new Set(['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings']);

export function createRbacEscalationPlugin(check: CheckEscalation): AdmissionPlugin {
  return {
    name: 'RBACEscalationCheck',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    validate({ resource, object, oldObject, namespace, name, user }, signal) {
      if (resource.group !== rbacGroup || !resources.has(resource.resource) || !object) return undefined;
      const write: RbacWrite = {
        resource: resource.resource as RbacWrite['resource'],
        namespace,
        name: name || ((object.metadata as { name?: string } | undefined)?.name ?? ''),
        object,
        ...(oldObject ? { previous: oldObject } : {}),
      };
      return check(write, user, signal);
    },
  };
}
