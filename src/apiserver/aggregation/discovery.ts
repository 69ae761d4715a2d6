/**
 * What other servers say they serve, fetched in the background and merged into our discovery: a slow extension server makes no client wait. One that does not answer
 * keeps its last known resources, marked stale. Source: kube-aggregator/pkg/apiserver (discovery manager).
 */
import { parseJson } from '../../api/codec/index.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { HttpClient } from '../../serve/forward/http-client.ts';
import { hostHeader } from '../../serve/upgrade/request-upgrade.ts';
import type { ServiceResolver } from '../webhook/services.ts';
import type { ApiServices, RemoteApiService } from './api-services.ts';
import { aggregatorUser, identityHeaders } from './identity.ts';

export interface RemoteGroup {
  readonly name: string;
  readonly priority: number;
  /** The preferred one first. */
  readonly versions: readonly RemoteVersion[];
}
export interface RemoteVersion {
  readonly version: string;
  readonly priority: number;
  /** Entries of aggregated discovery (v2). */
  readonly resources: readonly JsonObject[];
  readonly freshness: 'Current' | 'Stale';
}

/** A paths entry of another server's OpenAPI v3 index. */
export interface RemoteOpenApi {
  readonly service: RemoteApiService;
  readonly serverRelativeUrl: string;
}

export interface RemoteDiscovery {
  /** The same array until something changes. */
  groups(): readonly RemoteGroup[];
  /** `groupPriorityMinimum`, of local groups too. */
  priorityOf(group: string): number;
  /** By name, `apis/GROUP/VERSION`. */
  openApi(): ReadonlyMap<string, RemoteOpenApi>;
  /** Resolves when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface RemoteDiscoveryOptions {
  readonly services: ApiServices;
  readonly http: HttpClient;
  readonly resolve: ServiceResolver;
  readonly clock: Clock;
  readonly log: Logger;
}

const refreshMs = 60_000;
const retryMs = 1000;
const requestTimeoutMs = 5000;
const documentBytesMax = 32 * 1024 * 1024;
const aggregatedTypes =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';

interface Known {
  readonly resources: readonly JsonObject[];
  readonly openApi: string | undefined;
  fresh: boolean;
}

export function createRemoteDiscovery(options: RemoteDiscoveryOptions): RemoteDiscovery {
  const { services, clock, log } = options;
  const known = new Map<string, Known>();
  let groups: readonly RemoteGroup[] | undefined;
  let openApi: ReadonlyMap<string, RemoteOpenApi> | undefined;
  const forgetMerged = (): void => {
    groups = undefined;
    openApi = undefined;
  };
  let wake: (() => void) | undefined;
  let changed = true;
  services.onChange(() => {
    changed = true;
    forgetMerged();
    wake?.();
  });

  const refresh = async (signal: AbortSignal): Promise<boolean> => {
    let complete = true;
    const present = new Set<string>();
    for (const service of services.list()) {
      present.add(service.name);
      const before = known.get(service.name);
      if (!service.available) {
        if (before?.fresh) {
          before.fresh = false;
          forgetMerged();
        }
        continue;
      }
      try {
        const resources = await fetchResources(service, options, signal);
        const index = await fetchOpenApi(service, options, signal);
        known.set(service.name, { resources, openApi: index, fresh: true });
      } catch (error) {
        complete = false;
        if (before) before.fresh = false;
        if (!signal.aborted)
          log.info('Cannot read the discovery of an APIService', { apiService: service.name, error });
      }
      forgetMerged();
    }
    for (const name of known.keys()) if (!present.has(name)) known.delete(name);
    return complete;
  };

  return {
    groups: () => (groups ??= merged(services, known)),
    priorityOf: (group) => services.groupPriority(group),
    openApi: () =>
      (openApi ??= new Map(
        services.list().flatMap((service): [string, RemoteOpenApi][] => {
          const url = known.get(service.name)?.openApi;
          return url === undefined
            ? []
            : [[`apis/${service.group}/${service.version}`, { service, serverRelativeUrl: url }]];
        }),
      )),
    async run(signal) {
      while (!signal.aborted) {
        changed = false;
        const complete = await refresh(signal);
        if (changed) continue;
        const woken = new AbortController();
        const end = (): void => woken.abort();
        wake = end;
        signal.addEventListener('abort', end, { once: true });
        if (signal.aborted) end();
        if (services.any) await clock.sleep(complete ? refreshMs : retryMs, woken.signal);
        else if (!woken.signal.aborted)
          await new Promise<void>((resolve) => woken.signal.addEventListener('abort', () => resolve(), { once: true }));
        signal.removeEventListener('abort', end);
        wake = undefined;
      }
    },
  };
}

function merged(services: ApiServices, known: ReadonlyMap<string, Known>): readonly RemoteGroup[] {
  const byGroup = Map.groupBy(services.list(), ({ group }) => group);
  return [...byGroup]
    .map(([name, members]): RemoteGroup => {
      const versions = members
        .map((service): RemoteVersion => {
          const found = known.get(service.name);
          return {
            version: service.version,
            priority: service.versionPriority,
            resources: found?.resources ?? [],
            freshness: found?.fresh ? 'Current' : 'Stale',
          };
        })
        .sort((a, b) => b.priority - a.priority || (a.version < b.version ? -1 : 1));
      return { name, priority: services.groupPriority(name), versions };
    })
    .sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
}

async function fetchResources(
  service: RemoteApiService,
  options: RemoteDiscoveryOptions,
  signal: AbortSignal,
): Promise<readonly JsonObject[]> {
  const all = await fetchJson(service, '/apis', aggregatedTypes, options, signal);
  if (all?.kind === 'APIGroupDiscoveryList') {
    const groups = (all.items ?? []) as readonly JsonObject[];
    const group = groups.find(({ metadata }) => (metadata as JsonObject | undefined)?.name === service.group);
    const versions = (group?.versions ?? []) as readonly JsonObject[];
    return (versions.find(({ version }) => version === service.version)?.resources ?? []) as readonly JsonObject[];
  }
  const list = await fetchJson(
    service,
    `/apis/${service.group}/${service.version}`,
    'application/json',
    options,
    signal,
  );
  if (list?.kind !== 'APIResourceList') throw new Error('It answers with no list of resources');
  return fromLegacy(service, (list.resources ?? []) as readonly JsonObject[]);
}

/** Entries of an APIResourceList as aggregated discovery has them. */
function fromLegacy({ group, version }: RemoteApiService, entries: readonly JsonObject[]): readonly JsonObject[] {
  const kindOf = (entry: JsonObject): JsonObject => ({
    group: entry.group ?? group,
    version: entry.version ?? version,
    kind: entry.kind ?? '',
  });
  return entries
    .filter(({ name }) => !String(name).includes('/'))
    .map((entry): JsonObject => {
      const subresources = entries
        .filter(({ name }) => String(name).startsWith(`${String(entry.name)}/`))
        .map((part) => ({
          subresource: String(part.name).slice(String(entry.name).length + 1),
          responseKind: kindOf(part),
          verbs: part.verbs ?? [],
        }));
      return {
        resource: entry.name!,
        responseKind: kindOf(entry),
        scope: entry.namespaced === true ? 'Namespaced' : 'Cluster',
        singularResource: entry.singularName ?? '',
        verbs: entry.verbs ?? [],
        ...(Array.isArray(entry.shortNames) ? { shortNames: entry.shortNames } : {}),
        ...(Array.isArray(entry.categories) ? { categories: entry.categories } : {}),
        ...(subresources.length > 0 ? { subresources } : {}),
      };
    });
}

/** Where the server describes the group version; undefined when it has no OpenAPI v3. */
async function fetchOpenApi(
  service: RemoteApiService,
  options: RemoteDiscoveryOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const index = await fetchJson(service, '/openapi/v3', 'application/json', options, signal);
  const entry = (index?.paths as JsonObject | undefined)?.[`apis/${service.group}/${service.version}`];
  return (entry as JsonObject | undefined)?.serverRelativeURL as string | undefined;
}

/** @returns undefined for 404 and 406. @throws Error */
async function fetchJson(
  { service, tls }: RemoteApiService,
  path: string,
  accept: string,
  { http, resolve, clock }: RemoteDiscoveryOptions,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const address = resolve(service.namespace, service.name, service.port);
  const limit = new AbortController();
  const timer = clock.timer(requestTimeoutMs, () => limit.abort(new Error('context deadline exceeded')));
  const leave = (): void => limit.abort(new Error('context canceled'));
  signal.addEventListener('abort', leave, { once: true });
  try {
    const answer = await http.send(
      { ...address, tls },
      {
        method: 'GET',
        path,
        headers: { host: hostHeader(address.host, address.port), accept, ...identityHeaders(aggregatorUser) },
        signal: limit.signal,
      },
    );
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > documentBytesMax) throw new Error(`${path} is longer than ${documentBytesMax} bytes`);
      pieces.push(piece);
    }
    if (answer.status === 404 || answer.status === 406) return undefined;
    if (answer.status !== 200) throw new Error(`${path} is answered with status ${answer.status}`);
    return parseJson(Buffer.concat(pieces).toString()).value as JsonObject;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', leave);
  }
}
