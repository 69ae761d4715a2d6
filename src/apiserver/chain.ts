/**
 * The handler chain: request info, panic guard, authentication, impersonation, authorization, routing. Never rejects; failures are answers with a Status
 * (decision 8: the same for HTTPS and in-process callers).
 */
import { encode as encodeJson, encodePretty } from '../api/codec/index.ts';
import { ApiError } from '../api/errors.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '../api/exchange.ts';
import type { JsonObject } from '../api/json.ts';
import { durationProblem, parseDuration } from '../api/time.ts';
import type { Clock } from '../base/clock.ts';
import type { HealthSlis } from '../base/health-slis.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type HealthCheck, health } from '../serve/health.ts';
import { StoreError } from '../store/store.ts';
import type { Aggregation } from './aggregation/index.ts';
import type { Auditor, AuditTrail } from './audit/index.ts';
import type { UserInfo } from './authentication/authenticator.ts';
import type { Authenticate } from './authentication/chain.ts';
import { createImpersonation, type Impersonate } from './authentication/impersonation.ts';
import type { AuthorizationAttributes, Authorizer } from './authorization/authorizer.ts';
import { forbidden, RefusedRequest } from './authorization/forbidden.ts';
import type { RemoteDiscoveryGroup } from './discovery/discovery.ts';
import { isAstray, isMalformed } from './discovery/router.ts';
import type { RemoteDocuments } from './discovery/routes.ts';
import type { Deadlines } from './flow/deadlines.ts';
import { type Flight, type FlowControl, isLongRunning } from './flow/index.ts';
import { negotiateError } from './negotiation/negotiation.ts';
import { type Encoder, encoderFor } from './output/encoders.ts';
import type { RequestContext } from './registry/context.ts';
import type { ResourceHandler } from './registry/resource-handler.ts';
import { errorResponse, notFoundPage, textResponse } from './registry/respond.ts';
import { methodNotAllowed, unknownResource } from './registry/unrouted.ts';
import { parseRequestInfo, type RequestInfo } from './request-info.ts';
import type { RequestMetrics } from './request-metrics.ts';

/** A group that another part of this process answers: behind authentication and authorization, in discovery, not in the store. */
export interface ApiExtension {
  /** As in aggregated discovery. */
  readonly discovery: RemoteDiscoveryGroup;
  /** `/apis/GROUP/VERSION` -> its APIResourceList. */
  readonly documents: ReadonlyMap<string, JsonObject>;
  /** @throws ApiError */
  handle(request: ApiRequest, info: RequestInfo): Promise<ApiResponse>;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: RequestMetrics;
  readonly authenticate: Authenticate;
  readonly authorizer: Authorizer;
  readonly resources: ResourceHandler;
  /** Groups that other parts of this process answer, by name. */
  readonly extensions: ReadonlyMap<string, ApiExtension>;
  /** Discovery, OpenAPI, version and other documents; undefined for paths they do not know. */
  readonly documents: (request: ApiRequest) => ApiResponse | undefined | Promise<ApiResponse | undefined>;
  readonly flow: FlowControl;
  readonly deadlines: Deadlines;
  /** Absent: nothing is recorded. */
  readonly audit?: Auditor | undefined;
  /** Groups that other servers answer. */
  readonly aggregation?: Aggregation;
  readonly checks: readonly HealthCheck[];
  readonly healthSlis: HealthSlis;
  /** Prometheus text. */
  readonly metricsText: () => Promise<string>;
  readonly protobufEncoder: () => Promise<Encoder>;
}

export interface Chain {
  readonly handler: ApiHandler;
  /** The chain for callers whose identity is known: authentication is left out, nothing else. */
  handlerAs(user: UserInfo): ApiHandler;
  authorize(context: RequestContext, verb: string): ReturnType<Authorizer['authorize']>;
}

export function createChain(options: ChainOptions): Chain {
  const { clock, deadlines } = options;
  const impersonate = createImpersonation(options.authorizer);
  const run = async (request: ApiRequest, known: UserInfo | undefined): Promise<ApiResponse> => {
    if (isMalformed(request.path)) return malformed();
    const started = clock.monotonic();
    const query = new URLSearchParams(request.query);
    const info = parseRequestInfo(request.method, request.path, query);
    const auditId = request.headers['audit-id'] ?? options.random.uuid();
    const state: RequestState = {
      flight: undefined,
      seatedMs: undefined,
      terminated: false,
      warnings: [],
      auditId,
      trail: undefined,
      recorded: false,
    };
    const work = settled(options, impersonate, request, info, query, known, state);
    const long = isLongRunning(info);
    if (!long) options.metrics.enter(info);
    let response = long
      ? await work
      : await inTime(work, deadlines, timeoutOf(query), request, () => {
          state.terminated = true;
          return failure(options, request, outOfTime(), []);
        });
    if (options.audit) response = await recorded(options.audit, request, info, state, response);
    if (!long) options.metrics.leave(info);
    const ended = clock.monotonic();
    options.metrics.observe(
      info,
      {
        method: request.method,
        dryRun: query.get('dryRun'),
        fieldValidation: query.get('fieldValidation'),
        headers: request.headers,
        terminated: state.terminated,
      },
      response.status,
      ended - started,
    );
    const { flight, seatedMs } = state;
    if (flight && seatedMs !== undefined)
      (long ? flight.counts.watch : flight.counts.regular).observe((ended - Math.max(started, seatedMs)) / 1000);
    const headers = flight
      ? {
          'audit-id': auditId,
          'cache-control': 'no-cache, private',
          'x-kubernetes-pf-flowschema-uid': flight.schema.uid,
          'x-kubernetes-pf-prioritylevel-uid': flight.level.uid,
          ...response.headers,
        }
      : { 'audit-id': auditId, 'cache-control': 'no-cache, private', ...response.headers };
    return { ...response, headers };
  };
  return {
    handler: (request) => run(request, undefined),
    handlerAs: (user) => (request) => run(request, user),
    authorize: (context, verb) =>
      options.authorizer.authorize(attributesOf(context.info, context.user, verb), context.signal),
  };
}

/** What is learnt of a request on its way. */
interface RequestState {
  flight: Flight | undefined;
  /** Since when it has its seat; 0: since it came. */
  seatedMs: number | undefined;
  /** The server gave it up to protect itself. */
  terminated: boolean;
  readonly warnings: string[];
  readonly auditId: string;
  /** Of a request that the policy wants recorded. */
  trail: AuditTrail | undefined;
  /** The policy was asked: the caller is known. */
  recorded: boolean;
}

/** The answer's events, written as far as they must be before it is given. */
async function recorded(
  audit: Auditor,
  request: ApiRequest,
  info: RequestInfo,
  { trail, recorded: known, auditId }: RequestState,
  response: ApiResponse,
): Promise<ApiResponse> {
  if (!known) {
    const stranger = audit.begin(request, info, undefined, auditId);
    stranger?.unauthenticated(credentialsOf(request));
    await stranger?.refused(response);
    return response;
  }
  if (!trail) return response;
  const answered = trail.answered(response, isLongRunning(info));
  if (answered.written) await answered.written;
  return answered.response;
}

/** Source: endpoints/filters/authn_audit.go. */
function credentialsOf({ headers, peer }: ApiRequest): string {
  const [scheme = ''] = (headers.authorization ?? '').split(' ');
  const bearer = scheme.toLowerCase() === 'bearer';
  const said = [
    ...(peer ? ['x509'] : []),
    ...(bearer ? ['bearer'] : scheme.toLowerCase() === 'basic' ? ['basic'] : []),
  ];
  return said.length === 0 ? 'no authentication methods found' : said.join(', ');
}

/** Never rejects; gives its seat back. */
async function settled(
  options: ChainOptions,
  impersonate: Impersonate,
  request: ApiRequest,
  info: RequestInfo,
  query: URLSearchParams,
  known: UserInfo | undefined,
  state: RequestState,
): Promise<ApiResponse> {
  let seat: Flight | undefined;
  try {
    const sender = known ?? options.authenticate(request);
    const caller = sender instanceof Promise ? await sender : sender;
    if (options.audit) {
      state.recorded = true;
      state.trail = options.audit.begin(request, info, caller, state.auditId);
      const written = state.trail?.received();
      if (written) await written;
    }
    // Before anything that looks at who asks: such an answer names no flow schema.
    checkTimeout(info, query);
    const user = impersonates(request) ? await impersonate(request, attributesOf(info, caller, info.verb)) : caller;
    if (user !== caller) state.trail?.impersonates(user);
    const flight = options.flow.classify(user, info);
    if (flight) {
      state.flight = flight;
      const entering = options.flow.enter(flight, user, info, () => request.signal);
      const seating = entering instanceof Promise ? await entering : entering;
      if (seating !== 'seated') {
        state.terminated = true;
        return tooManyRequests();
      }
      seat = flight;
      state.seatedMs = entering instanceof Promise ? options.clock.monotonic() : 0;
    }
    return await answer(options, request, info, query, user, state);
  } catch (error) {
    return failure(options, request, error, state.warnings);
  } finally {
    if (seat) options.flow.leave(seat);
  }
}

/** Nothing is known of such a request: no user, no id, no record. */
const malformed = (): ApiResponse => textResponse(400, '400 Bad Request', { connection: 'close' });

const tooManyRequests = (): ApiResponse =>
  textResponse(429, 'Too many requests, please try again later.\n', {
    'retry-after': '1',
    'x-content-type-options': 'nosniff',
  });

/** The answer, or that its time is over; what comes later is dropped. */
function inTime(
  work: Promise<ApiResponse>,
  deadlines: Deadlines,
  ms: number | undefined,
  request: ApiRequest,
  late: () => Promise<ApiResponse>,
): Promise<ApiResponse> {
  return new Promise((resolve) => {
    let over = false;
    const deadline = deadlines.start(ms, () => {
      over = true;
      resolve(late());
      request.expire?.();
    });
    void work.then((response) => {
      deadline.done();
      if (over) drop(response);
      else resolve(response);
    });
  });
}

function drop({ body }: ApiResponse): void {
  if (body.kind === 'watch') body.stream.close();
  // Asking a stream to return runs its clean-up; its failure has nobody left to hear it but must not go unhandled.
  else if (body.kind === 'stream')
    body.stream[Symbol.asyncIterator]()
      .return?.()
      .catch(() => undefined);
}

const outOfTime = (): ApiError => ApiError.timeout('request did not complete within the allotted timeout', 0);

/** What the caller allows; a malformed one is refused later, with its words. */
function timeoutOf(query: URLSearchParams): number | undefined {
  const timeout = query.get('timeout');
  return timeout === null || timeout === '' ? undefined : parseDuration(timeout);
}

async function answer(
  options: ChainOptions,
  request: ApiRequest,
  info: RequestInfo,
  query: URLSearchParams,
  user: UserInfo,
  { warnings, trail }: RequestState,
): Promise<ApiResponse> {
  const attributes = attributesOf(info, user, info.verb);
  const asked = options.authorizer.authorize(attributes, request.signal);
  const decision = asked instanceof Promise ? await asked : asked;
  if (trail) {
    trail.annotate('authorization.k8s.io/decision', decision.kind === 'allow' ? 'allow' : 'forbid');
    trail.annotate('authorization.k8s.io/reason', decision.reason);
  }
  if (decision.kind !== 'allow') throw new RefusedRequest(forbidden(attributes, decision.reason));
  if (isAstray(request.path)) return notFoundPage();
  if (info.verb === 'proxy') throw unknownResource();
  // Who may watch was asked; a write on such a path would be one that nobody was asked about.
  if (info.verbByPath && (info.verb !== 'watch' || !isRead(request))) throw methodNotAllowed();
  const remote = options.aggregation?.find(info);
  if (remote) return options.aggregation!.pass(remote, request, user);
  const extended = extensionDocument(options, request.path);
  if (extended) return extended;
  if (info.isResourceRequest && info.parts.length > 0) {
    const context: RequestContext = {
      request,
      info,
      query,
      user,
      signal: request.signal,
      warnings,
      audit: trail,
      auditAnnotations: trail?.annotations,
    };
    const extension = options.extensions.get(info.apiGroup);
    if (extension) return extension.handle(request, info);
    return options.resources.handle(context);
  }
  return (await options.aggregation?.passOpenApi(request, user)) ?? other(options, request, query);
}

/** `?timeout=` of ordinary requests must be a duration; watches and logs have their own limits. */
function checkTimeout(info: RequestInfo, query: URLSearchParams): void {
  const timeout = query.get('timeout');
  if (timeout === null || timeout === '' || info.verb === 'watch') return;
  if (parseDuration(timeout) === undefined)
    throw ApiError.badRequest(`invalid timeout specified in the request URL - ${durationProblem(timeout)}`);
}

function attributesOf(info: RequestInfo, user: UserInfo, verb: string): AuthorizationAttributes {
  return {
    user,
    verb,
    namespace: info.namespace,
    apiGroup: info.apiGroup,
    apiVersion: info.apiVersion,
    resource: info.resource,
    subresource: info.subresource,
    name: info.name,
    resourceRequest: info.isResourceRequest,
    path: info.path,
    ...(info.fieldSelector === '' ? {} : { fieldSelector: info.fieldSelector }),
  };
}

function impersonates({ headers }: ApiRequest): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true;
  return false;
}

const isRead = ({ method }: ApiRequest): boolean => method === 'GET' || method === 'HEAD';

const metricsType = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

async function other(options: ChainOptions, request: ApiRequest, query: URLSearchParams): Promise<ApiResponse> {
  const { log } = options;
  const path = request.path;
  const failed = (name: string, reason: string): void => {
    log.info('A health check failed', { check: name, reason });
  };
  const checked = await health(path, query, options.checks, failed, options.healthSlis.observe);
  if (checked) return checked;
  if (path === '/metrics') return textResponse(200, await options.metricsText(), metricsType);
  if (path === '/metrics/slis') return textResponse(200, await options.healthSlis.text(), metricsType);
  return (await options.documents(request)) ?? notFoundPage();
}

async function failure(
  options: ChainOptions,
  request: ApiRequest,
  error: unknown,
  warnings: readonly string[],
): Promise<ApiResponse> {
  const { mediaType, pretty, raw } = negotiateError(request);
  const encode = raw
    ? encodePretty
    : mediaType === 'application/json' && !pretty
      ? undefined
      : await encoderFor(mediaType, pretty, options.protobufEncoder);
  const response = errorResponse(expected(options, request, error), {
    contentType: mediaType,
    warnings,
    ...(encode ? { encode } : {}),
  });
  if (!(error instanceof RefusedRequest)) return response;
  return { ...response, headers: { ...response.headers, 'x-content-type-options': 'nosniff' } };
}

/** Expected failures carry their Status; the store's are turned into one; anything else is a bug: logged with its stack, answered with 500. */
function expected({ log }: ChainOptions, request: ApiRequest, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreError) {
    log.warn('The store failed a request', { method: request.method, path: request.path, error });
    switch (error.code) {
      case 'unavailable':
      case 'closed':
      case 'readonly':
      case 'inUse':
        return ApiError.serviceUnavailable(error.message);
      case 'tooLarge':
        return ApiError.tooLarge(error.message);
      default:
        return new ApiError({ code: 500, message: error.message }, { cause: error });
    }
  }
  if (!request.signal.aborted)
    log.error('A request failed unexpectedly', { method: request.method, path: request.path, error });
  return ApiError.internal(error);
}

/** The resources of a group that another part of this process answers. */
function extensionDocument({ extensions }: ChainOptions, path: string): ApiResponse | undefined {
  if (extensions.size === 0 || !path.startsWith('/apis/')) return undefined;
  const found = extensions.get(path.split('/')[2]!)?.documents.get(path.replace(/\/$/, ''));
  return (
    found && {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: { kind: 'bytes', bytes: encodeJson(found) },
    }
  );
}

/** What discovery shows beside our own groups: other servers', and extensions of this process where no other server has their group. */
export function withExtensions(remote: RemoteDocuments, extensions: readonly ApiExtension[]): RemoteDocuments {
  if (extensions.length === 0) return remote;
  let seen: readonly RemoteDiscoveryGroup[] | undefined;
  let all: readonly RemoteDiscoveryGroup[] = [];
  return {
    priorityOf: (group) => remote.priorityOf(group),
    openApi: () => remote.openApi(),
    groups() {
      const theirs = remote.groups();
      if (theirs !== seen) {
        seen = theirs;
        const names = new Set(theirs.map(({ name }) => name));
        all = [...theirs, ...extensions.map(({ discovery }) => discovery).filter(({ name }) => !names.has(name))];
      }
      return all;
    },
  };
}
