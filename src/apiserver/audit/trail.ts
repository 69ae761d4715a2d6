/** What is recorded of one request while it goes through the server, and its events (audit.k8s.io/v1). Source: apiserver/pkg/audit, endpoints/filters/audit.go. */
import type { ApiRequest, ApiResponse, ResponseBody } from '../../api/exchange.ts';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { UserInfo } from '../authentication/authenticator.ts';
import { userInfo } from '../authentication/reviews.ts';
import type { RequestInfo } from '../request-info.ts';
import { atLeast, type Recording, type Stage } from './policy.ts';

const userAgentMax = 1024;

export interface TrailOptions {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly user: UserInfo | undefined;
  readonly auditId: string;
  readonly recording: Recording;
  /** meta/v1 MicroTime. */
  readonly now: () => string;
  /** Takes an event. @returns a promise where the request has to wait for it. */
  readonly emit: (event: JsonObject) => Promise<void> | undefined;
}

export class AuditTrail {
  /** The first value of a key counts. */
  readonly annotations = new Map<string, string>();
  readonly #options: TrailOptions;
  readonly #received: string;
  readonly #objectRef: Record<string, string>;
  #impersonated: JsonObject | undefined;
  #requestObject: JsonValue | undefined;
  #responseObject: JsonValue | undefined;
  #status: JsonObject | undefined;
  #finished = false;

  constructor(options: TrailOptions) {
    this.#options = options;
    this.#received = options.now();
    const { info } = options;
    this.#objectRef = info.isResourceRequest
      ? {
          resource: info.resource,
          namespace: info.namespace,
          name: info.name,
          apiGroup: info.apiGroup,
          apiVersion: info.apiVersion,
          subresource: info.subresource,
        }
      : {};
  }

  received(): Promise<void> | undefined {
    return this.#emit('RequestReceived');
  }

  annotate(key: string, value: string): void {
    if (!this.annotations.has(key)) this.annotations.set(key, value);
  }

  impersonates(user: UserInfo): void {
    this.#impersonated = userInfo(user);
  }

  /** The body of a create, update or delete, decoded. */
  sent(object: JsonObject): void {
    const { name, namespace, uid, resourceVersion } = (object.metadata ?? {}) as Readonly<Record<string, JsonValue>>;
    for (const [field, value] of Object.entries({ namespace, name, uid, resourceVersion }))
      if (typeof value === 'string' && !this.#objectRef[field]) this.#objectRef[field] = value;
    if (atLeast(this.#options.recording.level, 'Request')) this.#requestObject = this.#stripped(object);
  }

  /** A patch, as it was sent. */
  patched(patch: JsonValue): void {
    if (atLeast(this.#options.recording.level, 'Request')) this.#requestObject = patch;
  }

  /** Nobody knows the caller. @param attempted how he tried to say who he is */
  unauthenticated(attempted: string): void {
    this.#status = { metadata: {}, message: `Authentication failed, attempted: ${attempted}` };
  }

  /**
   * The answer is known. @param longRunning its end is an event of its own
   * @returns the answer to give instead, and what to wait for before it is given
   */
  answered(
    response: ApiResponse,
    longRunning: boolean,
  ): { readonly response: ApiResponse; readonly written: Promise<void> | undefined } {
    if (this.#finished) return { response, written: undefined };
    const { recording } = this.#options;
    const value =
      response.status >= 400 || atLeast(recording.level, 'RequestResponse') ? bodyValue(response.body) : undefined;
    this.#status = { ...statusOf(value), ...this.#status, code: response.status };
    if (value !== undefined && atLeast(recording.level, 'RequestResponse'))
      this.#responseObject = this.#stripped(value);
    if (!longRunning) return { response, written: this.#complete() };
    const written = this.#emit('ResponseStarted');
    const body = watched(response.body, () => void this.#complete());
    if (body) return { response: { ...response, body }, written };
    const completed = this.#complete();
    return { response, written: written && completed ? written.then(() => completed) : (written ?? completed) };
  }

  /** An answer to somebody unknown: it starts and nothing more is told. */
  refused(response: ApiResponse): Promise<void> | undefined {
    this.#finished = true;
    this.#status = { ...this.#status, code: response.status };
    return this.#emit('ResponseStarted');
  }

  #complete(): Promise<void> | undefined {
    if (this.#finished) return undefined;
    this.#finished = true;
    return this.#emit('ResponseComplete');
  }

  #stripped(value: JsonObject): JsonObject {
    return this.#options.recording.omitManagedFields ? withoutManagedFields(value) : value;
  }

  #emit(stage: Stage): Promise<void> | undefined {
    const { recording, request, info, user, auditId, now, emit } = this.#options;
    if (recording.omitStages.has(stage)) return undefined;
    const userAgent = request.headers['user-agent'] ?? '';
    const ips = sourceIps(request);
    const reference = Object.fromEntries(
      ['resource', 'namespace', 'name', 'uid', 'apiGroup', 'apiVersion', 'resourceVersion', 'subresource']
        .map((field) => [field, this.#objectRef[field] ?? ''])
        .filter(([, value]) => value !== ''),
    ) as JsonObject;
    return emit({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: recording.level,
      auditID: auditId,
      stage,
      requestURI: request.query === '' ? request.path : `${request.path}?${request.query}`,
      verb: info.verb,
      user: user ? userInfo(user) : {},
      ...(this.#impersonated ? { impersonatedUser: this.#impersonated } : {}),
      ...(ips.length > 0 ? { sourceIPs: ips } : {}),
      ...(userAgent === ''
        ? {}
        : {
            userAgent: userAgent.length > userAgentMax ? `${userAgent.slice(0, userAgentMax)}...TRUNCATED` : userAgent,
          }),
      ...(Object.keys(reference).length > 0 ? { objectRef: reference } : {}),
      ...(this.#status ? { responseStatus: this.#status } : {}),
      ...(this.#requestObject === undefined ? {} : { requestObject: this.#requestObject }),
      ...(this.#responseObject === undefined ? {} : { responseObject: this.#responseObject }),
      requestReceivedTimestamp: this.#received,
      stageTimestamp: now(),
      ...(this.annotations.size > 0
        ? { annotations: Object.fromEntries([...this.annotations].sort(([a], [b]) => (a < b ? -1 : 1))) }
        : {}),
    });
  }
}

function bodyValue(body: ResponseBody): JsonObject | undefined {
  if (body.kind === 'object') return body.object.value();
  return body.kind === 'list' ? body.value() : undefined;
}

/** A Status says more than its code; of its fields only those of bounded length. */
function statusOf(value: JsonObject | undefined): JsonObject {
  if (value?.kind !== 'Status') return { metadata: {} };
  const { status, message, reason, details } = value;
  return {
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
  };
}

function withoutManagedFields(value: JsonObject): JsonObject {
  const bare = (object: JsonValue): JsonValue => {
    const { metadata } = (object ?? {}) as { metadata?: JsonObject };
    if (metadata?.managedFields === undefined) return object;
    const { managedFields: _fields, ...rest } = metadata;
    return { ...(object as JsonObject), metadata: rest };
  };
  const own = bare(value) as JsonObject;
  if (Array.isArray(own.items)) return { ...own, items: own.items.map(bare) };
  if (own.kind === 'Table' && Array.isArray(own.rows))
    return {
      ...own,
      rows: own.rows.map((row: JsonObject) => (row.object ? { ...row, object: bare(row.object) } : row)),
    };
  return own;
}

/** Whom the headers of proxies name, then who is connected. Source: apimachinery/pkg/util/net (SourceIPs). */
function sourceIps({ headers, remoteAddress }: ApiRequest): readonly string[] {
  const ips = (headers['x-forwarded-for'] ?? '').split(',').map((ip) => ip.trim());
  const real = (headers['x-real-ip'] ?? '').trim();
  if (real !== '' && !ips.includes(real)) ips.push(real);
  const remote = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  if (remote !== ips.at(-1)) ips.push(remote);
  return ips.filter((ip) => /^[0-9a-f.:]+$/i.test(ip) && /[.:]/.test(ip));
}

/** The body with its end told. @returns undefined when it is whole already */
function watched(body: ResponseBody, ended: () => void): ResponseBody | undefined {
  switch (body.kind) {
    case 'watch': {
      const { stream } = body;
      return {
        kind: 'watch',
        stream: {
          take() {
            const frames = stream.take();
            if (frames === undefined) ended();
            return frames;
          },
          ready: () => stream.ready(),
          close() {
            stream.close();
            ended();
          },
        },
      };
    }
    case 'stream':
      return { kind: 'stream', stream: toldStream(body.stream, ended) };
    case 'upgrade':
      return {
        kind: 'upgrade',
        take: (socket, head) => {
          socket.once('close', ended);
          body.take(socket, head);
        },
      };
    default:
      return undefined;
  }
}

/** Not a generator: one that was never begun would not pass its end on. */
function toldStream(stream: AsyncIterable<Uint8Array>, ended: () => void): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const inner = stream[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await inner.next();
            if (result.done) ended();
            return result;
          } catch (error) {
            ended();
            throw error;
          }
        },
        async return() {
          ended();
          await inner.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
