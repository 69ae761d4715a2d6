/**
 * The store on etcd (3.4 or newer) over gRPC. A spike that proves the interface: everything of the contract works; what production still needs
 * (health-based choice of endpoints, retries of reads, request metrics, member management) comes with the issue on real control planes.
 */
import type { Clock } from '../../base/clock.ts';
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
import { type Channel, loadWire, type MethodName, type Tls } from './wire.ts';

export interface EtcdStoreOptions {
  /** `https://host:2379`, at least one; http without `tls`. */
  readonly endpoints: readonly string[];
  readonly tls?: Tls;
  readonly clock: Clock;
  /** For one request. Default 10 s. */
  readonly timeoutMs?: number;
}

/** A key nobody writes: counting it gives etcd's revision and nothing else. */
const neverWritten = 'bireme/revision';

/** The server has its own. */
const noLimits: RequestLimits = { maxRequestBytes: Number.POSITIVE_INFINITY, maxTxnOps: Number.POSITIVE_INFINITY };

/** @throws StoreError `unavailable` when no endpoint answers within the timeout. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const { connect } = await loadWire(() => options.clock.now());
  const store = new EtcdStore(
    options,
    options.endpoints.map((endpoint) => connect(endpoint, options.tls)),
  );
  try {
    await store.currentRevision();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

const repeatable: ReadonlySet<MethodName> = new Set(['KV/Range', 'Maintenance/Status']);

class EtcdStore implements Store {
  readonly #channels: readonly Channel[];
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #ended = new AbortController();
  #current = 0;

  constructor(options: EtcdStoreOptions, channels: readonly Channel[]) {
    if (channels.length === 0) throw new StoreError('invalid', 'No etcd endpoint is given');
    this.#channels = channels;
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  async range(request: RangeRequest, signal?: AbortSignal): Promise<RangeResult> {
    checkRange(request);
    const response = (await this.#call('KV/Range', toRange(request), signal)) as EtcdRangeResponse;
    return fromRange(response, toNumber(response.header!.revision));
  }

  async txn(request: TxnRequest, signal?: AbortSignal): Promise<TxnResult> {
    // Here too: etcd overlooks a put inside a deletion that goes to the last key.
    checkTxn(request, noLimits);
    const response = (await this.#call('KV/Txn', toTxn(request), signal)) as EtcdTxnResponse;
    const revision = toNumber(response.header.revision);
    return {
      succeeded: response.succeeded,
      revision,
      results: response.responses.map((result) => fromResult(result, revision)),
    };
  }

  watch(request: WatchRequest) {
    this.#check();
    checkRange(request);
    return watchEtcd((failed) => this.#channel(failed), request, this.#clock, this.#ended.signal);
  }

  async currentRevision(signal?: AbortSignal): Promise<number> {
    return (await this.range({ key: neverWritten, countOnly: true }, signal)).revision;
  }

  async compact(revision: number, signal?: AbortSignal): Promise<void> {
    await this.#call('KV/Compact', { revision }, signal);
  }

  async leaseGrant(ttlSeconds: number, signal?: AbortSignal): Promise<bigint> {
    const response = (await this.#call('Lease/LeaseGrant', { TTL: Math.ceil(ttlSeconds) }, signal)) as { ID: Int64 };
    return toBigInt(response.ID);
  }

  async leaseKeepAlive(lease: bigint, signal?: AbortSignal): Promise<number> {
    this.#check(signal);
    const stream = this.#channel(false).duplex('Lease/LeaseKeepAlive');
    const timeout = this.#clock.timer(this.#timeoutMs, () => stream.cancel());
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
    await this.#call('Lease/LeaseRevoke', { ID: lease.toString() }, signal);
  }

  async size(signal?: AbortSignal): Promise<number> {
    return toNumber(((await this.#call('Maintenance/Status', {}, signal)) as { dbSize: Int64 }).dbSize);
  }

  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    for (const channel of this.#channels) channel.close();
  }

  /** A read that an endpoint did not answer is asked of each other one; whether a write happened is unknown, so that is the caller's to decide. */
  async #call(method: MethodName, request: object, signal?: AbortSignal): Promise<object> {
    for (let tries = repeatable.has(method) ? this.#channels.length : 1; ; tries--) {
      this.#check(signal);
      try {
        return await this.#channel(false).unary(method, request, this.#timeoutMs, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const reason = fromGrpc(error);
        if (!(reason instanceof StoreError) || reason.code !== 'unavailable') throw reason;
        this.#channel(true);
        if (tries <= 1) throw reason;
      }
    }
  }

  /** The endpoint in use, or the next one after a failure. */
  #channel(failed: boolean): Channel {
    if (failed) this.#current = (this.#current + 1) % this.#channels.length;
    return this.#channels[this.#current]!;
  }

  #check(signal?: AbortSignal): void {
    if (this.#ended.signal.aborted) throw new StoreError('closed', 'The store is closed');
    signal?.throwIfAborted();
  }
}
