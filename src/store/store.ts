/**
 * etcd's data model behind one interface (decision 4). Three implementations: `memory/`, `embedded/` (LMDB), `etcd/` (gRPC); one contract
 * suite runs on all.
 *
 * Invariants:
 * 1. Revisions are positive integers; each transaction that writes raises the store's revision by exactly one, and every key it wrote
 *    carries it. A new store is at revision 1.
 * 2. Acknowledged = durable = visible: a write is answered, and shown to any range or watch, only after its group commit is flushed. A
 *    failed commit rejects that batch and every later write (`StoreError` code `readonly`).
 * 3. Keys are ordered by their UTF-8 bytes. Values are bytes the store never looks into and callers never write to afterwards.
 * 4. A watch delivers every event after its start revision exactly once, in revision order; all events of one revision come in one batch.
 */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Writes since creation, from 1. */
  readonly version: number;
  /** 0n when none. */
  readonly lease: bigint;
}

export interface RangeRequest {
  readonly key: string;
  /** Exclusive end; absent: the one key. `prefixEnd(key)` makes a prefix range. */
  readonly end?: string;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  /** A past revision; absent or 0: the newest, linearizable. Compacted: `StoreError` `compacted`; beyond the newest: `futureRevision`. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
}

export interface RangeResult {
  /** The store's revision when the answer was made. */
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** Keys in the range whatever the limit. */
  readonly count: number;
  readonly more: boolean;
}

export type Compare =
  | {
      readonly key: string;
      readonly target: 'modRevision' | 'createRevision' | 'version';
      readonly op: '=' | '!=' | '<' | '>';
      readonly value: number;
    }
  | { readonly key: string; readonly target: 'value'; readonly op: '=' | '!='; readonly value: Uint8Array };

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly lease?: bigint }
  | { readonly type: 'delete'; readonly key: string; readonly end?: string; readonly prevKv?: boolean }
  | ({ readonly type: 'range' } & RangeRequest);

export type OpResult =
  | { readonly type: 'put' }
  | { readonly type: 'delete'; readonly deleted: number; readonly prevKvs: readonly KeyValue[] }
  | ({ readonly type: 'range' } & RangeResult);

export interface TxnRequest {
  /** All must hold for `then`, or else `else` runs. A missing key has modRevision, createRevision and version 0. */
  readonly compare: readonly Compare[];
  readonly then: readonly Op[];
  readonly else?: readonly Op[];
}

export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly results: readonly OpResult[];
}

export interface StoreEvent {
  readonly type: 'put' | 'delete';
  /** For a delete: the key with the delete's modRevision and an empty value. */
  readonly kv: KeyValue;
  /** The state before; absent for a create or when compacted away. */
  readonly prevKv?: KeyValue;
}

export interface WatchBatch {
  /** All events up to and including this revision in the watched range have been delivered. No events: a progress notice. */
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export interface WatchRequest {
  readonly key: string;
  readonly end?: string;
  /** First revision to deliver; absent: after now. Compacted: the iteration throws `StoreError` `compacted` with `compactRevision`. */
  readonly startRevision?: number;
  readonly signal: AbortSignal;
}

export type StoreErrorCode =
  | 'compacted'
  | 'futureRevision'
  | 'readonly'
  | 'unavailable'
  | 'noSpace'
  | 'leaseNotFound'
  | 'tooLarge'
  | 'invalid'
  | 'closed'
  | 'corrupt'
  | 'inUse';

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly compactRevision: number | undefined;
  constructor(code: StoreErrorCode, message: string, options: { cause?: unknown; compactRevision?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StoreError';
    this.code = code;
    this.compactRevision = options.compactRevision;
  }
}

export interface Store {
  range(request: RangeRequest, signal?: AbortSignal): Promise<RangeResult>;
  txn(request: TxnRequest, signal?: AbortSignal): Promise<TxnResult>;
  /** Ends when `signal` aborts or the store closes; throws `StoreError` on compaction or loss of the server. */
  watch(request: WatchRequest): AsyncIterable<WatchBatch>;
  /** The newest revision, linearizable, without reading anything (decision 6). */
  currentRevision(signal?: AbortSignal): Promise<number>;
  /** History before `revision` may go. Idempotent for a revision compacted already (`compacted` like etcd when lower). */
  compact(revision: number, signal?: AbortSignal): Promise<void>;
  leaseGrant(ttlSeconds: number, signal?: AbortSignal): Promise<bigint>;
  /** @returns the remaining time to live in seconds after the renewal. */
  leaseKeepAlive(lease: bigint, signal?: AbortSignal): Promise<number>;
  leaseRevoke(lease: bigint, signal?: AbortSignal): Promise<void>;
  /** Bytes on disk (or in memory). */
  size(signal?: AbortSignal): Promise<number>;
  /** Waits for writes under way, then releases everything. Idempotent. */
  close(): Promise<void>;
}

/** The exclusive end of the range of all keys that start with `prefix` (last byte raised by one). */
export function prefixEnd(prefix: string): string {
  if (prefix === '') return '\0';
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
