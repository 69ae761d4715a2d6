/**
 * The condition Available of APIServices that another server answers: is its Service there, has it endpoints, does it answer discovery. Looked at on every change of
 * one of these and every 30 seconds. Source: kube-aggregator/pkg/controllers/status/remote.
 */
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { Service } from '../../api/types/core-v1.ts';
import type { EndpointSlice } from '../../api/types/discovery-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import type { HttpClient } from '../../serve/forward/http-client.ts';
import { hostHeader } from '../../serve/upgrade/request-upgrade.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { ServiceResolver } from '../webhook/services.ts';
import { type ApiServices, apiServiceGroup, type RemoteApiService } from './api-services.ts';
import { aggregatorUser, identityHeaders } from './identity.ts';

export interface AvailabilityOptions {
  readonly services: ApiServices;
  readonly reader: ObjectReader;
  readonly writer: StatusWriter;
  readonly resolve: ServiceResolver;
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Availability {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

const resyncMs = 30_000;
const backoffMaxMs = 30_000;
const backoffMinMs = 50;
const checkTimeoutMs = 5000;
/** Endpoints differ: one that answers is enough. */
const attempts = 5;

/** Resolves when `signal` aborts. */
export async function keepAvailability(options: AvailabilityOptions, signal: AbortSignal): Promise<void> {
  const { services, reader, clock, log } = options;
  let wake: (() => void) | undefined;
  let changed = true;
  let backoffMs = backoffMinMs;
  const poke = (): void => {
    changed = true;
    wake?.();
  };
  services.onChange(poke);
  const ends = [
    reader.onChange('', 'services', ({ object }) => {
      if (services.any && concerns(services, object)) poke();
    }),
    reader.onChange('discovery.k8s.io', 'endpointslices', ({ object }) => {
      if (services.any && concerns(services, object, 'kubernetes.io/service-name')) poke();
    }),
  ];
  while (!signal.aborted) {
    changed = false;
    let failing = false;
    // Side by side: one server that answers nothing must not keep the news of the others back.
    await Promise.all(
      services.list().map(async (remote) => {
        try {
          const found = await checkAvailability(remote, options, signal);
          failing ||= found.reason === 'FailedDiscoveryCheck';
          if (!signal.aborted) await write(remote.name, remote.object.metadata.uid, found, options, signal);
        } catch (error) {
          failing = true;
          if (!signal.aborted) log.warn('Cannot keep the state of an APIService', { apiService: remote.name, error });
        }
      }),
    );
    for (const name of services.mislabelled) {
      if (signal.aborted) break;
      const local = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' } as const;
      await write(name, undefined, local, options, signal).catch((error: unknown) => {
        failing = true;
        if (!signal.aborted) log.warn('Cannot keep the state of an APIService', { apiService: name, error });
      });
    }
    backoffMs = failing ? Math.min(backoffMs * 2, backoffMaxMs) : backoffMinMs;
    if (changed && !failing) continue;
    // With nothing served elsewhere there is nothing to look at again.
    const wait = failing ? backoffMs : services.any ? resyncMs : undefined;
    const woken = new AbortController();
    const end = (): void => woken.abort();
    wake = end;
    signal.addEventListener('abort', end, { once: true });
    if (!signal.aborted) {
      if (wait === undefined) await untilAborted(woken.signal);
      else await clock.sleep(wait, woken.signal);
    }
    signal.removeEventListener('abort', end);
    wake = undefined;
  }
  for (const end of ends) end();
}

function concerns(services: ApiServices, object: JsonObject, label?: string): boolean {
  const { name, namespace, labels } = object.metadata as {
    name: string;
    namespace?: string;
    labels?: Readonly<Record<string, string>>;
  };
  const wanted = label === undefined ? name : labels?.[label];
  return services.list().some(({ service }) => service.name === wanted && service.namespace === namespace);
}

export async function checkAvailability(
  remote: RemoteApiService,
  options: AvailabilityOptions,
  signal: AbortSignal,
): Promise<Availability> {
  const { reader } = options;
  const { namespace, name, port } = remote.service;
  const no = (reason: string, message: string): Availability => ({ status: 'False', reason, message });
  const which = `service/${name} in ${JSON.stringify(namespace)}`;
  const service = reader.get('', 'services', namespace, name) as unknown as Service | undefined;
  if (!service) return no('ServiceNotFound', `${which} is not present`);
  if ((service.spec?.type ?? 'ClusterIP') === 'ClusterIP') {
    const found = (service.spec?.ports ?? []).find((candidate) => candidate.port === port);
    if (!found) return no('ServicePortError', `${which} is not listening on port ${port}`);
    const slices = (
      reader.list('discovery.k8s.io', 'endpointslices', namespace) as unknown as readonly EndpointSlice[]
    ).filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
    if (slices.length === 0) return no('EndpointsNotFound', `cannot find endpointslices for ${which}`);
    const portName = found.name ?? '';
    if (!slices.some((slice) => isActive(slice, portName)))
      return no(
        'MissingEndpoints',
        `endpointslices for ${which} have no addresses with port name ${JSON.stringify(portName)}`,
      );
  }
  let last = '';
  for (let attempt = 0; attempt < attempts; attempt++) {
    const failure = await discoveryFailure(remote, options, signal);
    if (failure === undefined) return { status: 'True', reason: 'Passed', message: 'all checks passed' };
    last = failure;
  }
  return no('FailedDiscoveryCheck', last);
}

function isActive({ endpoints, ports }: EndpointSlice, portName: string): boolean {
  return (
    (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) &&
    (ports ?? []).some(({ name, port }) => (name ?? '') === portName && port !== undefined)
  );
}

async function discoveryFailure(
  { group, version, service, tls }: RemoteApiService,
  { http, resolve, clock }: AvailabilityOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  let address: ReturnType<ServiceResolver>;
  try {
    address = resolve(service.namespace, service.name, service.port);
  } catch (error) {
    return (error as Error).message;
  }
  const authority = hostHeader(address.host, address.port);
  const url = `https://${authority}${path}`;
  const limit = new AbortController();
  const timer = clock.timer(checkTimeoutMs, () =>
    limit.abort(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)')),
  );
  const leave = (): void => limit.abort(new Error('context canceled'));
  signal.addEventListener('abort', leave, { once: true });
  try {
    const answer = await http.send(
      { ...address, tls },
      {
        method: 'GET',
        path,
        headers: { host: authority, ...identityHeaders(aggregatorUser) },
        signal: limit.signal,
      },
    );
    answer.body.resume();
    if (answer.status >= 200 && answer.status < 300) return undefined;
    return `failing or missing response from ${url}: bad status from ${url}: ${answer.status}`;
  } catch (error) {
    return `failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${(error as Error).message}`;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', leave);
  }
}

/** Only a change is written: the same looked at again is no news. */
async function write(
  name: string,
  /** Of the one that was looked at; undefined: whichever has the name and no service. */
  wanted: string | undefined,
  found: Availability,
  { writer, clock }: AvailabilityOptions,
  signal: AbortSignal,
): Promise<void> {
  await writer.updateStatus(
    apiServiceGroup,
    'apiservices',
    '',
    name,
    (object) => {
      const uid = (object?.metadata as JsonObject | undefined)?.uid;
      if (!object) return undefined;
      if (wanted === undefined ? (object.spec as JsonObject).service : uid !== wanted) return undefined;
      const status = (object.status ?? {}) as JsonObject;
      const conditions = (status.conditions ?? []) as readonly JsonObject[];
      const before = conditions.find(({ type }) => type === 'Available');
      const { status: state, reason, message } = found;
      if (before && before.status === state && before.reason === reason && before.message === message) return undefined;
      const lastTransitionTime =
        before && before.status === state ? before.lastTransitionTime! : formatTime(clock.now());
      const next = { type: 'Available', status: state, lastTransitionTime, reason, message };
      return {
        ...status,
        conditions: before ? conditions.map((each) => (each === before ? next : each)) : [...conditions, next],
      };
    },
    signal,
  );
}
