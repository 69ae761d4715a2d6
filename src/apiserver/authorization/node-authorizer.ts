/**
 * What a kubelet may do: read what its own pods use, keep its own Node, Lease and CSINode, and follow fixed rules for the rest. Nothing binds
 * `system:nodes` to a role. Source: plugin/pkg/auth/authorizer/node.
 */
import type { JsonObject } from '../../api/json.ts';
import { parseFieldSelector, requiredFieldValue } from '../../api/selectors/field-selector.ts';
import type { PolicyRule } from '../../api/types/rbac-v1.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from './authorizer.ts';
import type { NodeGraph } from './node-graph.ts';
import { splitNodeUser } from './node-identity.ts';
import { ruleAllows } from './policy-rule.ts';

export interface NodeAuthorizerOptions {
  readonly graph: NodeGraph;
  readonly reader: ObjectReader;
  /** The rules of the default role `system:node`, for what is not subdivided by node. */
  readonly rules: readonly PolicyRule[];
}

const allow: AuthorizationDecision = Object.freeze({ kind: 'allow', reason: '' });
const silent: AuthorizationDecision = Object.freeze({ kind: 'noOpinion', reason: '' });
const refuse = (reason: string): AuthorizationDecision => ({ kind: 'noOpinion', reason });

export function createNodeAuthorizer({ graph, reader, rules }: NodeAuthorizerOptions): Authorizer {
  return {
    authorize(attributes) {
      const node = splitNodeUser(attributes.user);
      if (node === undefined) return silent;
      if (node === '') return refuse(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
      const subdivided = attributes.resourceRequest ? bySubject(node, attributes) : undefined;
      return subdivided ?? (rules.some((rule) => ruleAllows(rule, attributes)) ? allow : silent);
    },
  };

  function bySubject(node: string, attributes: AuthorizationAttributes): AuthorizationDecision | undefined {
    const { namespace, name } = attributes;
    switch (attributes.apiGroup === '' ? attributes.resource : `${attributes.apiGroup}/${attributes.resource}`) {
      case 'secrets':
        return read(attributes, () =>
          related(
            node,
            graph.usedBy(node, 'secrets', namespace, name) || graph.secretOfVolumeUsedBy(node, namespace, name),
          ),
        );
      case 'configmaps':
        return read(attributes, () => related(node, graph.usedBy(node, 'configmaps', namespace, name)));
      case 'persistentvolumeclaims':
        if (attributes.subresource === 'status')
          return attributes.verb === 'update' || attributes.verb === 'patch'
            ? named(attributes, () => related(node, graph.usedBy(node, 'persistentvolumeclaims', namespace, name)))
            : refuse('can only get/update/patch this type');
        return get(attributes, () => related(node, graph.usedBy(node, 'persistentvolumeclaims', namespace, name)));
      case 'persistentvolumes':
        return get(attributes, () => related(node, graph.volumeUsedBy(node, name)));
      case 'resource.k8s.io/resourceclaims':
        return get(attributes, () => related(node, graph.usedBy(node, 'resourceclaims', namespace, name)));
      case 'storage.k8s.io/volumeattachments':
        return get(attributes, () =>
          related(node, specOf(reader.get('storage.k8s.io', 'volumeattachments', '', name))?.nodeName === node),
        );
      case 'serviceaccounts':
        return token(node, attributes);
      case 'coordination.k8s.io/leases':
        return lease(node, attributes);
      case 'storage.k8s.io/csinodes':
        return csiNode(node, attributes);
      case 'resource.k8s.io/resourceslices':
        return resourceSlice(node, attributes);
      case 'nodes':
        return ownNode(node, attributes);
      case 'pods':
        return pod(node, attributes);
      default:
        return undefined;
    }
  }

  function token(node: string, { verb, name, subresource, namespace }: AuthorizationAttributes): AuthorizationDecision {
    if (verb !== 'create' || name === '') return refuse('can only create tokens for individual service accounts');
    if (subresource !== 'token') return refuse('can only create token subresource of serviceaccount');
    return related(node, graph.usedBy(node, 'serviceaccounts', namespace, name));
  }

  function resourceSlice(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    if (attributes.subresource !== '') return refuse('cannot authorize ResourceSlice subresources');
    switch (attributes.verb) {
      case 'create':
        return allow;
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return named(attributes, () => {
          const slice = reader.get('resource.k8s.io', 'resourceslices', '', attributes.name);
          return related(node, specOf(slice)?.nodeName === node);
        });
      case 'watch':
      case 'list':
      case 'deletecollection':
        return selects(attributes, 'spec.nodeName', node) || selects(attributes, 'nodeName', node)
          ? allow
          : refuse('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return refuse(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  }

  function pod(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    const { verb, subresource, namespace, name } = attributes;
    const ownPod = (): AuthorizationDecision => related(node, graph.usedBy(node, 'pods', namespace, name));
    switch (subresource) {
      case '':
        if (verb === 'get') return get(attributes, ownPod);
        if (verb === 'list' || verb === 'watch') {
          if (selects(attributes, 'spec.nodeName', node)) return allow;
          return name === '' ? refuse('can only list/watch pods with spec.nodeName field selector') : ownPod();
        }
        // Mirror pods; NodeRestriction looks at which.
        return verb === 'create' || verb === 'delete' ? allow : silent;
      case 'status':
        return verb === 'update' || verb === 'patch' ? allow : silent;
      case 'eviction':
        return verb === 'create' ? allow : silent;
      default:
        return silent;
    }
  }
}

function read(attributes: AuthorizationAttributes, decide: () => AuthorizationDecision): AuthorizationDecision {
  const { verb, subresource, namespace } = attributes;
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return refuse('can only read resources of this type');
  if (subresource !== '') return refuse('cannot read subresource');
  if (namespace === '') return refuse('can only read namespaced object of this type');
  return named(attributes, decide);
}

function get(attributes: AuthorizationAttributes, decide: () => AuthorizationDecision): AuthorizationDecision {
  if (attributes.verb !== 'get') return refuse('can only get individual resources of this type');
  if (attributes.subresource !== '') return refuse('cannot get subresource');
  return named(attributes, decide);
}

function named({ name }: AuthorizationAttributes, decide: () => AuthorizationDecision): AuthorizationDecision {
  return name === '' ? refuse('No Object name found') : decide();
}

const related = (node: string, is: boolean): AuthorizationDecision =>
  is ? allow : refuse(`no relationship found between node '${node}' and this object`);

const ownVerbs: ReadonlySet<string> = new Set(['get', 'create', 'update', 'patch', 'delete']);

function lease(node: string, { verb, namespace, name }: AuthorizationAttributes): AuthorizationDecision {
  if (!ownVerbs.has(verb)) return refuse('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease')
    return refuse('can only access leases in the "kube-node-lease" system namespace');
  if (verb !== 'create' && name !== node)
    return refuse('can only access node lease with the same name as the requesting node');
  return allow;
}

function csiNode(node: string, { verb, subresource, name }: AuthorizationAttributes): AuthorizationDecision {
  if (!ownVerbs.has(verb)) return refuse('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return refuse('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return refuse('can only access CSINode with the same name as the requesting node');
  return allow;
}

function ownNode(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
  const { verb, subresource, name } = attributes;
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow : silent;
  if (subresource !== '') return silent;
  switch (verb) {
    case 'create':
    case 'update':
    case 'patch':
      return allow;
    case 'get':
    case 'list':
    case 'watch':
      if (name === node || selects(attributes, 'metadata.name', node)) return allow;
      return refuse(
        name === ''
          ? `node '${node}' cannot read all nodes, only its own Node object`
          : `node '${node}' cannot read '${name}', only its own Node object`,
      );
    default:
      return silent;
  }
}

function selects({ fieldSelector }: AuthorizationAttributes, field: string, value: string): boolean {
  if (!fieldSelector) return false;
  try {
    return requiredFieldValue(parseFieldSelector(fieldSelector), field) === value;
  } catch (error) {
    // A malformed selector is refused with 400 further on; here it selects nothing.
    if (error instanceof Error) return false;
    throw error;
  }
}

const specOf = (object: JsonObject | undefined): JsonObject | undefined => object?.spec as JsonObject | undefined;
