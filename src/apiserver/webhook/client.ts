/**
 * Calls webhooks: admission's, conversion's, and whoever else is configured as a Service or a URL with a CA bundle. JSON both ways, kept connections, time-outs on
 * the clock that came in. Failures carry upstream's words. Source: apiserver/pkg/util/webhook (ClientManager), client-go/rest (Request.Do).
 */

import { encode, JsonSyntaxError, parseJson } from '../../api/codec/index.ts';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { WebhookClientConfig } from '../../api/types/admissionregistration-v1.ts';
import type { Status } from '../../api/types/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { HttpAnswer, HttpClient } from '../../serve/forward/http-client.ts';
import { hostHeader, type TlsIdentity, type UpgradeTarget } from '../../serve/upgrade/request-upgrade.ts';
import type { ServiceResolver } from './services.ts';

export interface WebhookCall {
  /** `service` or `url`, `caBundle` in base64; CustomResourceDefinitions' has the same form. */
  readonly config: WebhookClientConfig;
  readonly body: JsonObject;
  /** Absent: as long as `signal` lasts. Told to the webhook as `?timeout=`. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface WebhookClient {
  /**
   * POSTs the body. @returns the answer, not frozen.
   * @throws ApiError when the webhook answered with a failure (its Status, or what clients make of the code), Error in Go's words when there was no usable answer.
   */
  call(call: WebhookCall): Promise<JsonObject>;
}

export interface WebhookClientOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly resolve: ServiceResolver;
  readonly userAgent?: string;
}

/** Upstream keeps as many clients. */
const identitiesMax = 200;
/** A longer answer is none. Admission reviews carry a patch of an object that is at most 3 MiB. */
const answerBytesMax = 16 * 1024 * 1024;

export function createWebhookClient({ http, clock, resolve, userAgent }: WebhookClientOptions): WebhookClient {
  const identities = new Map<string, TlsIdentity>();
  const identityOf = (caBundle: string, serverName: string): TlsIdentity => {
    const key = `${serverName} ${caBundle}`;
    let identity = identities.get(key);
    if (identity) identities.delete(key);
    else identity = { ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString() }), serverName };
    identities.set(key, identity);
    if (identities.size > identitiesMax) {
      const [oldest, forgotten] = identities.entries().next().value!;
      identities.delete(oldest);
      http.forget(forgotten);
    }
    return identity;
  };
  /** Looked up at each call: endpoints change. @throws Error */
  const targetOf = (place: Place, caBundle: string): UpgradeTarget => ({
    ...(place.service ? resolve(place.service.namespace, place.service.name, place.port) : place),
    ...(place.secure ? { tls: identityOf(caBundle, place.host) } : {}),
  });

  return {
    async call({ config, body, timeoutMs, signal }) {
      const place = placeOf(config);
      const query = timeoutMs === undefined ? '' : `?timeout=${Math.ceil(timeoutMs / 1000)}s`;
      const url = `${place.origin}${place.path}${query}`;
      const ending = new AbortController();
      const timer =
        timeoutMs === undefined
          ? undefined
          : clock.timer(timeoutMs, () => ending.abort(new Error('context deadline exceeded')));
      const leave = (): void => ending.abort(new Error('context canceled'));
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      try {
        const bytes = encode(body);
        const answer = await http.send(targetOf(place, config.caBundle ?? ''), {
          method: 'POST',
          path: `${place.path}${query}`,
          headers: {
            host: hostHeader(place.host, place.port),
            'user-agent': userAgent ?? 'kube-apiserver-admission',
            accept: 'application/json, */*',
            'content-type': 'application/json',
            'content-length': String(bytes.byteLength),
          },
          body: bytes,
          signal: ending.signal,
          repeatable: true,
        });
        return readAnswer(answer.status, await wholeText(answer));
      } catch (error) {
        if (error instanceof FailedAnswer) throw error.cause;
        const why = ending.signal.aborted ? (ending.signal.reason as Error) : (error as Error);
        throw new Error(`Post ${JSON.stringify(url)}: ${why.message}`, { cause: error });
      } finally {
        timer?.cancel();
        signal.removeEventListener('abort', leave);
      }
    },
  };
}

interface Place {
  readonly origin: string;
  /** The name its certificate carries. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly secure: boolean;
  readonly service?: { readonly namespace: string; readonly name: string };
}

/** @throws Error when the configuration says neither or both */
function placeOf({ service, url }: WebhookClientConfig): Place {
  if (service) {
    const { namespace, name, path = '', port = 443 } = service;
    const host = `${name}.${namespace}.svc`;
    return {
      origin: `https://${host}:${port}`,
      host,
      port,
      path: path.startsWith('/') || path === '' ? path || '/' : `/${path}`,
      secure: true,
      service: { namespace, name },
    };
  }
  if (url === undefined || url === '') throw new Error('webhook configuration must have either service or URL');
  const parsed = URL.parse(url);
  if (!parsed) throw new Error(`Unparsable URL: parse ${JSON.stringify(url)}: invalid URL`);
  const secure = parsed.protocol === 'https:';
  return {
    origin: parsed.origin,
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || (secure ? 443 : 80)),
    path: parsed.pathname,
    secure,
  };
}

async function wholeText({ body }: HttpAnswer): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > answerBytesMax) throw new Error(`http: response body too large (limit is ${answerBytesMax})`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** Carries what the caller is to get through the wrapping of transport errors. */
class FailedAnswer extends Error {}

/** @throws FailedAnswer */
function readAnswer(status: number, text: string): JsonObject {
  if (status < 200 || status > 206) throw new FailedAnswer('', { cause: failureOf(status, text) });
  let value: unknown;
  try {
    ({ value } = parseJson(text));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new FailedAnswer('', {
      cause: new Error(`couldn't get version/kind; json parse error: ${error.message}`),
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FailedAnswer('', {
      cause: new Error("couldn't get version/kind; json parse error: json: cannot unmarshal a value that is no object"),
    });
  const object = value as JsonObject;
  for (const [field, name] of [
    ['kind', 'Kind'],
    ['apiVersion', 'apiVersion'],
  ] as const)
    if (typeof object[field] !== 'string' || object[field] === '')
      throw new FailedAnswer('', { cause: new Error(`Object '${name}' is missing in '${text}'`) });
  return object;
}

/** A Status where the webhook sent one, else what clients make of the code. Source: client-go/rest, errors.NewGenericServerResponse. */
function failureOf(code: number, text: string): ApiError {
  if (text.startsWith('{')) {
    const status = tryStatus(text);
    if (status) return ApiError.fromStatus({ ...status, code: status.code ?? code });
  }
  const said = text.trim().slice(0, 2048);
  const known: Readonly<Record<number, readonly [ApiError['status']['reason'] & string, string]>> = {
    400: ['BadRequest', 'the server rejected our request for an unknown reason'],
    401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
    403: ['Forbidden', said || 'Forbidden'],
    404: ['NotFound', 'the server could not find the requested resource'],
    405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
    406: ['NotAcceptable', 'the server was unable to respond with a content type that the client supports'],
    409: ['Conflict', 'the server reported a conflict'],
    415: ['UnsupportedMediaType', 'the server was unable to respond with a content type that the client supports'],
    422: ['Invalid', 'the server rejected our request due to an error in our request'],
    429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
    503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
    504: [
      'Timeout',
      'the server was unable to return a response in the time allotted, but may still be processing the request',
    ],
  };
  const [reason, message] = known[code] ?? [
    'InternalError',
    code >= 500
      ? `an error on the server (${JSON.stringify(said || 'unknown')}) has prevented the request from succeeding`
      : `the server responded with the status code ${code} but did not return more information`,
  ];
  return new ApiError({ code, reason, message });
}

function tryStatus(text: string): Status | undefined {
  try {
    const { value } = parseJson(text);
    const object = value as JsonObject | null;
    return object?.kind === 'Status' && object.status !== 'Success' ? (object as unknown as Status) : undefined;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}
