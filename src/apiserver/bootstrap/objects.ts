/**
 * What a new API server writes by itself, as data (`schema/bootstrap-objects.json`) with this cluster's values filled in. Pure: no uids, no
 * times beyond the one given.
 */
import bootstrap from '../../../schema/bootstrap-objects.json' with { type: 'json' };
import { deepFreeze } from '../../api/freeze.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import { firstServiceAddress } from './service-address.ts';

export interface BootstrapConfig {
  /** `--service-cluster-ip-range`: one CIDR, or two of different families. */
  readonly serviceCidrs: readonly string[];
  /** The port that the `kubernetes` Service leads to. */
  readonly securePort: number;
  /** PEM of the authority that signs client certificates; absent: none are taken. */
  readonly clientCa?: string;
  /** The front proxy of extension API servers. */
  readonly requestHeader?: { readonly clientCa: string; readonly allowedNames: readonly string[] };
}

/** How an object that is there already is brought up to date. */
export type ReconcileRule = 'create-only' | 'rbac' | 'spec' | 'authentication-config' | 'kubernetes-service';

export interface BootstrapObject {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly rule: ReconcileRule;
  readonly object: JsonObject;
}

interface Kind {
  readonly group: string;
  readonly resource: string;
  readonly rule: ReconcileRule;
}
const rbac = (resource: string): Kind => ({ group: 'rbac.authorization.k8s.io', resource, rule: 'rbac' });
const flowControl = (resource: string): Kind => ({ group: 'flowcontrol.apiserver.k8s.io', resource, rule: 'spec' });

/** In the order they are written. Endpoints, EndpointSlice and Lease are kept by loops of their own. */
const kinds: Readonly<Record<string, Kind>> = {
  Namespace: { group: '', resource: 'namespaces', rule: 'create-only' },
  ClusterRole: rbac('clusterroles'),
  ClusterRoleBinding: rbac('clusterrolebindings'),
  Role: rbac('roles'),
  RoleBinding: rbac('rolebindings'),
  PriorityClass: { group: 'scheduling.k8s.io', resource: 'priorityclasses', rule: 'create-only' },
  PriorityLevelConfiguration: flowControl('prioritylevelconfigurations'),
  FlowSchema: flowControl('flowschemas'),
  APIService: { group: 'apiregistration.k8s.io', resource: 'apiservices', rule: 'spec' },
  ServiceCIDR: { group: 'networking.k8s.io', resource: 'servicecidrs', rule: 'create-only' },
  IPAddress: { group: 'networking.k8s.io', resource: 'ipaddresses', rule: 'create-only' },
  Service: { group: '', resource: 'services', rule: 'kubernetes-service' },
  ConfigMap: { group: '', resource: 'configmaps', rule: 'create-only' },
};

/** Immutable, made once, shared by all clusters of the process: what does not depend on a cluster's configuration. */
const templates: readonly BootstrapObject[] = deepFreeze(
  Object.entries(kinds).flatMap(([kind, { group, resource, rule }]) =>
    ((bootstrap as unknown as Readonly<Record<string, readonly JsonObject[]>>)[kind] ?? []).map((object) => {
      const { name, namespace = '' } = object.metadata as unknown as { name: string; namespace?: string };
      return { group, resource, namespace, name, rule, object };
    }),
  ),
);

/** @param nowMs fills in transition times */
export function bootstrapObjects(config: BootstrapConfig, nowMs: number): readonly BootstrapObject[] {
  const time = formatTime(nowMs);
  const values: Readonly<Record<string, string>> = { '<time>': time, '<date>': time.slice(0, 10) };
  return templates.flatMap((template): readonly BootstrapObject[] => {
    switch (template.resource) {
      case 'services':
        return [{ ...template, object: kubernetesService(template.object, config) }];
      case 'servicecidrs':
        return [
          {
            ...template,
            object: filled({ ...template.object, spec: { cidrs: config.serviceCidrs } }, values) as JsonObject,
          },
        ];
      case 'ipaddresses':
        return config.serviceCidrs.slice(0, 1).map((cidr) => serviceAddress(template, firstServiceAddress(cidr)));
      case 'configmaps':
        if (template.name !== 'extension-apiserver-authentication')
          return [{ ...template, object: filled(template.object, values) as JsonObject }];
        return authenticationConfig(template, config);
      case 'flowschemas':
      case 'apiservices':
        return [{ ...template, object: filled(template.object, values) as JsonObject }];
      default:
        return [template];
    }
  });
}

/** The default FlowSchemas and priority levels: who deletes one gets it back. */
export function flowControlObjects(nowMs: number): readonly BootstrapObject[] {
  const time = formatTime(nowMs);
  return templates
    .filter(({ group }) => group === 'flowcontrol.apiserver.k8s.io')
    .map((template) => ({ ...template, object: filled(template.object, { '<time>': time }) as JsonObject }));
}

function kubernetesService(object: JsonObject, { serviceCidrs, securePort }: BootstrapConfig): JsonObject {
  const clusterIPs = serviceCidrs.slice(0, 1).map(firstServiceAddress);
  return {
    ...object,
    spec: {
      ...(object.spec as JsonObject),
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: securePort }],
      clusterIP: clusterIPs[0] ?? '',
      clusterIPs,
      ipFamilies: [clusterIPs[0]?.includes(':') ? 'IPv6' : 'IPv4'],
    },
  };
}

/** Only the primary family's address belongs to the `kubernetes` Service, which is single-stack. */
function serviceAddress(template: BootstrapObject, address: string): BootstrapObject {
  const metadata = template.object.metadata as JsonObject;
  const labels = {
    ...(metadata.labels as JsonObject),
    'ipaddress.kubernetes.io/ip-family': address.includes(':') ? 'IPv6' : 'IPv4',
  };
  return {
    ...template,
    name: address,
    object: { ...template.object, metadata: { ...metadata, name: address, labels } },
  };
}

function authenticationConfig(template: BootstrapObject, config: BootstrapConfig): readonly BootstrapObject[] {
  const { clientCa, requestHeader } = config;
  const data: Record<string, string> = {};
  if (clientCa !== undefined) data['client-ca-file'] = clientCa;
  if (requestHeader !== undefined) {
    data['requestheader-allowed-names'] = JSON.stringify(requestHeader.allowedNames);
    data['requestheader-client-ca-file'] = requestHeader.clientCa;
    for (const [key, value] of Object.entries(template.object.data as JsonObject))
      if (/-headers(-prefix)?$/.test(key)) data[key] = String(value);
  }
  if (Object.keys(data).length === 0) return [];
  return [{ ...template, rule: 'authentication-config', object: { ...template.object, data } }];
}

function filled(value: JsonValue | undefined, values: Readonly<Record<string, string>>): JsonValue | undefined {
  if (typeof value === 'string') return values[value] ?? value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each: JsonValue) => filled(each, values) as JsonValue);
  const copy: Record<string, JsonValue | undefined> = {};
  for (const [key, each] of Object.entries(value)) copy[key] = filled(each, values);
  return copy;
}
