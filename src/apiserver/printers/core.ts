/** Rows of the core group. */
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from '../../api/types/core-v1.ts';
import type { Event as EventsEvent } from '../../api/types/events-v1.ts';
import {
  accessModesText,
  age,
  containerNames,
  images,
  labels,
  nameOf,
  none,
  type Printer,
  since,
  unknown,
  unset,
} from './cells.ts';

const size = (map: object | undefined): number => Object.keys(map ?? {}).length;

export const configMap: Printer<ConfigMap> = (c, now) => [nameOf(c), size(c.data) + size(c.binaryData), age(c, now)];
export const secret: Printer<Secret> = (s, now) => [nameOf(s), s.type ?? '', size(s.data), age(s, now)];
export const serviceAccount: Printer<ServiceAccount> = (s, now) => [nameOf(s), age(s, now)];
export const namespace: Printer<Namespace> = (n, now) => [nameOf(n), n.status?.phase ?? '', age(n, now)];
export const podTemplate: Printer<PodTemplate> = (t) => [
  nameOf(t),
  containerNames(t.template?.spec?.containers),
  images(t.template?.spec?.containers),
  labels(t.template?.metadata?.labels),
];

const rolePrefix = 'node-role.kubernetes.io/';
const roleLabel = 'kubernetes.io/role';

export const node: Printer<Node> = (n, now) => {
  const ready = n.status?.conditions?.find((c) => c.type === 'Ready');
  const status = [
    ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown',
    ...(n.spec?.unschedulable ? ['SchedulingDisabled'] : []),
  ].join(',');
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(n.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === roleLabel && value !== '') roles.add(value);
  }
  const address = (type: string): string => n.status?.addresses?.find((a) => a.type === type)?.address || none;
  const info = n.status?.nodeInfo;
  return [
    nameOf(n),
    status,
    [...roles].sort().join(',') || none,
    age(n, now),
    info?.kubeletVersion ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    info?.osImage || unknown,
    info?.kernelVersion || unknown,
    info?.containerRuntimeVersion || unknown,
  ];
};

export const service: Printer<Service> = (s, now) => {
  const spec = s.spec ?? {};
  const clusterIp = spec.clusterIPs?.[0] || spec.clusterIP || none;
  const ports = (spec.ports ?? [])
    .map((p) => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`)
    .join(',');
  return [nameOf(s), spec.type ?? '', clusterIp, externalIp(s), ports || none, age(s, now), labels(spec.selector)];
};

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? [])
        .map((i) => i.ip || i.hostname || '')
        .filter((a) => a !== '');
      return [...ingress, ...external].join(',') || '<pending>';
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return external.join(',') || none;
  }
}

const endpointsShown = 3;

export const endpoints: Printer<Endpoints> = (e, now) => {
  const all: string[] = [];
  for (const subset of e.subsets ?? []) {
    if (!subset.ports?.length) all.push(...(subset.addresses ?? []).map((a) => a.ip));
    else
      for (const port of subset.ports ?? [])
        for (const address of subset.addresses ?? []) all.push(`${address.ip}:${port.port}`);
  }
  const text =
    all.length > endpointsShown
      ? `${all.slice(0, endpointsShown).join(',')} + ${all.length - endpointsShown} more...`
      : all.join(',');
  return [nameOf(e), text || none, age(e, now)];
};

export const replicationController: Printer<ReplicationController> = (r, now) => [
  nameOf(r),
  r.spec?.replicas ?? 0,
  r.status?.replicas ?? 0,
  r.status?.readyReplicas ?? 0,
  age(r, now),
  containerNames(r.spec?.template?.spec?.containers),
  images(r.spec?.template?.spec?.containers),
  labels(r.spec?.selector),
];

export const resourceQuota: Printer<ResourceQuota> = (q, now) => {
  const requests: string[] = [];
  const limits: string[] = [];
  for (const name of Object.keys(q.status?.hard ?? {}).sort()) {
    const text = `${name}: ${q.status?.used?.[name] ?? '0'}/${q.status!.hard![name]}`;
    (name.startsWith('limits') ? limits : requests).push(text);
  }
  return [nameOf(q), requests.join(', '), limits.join(', '), age(q, now)];
};

export const persistentVolume: Printer<PersistentVolume> = (v, now) => {
  const spec = v.spec ?? {};
  const claim = spec.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '';
  return [
    nameOf(v),
    spec.capacity?.storage ?? '0',
    accessModesText(spec.accessModes),
    spec.persistentVolumeReclaimPolicy ?? '',
    v.metadata.deletionTimestamp ? 'Terminating' : (v.status?.phase ?? ''),
    claim,
    v.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName ?? '',
    spec.volumeAttributesClassName ?? unset,
    v.status?.reason ?? '',
    age(v, now),
    spec.volumeMode ?? unset,
  ];
};

export const persistentVolumeClaim: Printer<PersistentVolumeClaim> = (c, now) => {
  const bound = (c.spec?.volumeName ?? '') !== '';
  return [
    nameOf(c),
    c.metadata.deletionTimestamp ? 'Terminating' : (c.status?.phase ?? ''),
    c.spec?.volumeName ?? '',
    bound ? (c.status?.capacity?.storage ?? '0') : '',
    bound ? accessModesText(c.status?.accessModes) : '',
    c.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? c.spec?.storageClassName ?? '',
    c.spec?.volumeAttributesClassName ?? unset,
    age(c, now),
    c.spec?.volumeMode ?? unset,
  ];
};

export const event: Printer<Event> = (e, now) => {
  const first = e.firstTimestamp ? since(e.firstTimestamp, now) : since(e.eventTime, now);
  const last = e.series ? since(e.series.lastObservedTime, now) : e.lastTimestamp ? since(e.lastTimestamp, now) : first;
  const count = e.series?.count ?? (e.count || 1);
  const { involvedObject: object } = e;
  const target = object.kind ? `${object.kind.toLowerCase()}/${object.name ?? ''}` : (object.name ?? '');
  return [
    last,
    e.type ?? '',
    e.reason ?? '',
    target,
    object.fieldPath ?? '',
    eventSource(e.source?.component, e.source?.host, e.reportingComponent, e.reportingInstance),
    (e.message ?? '').trim(),
    first,
    count,
    nameOf(e),
  ];
};

export const eventsEvent: Printer<EventsEvent> = (e, now) => {
  const first = e.deprecatedFirstTimestamp ? since(e.deprecatedFirstTimestamp, now) : since(e.eventTime, now);
  const last = e.series
    ? since(e.series.lastObservedTime, now)
    : e.deprecatedLastTimestamp
      ? since(e.deprecatedLastTimestamp, now)
      : first;
  const count = e.series?.count ?? (e.deprecatedCount || 1);
  const object = e.regarding;
  const target = object?.kind ? `${object.kind.toLowerCase()}/${object.name ?? ''}` : (object?.name ?? '');
  return [
    last,
    e.type ?? '',
    e.reason ?? '',
    target,
    object?.fieldPath ?? '',
    eventSource(e.deprecatedSource?.component, e.deprecatedSource?.host, e.reportingController, e.reportingInstance),
    (e.note ?? '').trim(),
    first,
    count,
    nameOf(e),
  ];
};

function eventSource(
  component: string | undefined,
  host: string | undefined,
  controller: string | undefined,
  instance: string | undefined,
): string {
  const who = component || controller || '';
  const where = host || (component ? '' : (instance ?? ''));
  return where ? `${who}, ${where}` : who;
}
