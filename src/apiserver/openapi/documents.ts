/**
 * The OpenAPI documents: `/openapi/v2`, `/openapi/v3` (an index with hashes) and one v3 document for each group version. Each is built when
 * somebody first asks for it and kept. Source of the serving rules: k8s.io/kube-openapi/pkg/handler and handler3.
 */
import { encode } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse, Headers } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Schema, StructType } from '../../api/schema/model.ts';
import type { DiscoveryGroup } from '../discovery/discovery.ts';
import { parseAccept } from '../negotiation/accept-header.ts';
import { type Tagged, tagged, taggedAnswer } from './etag.ts';
import { documentPaths, type PathSet, versionPaths } from './paths.ts';
import { openApiV2Protobuf, openApiV3Protobuf } from './protobuf.ts';
import { definitions } from './schemas.ts';

/** Both spellings are asked for; the answer carries the one without `@`, which a Content-Type may not hold. */
const protobufTypes = {
  v2: ['com.github.proto-openapi.spec.v2.v1.0+protobuf', 'com.github.proto-openapi.spec.v2@v1.0+protobuf'],
  v3: ['com.github.proto-openapi.spec.v3.v1.0+protobuf', 'com.github.proto-openapi.spec.v3@v1.0+protobuf'],
} as const;

interface Built {
  readonly document: JsonObject;
  json?: Tagged;
  protobuf?: Tagged;
}

export interface OpenApiOptions {
  readonly schema: Schema;
  readonly groups: readonly DiscoveryGroup[];
  /** Shown as the documents' version, e.g. `v1.36.3`. */
  readonly gitVersion: string;
  /** Lets other work run between two parts of a long building (decision 11). */
  readonly yield: () => Promise<void>;
}

export class OpenApiDocuments {
  readonly #options: OpenApiOptions;
  readonly #v3 = new Map<string, Built>();
  #v2: Promise<Built> | undefined;
  #index: Promise<Tagged> | undefined;

  constructor(options: OpenApiOptions) {
    this.#options = options;
  }

  /** @returns undefined for paths below `/openapi/` that do not exist. */
  async answer(request: ApiRequest): Promise<ApiResponse | undefined> {
    const path = request.path.replace(/\/$/, '');
    if (path === '/openapi/v2') {
      this.#v2 ??= this.#buildV2();
      return answer(request.headers, await this.#v2, 'v2', {});
    }
    if (path === '/openapi/v3') {
      this.#index ??= this.#buildIndex();
      return taggedAnswer(await this.#index, 'application/json', request.headers, {});
    }
    const name = path.slice('/openapi/v3/'.length);
    if (!path.startsWith('/openapi/v3/') || !this.#names().includes(name)) return undefined;
    return this.#answerVersion(name, request);
  }

  #answerVersion(name: string, request: ApiRequest): ApiResponse {
    const built = this.#version(name);
    const wanted = new URLSearchParams(request.query).get('hash');
    if (wanted === null || wanted === '') return answer(request.headers, built, 'v3', {});
    const { hash } = jsonOf(built);
    if (wanted !== hash)
      return {
        status: 301,
        headers: { location: `/openapi/v3/${name}?hash=${hash}` },
        body: { kind: 'empty' },
      };
    // The URL names the content, so it never changes.
    return answer(request.headers, built, 'v3', { 'cache-control': 'public, immutable, max-age=31536000' });
  }

  /** Names of the v3 documents, as the index lists them. */
  #names(): string[] {
    const names = ['.well-known/openid-configuration', 'api', 'apis', 'openid/v1/jwks', 'version'];
    for (const { name, versions } of this.#options.groups) {
      const base = name === '' ? 'api' : `apis/${name}`;
      if (name !== '') names.push(base);
      for (const { version } of versions) names.push(`${base}/${version}`);
    }
    return names.sort();
  }

  #version(name: string): Built {
    let built = this.#v3.get(name);
    if (!built) {
      const { paths, types } = this.#paths(name, 'v3');
      built = {
        document: {
          openapi: '3.0.0',
          info: this.#info(),
          paths,
          components: { schemas: definitions(types, 'v3') },
        },
      };
      this.#v3.set(name, built);
    }
    return built;
  }

  #paths(name: string, openApi: 'v2' | 'v3'): PathSet {
    const { schema, groups } = this.#options;
    for (const group of groups) {
      const base = group.name === '' ? 'api' : `apis/${group.name}`;
      for (const version of group.versions)
        if (name === `${base}/${version.version}`) return versionPaths(group.name, version, schema, openApi);
    }
    return documentPaths(name, schema, groups, openApi);
  }

  #info(): JsonObject {
    return { title: 'Kubernetes', version: this.#options.gitVersion };
  }

  async #buildV2(): Promise<Built> {
    const paths: Record<string, JsonObject> = {};
    const types = new Set<StructType>();
    for (const name of this.#names()) {
      const set = this.#paths(name, 'v2');
      Object.assign(paths, set.paths);
      for (const type of set.types) types.add(type);
      await this.#options.yield();
    }
    return {
      document: { swagger: '2.0', info: this.#info(), paths, definitions: definitions(types, 'v2') },
    };
  }

  async #buildIndex(): Promise<Tagged> {
    const paths: Record<string, JsonObject> = {};
    for (const name of this.#names()) {
      const { hash } = jsonOf(this.#version(name));
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` };
      await this.#options.yield();
    }
    return tagged(encode({ paths }));
  }
}

function jsonOf(built: Built): Tagged {
  built.json ??= tagged(encode(built.document));
  return built.json;
}

function protobufOf(built: Built, openApi: 'v2' | 'v3'): Tagged {
  built.protobuf ??= tagged((openApi === 'v2' ? openApiV2Protobuf : openApiV3Protobuf)(built.document));
  return built.protobuf;
}

/** The first clause of Accept that is JSON or protobuf decides; anything else is refused. @throws ApiError 406. */
function answer(headers: Headers, built: Built, openApi: 'v2' | 'v3', extra: Headers): ApiResponse {
  const [spelling, ...older] = protobufTypes[openApi];
  for (const { type, subtype } of parseAccept(headers.accept ?? '*/*')) {
    if (type !== 'application' && type !== '*') continue;
    if (subtype === 'json' || subtype === '*') return taggedAnswer(jsonOf(built), 'application/json', headers, extra);
    if (subtype === spelling || (older as readonly string[]).includes(subtype))
      return taggedAnswer(protobufOf(built, openApi), `application/${spelling}`, headers, extra);
  }
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: `only the following media types are accepted: application/json, application/${spelling}`,
  });
}
