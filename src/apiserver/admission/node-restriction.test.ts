import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject } from '../../api/json.ts';
import { MapReader } from '../authentication/testdata/map-reader.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { AdmissionAttributes } from './admission.ts';
import { createNodeRestriction } from './node-restriction.ts';
import { unheard } from './testdata/unheard.ts';

const signal = new AbortController().signal;
const kubelet = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
const mirror = { 'kubernetes.io/config.mirror': 'hash' };
const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-uid', controller: true };

const audiences: Authorizer = {
  authorize: ({ verb, resource }) =>
    verb === 'request-serviceaccounts-token-audience' && resource === 'vault'
      ? { kind: 'allow', reason: '' }
      : { kind: 'noOpinion', reason: '' },
};
const projected = { name: 't', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'own' } }] } };
const reader = new MapReader()
  .set('', 'nodes', { metadata: { name: 'n1', uid: 'node-uid' } })
  .set('', 'pods', {
    metadata: { name: 'mine', namespace: 'ns', uid: 'u1' },
    spec: { nodeName: 'n1', containers: [], volumes: [projected, { name: 'c', csi: { driver: 'd' } }] },
  })
  .set('', 'pods', {
    metadata: { name: 'other', namespace: 'ns', uid: 'u2' },
    spec: { nodeName: 'n2', containers: [] },
  })
  .set('storage.k8s.io', 'csidrivers', { metadata: { name: 'd' }, spec: { tokenRequests: [{ audience: 'driver' }] } });
const plugin = createNodeRestriction({ reader, authorizer: audiences });

interface Row {
  readonly name: string;
  readonly about: string;
  readonly over?: Partial<AdmissionAttributes>;
  /** Absent: admitted. */
  readonly message?: string;
}

async function outcome({ about, over }: Row): Promise<string | undefined> {
  const [verb, what] = about.split(' ') as [AdmissionAttributes['operation'], string];
  const [path, subresource = ''] = what.split('/') as [string, string?];
  const [group, resource] = path.includes(':') ? (path.split(':') as [string, string]) : ['', path];
  const attributes: AdmissionAttributes = deepFreeze({
    operation: verb,
    kind: { group, version: 'v1', kind: '' },
    resource: { group, version: 'v1', resource },
    subresource,
    namespace: '',
    name: '',
    options: {},
    dryRun: false,
    ...unheard,
    user: kubelet,
    warn: () => undefined,
    ...over,
  });
  try {
    await plugin.admit?.(attributes, signal);
    await plugin.validate?.(attributes, signal);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
}

const pod = (metadata: object, spec: object = {}): JsonObject =>
  ({ metadata: { name: 'p', namespace: 'ns', ...metadata }, spec: { nodeName: 'n1', ...spec } }) as JsonObject;
const node = (metadata: object = {}, spec: object = {}): JsonObject =>
  ({ metadata: { name: 'n1', ...metadata }, spec }) as JsonObject;
const token = (reference: object | undefined, audience?: string): JsonObject =>
  ({ spec: { audiences: audience === undefined ? [] : [audience], boundObjectRef: reference } }) as JsonObject;
const bound = { apiVersion: 'v1', kind: 'Pod', name: 'mine', uid: 'u1' };

const rows: readonly Row[] = [
  {
    name: 'others are not looked at',
    about: 'DELETE nodes',
    over: { name: 'n2', user: { name: 'alice', groups: [] } },
  },
  {
    name: 'a user without the group is no node',
    about: 'DELETE nodes',
    over: { name: 'n2', user: { name: 'system:node:n1', groups: [] } },
  },
  {
    name: 'a node without a name may nothing',
    about: 'DELETE nodes',
    over: { name: 'n2', user: { name: 'system:node:', groups: ['system:nodes'] } },
    message: 'nodes "n2" is forbidden: could not determine node from user "system:node:"',
  },
  {
    name: 'its mirror pod',
    about: 'CREATE pods',
    over: { object: pod({ annotations: mirror, ownerReferences: [owner] }) },
  },
  {
    name: 'a pod that is no mirror',
    about: 'CREATE pods',
    over: { object: pod({}) },
    message:
      'pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
  },
  {
    name: 'a mirror pod of another node',
    about: 'CREATE pods',
    over: { object: pod({ annotations: mirror }, { nodeName: 'n2' }) },
    message: 'pods "p" is forbidden: node "n1" can only create pods with spec.nodeName set to itself',
  },
  {
    name: 'a mirror pod without an owner',
    about: 'CREATE pods',
    over: { object: pod({ annotations: mirror }) },
    message: 'pods "p" is forbidden: node "n1" can only create pods with an owner reference set to itself',
  },
  {
    name: 'a mirror pod that names an older Node',
    about: 'CREATE pods',
    over: { object: pod({ annotations: mirror, ownerReferences: [{ ...owner, uid: 'old' }] }) },
    message: 'pods "p" is forbidden: node n1 UID mismatch: expected old got node-uid',
  },
  {
    name: 'a mirror pod with a secret',
    about: 'CREATE pods',
    over: {
      object: pod(
        { annotations: mirror, ownerReferences: [owner] },
        { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
      ),
    },
    message: 'pods "p" is forbidden: node "n1" can not create pods that reference secrets',
  },
  {
    name: 'a mirror pod with a claim',
    about: 'CREATE pods',
    over: {
      object: pod(
        { annotations: mirror, ownerReferences: [owner] },
        { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] },
      ),
    },
    message: 'pods "p" is forbidden: node "n1" can not create pods that reference persistentvolumeclaims',
  },
  { name: 'deletes its pod', about: 'DELETE pods', over: { namespace: 'ns', name: 'mine' } },
  {
    name: "deletes another's pod",
    about: 'DELETE pods',
    over: { namespace: 'ns', name: 'other' },
    message: 'pods "other" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
  },
  { name: 'deletes no pod', about: 'DELETE pods', over: { namespace: 'ns', name: 'x' }, message: 'pod "x" not found' },
  {
    name: 'updates a pod',
    about: 'UPDATE pods',
    over: { namespace: 'ns', name: 'mine' },
    message:
      'pods "mine" is forbidden: unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
  },
  { name: 'status of its pod', about: 'UPDATE pods/status', over: { name: 'p', object: pod({}), oldObject: pod({}) } },
  {
    name: "status of another's pod",
    about: 'UPDATE pods/status',
    over: { name: 'p', object: pod({}), oldObject: pod({}, { nodeName: 'n2' }) },
    message: 'pods "p" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
  },
  {
    name: 'labels by way of the status',
    about: 'UPDATE pods/status',
    over: { name: 'p', object: pod({ labels: { a: 'b' } }), oldObject: pod({}) },
    message: 'pods "p" is forbidden: node "n1" cannot update labels through pod status',
  },
  { name: 'evicts its pod', about: 'CREATE pods/eviction', over: { namespace: 'ns', name: 'mine', object: {} } },
  {
    name: "evicts another's pod",
    about: 'CREATE pods/eviction',
    over: { namespace: 'ns', name: 'other', object: {} },
    message: 'pods "other" is forbidden: node n1 can only evict pods with spec.nodeName set to itself',
  },
  {
    name: 'binds a pod',
    about: 'CREATE pods/binding',
    over: { name: 'p', object: {} },
    message: `pods "p" is forbidden: unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`,
  },
  {
    name: 'registers with labels of its own kind',
    about: 'CREATE nodes',
    over: {
      name: 'n1',
      object: node(
        { labels: { 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/pool': 'a', 'my.org/x': 'y' } },
        { taints: [{ key: 'a', effect: 'NoSchedule' }] },
      ),
    },
  },
  {
    name: 'registers with restricted labels',
    about: 'CREATE nodes',
    over: {
      name: 'n1',
      object: node({
        labels: { 'node-role.kubernetes.io/master': '', 'x.node-restriction.kubernetes.io/a': 'b', 'k8s.io/a': '' },
      }),
    },
    message:
      'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: k8s.io/a, node-role.kubernetes.io/master, x.node-restriction.kubernetes.io/a',
  },
  {
    name: "writes another's Node",
    about: 'UPDATE nodes/status',
    over: { name: 'n2', object: node(), oldObject: node() },
    message: 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
  },
  {
    name: 'takes its taint away',
    about: 'UPDATE nodes',
    over: { name: 'n1', object: node(), oldObject: node({}, { taints: [{ key: 'a', effect: 'NoSchedule' }] }) },
    message: 'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
  },
  {
    name: 'an empty list of taints is none',
    about: 'UPDATE nodes/status',
    over: { name: 'n1', object: node({}, { taints: [] }), oldObject: node() },
  },
  {
    name: 'drops a restricted label',
    about: 'UPDATE nodes',
    over: { name: 'n1', object: node(), oldObject: node({ labels: { 'node-role.kubernetes.io/x': '' } }) },
    message: 'nodes "n1" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/x',
  },
  {
    name: 'its lease',
    about: 'CREATE coordination.k8s.io:leases',
    over: { namespace: 'kube-node-lease', object: { metadata: { name: 'n1' } } },
  },
  {
    name: "another's lease",
    about: 'UPDATE coordination.k8s.io:leases',
    over: { namespace: 'kube-node-lease', name: 'n2', object: {} },
    message:
      'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node',
  },
  {
    name: 'a lease elsewhere',
    about: 'UPDATE coordination.k8s.io:leases',
    over: { namespace: 'kube-system', name: 'n1', object: {} },
    message:
      'leases.coordination.k8s.io "n1" is forbidden: can only access leases in the "kube-node-lease" system namespace',
  },
  {
    name: "another's CSINode",
    about: 'CREATE storage.k8s.io:csinodes',
    over: { name: 'n2', object: { metadata: { name: 'n2' } } },
    message:
      'csinodes.storage.k8s.io "n2" is forbidden: can only access CSINode with the same name as the requesting node',
  },
  {
    name: 'the size of a claim, as it grew',
    about: 'UPDATE persistentvolumeclaims/status',
    over: {
      name: 'c',
      object: {
        metadata: { name: 'c', resourceVersion: '2' },
        status: { phase: 'Bound', capacity: { storage: '2Gi' } },
      },
      oldObject: { metadata: { name: 'c', resourceVersion: '1' }, status: { phase: 'Bound' } },
    },
  },
  {
    name: 'the phase of a claim',
    about: 'UPDATE persistentvolumeclaims/status',
    over: { name: 'c', object: { status: { phase: 'Lost' } }, oldObject: { status: { phase: 'Bound' } } },
    message:
      'persistentvolumeclaims "c" is forbidden: node "n1" is not allowed to update fields other than status.quantity and status.conditions: status.phase',
  },
  {
    name: 'a token its pod names',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token(bound, 'own') },
  },
  {
    name: 'a token a driver of its pod wants',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token(bound, 'driver') },
  },
  {
    name: 'a token it is granted by a role',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token(bound, 'vault') },
  },
  {
    name: 'a token nobody named',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token(bound, 'x') },
    message:
      'serviceaccounts "default" is forbidden: audience "x" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
  },
  {
    name: 'a token bound to nothing',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token(undefined) },
    message: 'serviceaccounts "default" is forbidden: node requested token not bound to a pod',
  },
  {
    name: 'a token bound to an older pod',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token({ ...bound, uid: 'old' }) },
    message:
      'serviceaccounts "default" is forbidden: the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated',
  },
  {
    name: 'a token for a pod elsewhere',
    about: 'CREATE serviceaccounts/token',
    over: { namespace: 'ns', name: 'default', object: token({ ...bound, name: 'other', uid: 'u2' }) },
    message:
      'serviceaccounts "default" is forbidden: node requested token bound to a pod scheduled on a different node',
  },
  {
    name: "deletes another's ResourceSlice",
    about: 'DELETE resource.k8s.io:resourceslices',
    over: { name: 's', oldObject: { spec: { nodeName: 'n2' } } },
    message:
      'resourceslices.resource.k8s.io "s" is forbidden: can only delete ResourceSlice with the same NodeName as the requesting node',
  },
  {
    name: 'a certificate request that is none',
    about: 'CREATE certificates.k8s.io:certificatesigningrequests',
    over: {
      name: 'c',
      object: { spec: { signerName: 'kubernetes.io/kubelet-serving', request: 'bm9uZQ==' } },
    },
    message:
      'certificatesigningrequests.certificates.k8s.io "c" is forbidden: unable to parse csr: PEM block type must be CERTIFICATE REQUEST',
  },
];

for (const row of rows)
  test(`node restriction: ${row.name}${row.message === undefined ? '' : ' is refused'}`, async () => {
    assert.equal(await outcome(row), row.message);
  });
