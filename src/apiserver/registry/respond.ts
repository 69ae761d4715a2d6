/** Answers: objects, lists, watches and statuses with their headers. */
import { encode } from '../../api/codec/index.ts';
import type { ApiError } from '../../api/errors.ts';
import type { ApiResponse, Encodable, Headers } from '../../api/exchange.ts';
import type { JsonObject } from '../../api/json.ts';

export const json = 'application/json';

/** `299 - "text"`, joined as one header. Source: RFC 7234 section 5.5; apimachinery util/net.NewWarningHeader. */
export function warningHeader(warnings: readonly string[]): Headers {
  if (warnings.length === 0) return noHeaders;
  const sent = [...new Set(warnings)].slice(0, warningsMax);
  return { warning: sent.map((text) => `299 - "${clean(text).replace(/[\\"]/g, '\\$&')}"`).join(', ') };
}

const noHeaders: Headers = Object.freeze({});
const warningsMax = 50;
const warningMaxLength = 256;

function clean(text: string): string {
  const printable = text.replace(/[\u0000-\u001f\u007f]/g, ' ').toWellFormed();
  return printable.length > warningMaxLength * 16 ? printable.slice(0, warningMaxLength) : printable;
}

export function objectResponse(
  status: number,
  object: Encodable,
  contentType: string,
  warnings: readonly string[] = [],
): ApiResponse {
  return {
    status,
    headers:
      warnings.length === 0 ? headersFor(contentType) : { 'content-type': contentType, ...warningHeader(warnings) },
    body: { kind: 'object', object },
  };
}

const jsonHeaders: Headers = Object.freeze({ 'content-type': json });
export const headersFor = (contentType: string): Headers =>
  contentType === json ? jsonHeaders : { 'content-type': contentType };

/** @param encodeValue whole answers in the negotiated media type. */
export function valueEncodable(
  value: JsonObject,
  encodeValue: (value: JsonObject) => Uint8Array = encodeLine,
): Encodable {
  return { value: () => value, bytes: () => encodeValue(value) };
}

/** JSON and a line feed, as upstream ends its answers. */
export function encodeLine(value: JsonObject): Uint8Array {
  const bytes = encode(value);
  const line = new Uint8Array(bytes.byteLength + 1);
  line.set(bytes);
  line[bytes.byteLength] = 0x0a;
  return line;
}

/** In struct order, deep enough frozen for callers in process. */
export function statusObject({ status }: ApiError): JsonObject {
  const { kind, apiVersion, metadata, status: outcome, message, reason, details, code } = status;
  return Object.freeze({
    kind,
    apiVersion,
    metadata: Object.freeze({ ...metadata }),
    status: outcome,
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    code,
  }) as unknown as JsonObject;
}

/** A Status in the media type the caller understands. */
export function errorResponse(
  error: ApiError,
  options: {
    readonly contentType?: string;
    readonly encode?: (value: JsonObject) => Uint8Array;
    readonly warnings?: readonly string[];
  } = {},
): ApiResponse {
  const status = statusObject(error);
  const retryAfter = error.status.details?.retryAfterSeconds;
  return {
    status: error.code,
    headers: {
      'content-type': options.contentType ?? json,
      ...(retryAfter ? { 'retry-after': String(retryAfter) } : {}),
      ...warningHeader(options.warnings ?? []),
    },
    body: { kind: 'object', object: valueEncodable(status, options.encode) },
  };
}

export const textResponse = (status: number, text: string, headers: Headers = noHeaders): ApiResponse => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body: { kind: 'bytes', bytes: Buffer.from(text) },
});

/** What Go's mux says where nothing is. */
export const notFoundPage = (): ApiResponse =>
  textResponse(404, '404 page not found\n', { 'x-content-type-options': 'nosniff' });
