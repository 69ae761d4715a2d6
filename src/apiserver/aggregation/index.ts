/**
 * Aggregation: groups that other servers answer. Requests are passed to them with the caller's identity; their discovery becomes part of ours; whether they can be
 * reached stands in their APIService. Source: k8s.io/kube-aggregator.
 */
import type { ApiRequest, ApiResponse } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { RequestInfo } from '../request-info.ts';
import { followApiServices, type ProxyCertificate, type RemoteApiService } from './api-services.ts';
import { keepCustomGroups } from './auto-register.ts';
import { keepAvailability } from './availability.ts';
import { createRemoteDiscovery, type RemoteDiscovery, type RemoteDiscoveryOptions } from './discovery.ts';
import { type PassOptions, passToApiService } from './pass.ts';

export type { ProxyCertificate } from './api-services.ts';

export interface AggregationOptions extends PassOptions, Omit<RemoteDiscoveryOptions, 'services' | 'http'> {
  readonly reader: ObjectReader;
  readonly writer: StatusWriter;
  /** `--proxy-client-cert-file` and its key. Absent: extension servers see an anonymous caller. */
  readonly certificate?: ProxyCertificate | undefined;
  /** Writes APIServices as the API server itself. */
  readonly create: (object: JsonObject) => Promise<void>;
  readonly remove: (name: string) => Promise<void>;
}

export interface Aggregation {
  /** Who else answers this request. */
  find(info: RequestInfo): RemoteApiService | undefined;
  pass(remote: RemoteApiService, request: ApiRequest, user: UserInfo): Promise<ApiResponse>;
  /** The v3 document of another server's group version. */
  passOpenApi(request: ApiRequest, user: UserInfo): Promise<ApiResponse> | undefined;
  readonly discovery: RemoteDiscovery;
  /** For the port: bodies that are passed on. */
  streamsBody(path: string): boolean;
  /** It runs: other servers are looked at and their discovery is read. */
  readonly running: boolean;
  /** Custom groups have had their APIServices written once. */
  readonly registered: boolean;
  /** Resolves when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createAggregation(options: AggregationOptions): Aggregation {
  const { reader, writer, resolve, clock, log, dialer } = options;
  const { http } = dialer;
  const services = followApiServices(reader, options.certificate, (tls) => http.forget(tls));
  const discovery = createRemoteDiscovery({ services, http, resolve, clock, log });
  const byPath = (path: string): RemoteApiService | undefined => {
    const match = /^\/+apis\/+([^/]+)\/+([^/]+)/.exec(path);
    return match ? services.find(match[1]!, match[2]!) : undefined;
  };
  let running = false;
  let registered = false;
  return {
    discovery,
    get running() {
      return running;
    },
    get registered() {
      return registered;
    },
    find(info) {
      if (!services.any) return undefined;
      return info.isResourceRequest ? services.find(info.apiGroup, info.apiVersion) : byPath(info.path);
    },
    pass: (remote, request, user) => passToApiService(remote, request, user, options),
    passOpenApi(request, user) {
      if (!services.any || !request.path.startsWith('/openapi/v3/')) return undefined;
      const found = discovery.openApi().get(request.path.slice('/openapi/v3/'.length).replace(/\/$/, ''));
      return found && passToApiService(found.service, request, user, options);
    },
    streamsBody: (path) => services.any && byPath(path) !== undefined,
    async run(signal) {
      const tasks = createTaskGroup();
      tasks.run('api-service-availability', (stop) =>
        keepAvailability({ services, reader, writer, resolve, http, clock, log }, stop),
      );
      tasks.run('api-service-discovery', (stop) => discovery.run(stop));
      const onRegistered = (): void => {
        registered = true;
      };
      tasks.run('api-service-registration', (stop) => keepCustomGroups({ ...options, onRegistered }, stop));
      running = true;
      try {
        await Promise.race([untilAborted(signal), tasks.done]);
      } finally {
        running = false;
        await tasks.stop();
      }
    },
  };
}
