/** What `init` leaves in the cluster so that others can join: kubeadm's objects under kubeadm's names. */
import { parse, stringify } from 'yaml';
import { clusterInfoKubeconfig, clusterInfoName } from '../../api/bootstrap-token.ts';
import { isAlreadyExists } from '../../api/errors.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import type { ClusterRoleBinding, Role, RoleBinding } from '../../api/types/rbac-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import { clusterDnsClusterRole } from '../cluster-dns-objects.ts';
import type { ClusterNetwork } from '../control-plane.ts';

/** The group of the tokens that `token create` makes. */
export const nodeTokenGroup = 'system:bootstrappers:kubeadm:default-node-token';
export const certificatesSecret = 'kubeadm-certs';
const rbacGroup = 'rbac.authorization.k8s.io';

export interface ClusterFacts {
  readonly network: ClusterNetwork;
  readonly port: number;
  readonly kubernetesVersion: string;
  /** `host:port`; empty when there is none. */
  readonly controlPlaneEndpoint: string;
}

/** kubeadm's ClusterConfiguration, as far as it says what a joining host must know. */
export function renderClusterConfiguration(facts: ClusterFacts): string {
  return stringify({
    apiVersion: 'kubeadm.k8s.io/v1beta4',
    kind: 'ClusterConfiguration',
    clusterName: 'kubernetes',
    controlPlaneEndpoint: facts.controlPlaneEndpoint,
    kubernetesVersion: facts.kubernetesVersion,
    apiServer: { extraArgs: [{ name: 'service-node-port-range', value: facts.network.nodePortRange }] },
    controllerManager: { extraArgs: [{ name: 'node-cidr-mask-size', value: String(facts.network.nodeCidrMaskSize) }] },
    networking: {
      dnsDomain: facts.network.clusterDomain,
      podSubnet: facts.network.podCidr,
      serviceSubnet: facts.network.serviceCidr,
    },
  });
}

interface ClusterConfiguration {
  readonly kubernetesVersion?: string;
  readonly controlPlaneEndpoint?: string;
  readonly networking?: { readonly dnsDomain?: string; readonly podSubnet?: string; readonly serviceSubnet?: string };
  readonly apiServer?: { readonly extraArgs?: readonly { readonly name: string; readonly value: string }[] };
  readonly controllerManager?: { readonly extraArgs?: readonly { readonly name: string; readonly value: string }[] };
}

export function parseClusterConfiguration(
  text: string,
  defaults: ClusterNetwork,
): Pick<ClusterFacts, 'network' | 'kubernetesVersion' | 'controlPlaneEndpoint'> {
  const config = parse(text) as ClusterConfiguration;
  const argument = (of: ClusterConfiguration['apiServer'], name: string): string | undefined =>
    of?.extraArgs?.find((each) => each.name === name)?.value;
  return {
    kubernetesVersion: config.kubernetesVersion ?? '',
    controlPlaneEndpoint: config.controlPlaneEndpoint ?? '',
    network: {
      podCidr: config.networking?.podSubnet ?? defaults.podCidr,
      serviceCidr: config.networking?.serviceSubnet ?? defaults.serviceCidr,
      clusterDomain: config.networking?.dnsDomain ?? defaults.clusterDomain,
      nodePortRange: argument(config.apiServer, 'service-node-port-range') ?? defaults.nodePortRange,
      nodeCidrMaskSize: Number(argument(config.controllerManager, 'node-cidr-mask-size') ?? defaults.nodeCidrMaskSize),
    },
  };
}

/** @param options.server under which hosts that know nothing yet reach the cluster. @param options.ca PEM. */
export async function uploadClusterObjects(
  client: Client,
  options: ClusterFacts & { readonly server: string; readonly ca: string },
): Promise<void> {
  const kubeconfig = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: '',
        cluster: {
          'certificate-authority-data': Buffer.from(options.ca).toString('base64'),
          server: options.server,
        },
      },
    ],
    contexts: [],
    'current-context': '',
    preferences: {},
    users: [],
  });
  await ensure(client, resources.configMaps, {
    metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
    data: { ClusterConfiguration: renderClusterConfiguration(options) },
  });
  await ensure(client, resources.configMaps, {
    metadata: { name: clusterInfoName, namespace: 'kube-public' },
    data: { [clusterInfoKubeconfig]: kubeconfig },
  });
  await ensureRole(client, 'kube-system', 'kubeadm:nodes-kubeadm-config', 'configmaps', 'kubeadm-config', [
    groupSubject(nodeTokenGroup),
    groupSubject('system:nodes'),
  ]);
  await ensureRole(client, 'kube-public', 'kubeadm:bootstrap-signer-clusterinfo', 'configmaps', clusterInfoName, [
    { apiGroup: rbacGroup, kind: 'User', name: 'system:anonymous' },
  ]);
  // Ours: where etcd is asked by a host that brings another member, and where a worker's balancer begins.
  await ensure<Role>(client, resources.roles, {
    metadata: { name: 'bireme:masters', namespace: 'default' },
    rules: [
      { verbs: ['get'], apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], resourceNames: ['kubernetes'] },
    ],
  });
  await ensure<RoleBinding>(client, resources.roleBindings, {
    metadata: { name: 'bireme:masters', namespace: 'default' },
    roleRef: { apiGroup: rbacGroup, kind: 'Role', name: 'bireme:masters' },
    subjects: [groupSubject(nodeTokenGroup)],
  });
  await ensure(client, resources.clusterRoles, {
    metadata: { name: 'kubeadm:get-nodes' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['nodes'] }],
  });
  const approval = 'system:certificates.k8s.io:certificatesigningrequests';
  for (const [name, role, group] of [
    ['kubeadm:get-nodes', 'kubeadm:get-nodes', nodeTokenGroup],
    ['kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', nodeTokenGroup],
    ['kubeadm:node-autoapprove-bootstrap', `${approval}:nodeclient`, nodeTokenGroup],
    ['kubeadm:node-autoapprove-certificate-rotation', `${approval}:selfnodeclient`, 'system:nodes'],
    ['kubeadm:cluster-admins', 'cluster-admin', 'kubeadm:cluster-admins'],
    // kubeadm runs kube-proxy as pods with an account of its own; ours is part of the node and uses the node's certificate.
    ['bireme:node-proxier', 'system:node-proxier', 'system:nodes'],
    ['bireme:node-dns', clusterDnsClusterRole.metadata.name ?? '', 'system:nodes'],
  ] as const)
    await ensure<ClusterRoleBinding>(client, resources.clusterRoleBindings, {
      metadata: { name },
      roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: role },
      subjects: [groupSubject(group)],
    });
}

/** Lets joining control-plane hosts fetch the encrypted certificates. */
export const ensureCertificatesRole = (client: Client): Promise<void> =>
  ensureRole(client, 'kube-system', 'kubeadm:kubeadm-certs', 'secrets', certificatesSecret, [
    groupSubject(nodeTokenGroup),
  ]);

const groupSubject = (name: string) => ({ apiGroup: rbacGroup, kind: 'Group', name });

async function ensureRole(
  client: Client,
  namespace: string,
  name: string,
  resource: string,
  resourceName: string,
  subjects: NonNullable<RoleBinding['subjects']>,
): Promise<void> {
  await ensure<Role>(client, resources.roles, {
    metadata: { name, namespace },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: [resource], resourceNames: [resourceName] }],
  });
  await ensure<RoleBinding>(client, resources.roleBindings, {
    metadata: { name, namespace },
    roleRef: { apiGroup: rbacGroup, kind: 'Role', name },
    subjects,
  });
}

/** Creates it; what is there already is somebody's wish and stays. */
async function ensure<T extends KubeObject>(client: Client, ref: ResourceRef<T>, object: T): Promise<void> {
  try {
    await client.resource(ref).create(object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
