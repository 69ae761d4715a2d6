/** The store on etcd (3.4 or newer) over gRPC. Members and maintenance are `etcd-cluster.ts`. */
import { checkRange, checkTxn, type RequestLimits } from '../mvcc/request.ts';
import {
  type RangeRequest,
  type RangeResult,
  type Store,
  StoreError,
  type TxnRequest,
  type TxnResult,
  type WatchRequest,
} from '../store.ts';
import { Connections, type ConnectionsOptions } from './connections.ts';
import { fromGrpc } from './errors.ts';
import {
  type EtcdRangeResponse,
  type EtcdTxnResponse,
  fromRange,
  fromResult,
  type Int64,
  toBigInt,
  toNumber,
  toRange,
  toTxn,
} from './messages.ts';
import { watchEtcd } from './watch.ts';

export type EtcdStoreOptions = ConnectionsOptions;

export interface EtcdStore extends Store {
  readonly endpoints: readonly string[];
  /** The members as they are now, the preferred one first. */
  setEndpoints(endpoints: readonly string[]): void;
}

/** A key nobody writes: counting it gives etcd's revision and nothing else. */
const neverWritten = 'bireme/revision';

/** The server has its own. */
const noLimits: RequestLimits = { maxRequestBytes: Number.POSITIVE_INFINITY, maxTxnOps: Number.POSITIVE_INFINITY };

/** @throws StoreError `unavailable` when no endpoint answers within the timeout. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const connections = await Connections.open(options);
  const store = new GrpcStore(connections);
  try {
    await store.currentRevision();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class GrpcStore implements EtcdStore {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  get endpoints(): readonly string[] {
    return this.#connections.endpoints;
  }

  setEndpoints(endpoints: readonly string[]): void {
    this.#connections.setEndpoints(endpoints);
  }

  async range(request: RangeRequest, signal?: AbortSignal): Promise<RangeResult> {
    checkRange(request);
    const response = (await this.#connections.call('KV/Range', toRange(request), signal)) as EtcdRangeResponse;
    return fromRange(response, toNumber(response.header!.revision));
  }

  async txn(request: TxnRequest, signal?: AbortSignal): Promise<TxnResult> {
    // Here too: etcd overlooks a put inside a deletion that goes to the last key.
    checkTxn(request, noLimits);
    const response = (await this.#connections.call('KV/Txn', toTxn(request), signal)) as EtcdTxnResponse;
    const revision = toNumber(response.header.revision);
    return {
      succeeded: response.succeeded,
      revision,
      results: response.responses.map((result) => fromResult(result, revision)),
    };
  }

  watch(request: WatchRequest) {
    this.#connections.check();
    checkRange(request);
    const { clock, ended } = this.#connections;
    return watchEtcd((failed) => this.#connections.channel(failed), request, clock, ended.signal);
  }

  async currentRevision(signal?: AbortSignal): Promise<number> {
    return (await this.range({ key: neverWritten, countOnly: true }, signal)).revision;
  }

  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    await this.#connections.call('KV/Compact', { revision }, signal);
  }

  async leaseGrant(ttlSeconds: number, signal?: AbortSignal): Promise<bigint> {
    const request = { TTL: Math.ceil(ttlSeconds) };
    const response = (await this.#connections.call('Lease/LeaseGrant', request, signal)) as { ID: Int64 };
    return toBigInt(response.ID);
  }

  async leaseKeepAlive(lease: bigint, signal?: AbortSignal): Promise<number> {
    this.#connections.check(signal);
    const stream = this.#connections.channel().duplex('Lease/LeaseKeepAlive');
    const timeout = this.#connections.clock.timer(this.#connections.timeoutMs, () => stream.cancel());
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel);
    try {
      stream.send({ ID: lease.toString() });
      for await (const answer of stream.answers) {
        const ttl = toNumber((answer as { TTL: Int64 }).TTL);
        if (ttl <= 0) throw new StoreError('leaseNotFound', 'etcdserver: requested lease not found');
        return ttl;
      }
      throw new StoreError('unavailable', 'etcd: the stream ended before its answer');
    } catch (error) {
      signal?.throwIfAborted();
      throw fromGrpc(error);
    } finally {
      timeout.cancel();
      signal?.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  async leaseRevoke(lease: bigint, signal?: AbortSignal): Promise<void> {
    await this.#connections.call('Lease/LeaseRevoke', { ID: lease.toString() }, signal);
  }

  async size(signal?: AbortSignal): Promise<number> {
    const status = (await this.#connections.call('Maintenance/Status', {}, signal)) as { dbSize: Int64 };
    return toNumber(status.dbSize);
  }

  async close(): Promise<void> {
    this.#connections.close();
  }
}
