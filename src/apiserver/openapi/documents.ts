/**
 * The OpenAPI documents: `/openapi/v2`, `/openapi/v3` (an index with hashes) and one v3 document for each group version. Each is built when
 * somebody first asks for it and kept. Source of the serving rules: k8s.io/kube-openapi/pkg/handler and handler3.
 */
import { encode, encodeText, parseJson } from '../../api/codec/index.ts';
import type { ApiRequest, ApiResponse, Headers } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema, Schema, StructType } from '../../api/schema/model.ts';
import type { DiscoveryGroup } from '../discovery/discovery.ts';
import { parseAccept } from '../negotiation/accept-header.ts';
import { type Tagged, tagged, taggedAnswer } from './etag.ts';
import { emptyPaths, type PathSet } from './operations.ts';
import { documentPaths, isCustom, versionPaths } from './paths.ts';
import { allGroups, definitionSchema, type OpenApiVersion, reachable } from './schemas.ts';

/** Both spellings are asked for; the answer carries the one without `@`, which a Content-Type may not hold. */
const protobufTypes = {
  v2: ['com.github.proto-openapi.spec.v2.v1.0+protobuf', 'com.github.proto-openapi.spec.v2@v1.0+protobuf'],
  v3: ['com.github.proto-openapi.spec.v3.v1.0+protobuf', 'com.github.proto-openapi.spec.v3@v1.0+protobuf'],
} as const;

/** Only bytes are kept: the trees of all documents would take tens of megabytes. */
interface Built {
  readonly json: Tagged;
  /** When it was built, as HTTP writes it. */
  readonly modified: string;
  protobuf?: Tagged;
}

export interface OpenApiOptions {
  readonly schema: Schema;
  readonly groups: readonly DiscoveryGroup[];
  /** v3 documents of other servers, by name; the same map until something changes. */
  readonly remote?: () => ReadonlyMap<string, { readonly serverRelativeUrl: string }>;
  /** Shown as the documents' version, e.g. `1.36`. */
  readonly version: string;
  /** Lets other work run between two parts of a long building (decision 11). */
  readonly yield: () => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Documents of an earlier state: what did not change since is taken from them. */
  readonly previous?: OpenApiDocuments | undefined;
}

/** Source: kube-apiserver's OpenAPI configuration. */
const security = '{"BearerToken":{"type":"apiKey","name":"authorization","in":"header"}}';

/** Source: apiextensions-apiserver/pkg/controller/openapi/builder. */
const customInfo = { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' };

const sorted = (map: ReadonlyMap<string, JsonObject>): JsonObject =>
  Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

/** How many paths or definitions are encoded between two yields: about two milliseconds of work. */
const stretch = 50;

const noRemote: ReadonlyMap<string, { readonly serverRelativeUrl: string }> = new Map();

export class OpenApiDocuments {
  readonly #options: OpenApiOptions;
  readonly #v3 = new Map<string, Promise<Built>>();
  #v2: Promise<Built> | undefined;
  #index: Promise<Uint8Array> | undefined;
  #indexed: ReadonlyMap<string, unknown> | undefined;
  /** Encoded definitions: most documents share the greater part of theirs. */
  readonly #definitions: Readonly<Record<OpenApiVersion, WeakMap<StructType, string>>>;
  /** Paths for v2 by document. */
  readonly #paths2 = new Map<string, PathSet>();

  constructor(options: OpenApiOptions) {
    this.#options = options;
    const { previous } = options;
    this.#definitions = previous ? previous.#definitions : { v2: new WeakMap(), v3: new WeakMap() };
    if (previous)
      for (const name of this.#names()) {
        if (!this.#unchanged(name, previous)) continue;
        const built = previous.#v3.get(name);
        const paths = previous.#paths2.get(name);
        if (built) this.#v3.set(name, built);
        if (paths) this.#paths2.set(name, paths);
      }
  }

  #unchanged(name: string, previous: OpenApiDocuments): boolean {
    const now = this.#resources(name);
    const before = previous.#resources(name);
    return (
      now !== undefined &&
      before !== undefined &&
      now.length === before.length &&
      now.every((resource, i) => resource === before[i])
    );
  }

  /** What the document of a group version tells of. */
  #resources(name: string): readonly ResourceSchema[] | undefined {
    for (const group of this.#options.groups) {
      const base = group.name === '' ? 'api' : `apis/${group.name}`;
      if (!name.startsWith(base)) continue;
      for (const { version, resources } of group.versions) if (name === `${base}/${version}`) return resources;
    }
    return undefined;
  }

  /** @returns undefined for paths below `/openapi/` that do not exist. */
  async answer(request: ApiRequest): Promise<ApiResponse | undefined> {
    const { path } = request;
    if (path === '/openapi/v2') {
      this.#v2 ??= this.#buildV2();
      return answer(request.headers, await this.#v2, 'v2', {});
    }
    if (path === '/openapi/v3') {
      const remote = this.#options.remote?.() ?? noRemote;
      if (this.#indexed !== remote) this.#index = undefined;
      this.#indexed = remote;
      this.#index ??= this.#buildIndex(remote);
      // The type that Go finds in a text it was told nothing of; clients rely on it as little as on a tag, which upstream does not give either.
      return {
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: { kind: 'bytes', bytes: await this.#index },
      };
    }
    const name = path.slice('/openapi/v3/'.length);
    if (!path.startsWith('/openapi/v3/')) return undefined;
    if (!this.#names().includes(name)) return { status: 404, headers: {}, body: { kind: 'empty' } };
    return this.#answerVersion(name, request);
  }

  async #answerVersion(name: string, request: ApiRequest): Promise<ApiResponse> {
    const built = await this.#version(name);
    const wanted = new URLSearchParams(request.query).get('hash');
    if (wanted === null || wanted === '') return answer(request.headers, built, 'v3', {});
    if (wanted !== built.json.hash)
      return {
        status: 301,
        headers: {
          'content-type': 'application/json',
          etag: `"${built.json.hash}"`,
          location: `/openapi/v3/${name}?hash=${built.json.hash}`,
          vary: 'Accept',
        },
        body: { kind: 'empty' },
      };
    // The URL names the content, so it never changes.
    return answer(request.headers, built, 'v3', {
      'cache-control': 'public, immutable',
      expires: httpDate(this.#options.now() + yearMs),
    });
  }

  /** Names of the v3 documents, as the index lists them. */
  #names(): string[] {
    const names = ['.well-known/openid-configuration', 'api', 'apis', 'openid/v1/jwks', 'version'];
    for (const { name, versions } of this.#options.groups) {
      const base = name === '' ? 'api' : `apis/${name}`;
      if (name !== '' && !versions.every(({ resources }) => isCustom(resources))) names.push(base);
      for (const { version } of versions) names.push(`${base}/${version}`);
    }
    return names.sort();
  }

  #version(name: string): Promise<Built> {
    let built = this.#v3.get(name);
    if (!built) {
      built = this.#build('v3', this.#paths(name, 'v3'), name);
      this.#v3.set(name, built);
    }
    return built;
  }

  #paths(name: string, openApi: OpenApiVersion): PathSet {
    const { schema, groups } = this.#options;
    for (const group of groups) {
      const base = group.name === '' ? 'api' : `apis/${group.name}`;
      for (const version of group.versions)
        if (name === `${base}/${version.version}`) return versionPaths(group.name, version, schema, openApi);
    }
    return documentPaths(name, schema, groups, openApi);
  }

  async #buildV2(): Promise<Built> {
    const all = emptyPaths();
    for (const name of this.#names()) {
      let set = this.#paths2.get(name);
      if (set === undefined) {
        set = this.#paths(name, 'v2');
        this.#paths2.set(name, set);
      }
      const { paths, types, parameters, patches } = set;
      Object.assign(all.paths, paths);
      for (const type of types) all.types.add(type);
      for (const [key, parameter] of parameters) all.parameters.set(key, parameter);
      all.patches ||= patches;
      await this.#options.yield();
    }
    return this.#build('v2', all);
  }

  /** Encodes piece by piece, so that no stretch of work is long (decision 11). @param name of a v3 document */
  async #build(openApi: OpenApiVersion, set: PathSet, name = ''): Promise<Built> {
    const { paths, types, parameters, patches } = set;
    const custom = isCustom(this.#resources(name) ?? []);
    const info = encodeText(custom ? customInfo : { title: 'Kubernetes', version: this.#options.version });
    const pathTexts = await this.#pieces(Object.entries(paths), ([path, item]) => `"${path}":${encodeText(item)}`);
    const groupVersion = custom ? allGroups : name.replace(/^apis?\/?/, '');
    const schemas = await this.#pieces(reachable(types, patches), ([key, definition]) => {
      // In v3 a kind of every group names only the document's.
      const kept = typeof definition !== 'string' && (openApi === 'v2' || definition.gvks.length < 2);
      const known = kept ? this.#definitions[openApi].get(definition) : undefined;
      if (known !== undefined) return known;
      const text = `"${key}":${encodeText(definitionSchema(definition, openApi, groupVersion))}`;
      if (kept) this.#definitions[openApi].set(definition, text);
      return text;
    });
    const text =
      openApi === 'v2'
        ? `{"swagger":"2.0","info":${info},"paths":{${pathTexts}},"definitions":{${schemas}},"parameters":${encodeText(sorted(parameters))},"securityDefinitions":${security},"security":[{"BearerToken":[]}]}`
        : `{"openapi":"3.0.0","info":${info},"paths":{${pathTexts}},"components":{${[schemas && `"schemas":{${schemas}}`, custom ? '' : `"securitySchemes":${security}`].filter(Boolean).join(',')}}}`;
    return { json: tagged(new TextEncoder().encode(text)), modified: httpDate(this.#options.now()) };
  }

  async #pieces<T>(items: readonly T[], encodeOne: (item: T) => string): Promise<string> {
    const texts: string[] = [];
    for (let i = 0; i < items.length; i++) {
      if (i % stretch === stretch - 1) await this.#options.yield();
      texts.push(encodeOne(items[i]!));
    }
    return texts.join(',');
  }

  async #buildIndex(remote: ReadonlyMap<string, { readonly serverRelativeUrl: string }>): Promise<Uint8Array> {
    const paths: Record<string, JsonObject> = {};
    for (const [name, { serverRelativeUrl }] of remote) paths[name] = { serverRelativeURL: serverRelativeUrl };
    for (const name of this.#names()) {
      const { json } = await this.#version(name);
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${json.hash}` };
      await this.#options.yield();
    }
    return encode({ paths });
  }
}

/** The writer is loaded when somebody asks for protobuf: few clients do. */
async function protobufOf(built: Built, openApi: OpenApiVersion): Promise<Tagged> {
  const { openApiV2Protobuf, openApiV3Protobuf } = await import('./protobuf.ts');
  const write = openApi === 'v2' ? openApiV2Protobuf : openApiV3Protobuf;
  built.protobuf ??= tagged(write(parseJson(built.json.bytes).value as JsonObject));
  return built.protobuf;
}

const yearMs = 365 * 24 * 3600 * 1000;
const httpDate = (ms: number): string => new Date(ms).toUTCString();

/** The first clause of Accept that is JSON or protobuf decides; anything else is refused, without a word as upstream does. */
async function answer(headers: Headers, built: Built, openApi: OpenApiVersion, more: Headers): Promise<ApiResponse> {
  const [spelling, ...older] = protobufTypes[openApi];
  const extra = { 'last-modified': built.modified, ...more };
  for (const { type, subtype } of parseAccept(headers.accept ?? '*/*')) {
    if (type !== 'application' && type !== '*') continue;
    if (subtype === 'json' || subtype === '*') return taggedAnswer(built.json, 'application/json', headers, extra);
    if (subtype === spelling || (older as readonly string[]).includes(subtype))
      return taggedAnswer(await protobufOf(built, openApi), `application/${spelling}`, headers, extra);
  }
  return { status: 406, headers: {}, body: { kind: 'empty' } };
}
