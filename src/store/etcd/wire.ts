/** etcd's gRPC services over @grpc/grpc-js with messages from `schema/etcd.json`. Both are loaded with the first store that is opened (decision 18). */

import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type * as Grpc from '@grpc/grpc-js';
import type { Type } from 'protobufjs';
import type { Clock } from '../../base/clock.ts';
import { commonJs } from '../../base/common-js.ts';
import { connectWithin, endWithin } from './dial.ts';
import { createUnaryCaller } from './unary.ts';

export interface Tls {
  /** PEM. */
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

export type MethodName =
  | 'KV/Range'
  | 'KV/Txn'
  | 'KV/Compact'
  | 'Lease/LeaseGrant'
  | 'Lease/LeaseRevoke'
  | 'Lease/LeaseKeepAlive'
  | 'Cluster/MemberList'
  | 'Cluster/MemberAdd'
  | 'Cluster/MemberPromote'
  | 'Cluster/MemberRemove'
  | 'Maintenance/Status'
  | 'Maintenance/Alarm'
  | 'Maintenance/Defragment'
  | 'Maintenance/MoveLeader'
  | 'Maintenance/Snapshot'
  | 'Watch/Watch';

interface Method {
  readonly path: string;
  readonly request: Type;
  readonly response: Type;
}

/** One channel to one endpoint. */
export interface Channel {
  /** @param deadlineMs from now. Rejects with grpc's ServiceError, or the signal's reason. */
  unary(method: MethodName, request: object, deadlineMs: number, signal?: AbortSignal): Promise<object>;
  duplex(method: MethodName): Duplex;
  serverStream(method: MethodName, request: object): Omit<Duplex, 'send'>;
  close(): void;
}
export interface Duplex {
  send(request: object): void;
  /** Ends with the stream; throws grpc's ServiceError. */
  readonly answers: AsyncIterable<object>;
  /** The caller needs nothing more. Idempotent. */
  cancel(): void;
}

export async function loadWire(clock: Clock): Promise<{ connect(endpoint: string, tls: Tls | undefined): Channel }> {
  const [grpc, protobuf, schema] = await Promise.all([
    import('@grpc/grpc-js'),
    import('protobufjs/light.js'),
    import('../../../schema/etcd.json', { with: { type: 'json' } }),
  ]);
  const root = protobuf.default.Root.fromJSON(schema.default as never);
  const methods = new Map<MethodName, Method>();
  const methodOf = (name: MethodName): Method => {
    const known = methods.get(name);
    if (known) return known;
    const [service, method] = name.split('/') as [string, string];
    const { requestType, responseType } = root.lookupService(`etcdserverpb.${service}`).methods[method]!;
    const made = {
      path: `/etcdserverpb.${name}`,
      request: root.lookupType(`etcdserverpb.${requestType}`),
      response: root.lookupType(`etcdserverpb.${responseType}`),
    };
    methods.set(name, made);
    return made;
  };
  return { connect: (endpoint, tls) => connect(commonJs(grpc), methodOf, clock, endpoint, tls) };
}

const connectTimeoutMs = 2000;
/** Longer calls are grpc-js's, whose pings notice that a member is gone. */
const shortMs = 30_000;
const same = (bytes: Buffer): Buffer => bytes;
const encode = (type: Type, value: object): Buffer => Buffer.from(type.encode(type.fromObject(value)).finish());

function connect(
  grpc: typeof Grpc,
  methodOf: (name: MethodName) => Method,
  clock: Clock,
  endpoint: string,
  tls: Tls | undefined,
): Channel {
  const address = endpoint.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  // An address is no name to ask a server for (Node refuses it), yet it is what its certificate must name.
  const byAddress = tls !== undefined && isIP(host) !== 0;
  const credentials = tls
    ? grpc.credentials.createSsl(
        Buffer.from(tls.ca),
        tls.key === undefined ? null : Buffer.from(tls.key),
        tls.cert === undefined ? null : Buffer.from(tls.cert),
        byAddress ? { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) } : {},
      )
    : grpc.credentials.createInsecure();
  const client = new grpc.Client(address, withinTime(credentials, address, clock), {
    ...(byAddress ? { 'grpc.ssl_target_name_override': 'etcd' } : {}),
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3000,
    // A member that is gone without a word is noticed in 8 s; etcd refuses to be asked more often than every 5.
    'grpc.keepalive_time_ms': 5_500,
    'grpc.keepalive_timeout_ms': 2_500,
    // One connection for each store, not one shared by address.
    'grpc.use_local_subchannel_pool': 1,
  });
  const caller = createUnaryCaller(host, Number(/:(\d+)$/.exec(address)?.[1] ?? 2379), tls, clock);
  return {
    unary: async (name, request, deadlineMs, signal) => {
      const method = methodOf(name);
      if (deadlineMs <= shortMs)
        return method.response.decode(
          await caller.call(
            method.path,
            method.request.encode(method.request.fromObject(request)).finish(),
            deadlineMs,
            signal,
          ),
        );
      return new Promise((resolve, reject) => {
        const abort = (): void => {
          active.cancel();
          reject(signal?.reason);
        };
        const active = client.makeUnaryRequest(
          method.path,
          same,
          same,
          encode(method.request, request),
          new grpc.Metadata(),
          { deadline: clock.now() + deadlineMs },
          (error, answer) => {
            signal?.removeEventListener('abort', abort);
            if (error) reject(error);
            else resolve(method.response.decode(answer ?? Buffer.alloc(0)));
          },
        );
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    duplex: (name) => {
      const method = methodOf(name);
      const metadata = new grpc.Metadata();
      // A member that has lost the others ends the stream instead of keeping quiet. Source: clientv3.WithRequireLeader.
      metadata.set('hasleader', 'true');
      const call = client.makeBidiStreamRequest(method.path, same, same, metadata);
      return {
        send: (request) => void call.write(encode(method.request, request)),
        answers: (async function* () {
          for await (const bytes of call) yield method.response.decode(bytes as Buffer);
        })(),
        cancel: () => {
          // What a cancelled stream still says has no listener.
          call.on('error', () => undefined);
          call.cancel();
        },
      };
    },
    serverStream: (name, request) => {
      const method = methodOf(name);
      const call = client.makeServerStreamRequest(method.path, same, same, encode(method.request, request));
      return {
        answers: (async function* () {
          for await (const bytes of call) yield method.response.decode(bytes as Buffer);
        })(),
        cancel: () => {
          call.on('error', () => undefined);
          call.cancel();
        },
      };
    },
    close: () => {
      caller.close();
      client.close();
    },
  };
}

/**
 * grpc-js waits for a connection as long as the kernel does, two minutes for a host that is gone, holding up calls, the process's end and, between
 * the kernel's own tries, the host's return. So it is tried by hand first, and TLS has a time of its own: a stopped server accepts and says nothing.
 */
function withinTime(credentials: Grpc.ChannelCredentials, address: string, clock: Clock): Grpc.ChannelCredentials {
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...given) => {
    const connector = create(...given);
    const destroyed = new AbortController();
    return {
      waitForReady: async () => {
        await connector.waitForReady();
        await connectWithin(address, connectTimeoutMs, clock, destroyed.signal);
      },
      connect: (socket) => endWithin(socket, connectTimeoutMs, clock, () => connector.connect(socket)),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => {
        destroyed.abort();
        connector.destroy();
      },
    };
  };
  return credentials;
}
