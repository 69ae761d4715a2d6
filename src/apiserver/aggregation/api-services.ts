/** The APIServices that another server answers, as the cache has them. Local ones are not among them: no entry means this server. */
import type { JsonObject } from '../../api/json.ts';
import type { APIService } from '../../api/types/apiregistration-v1.ts';
import type { TlsIdentity } from '../../serve/upgrade/request-upgrade.ts';
import type { ObjectReader } from '../registry/object-reader.ts';

export interface RemoteApiService {
  /** `v1.example.com` */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  readonly tls: TlsIdentity;
  /** Its condition Available is True. */
  readonly available: boolean;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly object: APIService;
}

/** What we show to extension API servers. PEM. */
export interface ProxyCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface ApiServices {
  /** Nothing is looked up while no group is served elsewhere. */
  readonly any: boolean;
  find(group: string, version: string): RemoteApiService | undefined;
  list(): readonly RemoteApiService[];
  /** Names of those this server answers whose condition does not say so. */
  readonly mislabelled: ReadonlySet<string>;
  /** `groupPriorityMinimum` of a group: the highest of its versions. */
  groupPriority(group: string): number;
  /** Called after each change, of any APIService. */
  onChange(listener: () => void): void;
}

export const apiServiceGroup = 'apiregistration.k8s.io';

/** @param forget an identity that is used no more */
export function followApiServices(
  reader: ObjectReader,
  certificate: ProxyCertificate | undefined,
  forget: (tls: TlsIdentity) => void,
): ApiServices {
  const remote = new Map<string, RemoteApiService>();
  const listeners: (() => void)[] = [];
  const mislabelled = new Set<string>();
  const priorities = new Map<string, { readonly group: string; readonly priority: number }>();
  reader.onChange(apiServiceGroup, 'apiservices', ({ type, object }) => {
    const service = object as unknown as APIService;
    const key = keyOf(service.spec?.group ?? '', service.spec?.version ?? '');
    const before = remote.get(key);
    const next = type === 'DELETED' ? undefined : remoteOf(service, certificate, before);
    if (before && before.tls !== next?.tls) forget(before.tls);
    if (next) remote.set(key, next);
    else remote.delete(key);
    const name = service.metadata.name ?? '';
    if (type === 'DELETED') priorities.delete(name);
    else priorities.set(name, { group: service.spec?.group ?? '', priority: service.spec?.groupPriorityMinimum ?? 0 });
    if (type !== 'DELETED' && !next && conditionOf(service)?.reason !== 'Local') mislabelled.add(name);
    else mislabelled.delete(name);
    for (const listener of listeners) listener();
  });
  return {
    get any() {
      return remote.size > 0;
    },
    find: (group, version) => remote.get(keyOf(group, version)),
    list: () => [...remote.values()],
    mislabelled,
    groupPriority: (group) => {
      let highest = 0;
      for (const each of priorities.values()) if (each.group === group) highest = Math.max(highest, each.priority);
      return highest;
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

const keyOf = (group: string, version: string): string => `${group}/${version}`;

function remoteOf(
  object: APIService,
  certificate: ProxyCertificate | undefined,
  before: RemoteApiService | undefined,
): RemoteApiService | undefined {
  const { spec } = object;
  if (!spec?.service) return undefined;
  const { group = '', version = '', caBundle = '', insecureSkipTLSVerify = false, service } = spec;
  const { namespace = '', name = '', port = 443 } = service;
  const tls: TlsIdentity = {
    ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString() }),
    ...certificate,
    serverName: `${name}.${namespace}.svc`,
    ...(insecureSkipTLSVerify ? { anyServer: true } : {}),
  };
  return {
    name: object.metadata.name ?? '',
    group,
    version,
    service: { namespace, name, port },
    // The same one as long as it says the same, so that its connections are kept.
    tls: before && sameIdentity(before.tls, tls) ? before.tls : tls,
    available: conditionOf(object)?.status === 'True',
    groupPriority: spec.groupPriorityMinimum ?? 0,
    versionPriority: spec.versionPriority ?? 0,
    object,
  };
}

const sameIdentity = (a: TlsIdentity, b: TlsIdentity): boolean =>
  a.ca === b.ca && a.serverName === b.serverName && a.anyServer === b.anyServer;

export const conditionOf = ({ status }: APIService): JsonObject | undefined =>
  (status?.conditions ?? []).find(({ type }) => type === 'Available') as unknown as JsonObject | undefined;
