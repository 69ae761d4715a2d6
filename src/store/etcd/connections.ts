/**
 * The connections of one client to all members of an etcd cluster: one is in use; after a failure the next is. The list of members may change
 * while it runs.
 */
import type { Clock } from '../../base/clock.ts';
import { StoreError } from '../store.ts';
import { fromGrpc } from './errors.ts';
import { type Channel, loadWire, type MethodName, type Tls } from './wire.ts';

export interface ConnectionsOptions {
  /** `https://host:2379`, at least one; http without `tls`. The first is preferred. */
  readonly endpoints: readonly string[];
  readonly tls?: Tls;
  readonly clock: Clock;
  /** For one request. Default 10 s. */
  readonly timeoutMs?: number;
}

/** What may be asked again without doing anything twice. */
const repeatable: ReadonlySet<MethodName> = new Set([
  'KV/Range',
  'Maintenance/Status',
  'Cluster/MemberList',
  'Maintenance/Alarm',
]);

export class Connections {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly ended = new AbortController();
  readonly #connect: (endpoint: string) => Channel;
  #channels: readonly { readonly endpoint: string; readonly channel: Channel }[];
  #current = 0;
  /** To members that are not among those in use. */
  readonly #others = new Map<string, Channel>();

  static async open(options: ConnectionsOptions): Promise<Connections> {
    const { connect } = await loadWire(options.clock);
    return new Connections(options, (endpoint) => connect(endpoint, options.tls));
  }

  private constructor(options: ConnectionsOptions, connect: (endpoint: string) => Channel) {
    if (options.endpoints.length === 0) throw new StoreError('invalid', 'No etcd endpoint is given');
    this.clock = options.clock;
    this.timeoutMs = options.timeoutMs ?? 10_000;
    this.#connect = connect;
    this.#channels = options.endpoints.map((endpoint) => ({ endpoint, channel: connect(endpoint) }));
  }

  get endpoints(): readonly string[] {
    return this.#channels.map(({ endpoint }) => endpoint);
  }

  /** Those that stay keep their connection, and the one in use stays in use when it is among them. */
  setEndpoints(endpoints: readonly string[]): void {
    if (endpoints.length === 0 || this.ended.signal.aborted) return;
    const used = this.#channels[this.#current]?.endpoint;
    const before = this.#channels;
    this.#channels = endpoints.map(
      (endpoint) => before.find((each) => each.endpoint === endpoint) ?? { endpoint, channel: this.#connect(endpoint) },
    );
    this.#current = Math.max(0, endpoints.indexOf(used ?? ''));
    for (const each of before) if (!endpoints.includes(each.endpoint)) each.channel.close();
  }

  /** The one in use; the next one when `failed` is. Several requests may fail with one member: only the first of them turns to the next. */
  channel(failed?: Channel): Channel {
    if (failed !== undefined && failed === this.#channels[this.#current]?.channel)
      this.#current = (this.#current + 1) % this.#channels.length;
    return this.#channels[this.#current]!.channel;
  }

  /** One member's, whatever is in use. */
  channelOf(endpoint: string): Channel {
    const known = this.#channels.find((each) => each.endpoint === endpoint)?.channel ?? this.#others.get(endpoint);
    if (known) return known;
    const made = this.#connect(endpoint);
    this.#others.set(endpoint, made);
    return made;
  }

  /**
   * A read that a member did not answer is asked of each other one, and so is a write that was never sent; whether any other write happened is
   * unknown, so that is the caller's to decide.
   */
  async call(method: MethodName, request: object, signal?: AbortSignal): Promise<object> {
    for (let tries = this.#channels.length; ; tries--) {
      this.check(signal);
      const channel = this.channel();
      try {
        return await channel.unary(method, request, this.timeoutMs, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const reason = fromGrpc(error);
        if (!(reason instanceof StoreError) || reason.code !== 'unavailable') throw reason;
        this.channel(channel);
        if (tries <= 1 || !(repeatable.has(method) || neverSent(error))) throw reason;
      }
    }
  }

  check(signal?: AbortSignal): void {
    if (this.ended.signal.aborted) throw new StoreError('closed', 'The store is closed');
    signal?.throwIfAborted();
  }

  close(): void {
    if (this.ended.signal.aborted) return;
    this.ended.abort();
    for (const { channel } of this.#channels) channel.close();
    for (const channel of this.#others.values()) channel.close();
  }
}

/** grpc's words for a request that found no connection to go out on. */
function neverSent(error: unknown): boolean {
  return error instanceof Error && /No connection established/.test(error.message);
}
