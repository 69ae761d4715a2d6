/**
 * What a kubelet may write: its own Node, Lease and CSINode, mirror pods, the status of its pods and tokens for them. Which object is its own, the
 * Node authorizer cannot see; here the object itself is looked at. Source: plugin/pkg/admission/noderestriction.
 */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import type { OwnerReference } from '../../api/types/meta-v1.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import { splitNodeUser } from '../authorization/node-identity.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { isFor, metadataOf, refusal } from './attributes.ts';
import { checkNodeCertificate } from './node-certificate.ts';
import { forbiddenLabels, modifiedLabels } from './node-labels.ts';
import { checkNodeToken } from './node-token.ts';
import { referencedApiObject } from './pod-api-objects.ts';
import { changedPaths, sameValue } from './same-value.ts';

const mirrorAnnotation = 'kubernetes.io/config.mirror';
const leaseNamespace = 'kube-node-lease';

export interface NodeRestrictionOptions {
  readonly reader: ObjectReader;
  /** Says which audiences a node may ask tokens for beyond those its pods name. Absent where everybody may do everything. */
  readonly authorizer?: Authorizer;
}

type Outcome = JsonObject | undefined | Promise<JsonObject | undefined>;
type Check = (node: string, attributes: AdmissionAttributes, signal: AbortSignal) => void | Promise<void>;

export function createNodeRestriction(options: NodeRestrictionOptions): AdmissionPlugin {
  const { reader } = options;
  const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
    ['pods', checkPod],
    ['nodes', checkNode],
    ['persistentvolumeclaims', checkClaim],
    ['serviceaccounts', (node, attributes, signal) => checkNodeToken(node, attributes, { ...options, podOf }, signal)],
    ['certificates.k8s.io/podcertificaterequests', refuseCertificates],
    ['coordination.k8s.io/leases', checkLease],
    ['storage.k8s.io/csinodes', checkCsiNode],
    ['resource.k8s.io/resourceslices', checkSlice],
    ['certificates.k8s.io/certificatesigningrequests', checkNodeCertificate],
  ]);

  return {
    name: 'NodeRestriction',
    handles: (operation) => operation !== 'CONNECT',
    admit(attributes, signal): Outcome {
      const node = splitNodeUser(attributes.user);
      if (node === undefined) return attributes.object;
      if (node === '') throw refusal(attributes, `could not determine node from user ${quoted(attributes.user.name)}`);
      const { group, resource } = attributes.resource;
      const wait = checks.get(group === '' ? resource : `${group}/${resource}`)?.(node, attributes, signal);
      return wait ? wait.then(() => attributes.object) : attributes.object;
    },
    // Here, since only the last phase knows what is deleted.
    validate(attributes) {
      if (attributes.operation !== 'DELETE' || !isFor(attributes, 'resource.k8s.io', 'resourceslices')) return;
      const node = splitNodeUser(attributes.user);
      if (node !== undefined && (attributes.oldObject?.spec as JsonObject | undefined)?.nodeName !== node)
        throw refusal(attributes, 'can only delete ResourceSlice with the same NodeName as the requesting node');
    },
  };

  function checkPod(node: string, attributes: AdmissionAttributes, signal: AbortSignal): void | Promise<void> {
    const { operation, subresource } = attributes;
    switch (subresource) {
      case '':
        if (operation === 'CREATE') return checkMirrorPod(node, attributes, signal);
        if (operation === 'DELETE')
          return requireOwn(
            node,
            attributes,
            `node ${quoted(node)} can only delete pods with spec.nodeName set to itself`,
            signal,
          );
        throw refusal(
          attributes,
          `unexpected operation ${quoted(operation)}, node ${quoted(node)} can only create and delete mirror pods`,
        );
      case 'status':
        return checkPodStatus(node, attributes);
      case 'eviction':
        if (operation !== 'CREATE') throw refusal(attributes, `unexpected operation ${operation}`);
        return requireOwn(
          node,
          attributes,
          `node ${node} can only evict pods with spec.nodeName set to itself`,
          signal,
        );
      default:
        throw refusal(
          attributes,
          `unexpected pod subresource ${quoted(subresource)}, only 'status' and 'eviction' are allowed`,
        );
    }
  }

  async function requireOwn(
    node: string,
    attributes: AdmissionAttributes,
    otherwise: string,
    signal: AbortSignal,
  ): Promise<void> {
    const name = attributes.name || metadataOf(attributes.object).name;
    if (!name) throw refusal(attributes, 'could not determine pod from request data');
    const pod = await podOf(attributes.namespace, name, signal);
    if (pod.spec?.nodeName !== node) throw refusal(attributes, otherwise);
  }

  async function checkMirrorPod(node: string, attributes: AdmissionAttributes, signal: AbortSignal): Promise<void> {
    const pod = attributes.object as unknown as Pod;
    const { metadata, spec } = pod;
    if (metadata.annotations?.[mirrorAnnotation] === undefined)
      throw refusal(
        attributes,
        `pod does not have ${quoted(mirrorAnnotation)} annotation, node ${quoted(node)} can only create mirror pods`,
      );
    const only = `node ${quoted(node)} can only create pods with`;
    if (spec?.nodeName !== node) throw refusal(attributes, `${only} spec.nodeName set to itself`);
    const owners = metadata.ownerReferences ?? [];
    if (owners.length > 1) throw refusal(attributes, `${only} a single owner reference set to itself`);
    if (!isNode(owners[0], node)) throw refusal(attributes, `${only} an owner reference set to itself`);
    const { controller, blockOwnerDeletion, uid } = owners[0];
    if (controller !== true) throw refusal(attributes, `${only} a controller owner reference set to itself`);
    if (blockOwnerDeletion === true)
      throw refusal(attributes, `node ${quoted(node)} must not set blockOwnerDeletion on an owner reference`);
    const known = await nodeOf(node, signal);
    if (uid !== known.metadata.uid)
      throw refusal(attributes, `node ${node} UID mismatch: expected ${uid} got ${known.metadata.uid ?? ''}`);
    const referenced = referencedApiObject(pod);
    if (referenced instanceof Error)
      throw refusal(attributes, `error checking mirror pod for API references: ${referenced.message}`);
    if (referenced !== undefined)
      throw refusal(attributes, `node ${quoted(node)} can not create pods that reference ${referenced}`);
  }

  /** The cache may not have it yet. */
  async function podOf(namespace: string, name: string, signal: AbortSignal): Promise<Pod> {
    const found = reader.get('', 'pods', namespace, name) ?? (await reader.fresh('', 'pods', namespace, name, signal));
    if (found === undefined) throw ApiError.notFound({ group: '', resource: 'pod' }, name);
    return found as unknown as Pod;
  }

  async function nodeOf(name: string, signal: AbortSignal): Promise<Node> {
    const found = reader.get('', 'nodes', '', name) ?? (await reader.fresh('', 'nodes', '', name, signal));
    if (found === undefined) throw ApiError.notFound({ group: '', resource: 'node' }, name);
    return found as unknown as Node;
  }
}

const quoted = (text: string): string => JSON.stringify(text);

function isNode(owner: OwnerReference | undefined, node: string): owner is OwnerReference {
  return owner?.apiVersion === 'v1' && owner.kind === 'Node' && owner.name === node;
}

function checkPodStatus(node: string, attributes: AdmissionAttributes): void {
  if (attributes.operation !== 'UPDATE')
    throw refusal(attributes, `unexpected operation ${quoted(attributes.operation)}`);
  const [old, next] = [attributes.oldObject as unknown as Pod, attributes.object as unknown as Pod];
  if (old.spec?.nodeName !== node)
    throw refusal(
      attributes,
      `node ${quoted(node)} can only update pod status for pods with spec.nodeName set to itself`,
    );
  if (old === next) return;
  if (!sameValue(old.metadata.labels, next.metadata.labels))
    throw refusal(attributes, `node ${quoted(node)} cannot update labels through pod status`);
  if (!sameValue(old.status?.resourceClaimStatuses, next.status?.resourceClaimStatuses))
    throw refusal(attributes, `node ${quoted(node)} cannot update resource claim statues`);
  if (!sameValue(old.status?.extendedResourceClaimStatus, next.status?.extendedResourceClaimStatus))
    throw refusal(attributes, `node ${quoted(node)} cannot update extended resource claim status`);
}

function checkNode(node: string, attributes: AdmissionAttributes): void {
  const { name, operation, object, oldObject } = attributes;
  if (name !== node) throw refusal(attributes, `node ${quoted(node)} is not allowed to modify node ${quoted(name)}`);
  const next = object as unknown as Node;
  if (operation === 'CREATE') {
    if (next.spec?.configSource)
      throw refusal(attributes, `node ${quoted(node)} is not allowed to create pods with a non-nil configSource`);
    const wrong = forbiddenLabels(modifiedLabels(next.metadata.labels, undefined));
    if (wrong.length > 0)
      throw refusal(attributes, `node ${quoted(node)} is not allowed to set the following labels: ${wrong.join(', ')}`);
  }
  if (operation === 'UPDATE') {
    const old = oldObject as unknown as Node;
    // An old kubelet may drop the field.
    if (next.spec?.configSource && !sameValue(next.spec.configSource, old.spec?.configSource))
      throw refusal(
        attributes,
        `node ${quoted(node)} is not allowed to update configSource to a new non-nil configSource`,
      );
    if (!sameValue(next.spec?.taints, old.spec?.taints))
      throw refusal(attributes, `node ${quoted(node)} is not allowed to modify taints`);
    if (!sameValue(next.metadata.ownerReferences, old.metadata.ownerReferences))
      throw refusal(attributes, `node ${quoted(node)} is not allowed to modify ownerReferences`);
    const wrong = forbiddenLabels(modifiedLabels(next.metadata.labels, old.metadata.labels));
    if (wrong.length > 0) throw refusal(attributes, `is not allowed to modify labels: ${wrong.join(', ')}`);
  }
}

const claimStatusFields = new Set(['capacity', 'conditions', 'allocatedResources', 'allocatedResourceStatuses']);

function checkClaim(node: string, attributes: AdmissionAttributes): void {
  if (attributes.subresource !== 'status') throw refusal(attributes, 'may only update PVC status');
  if (attributes.operation !== 'UPDATE')
    throw refusal(attributes, `unexpected operation ${quoted(attributes.operation)}`);
  const [old, next] = [comparable(attributes.oldObject), comparable(attributes.object)];
  if (!sameValue(old, next))
    throw refusal(
      attributes,
      `node ${quoted(node)} is not allowed to update fields other than status.quantity and status.conditions: ${changedPaths(old, next).join(', ')}`,
    );
}

/** Without what a node may write, and what every write changes. */
function comparable(claim: JsonObject | undefined): JsonObject {
  const { resourceVersion: _version, managedFields: _fields, ...metadata } = (claim?.metadata ?? {}) as JsonObject;
  const status = Object.entries((claim?.status ?? {}) as JsonObject).filter(([field]) => !claimStatusFields.has(field));
  return { ...claim, metadata, status: Object.fromEntries(status) };
}

function refuseCertificates(_node: string, attributes: AdmissionAttributes): void {
  throw refusal(attributes, 'PodCertificateRequest feature gate is disabled');
}

function checkLease(node: string, attributes: AdmissionAttributes): void {
  if (attributes.namespace !== leaseNamespace)
    throw refusal(attributes, `can only access leases in the ${quoted(leaseNamespace)} system namespace`);
  if (ownName(attributes) !== node)
    throw refusal(attributes, 'can only access node lease with the same name as the requesting node');
}

function checkCsiNode(node: string, attributes: AdmissionAttributes): void {
  if (ownName(attributes) !== node)
    throw refusal(attributes, 'can only access CSINode with the same name as the requesting node');
}

const ownName = ({ operation, name, object }: AdmissionAttributes): string | undefined =>
  operation === 'CREATE' ? metadataOf(object).name : name;

/** Updates are the authorizer's; it does not see what is created, nor each object of a deletecollection. */
function checkSlice(node: string, attributes: AdmissionAttributes): void {
  const { operation, object } = attributes;
  if (operation !== 'CREATE') return;
  if ((object?.spec as JsonObject | undefined)?.nodeName !== node)
    throw refusal(attributes, 'can only create ResourceSlice with the same NodeName as the requesting node');
}
