/**
 * The documents that describe the server, behind one function: discovery, OpenAPI, `/version` and `/`. The API server calls it for each
 * request that authentication and authorization let through; `undefined` means the path is somebody else's.
 */
import { encode, encodePretty } from '../../api/codec/index.ts';
import type { ApiRequest, ApiResponse, Headers } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema, Schema } from '../../api/schema/model.ts';
import type { Info } from '../../api/types/apimachinery.ts';
import { type AcceptClause, parseAccept } from '../negotiation/accept-header.ts';
import { type Endpoint, negotiateAccept, wantsPretty } from '../negotiation/negotiation.ts';
import type { OpenApiDocuments } from '../openapi/documents.ts';
import { tagged, taggedAnswer } from '../openapi/etag.ts';
import { methodNotAllowed, unknownResource } from '../registry/unrouted.ts';
import {
  aggregatedList,
  coreVersions,
  type DiscoveryGroup,
  discoveryGroups,
  groupDocument,
  groupList,
  type RemoteDiscoveryGroup,
  resourceList,
  rootPaths,
  withRemoteGroups,
} from './discovery.ts';
import { requireMediaType, routerOf } from './router.ts';

export interface DocumentOptions {
  /** A function when kinds come and go (custom resources): documents are built again when it returns another schema. */
  readonly schema: Schema | (() => Schema);
  /** Which resources are served; by default those upstream serves. */
  readonly serves?: (resource: ResourceSchema) => boolean;
  /** `/version`. */
  readonly version: Info;
  /** `host:port` for `/api`. */
  readonly serverAddress: string;
  /** What `/` lists besides discovery and OpenAPI, such as health checks. */
  readonly paths?: readonly string[];
  /** What other servers add. */
  readonly remote?: RemoteDocuments;
  /** `Clock.yield`: building all of OpenAPI takes a tenth of a second, in parts of a few milliseconds (decision 11). */
  readonly yield?: () => Promise<void>;
  /** `Clock.now`, for the dates of documents that clients may keep. */
  readonly now: () => number;
}

export interface RemoteDocuments {
  /** The same array until something changes. */
  groups(): readonly RemoteDiscoveryGroup[];
  priorityOf(group: string): number;
  /** By name, `apis/GROUP/VERSION`; the same map until something changes. */
  openApi(): ReadonlyMap<string, { readonly serverRelativeUrl: string }>;
}

const noRemoteGroups: readonly RemoteDiscoveryGroup[] = Object.freeze([]);

export type DocumentRoutes = (request: ApiRequest) => Promise<ApiResponse | undefined>;

/** Documents are made on first use and kept per schema. @throws ApiError 406 from the returned function. */
export function createDocumentRoutes(options: DocumentOptions): DocumentRoutes {
  const currentSchema = typeof options.schema === 'function' ? options.schema : constant(options.schema);
  let documents: Documents | undefined;
  return async (request) => {
    const schema = currentSchema();
    const remote = options.remote?.groups() ?? noRemoteGroups;
    if (documents?.schema !== schema || documents.remote !== remote)
      documents = new Documents(schema, remote, options, documents);
    return documents.answer(request);
  };
}

const nothing = async (): Promise<void> => undefined;
const constant =
  <T>(value: T): (() => T) =>
  () =>
    value;

const newLine = Uint8Array.of(0x0a);
/** Only compact JSON ends with a line feed, as Go's encoders have it. */
const jsonText = (document: JsonObject, pretty: boolean): Uint8Array =>
  pretty ? encodePretty(document) : Buffer.concat([encode(document), newLine]);

const noRemoteOpenApi: ReadonlyMap<string, { readonly serverRelativeUrl: string }> = new Map();

class Documents {
  readonly schema: Schema;
  readonly remote: readonly RemoteDiscoveryGroup[];
  /** What this server itself answers. */
  readonly #own: readonly DiscoveryGroup[];
  /** Groups with other than users' kinds. */
  readonly #builtIn: ReadonlySet<string>;
  readonly #options: DocumentOptions;
  readonly #groups: readonly DiscoveryGroup[];
  /** Path -> document in the plain form. */
  readonly #plain: ReadonlyMap<string, () => JsonObject>;
  /** By path and form. */
  readonly #encoded = new Map<string, Uint8Array>();
  readonly #aggregated = new Map<string, { readonly list: JsonObject; readonly hash: string }>();
  #openApi: OpenApiDocuments | undefined;
  #previous: OpenApiDocuments | undefined;

  /** @param before the documents until now */
  constructor(
    schema: Schema,
    remote: readonly RemoteDiscoveryGroup[],
    options: DocumentOptions,
    before: Documents | undefined,
  ) {
    this.schema = schema;
    this.remote = remote;
    this.#options = options;
    // OpenAPI is kept when only others' groups changed, and is the start of the next when ours did.
    if (before?.schema === schema) this.#openApi = before.#openApi;
    this.#previous = before && (before.#openApi ?? before.#previous);
    this.#own = discoveryGroups(schema, options.serves);
    this.#builtIn = new Set(schema.resources.filter(({ custom }) => custom === undefined).map(({ group }) => group));
    this.#groups = withRemoteGroups(this.#own, remote, (group) => options.remote?.priorityOf(group) ?? 0);
    const groups = this.#groups;
    const plain = new Map<string, () => JsonObject>();
    plain.set('/', () => rootPaths(groups, options.paths ?? []));
    plain.set('/version', () => ({ ...options.version }));
    plain.set('/api', () => coreVersions(groups, options.serverAddress));
    plain.set('/apis', () => groupList(groups));
    for (const group of groups) {
      const base = group.name === '' ? '/api' : `/apis/${group.name}`;
      if (group.name !== '') plain.set(base, () => groupDocument(group));
      for (const version of group.versions)
        if (!version.remote) plain.set(`${base}/${version.version}`, () => resourceList(group.name, version));
    }
    this.#plain = plain;
  }

  async answer(request: ApiRequest): Promise<ApiResponse | undefined> {
    if (request.path.startsWith('/openapi/')) return (await this.#openApiDocuments()).answer(request);
    const router = routerOf(request.path, (group) => this.#builtIn.has(group));
    const path =
      router === undefined ? request.path.replace(/(?<=^\/apis.*)\/$/, '') : request.path.replace(/\/+$/, '');
    const plain = this.#plain.get(path === '/index.html' ? '/' : path);
    if (!plain) {
      if (router === undefined) return undefined;
      throw unknownResource();
    }
    if (router !== undefined && request.method !== 'GET') throw methodNotAllowed();
    if (path === '/api' || path === '/apis') {
      const mediaType = aggregatedType(request.headers.accept);
      if (mediaType) return this.#answerAggregated(path, mediaType, request);
    }
    return this.#answerPlain(path, plain, request, router !== undefined);
  }

  /** Loaded on first use: most processes never serve OpenAPI. */
  async #openApiDocuments(): Promise<OpenApiDocuments> {
    if (!this.#openApi) {
      const { OpenApiDocuments } = await import('../openapi/documents.ts');
      this.#openApi ??= new OpenApiDocuments({
        schema: this.schema,
        groups: this.#own,
        remote: () => this.#options.remote?.openApi() ?? noRemoteOpenApi,
        version: `${this.#options.version.major}.${this.#options.version.minor}`,
        yield: this.#options.yield ?? nothing,
        now: this.#options.now,
        previous: this.#previous,
      });
      this.#previous = undefined;
    }
    return this.#openApi;
  }

  /** API objects come in whatever form the client takes; `/` and `/version` are always indented JSON. */
  async #answerPlain(path: string, make: () => JsonObject, request: ApiRequest, routed: boolean): Promise<ApiResponse> {
    if (path === '/version') requireMediaType(request, 'application/json');
    if (path === '/' || path === '/index.html' || path === '/version')
      return answerBytes(
        'application/json',
        this.#cached(path, () => encodePretty(make())),
      );
    const { mediaType, pretty } = negotiateAccept(request, { ...documentEndpoint, routed });
    switch (mediaType) {
      case 'application/json':
        return answerBytes(
          mediaType,
          this.#cached(`${path} ${pretty}`, () => jsonText(make(), pretty)),
        );
      case 'application/yaml': {
        const { encodeYaml } = await import('../../api/codec/yaml.ts');
        return answerBytes(
          mediaType,
          this.#cached(`${path} yaml`, () => encodeYaml(make())),
        );
      }
      case 'application/vnd.kubernetes.protobuf': {
        const { encodeProtobuf } = await import('../../api/codec/protobuf/index.ts');
        return answerBytes(
          mediaType,
          this.#cached(`${path} protobuf`, () => encodeProtobuf({ apiVersion: 'v1', ...make() }, this.schema)),
        );
      }
    }
  }

  #cached(key: string, make: () => Uint8Array): Uint8Array {
    let bytes = this.#encoded.get(key);
    if (!bytes) {
      bytes = make();
      this.#encoded.set(key, bytes);
    }
    return bytes;
  }

  /** The ETag is that of the list without its type, in whatever form it is written: a client may compare two servers'. */
  async #answerAggregated(path: string, mediaType: AggregatedType, request: ApiRequest): Promise<ApiResponse> {
    let document = this.#aggregated.get(path);
    if (!document) {
      const list = aggregatedList(this.#groups.filter((group) => (group.name === '') === (path === '/api')));
      document = { list, hash: tagged(encode(list)).hash };
      this.#aggregated.set(path, document);
    }
    const { list, hash } = document;
    const pretty = mediaType === 'application/json' && wantsPretty(request);
    const key = `aggregated ${path} ${mediaType} ${pretty}`;
    let bytes = this.#encoded.get(key);
    if (!bytes) {
      const typed = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', ...list };
      bytes =
        mediaType === 'application/json'
          ? jsonText(typed, pretty)
          : (await import('../../api/codec/yaml.ts')).encodeYaml(typed);
      this.#encoded.set(key, bytes);
    }
    const contentType = `${mediaType};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`;
    return taggedAnswer({ bytes, hash }, contentType, request.headers, { 'cache-control': 'public' });
  }
}

type AggregatedType = 'application/json' | 'application/yaml';

/** The form of the best clause that can be served aggregated, or nothing when a plain form comes first. v1.36 serves v2 only. */
function aggregatedType(accept: string | undefined): AggregatedType | undefined {
  for (const clause of parseAccept(accept ?? '')) {
    const yaml = clause.type === 'application' && clause.subtype === 'yaml';
    if (!yaml && !isJson(clause)) continue;
    const parameters = new Map(clause.parameters);
    if (!parameters.has('as') && !parameters.has('g')) return undefined;
    if (
      parameters.get('as') === 'APIGroupDiscoveryList' &&
      parameters.get('g') === 'apidiscovery.k8s.io' &&
      parameters.get('v') === 'v2'
    )
      return yaml ? 'application/yaml' : 'application/json';
  }
  return undefined;
}

const isJson = ({ type, subtype }: AcceptClause): boolean =>
  (type === '*' || type === 'application') && (subtype === '*' || subtype === 'json');

const documentEndpoint: Endpoint = { protobuf: true, collection: false, watch: false, transforms: false };

const answerBytes = (contentType: string, bytes: Uint8Array): ApiResponse => ({
  status: 200,
  headers: { 'content-type': contentType },
  body: { kind: 'bytes', bytes },
});
