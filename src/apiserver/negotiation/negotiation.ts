/**
 * Which media type a request's body is in and which one its answer gets: the one place that knows (decision: negotiation in one place).
 * Upstream decides twice, and both refusals are visible: the router first compares bare types with what a route produces or consumes
 * ("406: Not Acceptable ... Available representations"), the handler then looks at parameters ("only the following media types ...").
 * Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation, go-restful's route detection.
 */
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest } from '../../api/exchange.ts';
import { type AcceptClause, parseAccept } from './accept-header.ts';

export type MediaType = 'application/json' | 'application/yaml' | 'application/vnd.kubernetes.protobuf';

/** Another shape of the answer, asked for with `as`, `g` and `v`. */
export interface Transform {
  readonly kind: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  readonly group: 'meta.k8s.io';
  readonly version: 'v1' | 'v1beta1';
}

export interface Negotiated {
  readonly mediaType: MediaType;
  readonly as?: Transform;
  /** Indented JSON: `?pretty=true`, a `pretty=1` parameter, or a browser, curl or wget without either. */
  readonly pretty: boolean;
  /** What the answer's content-type says; a protobuf watch carries `;stream=watch`. */
  readonly contentType: string;
}

export interface Endpoint {
  /** Objects of built-in kinds have a protobuf form, custom ones do not. */
  readonly protobuf: boolean;
  /** Whether a router looks at the media types first. Default true. */
  readonly routed?: boolean;
  /** Custom kinds stand behind no router, and have protobuf only for their metadata. */
  readonly custom?: boolean;
  /** Whether the route (not the request) also serves watches: every GET of a collection. */
  readonly collection: boolean;
  /** This request is a watch: its answer is a stream of events. */
  readonly watch: boolean;
  /** Whether Table and PartialObjectMetadata may be asked for; not on subresources that stream or on documents. Default true. */
  readonly transforms?: boolean;
  /** Whether a Table may be asked for where transforms may: kinds that are asked and not stored have none. Default true. */
  readonly table?: boolean;
}

const json = 'application/json';
const yaml = 'application/yaml';
const protobuf = 'application/vnd.kubernetes.protobuf';

function mediaTypes(withProtobuf: boolean): readonly MediaType[] {
  return withProtobuf ? [json, yaml, protobuf] : [json, yaml];
}

/** @throws ApiError 406 */
export function negotiateAccept(request: Pick<ApiRequest, 'headers' | 'query'>, endpoint: Endpoint): Negotiated {
  const header = request.headers.accept ?? '';
  const supported = mediaTypes(endpoint.protobuf);
  const pretty = wantsPretty(request);
  if (header.trim() === '' || header === json || header === '*/*') return answer(json, undefined, pretty, endpoint);
  if (!endpoint.custom && endpoint.routed !== false) requireProduced(header, supported, endpoint);
  for (const clause of parseAccept(header)) {
    for (const mediaType of supported) {
      if (!matches(clause, mediaType)) continue;
      const found = readParameters(clause, mediaType, endpoint);
      if (!found) continue;
      if (endpoint.custom && mediaType === protobuf && !found.as) continue;
      if (endpoint.watch && mediaType === yaml) break;
      return answer(mediaType, found.as, pretty || found.pretty, endpoint);
    }
  }
  throw notAcceptable(endpoint.watch ? streams(supported) : supported);
}

function answer(mediaType: MediaType, as: Transform | undefined, pretty: boolean, endpoint: Endpoint): Negotiated {
  const contentType = endpoint.watch && mediaType === protobuf ? `${protobuf};stream=watch` : mediaType;
  return as ? { mediaType, as, pretty, contentType } : { mediaType, pretty, contentType };
}

/** The media type of a Status: never refuses, as an error must not hide behind another. */
export function negotiateError(request: Pick<ApiRequest, 'headers' | 'query'>): {
  readonly mediaType: MediaType;
  readonly pretty: boolean;
  /** Nothing acceptable was asked for: indented JSON without a final line feed. Source: responsewriters.WriteRawJSON. */
  readonly raw: boolean;
} {
  const accept = request.headers.accept ?? '';
  const pretty = wantsPretty(request);
  if (accept.trim() === '') return { mediaType: json, pretty, raw: false };
  for (const clause of parseAccept(accept))
    for (const mediaType of mediaTypes(true))
      if (matches(clause, mediaType) && !clause.parameters.some(([name]) => name === 'as' || name === 'stream'))
        return {
          mediaType,
          pretty: pretty || clause.parameters.some(([name, value]) => name === 'pretty' && value === '1'),
          raw: false,
        };
  return { mediaType: json, pretty: true, raw: true };
}

/** The router's check. It knows no `application/*`. */
function requireProduced(header: string, supported: readonly MediaType[], endpoint: Endpoint): void {
  const asked = header.split(',').map((part) => part.split(';')[0]!.trim());
  if (asked.some((type) => type === '*/*' || supported.includes(type as MediaType))) return;
  const available = endpoint.collection ? [...supported, ...streams(supported)] : supported;
  throw new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${available.join(', ')}`,
    details: {},
  });
}

const streams = (supported: readonly MediaType[]): string[] =>
  supported.filter((type) => type !== yaml).map((type) => `${type};stream=watch`);

const notAcceptable = (types: readonly string[]): ApiError =>
  new ApiError({
    code: 406,
    reason: 'NotAcceptable',
    message: `only the following media types are accepted: ${types.join(', ')}`,
  });

function matches({ type, subtype }: AcceptClause, mediaType: MediaType): boolean {
  return (type === '*' || type === 'application') && (subtype === '*' || `application/${subtype}` === mediaType);
}

/** @returns undefined when the endpoint cannot do what the clause's parameters ask. Unknown parameters are ignored. */
function readParameters(
  clause: AcceptClause,
  mediaType: MediaType,
  endpoint: Endpoint,
): { readonly as?: Transform; readonly pretty: boolean } | undefined {
  let kind: string | undefined;
  let group = '';
  let version = '';
  let pretty = false;
  for (const [name, value] of clause.parameters) {
    if (name === 'pretty') pretty = value === '1';
    else if (name === 'stream' && !(endpoint.transforms !== false && value === 'watch')) return undefined;
    else if (name === 'as') kind = value;
    else if (name === 'g') group = value;
    else if (name === 'v') version = value;
  }
  if (kind === undefined && group === '' && version === '') return { pretty };
  if (endpoint.transforms === false || group !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1'))
    return undefined;
  if (
    kind === 'Table'
      ? mediaType === protobuf || endpoint.table === false
      : kind !== 'PartialObjectMetadata' && kind !== 'PartialObjectMetadataList'
  )
    return undefined;
  return { as: { kind: kind as Transform['kind'], group, version }, pretty };
}

/**
 * One object was asked for as a list of metadata, or the other way round. @param goType the answer's type in upstream's words, e.g.
 * `*core.ConfigMapList`. @throws ApiError 406
 */
export function requireShape(as: Transform | undefined, isList: boolean, goType: string): void {
  if (as?.kind === 'PartialObjectMetadata' && isList)
    throw new ApiError({
      code: 406,
      reason: 'NotAcceptable',
      message: `you requested PartialObjectMetadata, but the requested object is a list (${goType})`,
    });
  if (as?.kind === 'PartialObjectMetadataList' && !isList)
    throw new ApiError({
      code: 406,
      reason: 'NotAcceptable',
      message: `you requested PartialObjectMetadataList, but the requested object is not a list (${goType})`,
    });
}

export function wantsPretty(request: Pick<ApiRequest, 'headers' | 'query'>): boolean {
  const given = request.query === '' ? null : new URLSearchParams(request.query).get('pretty');
  if (given !== null) {
    if (/^(1|t|T|TRUE|true|True)$/.test(given)) return true;
    if (/^(0|f|F|FALSE|false|False)$/.test(given)) return false;
  }
  return /^(curl|Wget|Mozilla\/5\.0)/.test(request.headers['user-agent'] ?? '');
}

/** The media type of a create's or update's body. @throws ApiError 415 */
export function negotiateBody(contentType: string | undefined): MediaType {
  if (contentType === undefined || contentType === '' || contentType === json) return json;
  const supported = mediaTypes(true);
  const bare = bareType(contentType);
  for (const mediaType of supported) if (mediaType === bare) return mediaType;
  throw unsupportedMediaType(supported);
}

export type PatchType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/apply-patch+yaml';

const builtinPatchTypes: readonly PatchType[] = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/**
 * @param options.strategic false for custom kinds, which have no strategic merge.
 * @param options.apply whether server-side apply is there; without it an apply patch gets a 415 that says so.
 * @throws ApiError 415
 */
export function negotiatePatch(
  contentType: string | undefined,
  options: { readonly strategic: boolean; readonly apply: boolean },
): PatchType {
  const bare = bareType(contentType ?? '');
  const known = builtinPatchTypes.find((type) => type === bare);
  const supported = builtinPatchTypes.filter(
    (type) => options.strategic || type !== 'application/strategic-merge-patch+json',
  );
  if (!known)
    throw options.strategic
      ? new ApiError({ code: 415, reason: 'UnsupportedMediaType', message: '415: Unsupported Media Type', details: {} })
      : unsupportedMediaType(supported);
  if (known === 'application/apply-patch+yaml' && !options.apply)
    throw new ApiError({
      code: 415,
      reason: 'UnsupportedMediaType',
      message: `server-side apply is not supported yet - accepted media types include: ${supported.filter((type) => type !== known).join(', ')}`,
    });
  if (!supported.includes(known)) throw unsupportedMediaType(supported);
  return known;
}

/** Lower-cased, without parameters; empty when it is no media type. */
function bareType(contentType: string): string {
  const bare = contentType.split(';')[0]!.trim().toLowerCase();
  return /^[^\s/]+\/[^\s/]+$/.test(bare) ? bare : '';
}

const unsupportedMediaType = (supported: readonly string[]): ApiError =>
  new ApiError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}`,
  });
