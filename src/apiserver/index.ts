/**
 * The API server: `createApiServer(options)` puts the chain, the registry and the watch cache together. No HTTP here: `serve/` turns bytes into requests,
 * in-process callers hand them over as they are (decision 8).
 */

import { createApplier } from '../api/apply/apply.ts';
import { decodeObject, encode } from '../api/codec/index.ts';
import { createBuiltinDefaulter } from '../api/defaulting/index.ts';
import { ApiError } from '../api/errors.ts';
import type { ApiHandler, ApiResponse } from '../api/exchange.ts';
import { followedVersion } from '../api/followed-version.ts';
import { deepFreeze } from '../api/freeze.ts';
import type { JsonObject } from '../api/json.ts';
import { createFieldManager } from '../api/managed-fields/managed-fields.ts';
import { builtinSchema } from '../api/schema/builtin.ts';
import { LiveSchema } from '../api/schema/live-schema.ts';
import type { GroupVersionKind, ResourceSchema, Schema } from '../api/schema/model.ts';
import type { Info } from '../api/types/apimachinery.ts';
import type { APIService } from '../api/types/apiregistration-v1.ts';
import type { Status } from '../api/types/meta-v1.ts';
import type { Clock } from '../base/clock.ts';
import { createHealthSlis } from '../base/health-slis.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { withinTime } from '../base/within-time.ts';
import { createHttpClient } from '../serve/forward/http-client.ts';
import type { HealthCheck } from '../serve/health.ts';
import { createMeasuredStore, type StoredResourceName } from '../store/measured-store.ts';
import type { Store } from '../store/store.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import { measuredAdmission } from './admission/meter.ts';
import { createPolicyAdmission, lateMatchConditions } from './admission/policies/index.ts';
import { withExpressionRules } from './admission/policies/late-strategies.ts';
import { followPolicies } from './admission/policies/policy-status.ts';
import { createWebhookAdmission, equivalentsOf } from './admission/webhooks/index.ts';
import type { CompileMatchConditions } from './admission/webhooks/match-conditions.ts';
import { apiServiceGroup, conditionOf } from './aggregation/api-services.ts';
import { createAggregation, type ProxyCertificate } from './aggregation/index.ts';
import { type AuditOptions, createAuditor } from './audit/index.ts';
import type { UserInfo } from './authentication/authenticator.ts';
import type { TokenAuthenticator } from './authentication/bearer-token.ts';
import type { Authenticate } from './authentication/chain.ts';
import type { TokenIssuer } from './authentication/token-issuer.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import type { RbacIndex } from './authorization/rbac-index.ts';
import { type ApiExtension, createChain, withExtensions } from './chain.ts';
import { compactRegularly } from './compaction.ts';
import { customPrinter } from './custom/columns.ts';
import { CustomResources } from './custom/custom-resources.ts';
import { kindOptions, withDefinitionRules } from './custom/late.ts';
import { oneForm } from './discovery/router.ts';
import { createDocumentRoutes } from './discovery/routes.ts';
import { Deadlines } from './flow/deadlines.ts';
import { createFlowControl } from './flow/index.ts';
import { type BesideServer, checkPaths, serverChecks } from './health-checks.ts';
import { FormFactory, type ProtobufSupport } from './output/form-factory.ts';
import type { TablePrinter } from './output/table.ts';
import { builtinPrinter } from './printers/index.ts';
import type { ComponentCheck } from './registry/endpoints/component-statuses.ts';
import { createStreamMetrics } from './registry/endpoints/connect.ts';
import type { KubeletClient } from './registry/endpoints/logs.ts';
import { isProxyPath } from './registry/endpoints/proxy.ts';
import { splitKey } from './registry/keys.ts';
import { kindFunctions } from './registry/kind-functions.ts';
import { createExpiryLeases } from './registry/leases.ts';
import { LiveTable } from './registry/live-table.ts';
import type { ObjectReader } from './registry/object-reader.ts';
import { createReader } from './registry/reader.ts';
import { noHooks, type Registry, type StorageHooks } from './registry/registry.ts';
import { ResourceHandler } from './registry/resource-handler.ts';
import { buildResourceTable } from './registry/resources.ts';
import { errorResponse } from './registry/respond.ts';
import { Rounds } from './registry/rounds.ts';
import { createStatusWriter, type StatusWriter } from './registry/status-writer.ts';
import { parseStored } from './registry/stored-value.ts';
import { builtinSubresources } from './registry/subresource-table.ts';
import { identityTransformer, type Transformer } from './registry/transformer.ts';
import { defaultWatchLimits, type WatchLimits } from './registry/watch.ts';
import type { RequestInfo } from './request-info.ts';
import { createRequestMetrics } from './request-metrics.ts';
import { createSecurityMeters } from './security-metrics.ts';
import { registerServerMetrics } from './server-metrics.ts';
import { withSelectorRules } from './strategies/device-selectors.ts';
import { builtinStrategies } from './strategies/index.ts';
import { createWatchMeter } from './watch-cache/metrics.ts';
import { WatchCache } from './watch-cache/watch-cache.ts';
import { createWebhookClient, type WebhookClient } from './webhook/client.ts';
import { createServiceResolver } from './webhook/services.ts';
import { createZPages, zPaths } from './z-pages.ts';

export { followedVersion } from '../api/followed-version.ts';
export type { ApiExtension } from './chain.ts';
export type { RequestInfo } from './request-info.ts';

/** What security parts are made from: they read stored objects, which exist only once the cache does. */
export interface SecurityContext {
  readonly reader: ObjectReader;
  /** For parts that keep an object's status themselves: quotas. */
  readonly writer?: StatusWriter;
  readonly schema: Schema;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

export interface Security {
  readonly authenticate: Authenticate;
  readonly authorizer: Authorizer;
  /** In the order they run. */
  readonly admission: readonly AdmissionPlugin[];
  /** `--disable-admission-plugins`, for those that the API server itself puts between them. */
  readonly disabledAdmissionPlugins?: readonly string[];
  /** For webhooks' `matchConditions`. Absent: those that have some fail by their policy. */
  readonly compileMatchConditions?: CompileMatchConditions;
  /** For TokenReview. */
  readonly tokens?: TokenAuthenticator;
  /** The API server's own audiences, for a TokenReview that names none. */
  readonly audiences?: readonly string[];
  /** For `serviceaccounts/token`. */
  readonly tokenIssuer?: TokenIssuer;
  /** For SelfSubjectRulesReview. */
  readonly rbacIndex?: RbacIndex;
  /** `/.well-known/openid-configuration` and the like, by path. */
  readonly documents?: ReadonlyMap<string, ApiResponse>;
}

export interface ApiServerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly security: (context: SecurityContext) => Security;
  /** Default: the built-in schema. */
  readonly schema?: Schema;
  readonly serves?: (resource: ResourceSchema) => boolean;
  readonly transformer?: Transformer;
  /** Cluster IPs and node ports. */
  readonly hooks?: (context: SecurityContext) => StorageHooks;
  /** What `/version` says; by default the upstream version this server follows. */
  readonly version?: Info;
  /** `host:port` under which clients reach the server, for `/api`. Default `127.0.0.1:6443`. */
  readonly serverAddress?: string;
  /** For `kubectl logs`; without it that answers 501. */
  readonly kubelet?: KubeletClient;
  /** Where pods, services and webhooks are really reached: tests, simulated hosts. Default: at their address. */
  readonly reach?: (host: string, port: number) => { readonly host: string; readonly port: number };
  /** How webhooks are called. Default: over HTTPS. */
  readonly webhooks?: WebhookClient;
  /** Shown to extension API servers: `--proxy-client-cert-file`, `--proxy-client-key-file`. */
  readonly proxyClient?: ProxyCertificate;
  readonly watchLimits?: Partial<WatchLimits>;
  /** Encoded bytes of objects whose parsed values are kept. Default 32 MiB. */
  readonly valueBudgetBytes?: number;
  /** Default 5 minutes; 0: never. Upstream: --etcd-compaction-interval. */
  readonly compactionIntervalMs?: number;
  /** Other API servers use the same store: they agree who compacts it. Default: this one is alone. */
  readonly sharedStore?: boolean;
  /** Upstream: --request-timeout, one minute. */
  readonly requestTimeoutMs?: number;
  /** Upstream: --max-requests-inflight plus --max-mutating-requests-inflight. Default 600. */
  readonly requestsInFlightMax?: number;
  /** Absent: nothing is recorded. */
  readonly audit?: AuditOptions;
  /** Upstream: --event-ttl, one hour. */
  readonly eventTtlSeconds?: number;
  /** Groups that other parts of this process answer. */
  readonly extensions?: (reader: ObjectReader) => readonly ApiExtension[];
  /** For `componentstatuses`, before the store. */
  readonly components?: readonly ComponentCheck[];
  /** What the server's health waits for beside itself. */
  readonly beside?: BesideServer;
  /** The command line as it took effect, for `/flagz`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Who owns what the server itself writes. Upstream: the name of its program. Default `kube-apiserver`. */
  readonly programName?: string;
}

export interface ApiServer {
  readonly handler: ApiHandler;
  /** For callers whose identity is known: bootstrap, tests, the same process. Authorization and admission run. */
  handlerAs(user: UserInfo): ApiHandler;
  /** For the port: whose bodies are passed on to other servers as they come. */
  readonly streamsBody: (method: string, path: string) => boolean;
  readonly reader: ObjectReader;
  readonly registry: Registry;
  /** Resolves when the watch cache is filled. Rejects when the store cannot be read before `signal` aborts. Call once. */
  start(signal?: AbortSignal): Promise<void>;
  /** Ends open watches and the watch on the store; idempotent. The store stays open. */
  stop(): Promise<void>;
  readonly checks: readonly HealthCheck[];
}

const valueBudgetDefault = 32 * 1024 * 1024;
const compactionDefaultMs = 300_000;
const requestTimeoutDefaultMs = 60_000;
/** Upstream: --etcd-healthcheck-timeout, --etcd-readycheck-timeout. */
const storeCheckMs = 2000;
/** Upstream: --max-requests-inflight 400 and --max-mutating-requests-inflight 200, which priority and fairness shares out as one. */
const requestsInFlightDefault = 600;
const otherPaths = ['/metrics', '/metrics/slis', '/version', '/openapi/v2', '/openapi/v3', ...zPaths] as const;

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { clock, random, log, metrics } = options;
  const base = options.schema ?? builtinSchema;
  const schema = new LiveSchema(base);
  const transformer = options.transformer ?? identityTransformer;
  const table = new LiveTable(
    buildResourceTable(base, withSelectorRules(withExpressionRules(withDefinitionRules(builtinStrategies(base)))), {
      ...(options.serves ? { isServed: options.serves } : {}),
      ...(options.eventTtlSeconds === undefined ? {} : { eventTtlSeconds: options.eventTtlSeconds }),
    }),
  );
  const store = createMeasuredStore(options.store, { metrics, clock, resourceOf: resourceNames(table) });
  const cache = new WatchCache({
    store,
    clock,
    log,
    transformer,
    resources: table.stored.map(({ prefix, fields, isPods }) => ({
      prefix,
      extract: (value: JsonObject) => fields.extract(value),
      indexNodes: isPods,
    })),
    parse: parseStored,
    encode,
    freeze: deepFreeze,
    valueBudgetBytes: options.valueBudgetBytes ?? valueBudgetDefault,
  });
  const rounds = new Rounds({ store, cache, transformer, encode, leases: createExpiryLeases(store, clock) });
  const reader = createReader(table, cache, rounds);
  const fieldManager = createFieldManager();
  const ownership = { fieldManager, clock, table, manager: options.programName ?? 'kube-apiserver' };
  const context: SecurityContext = {
    reader,
    writer: createStatusWriter(table, cache, rounds, ownership),
    schema,
    clock,
    random,
    log,
    metrics,
  };
  const security = options.security(context);
  const meters = createSecurityMeters(metrics, clock);
  const requestMetrics = createRequestMetrics(metrics, (info) => isServed(table, info));
  const http = createHttpClient({ clock, ...(options.reach ? { reach: options.reach } : {}) });
  const resolve = createServiceResolver(reader, random);
  const webhookAdmission = createWebhookAdmission({
    reader,
    registry: () => registry,
    metrics,
    log,
    compileMatchConditions: security.compileMatchConditions ?? lateMatchConditions(security.authorizer),
  });
  const policies = createPolicyAdmission({
    reader,
    table: () => table,
    matching: { reader, equivalents: (resource, subresource) => equivalentsOf(table, resource, subresource) },
    authorizer: security.authorizer,
    convert: (object, to) => convertedTo(registry, object, to),
    finish: (object, kind) => finished(registry, object, kind),
    typeOf: (kind) => schema.byGvk(kind),
  });
  const [mutatingWebhooks, validatingWebhooks] = webhookAdmission;
  const late = [policies.mutating, mutatingWebhooks, policies.validating, validatingWebhooks].filter(
    ({ name }) => !(security.disabledAdmissionPlugins ?? []).includes(name),
  );
  const printerFor = (resource: ResourceSchema): TablePrinter | undefined =>
    resource.custom ? customPrinter(resource.custom.printerColumns) : builtinPrinter(resource);
  const registry: Registry = {
    schema,
    table,
    cache,
    rounds,
    clock,
    random,
    admission: measuredAdmission(withWebhooks(security.admission, late), metrics, clock),
    watchMeter: createWatchMeter({
      metrics,
      clock,
      caches: () =>
        table.stored.map(({ prefix, group, resource }) => ({ group, resource, cache: cache.resource(prefix) })),
      revision: () => cache.revision,
      lasting: (info) => requestMetrics.lasting(info),
    }),
    kinds: kindFunctions(schema, createBuiltinDefaulter(base)),
    fieldManager,
    applier: createApplier(),
    hooks: options.hooks?.(context) ?? noHooks,
    webhooks: options.webhooks ?? createWebhookClient({ http, clock, resolve }),
  };
  const custom = new CustomResources({
    registry,
    ownership,
    schema,
    table,
    reader,
    log,
    kindOptions: (definition) => kindOptions(definition, registry),
  });
  const protobuf = protobufOf(schema);
  const forms = new FormFactory({ registry, clock, printerFor, protobuf });
  const resources = new ResourceHandler({
    registry,
    forms,
    watchLimits: { ...defaultWatchLimits, ...options.watchLimits },
    subresources: builtinSubresources({
      authorizer: security.authorizer,
      tokens: security.tokens,
      audiences: security.audiences ?? [],
      rbacIndex: security.rbacIndex,
      tokenIssuer: security.tokenIssuer,
      kubelet: options.kubelet,
      dialer: { http, clock, reach: options.reach },
      streams: createStreamMetrics(metrics),
      components: [...(options.components ?? []), { name: 'etcd-0', check: () => storeAnswers(store, clock) }],
    }),
    authorize: (request, verb) => chain.authorize(request, verb),
    protobufEncoder: () => protobuf.encoder(),
    settled: (group, resource) => custom.settled(group, resource),
  });
  const stopping = new AbortController();
  const asServer = (method: string, path: string, body?: JsonObject): Promise<void> =>
    writeAsServer(chain.handlerAs(apiServerUser), method, path, body, stopping.signal);
  const apiServices = '/apis/apiregistration.k8s.io/v1/apiservices';
  const aggregation = createAggregation({
    reader,
    writer: createStatusWriter(table, cache, rounds, ownership),
    resolve,
    dialer: { http, clock, reach: options.reach },
    clock,
    log,
    certificate: options.proxyClient,
    create: (object) => asServer('POST', apiServices, object),
    remove: (name) => asServer('DELETE', `${apiServices}/${name}`),
  });
  const extensions = options.extensions?.(reader) ?? [];
  const requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutDefaultMs;
  const deadlines = new Deadlines(clock, requestTimeoutMs);
  const flow = createFlowControl({
    reader,
    writer: createStatusWriter(table, cache, rounds, ownership),
    clock,
    log,
    metrics,
    concurrency: options.requestsInFlightMax ?? requestsInFlightDefault,
    requestTimeoutMs,
  });
  let customServed = false;
  let admissionStarted = false;
  let followersStarted = false;
  const checks = serverChecks({
    storeAnswers: () => storeAnswers(store, clock),
    cacheFilled: () => cache.filled,
    customServed: () => customServed,
    admissionStarted: () => admissionStarted,
    followersStarted: () => followersStarted,
    aggregating: () => aggregation.running,
    registered: () => aggregation.registered,
    logFailure: () => log.failure?.(),
    stopping: () => stopping.signal.aborted,
    proxyCertificate: options.proxyClient !== undefined,
    beside: options.beside,
  });
  const documents = createDocumentRoutes({
    schema: () => schema.current,
    remote: withExtensions(aggregation.discovery, extensions),
    ...(options.serves ? { serves: options.serves } : {}),
    version: options.version ?? followedVersion,
    serverAddress: options.serverAddress ?? '127.0.0.1:6443',
    paths: [...otherPaths, ...checkPaths(checks), ...(security.documents?.keys() ?? [])],
    yield: () => clock.yield(),
    now: () => clock.now(),
  });
  const zPages = createZPages({ clock, version: options.version ?? followedVersion, flags: options.flags });
  const audit = options.audit && createAuditor(options.audit, { clock, log, metrics });
  const chain = createChain({
    clock,
    random,
    log,
    metrics: requestMetrics,
    authenticate: meters.authenticate(security.authenticate),
    authorizer: meters.authorizer(security.authorizer),
    resources,
    flow,
    deadlines,
    audit,
    aggregation,
    extensions: new Map(extensions.map((extension) => [extension.discovery.name, extension])),
    documents: async (request) =>
      oneForm(security.documents, request) ?? (await zPages(request)) ?? (await documents(request)),
    checks,
    healthSlis: createHealthSlis(),
    metricsText: () => metrics.text(),
    protobufEncoder: () => protobuf.encoder(),
  });
  registerServerMetrics(metrics, {
    version: options.version ?? followedVersion,
    watchers: () => cache.watcherCount(),
    objects: () =>
      table.stored.map(({ prefix, group, resource }) => [
        group === '' ? resource : `${resource}.${group}`,
        cache.resource(prefix).size,
      ]),
    apiServices: () =>
      reader
        .list(apiServiceGroup, 'apiservices', '')
        .map((object) => [
          (object.metadata as { readonly name: string }).name,
          conditionOf(object as unknown as APIService)?.status === 'True',
        ]),
  });
  let running: Promise<void> | undefined;
  let aggregated: Promise<void> | undefined;

  return {
    handler: guarded(chain.handler, stopping.signal),
    handlerAs: (user) => guarded(chain.handlerAs(user), stopping.signal),
    streamsBody: (_, path) => isProxyPath(path) || aggregation.streamsBody(path),
    reader,
    registry,
    checks,
    start(signal) {
      if (running) throw new Error('The API server was started already');
      const filled = Promise.withResolvers<void>();
      let following: Promise<void> | undefined;
      const ended = cache
        .run(stopping.signal, () => {
          const { writer } = context;
          admissionStarted = true;
          following = Promise.all([
            custom.run(stopping.signal, () => {
              customServed = true;
              filled.resolve();
            }),
            writer && followPolicies({ reader, writer, table, schema, log }, stopping.signal),
          ]).then(() => undefined);
          following.catch((error: unknown) => {
            admissionStarted = false;
            log.error('Custom resources are not followed any more', { error });
            filled.reject(error);
          });
        })
        .then(() => following);
      const interval = options.compactionIntervalMs ?? compactionDefaultMs;
      const compaction =
        interval > 0
          ? compactRegularly(
              { store, cache, clock, log, intervalMs: interval, shared: options.sharedStore ?? false },
              stopping.signal,
            )
          : undefined;
      running = Promise.all([ended, compaction]).then(() => {
        filled.reject(new Error('The API server stopped before its cache was filled'));
      });
      running.catch((error: unknown) => {
        log.error('The watch cache failed', { error });
        filled.reject(error);
      });
      // What is missing from a cache that is only filling would be taken for gone.
      aggregated = filled.promise.then(
        async () => {
          followersStarted = true;
          await Promise.all([aggregation.run(stopping.signal), flow.run(stopping.signal)]);
        },
        () => undefined,
      );
      signal?.addEventListener('abort', () => stopping.abort(), { once: true });
      if (signal?.aborted) stopping.abort();
      return filled.promise;
    },
    async stop() {
      stopping.abort();
      http.close();
      deadlines.stop();
      await running;
      await aggregated;
      await audit?.close();
    },
  };
}

function isServed(table: LiveTable, info: RequestInfo): boolean {
  if (!info.isResourceRequest) return true;
  const found = table.find(info.apiGroup, info.apiVersion, info.resource);
  return found !== undefined && (info.subresource === '' || Object.hasOwn(found.schema.subresources, info.subresource));
}

/** After the stop nothing is answered any more from a cache that no longer follows the store. */
function guarded(handler: ApiHandler, stopping: AbortSignal): ApiHandler {
  return (request) => {
    if (!stopping.aborted) return handler(request);
    return Promise.resolve(errorResponse(ApiError.serviceUnavailable('apiserver is shutting down')));
  };
}

/** Of keys in the store. Built-in prefixes are known, custom ones name their group. */
function resourceNames(table: LiveTable): (key: string) => StoredResourceName | undefined {
  const known = new Map<string, StoredResourceName>(table.stored.map((stored) => [stored.prefix, stored]));
  return (key) => {
    const prefix = splitKey(key)?.prefix;
    if (prefix === undefined) return undefined;
    const found = known.get(prefix);
    if (found) return found;
    const slash = prefix.indexOf('/');
    return slash < 0 ? undefined : { group: prefix.slice(0, slash), resource: prefix.slice(slash + 1) };
  };
}

async function storeAnswers(store: Store, clock: Clock): Promise<string | undefined> {
  try {
    await withinTime(clock, storeCheckMs, (limit) => store.currentRevision(limit));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Loaded on first use: most servers never see protobuf. */
function protobufOf(schema: Schema): ProtobufSupport {
  return {
    async encoder() {
      const { encodeProtobuf } = await import('../api/codec/protobuf/index.ts');
      return (value) => encodeProtobuf(value, schema);
    },
    async framer() {
      const { encodeProtobuf, encodeWatchFrame } = await import('../api/codec/protobuf/index.ts');
      return (type, object) => encodeWatchFrame(type, encodeProtobuf(object, schema));
    },
  };
}

/** Webhooks see what all but the quota have made of an object: what is charged is what is stored. */
function withWebhooks(
  plugins: readonly AdmissionPlugin[],
  webhooks: readonly AdmissionPlugin[],
): readonly AdmissionPlugin[] {
  const quota = plugins.findIndex(({ name }) => name === 'ResourceQuota');
  const at = quota < 0 ? plugins.length : quota;
  return [...plugins.slice(0, at), ...webhooks, ...plugins.slice(at)];
}

/** An object of a request in another version of its kind. */
function convertedTo(
  registry: Registry,
  object: JsonObject | undefined,
  to: GroupVersionKind,
): JsonObject | undefined | Promise<JsonObject> {
  if (object === undefined) return undefined;
  const from = gvkOf(object);
  // Bodies of subresources are of kinds of their own.
  if (from.kind !== to.kind || (from.group === to.group && from.version === to.version)) return object;
  return registry.kinds.convert(object, from, to);
}

function gvkOf({ apiVersion, kind }: JsonObject): GroupVersionKind {
  const text = String(apiVersion ?? '');
  const slash = text.indexOf('/');
  return { group: slash < 0 ? '' : text.slice(0, slash), version: text.slice(slash + 1), kind: String(kind ?? '') };
}

/** What a policy made of an object, read as a request's body is. */
function finished({ schema, kinds }: Registry, object: JsonObject, kind: GroupVersionKind): JsonObject {
  const type = schema.byGvk(kind);
  const decoded = type ? decodeObject({ value: object }, type, { fieldValidation: 'Ignore' }).object : object;
  return deepFreeze(kinds.applyDefaults(decoded, kind));
}

/** As whom the API server writes its own objects. */
const apiServerUser: UserInfo = Object.freeze({ name: 'system:apiserver', groups: Object.freeze(['system:masters']) });

/** @throws ApiError */
async function writeAsServer(
  handler: ApiHandler,
  method: string,
  path: string,
  body: JsonObject | undefined,
  signal: AbortSignal,
): Promise<void> {
  const answer = await handler({
    method,
    path,
    query: '',
    headers: { 'user-agent': 'kube-apiserver', ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: { value: body } } : {}),
    remoteAddress: 'in-process',
    signal,
  });
  if (answer.status < 400) return;
  if (answer.body.kind !== 'object') throw new Error(`${method} ${path} was answered with ${answer.status}`);
  throw ApiError.fromStatus(answer.body.object.value() as unknown as Status);
}
