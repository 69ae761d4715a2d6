/** Defaults of the core group's other kinds. */
import type {
  LimitRangeItem,
  LoadBalancerIngress,
  Namespace,
  NodeSpec,
  NodeStatus,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  ReplicationController,
  Secret,
  Service,
  ServicePort,
  ServiceSpec,
} from '../../types/core-v1.ts';
import type { DefaultingRules } from '../defaulting.ts';

const namespaceNameLabel = 'kubernetes.io/metadata.name';
const affinityTimeoutSeconds = 10_800;

export const coreRules: DefaultingRules = {
  'core.v1.Namespace': ({ metadata }: Namespace) =>
    metadata?.name && metadata.labels?.[namespaceNameLabel] !== metadata.name
      ? { metadata: { ...metadata, labels: sorted({ ...metadata.labels, [namespaceNameLabel]: metadata.name }) } }
      : undefined,
  'core.v1.NamespaceStatus': (status: { readonly phase?: string }) => (status.phase ? undefined : { phase: 'Active' }),
  'core.v1.NodeSpec': (spec: NodeSpec) => ({
    ...(spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR ? { podCIDRs: [spec.podCIDR] } : {}),
    ...(!spec.podCIDR && spec.podCIDRs?.length ? { podCIDR: spec.podCIDRs[0] } : {}),
  }),
  'core.v1.NodeStatus': (status: NodeStatus) =>
    status.capacity && !status.allocatable ? { allocatable: { ...status.capacity } } : undefined,
  'core.v1.Secret': (secret: Secret) => ({
    ...(secret.type ? {} : { type: 'Opaque' }),
    // stringData is for writing only: it wins over data and is never stored.
    ...(secret.stringData
      ? {
          data: sorted({
            ...secret.data,
            ...Object.fromEntries(
              Object.entries(secret.stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
            ),
          }),
          stringData: undefined,
        }
      : {}),
  }),
  'core.v1.ServiceSpec': serviceDefaults,
  'core.v1.Service': loadBalancerModes,
  'core.v1.ReplicationController': ({ metadata, spec }: ReplicationController) => {
    const labels = spec?.template?.metadata?.labels;
    if (!labels || Object.keys(labels).length === 0) return undefined;
    return {
      ...(!spec.selector || Object.keys(spec.selector).length === 0 ? { spec: { ...spec, selector: labels } } : {}),
      ...(!metadata?.labels || Object.keys(metadata.labels).length === 0 ? { metadata: { ...metadata, labels } } : {}),
    };
  },
  // Of the volume alone: the same spec within a VolumeAttachment has no defaults.
  'core.v1.PersistentVolume': ({ spec }: { readonly spec?: PersistentVolumeSpec }) => ({
    spec: {
      ...spec,
      ...(spec?.persistentVolumeReclaimPolicy ? {} : { persistentVolumeReclaimPolicy: 'Retain' }),
      ...(spec?.volumeMode === undefined ? { volumeMode: 'Filesystem' } : {}),
    },
  }),
  'core.v1.PersistentVolumeStatus': (status: { readonly phase?: string }) =>
    status.phase ? undefined : { phase: 'Pending' },
  'core.v1.PersistentVolumeClaim': (claim: PersistentVolumeClaim) =>
    claim.status?.phase ? undefined : { status: { ...claim.status, phase: 'Pending' } },
  'core.v1.PersistentVolumeClaimSpec': (spec: PersistentVolumeClaimSpec) =>
    spec.volumeMode === undefined ? { volumeMode: 'Filesystem' } : undefined,
  'core.v1.EndpointPort': (port: { readonly protocol?: string }) => (port.protocol ? undefined : { protocol: 'TCP' }),
  'core.v1.LimitRangeItem': limitRangeDefaults,
};

/** An address without a mode is a virtual one. */
function loadBalancerModes({ spec, status }: Service): object | undefined {
  const ingress = status?.loadBalancer?.ingress;
  if (spec?.type !== 'LoadBalancer' || !ingress?.some(needsMode)) return undefined;
  const modes = ingress.map((item) => (needsMode(item) ? { ...item, ipMode: 'VIP' } : item));
  return { status: { ...status, loadBalancer: { ...status?.loadBalancer, ingress: modes } } };
}
const needsMode = ({ ip, ipMode }: LoadBalancerIngress): boolean =>
  ip !== undefined && ip !== '' && ipMode === undefined;

function serviceDefaults(spec: ServiceSpec): object {
  const type = spec.type || 'ClusterIP';
  // Strangers reach it: by a port of the nodes, or by an address that leads to them.
  const external =
    type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0);
  return {
    ...(spec.sessionAffinity ? {} : { sessionAffinity: 'None' }),
    ...(spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined
      ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: affinityTimeoutSeconds } } }
      : {}),
    ...((spec.sessionAffinity || 'None') === 'None' && spec.sessionAffinityConfig
      ? { sessionAffinityConfig: undefined }
      : {}),
    ...(spec.type ? {} : { type }),
    ...(spec.ports?.some((p) => !p.protocol || needsTargetPort(p))
      ? {
          ports: spec.ports.map((p) => ({
            ...p,
            protocol: p.protocol || 'TCP',
            targetPort: needsTargetPort(p) ? p.port : p.targetPort,
          })),
        }
      : {}),
    ...(external && !spec.externalTrafficPolicy ? { externalTrafficPolicy: 'Cluster' } : {}),
    ...(type !== 'ExternalName' && spec.internalTrafficPolicy === undefined
      ? { internalTrafficPolicy: 'Cluster' }
      : {}),
    ...(type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === undefined
      ? { allocateLoadBalancerNodePorts: true }
      : {}),
  };
}

const needsTargetPort = (port: ServicePort): boolean =>
  port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '';

/** For containers a missing default is the maximum, a missing default request the default, then the minimum. */
function limitRangeDefaults(item: LimitRangeItem): object | undefined {
  if (item.type !== 'Container') return undefined;
  const limits = { ...item.max, ...item.default };
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  return {
    ...(Object.keys(limits).length > 0 ? { default: sorted(limits) } : {}),
    ...(Object.keys(requests).length > 0 ? { defaultRequest: sorted(requests) } : {}),
  };
}

const sorted = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
