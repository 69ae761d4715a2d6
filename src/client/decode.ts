/** Bytes from a server to deep-frozen values, and an answer's Status to an error. */
import { JsonSyntaxError, parseJson } from '../api/codec/index.ts';
import { ApiError } from '../api/errors.ts';
import { deepFreeze } from '../api/freeze.ts';
import type { JsonObject, JsonValue } from '../api/json.ts';
import type { Status } from '../api/types/meta-v1.ts';
import { TransportError } from './transport.ts';

/** @throws TransportError when the text is not a JSON object: something between here and the API server answered. */
export function decodeObject(text: string, what: string): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(text).value;
  } catch (cause) {
    if (!(cause instanceof JsonSyntaxError)) throw cause;
    throw new TransportError('protocol', `Cannot read the answer to ${what}: not JSON: ${excerpt(text)}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TransportError('protocol', `Cannot read the answer to ${what}: not a JSON object: ${excerpt(text)}`);
  return deepFreeze(value as JsonObject);
}

/**
 * The error of an answer of 400 and above. A body that is no Status (a proxy's page, plain text of a health check) becomes the message of a
 * Status with the answer's code. Source: client-go rest.Request.newUnstructuredResponseError.
 */
export function errorOf(status: number, body: JsonObject | string, what: string): ApiError {
  if (typeof body !== 'string' && body.kind === 'Status')
    return ApiError.fromStatus({ code: status, ...body } as Status);
  const text = typeof body === 'string' ? body.trim() : '';
  return new ApiError({
    code: status,
    reason: reasons[status] ?? (status >= 500 ? 'InternalError' : ''),
    message: text === '' ? `The server answered ${status} to ${what}` : excerpt(text),
  });
}

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

const excerpt = (text: string): string => (text.length > 500 ? `${text.slice(0, 500)}...` : text);
