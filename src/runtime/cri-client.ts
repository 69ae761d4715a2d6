/**
 * A CRI client over gRPC on a unix socket. grpc-js and protobufjs are loaded on the first call (decision 18); the channel reconnects by
 * itself, and while the server is away calls wait for it until their deadline.
 */
import type * as Grpc from '@grpc/grpc-js';
import type { Root, Type } from 'protobufjs';
import descriptor from '../../schema/cri.json' with { type: 'json' };
import type { Clock } from '../base/clock.ts';
import { commonJs } from '../base/common-js.ts';
import { type CriCallOptions, CriError, type CriRuntime, criCodes } from './cri.ts';
import { criFieldName } from './cri-names.ts';

export interface CriClientOptions {
  /** `unix:///run/containerd/containerd.sock`, or the bare path. */
  readonly endpoint: string;
  /** The machine's clock: deadlines on a socket are real time. */
  readonly clock: Clock;
  /** Another socket for images; the same server by default, as almost everywhere. */
  readonly imageEndpoint?: string;
  /** Largest answer taken, in bytes. Upstream's default is 16 MiB. */
  readonly maxMessageBytes?: number;
}

/** @throws Error at once when the endpoint is not a unix socket; connection failures come out of the calls as `CriError` UNAVAILABLE. */
export function createCriClient(options: CriClientOptions): CriRuntime {
  const runtimeTarget = grpcTarget(options.endpoint);
  const imageTarget = grpcTarget(options.imageEndpoint ?? options.endpoint);
  const maxMessageBytes = options.maxMessageBytes ?? 16 * 1024 * 1024;
  let loading: Promise<Wire> | undefined;
  let closed = false;
  const clients = new Map<string, Grpc.Client>();

  const wire = async (): Promise<Wire> => {
    if (closed) throw new CriError('close', 'CANCELLED', 'the client is closed');
    loading ??= loadWire();
    return loading;
  };
  const clientOf = (grpc: typeof Grpc, target: string): Grpc.Client => {
    let client = clients.get(target);
    if (!client) {
      client = new grpc.Client(target, grpc.credentials.createInsecure(), {
        'grpc.max_receive_message_length': maxMessageBytes,
        'grpc.max_send_message_length': maxMessageBytes,
        // A unix socket comes back within milliseconds of a restart: do not wait minutes for it.
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 3000,
        'grpc.default_authority': 'localhost',
      });
      clients.set(target, client);
    }
    return client;
  };

  const unary = async (
    service: ServiceName,
    method: string,
    request: object,
    call: CriCallOptions,
  ): Promise<object> => {
    const { grpc, types } = await wire();
    const { path, requestType, responseType } = methodOf(types, service, method);
    const payload = encode(requestType, request);
    const client = clientOf(grpc, service === 'ImageService' ? imageTarget : runtimeTarget);
    return new Promise((resolve, reject) => {
      if (call.signal?.aborted) {
        reject(new CriError(method, 'CANCELLED', 'context canceled'));
        return;
      }
      const onAbort = (): void => active.cancel();
      const active = client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        payload,
        new grpc.Metadata({ waitForReady: false }),
        { deadline: new Date(options.clock.now() + call.timeoutMs) },
        (error, answer) => {
          call.signal?.removeEventListener('abort', onAbort);
          if (error) reject(toCriError(method, error));
          else resolve(decode(responseType, answer ?? Buffer.alloc(0)));
        },
      );
      call.signal?.addEventListener('abort', onAbort, { once: true });
    });
  };

  async function* stream(
    service: ServiceName,
    method: string,
    request: object,
    call: CriCallOptions,
  ): AsyncIterable<object> {
    const { grpc, types } = await wire();
    const { path, requestType, responseType } = methodOf(types, service, method);
    const client = clientOf(grpc, service === 'ImageService' ? imageTarget : runtimeTarget);
    const active = client.makeServerStreamRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      encode(requestType, request),
      new grpc.Metadata(),
      {},
    );
    const onAbort = (): void => active.cancel();
    call.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const bytes of active) yield decode(responseType, bytes as Buffer);
    } catch (error) {
      if (call.signal?.aborted) return;
      throw toCriError(method, error as Grpc.ServiceError);
    } finally {
      call.signal?.removeEventListener('abort', onAbort);
      active.cancel();
    }
  }

  const methods: Record<string, unknown> = {
    close: async () => {
      closed = true;
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
  for (const service of ['RuntimeService', 'ImageService'] as const)
    for (const [method, { responseStream }] of Object.entries(serviceMethods(service))) {
      const run = responseStream ? stream : unary;
      methods[lowerFirst(method)] = (request: object, call: CriCallOptions) => run(service, method, request, call);
    }
  return methods as unknown as CriRuntime;
}

type ServiceName = 'RuntimeService' | 'ImageService';

interface Wire {
  readonly grpc: typeof Grpc;
  readonly types: Root;
}

interface MethodDescriptor {
  readonly requestType: string;
  readonly responseType: string;
  readonly responseStream?: boolean;
}

async function loadWire(): Promise<Wire> {
  const [grpc, protobuf] = await Promise.all([import('@grpc/grpc-js'), import('protobufjs/light.js')]);
  return { grpc: commonJs(grpc), types: protobuf.default.Root.fromJSON(camelCased(descriptor) as never) };
}

const serviceMethods = (service: ServiceName): Readonly<Record<string, MethodDescriptor>> =>
  descriptor.nested.runtime.nested.v1.nested[service].methods;

function methodOf(types: Root, service: ServiceName, method: string) {
  const { requestType, responseType } = serviceMethods(service)[method]!;
  return {
    path: `/runtime.v1.${service}/${method}`,
    requestType: types.lookupType(`runtime.v1.${requestType}`),
    responseType: types.lookupType(`runtime.v1.${responseType}`),
  };
}

/** @throws TypeError when a field has the wrong shape: a programming error. */
const encode = (type: Type, value: object): Buffer => Buffer.from(type.encode(type.fromObject(value)).finish());

const decode = (type: Type, bytes: Uint8Array): object =>
  withoutNulls(
    type.toObject(type.decode(bytes), { enums: String, longs: Number, defaults: true, arrays: true, objects: true }),
  );

/** protobufjs writes absent sub-messages as null; our types leave them out. */
function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (field === null) delete value[key];
    else if (Array.isArray(field)) {
      for (const element of field)
        if (typeof element === 'object' && element !== null) withoutNulls(element as Record<string, unknown>);
    } else if (typeof field === 'object' && !(field instanceof Uint8Array))
      withoutNulls(field as Record<string, unknown>);
  }
  return value;
}

/** The descriptor with fields named as in `cri-types.ts` (the same rule as scripts/generate-cri.ts). */
function camelCased(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node;
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === 'fields')
      out[key] = Object.fromEntries(
        Object.entries(value as object).map(([name, field]) => [criFieldName(name), field]),
      );
    else out[key] = camelCased(value);
  }
  return out;
}

function grpcTarget(endpoint: string): string {
  if (endpoint.startsWith('/')) return `unix:${endpoint}`;
  if (endpoint.startsWith('unix:')) return `unix:${endpoint.replace(/^unix:(\/\/)?/, '')}`;
  throw new Error(
    `Container runtime endpoint ${JSON.stringify(endpoint)} is not a unix socket; write unix:///path/to/socket`,
  );
}

const lowerFirst = (text: string): string => text[0]!.toLowerCase() + text.slice(1);

function toCriError(method: string, error: Grpc.ServiceError): CriError {
  const code = criCodes[error.code] ?? 'UNKNOWN';
  return new CriError(method, code, error.details || error.message, { cause: error });
}
