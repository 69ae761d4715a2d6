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
import { type Endpoint, negotiateAccept } from '../negotiation/negotiation.ts';
import type { OpenApiDocuments } from '../openapi/documents.ts';
import { type Tagged, tagged, taggedAnswer } from '../openapi/etag.ts';
import {
  type AggregatedVersion,
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
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
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
const withNewLine = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, newLine]);

const noRemoteOpenApi: ReadonlyMap<string, { readonly serverRelativeUrl: string }> = new Map();

class Documents {
  readonly schema: Schema;
  readonly remote: readonly RemoteDiscoveryGroup[];
  /** What this server itself answers. */
  readonly #own: readonly DiscoveryGroup[];
  readonly #options: DocumentOptions;
  readonly #groups: readonly DiscoveryGroup[];
  /** Path -> document in the plain form. */
  readonly #plain: ReadonlyMap<string, () => JsonObject>;
  /** By path and form. */
  readonly #encoded = new Map<string, Uint8Array>();
  readonly #aggregated = new Map<string, Tagged>();
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
    const path = request.path !== '/' && request.path.endsWith('/') ? request.path.slice(0, -1) : request.path;
    const plain = this.#plain.get(path);
    if (!plain) return undefined;
    if (path === '/api' || path === '/apis') {
      const version = aggregatedVersion(request.headers.accept);
      if (version) return this.#answerAggregated(path, version, request);
    }
    return this.#answerPlain(path, plain, request);
  }

  /** Loaded on first use: most processes never serve OpenAPI. */
  async #openApiDocuments(): Promise<OpenApiDocuments> {
    if (!this.#openApi) {
      const { OpenApiDocuments } = await import('../openapi/documents.ts');
      this.#openApi ??= new OpenApiDocuments({
        schema: this.schema,
        groups: this.#own,
        remote: () => this.#options.remote?.openApi() ?? noRemoteOpenApi,
        gitVersion: this.#options.version.gitVersion,
        yield: this.#options.yield ?? nothing,
        previous: this.#previous,
      });
      this.#previous = undefined;
    }
    return this.#openApi;
  }

  /** API objects come in whatever form the client takes; `/` and `/version` are always indented JSON. */
  async #answerPlain(path: string, make: () => JsonObject, request: ApiRequest): Promise<ApiResponse> {
    if (path === '/' || path === '/version')
      return answerBytes(
        'application/json',
        this.#cached(path, () => encodePretty(make())),
      );
    const { mediaType, pretty } = negotiateAccept(request, documentEndpoint);
    switch (mediaType) {
      case 'application/json':
        return answerBytes(
          mediaType,
          this.#cached(`${path} ${pretty}`, () => withNewLine(pretty ? encodePretty(make()) : encode(make()))),
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

  #answerAggregated(path: string, version: AggregatedVersion, request: ApiRequest): ApiResponse {
    const key = `${version} ${path}`;
    let document = this.#aggregated.get(key);
    if (!document) {
      const groups = this.#groups.filter((group) => (group.name === '') === (path === '/api'));
      document = tagged(withNewLine(encode(aggregatedList(groups, version))));
      this.#aggregated.set(key, document);
    }
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    return taggedAnswer(document, contentType, request.headers, { 'cache-control': 'public' });
  }
}

/** The aggregated version of the best clause that can be served, or nothing when a plain form comes first. */
function aggregatedVersion(accept: string | undefined): AggregatedVersion | undefined {
  for (const clause of parseAccept(accept ?? '')) {
    if (!isJson(clause)) continue;
    const parameters = new Map(clause.parameters);
    if (!parameters.has('as') && !parameters.has('g')) return undefined;
    const version = parameters.get('v');
    if (
      parameters.get('as') === 'APIGroupDiscoveryList' &&
      parameters.get('g') === 'apidiscovery.k8s.io' &&
      (version === 'v2' || version === 'v2beta1')
    )
      return version;
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
