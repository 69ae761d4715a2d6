/**
 * Roles and bindings arranged so that a request costs what concerns its user: bindings by subject, rules by role. Kept up to date by
 * changes; nothing is rebuilt.
 */
import type { JsonObject } from '../../api/json.ts';
import type { PolicyRule, RoleRef, Subject } from '../../api/types/rbac-v1.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { serviceAccountUser } from '../authentication/well-known-users.ts';
import type { ObjectChange, ObjectReader } from '../registry/object-reader.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

export interface IndexedBinding {
  readonly name: string;
  /** Empty for a ClusterRoleBinding. */
  readonly namespace: string;
  readonly roleRef: RoleRef;
  readonly subject: Subject;
}

export interface RbacIndex {
  /** Every binding that names the user or one of its groups: cluster-wide ones, then those of the namespace. Stops when `visit` returns false. */
  visitBindings(user: UserInfo, namespace: string, visit: (binding: IndexedBinding) => boolean): void;
  /** `undefined` when the role does not exist. `namespace` is the binding's. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined;
  close(): void;
}

export function createRbacIndex(reader: ObjectReader): RbacIndex {
  /** `/NAME` for ClusterRoles, `NAMESPACE/NAME` for Roles. */
  const roles = new Map<string, readonly PolicyRule[]>();
  /** By namespace (empty: cluster-wide), then by subject. */
  const bindings = new Map<string, Map<string, IndexedBinding[]>>();

  const setRole = ({ type, object }: ObjectChange): void => {
    const key = keyOf(object);
    if (type === 'DELETED') roles.delete(key);
    else roles.set(key, (object.rules ?? []) as unknown as readonly PolicyRule[]);
  };
  const setBinding = ({ type, object, previous }: ObjectChange): void => {
    const { namespace, name } = nameOf(object);
    let bySubject = bindings.get(namespace);
    if (bySubject === undefined) bindings.set(namespace, (bySubject = new Map()));
    for (const subject of subjectsOf(type === 'DELETED' ? object : (previous ?? object)))
      remove(bySubject, subject, namespace, name);
    if (type === 'DELETED') {
      if (bySubject.size === 0) bindings.delete(namespace);
      return;
    }
    const roleRef = object.roleRef as unknown as RoleRef;
    for (const subject of subjectsOf(object)) {
      const key = subjectKey(subject, namespace);
      if (key === undefined) continue;
      const list = bySubject.get(key);
      const entry: IndexedBinding = { name, namespace, roleRef, subject };
      if (list === undefined) bySubject.set(key, [entry]);
      else if (!list.some((each) => each.name === name)) list.push(entry);
    }
  };
  const remove = (
    bySubject: Map<string, IndexedBinding[]>,
    subject: Subject,
    namespace: string,
    name: string,
  ): void => {
    const key = subjectKey(subject, namespace);
    const list = key === undefined ? undefined : bySubject.get(key);
    if (key === undefined || list === undefined) return;
    const rest = list.filter((each) => each.name !== name);
    if (rest.length === 0) bySubject.delete(key);
    else bySubject.set(key, rest);
  };

  const subscriptions: (() => void)[] = [];
  const follow = (resource: string, set: (change: ObjectChange) => void): void => {
    for (const object of reader.list(rbacGroup, resource, '')) set({ type: 'ADDED', object });
    subscriptions.push(reader.onChange(rbacGroup, resource, set));
  };
  follow('clusterroles', setRole);
  follow('roles', setRole);
  follow('clusterrolebindings', setBinding);
  follow('rolebindings', setBinding);

  const visitIn = (
    bySubject: Map<string, IndexedBinding[]> | undefined,
    user: UserInfo,
    visit: (binding: IndexedBinding) => boolean,
  ): boolean => {
    if (bySubject === undefined) return true;
    if (!visitList(bySubject.get(`u:${user.name}`), visit)) return false;
    for (const group of user.groups) if (!visitList(bySubject.get(`g:${group}`), visit)) return false;
    return true;
  };
  return {
    visitBindings(user, namespace, visit) {
      if (visitIn(bindings.get(''), user, visit) && namespace !== '') visitIn(bindings.get(namespace), user, visit);
    },
    rulesOf: (roleRef, namespace) =>
      roles.get(roleRef.kind === 'ClusterRole' ? `/${roleRef.name}` : `${namespace}/${roleRef.name}`),
    close() {
      for (const end of subscriptions) end();
    },
  };
}

function visitList(list: readonly IndexedBinding[] | undefined, visit: (binding: IndexedBinding) => boolean): boolean {
  if (list !== undefined) for (let i = list.length - 1; i >= 0; i--) if (!visit(list[i]!)) return false;
  return true;
}

/** A service account is found by its user name. */
function subjectKey(subject: Subject, bindingNamespace: string): string | undefined {
  switch (subject.kind) {
    case 'User':
      return `u:${subject.name}`;
    case 'Group':
      return `g:${subject.name}`;
    case 'ServiceAccount': {
      const namespace = subject.namespace || bindingNamespace;
      return namespace === '' ? undefined : `u:${serviceAccountUser(namespace, subject.name)}`;
    }
    default:
      return undefined;
  }
}

const subjectsOf = (object: JsonObject): readonly Subject[] => (object.subjects ?? []) as unknown as readonly Subject[];

function nameOf(object: JsonObject): { readonly namespace: string; readonly name: string } {
  const { namespace = '', name = '' } = object.metadata as unknown as { namespace?: string; name?: string };
  return { namespace, name };
}

function keyOf(object: JsonObject): string {
  const { namespace, name } = nameOf(object);
  return `${namespace}/${name}`;
}
