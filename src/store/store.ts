/**
 * etcd's data model behind one interface (decision 4). Three implementations: `memory/`, `embedded/` (LMDB), `etcd/` (gRPC); one contract
 * suite runs on all.
 *
 * Invariants:
 * 1. Revisions are positive integers; each transaction that writes raises the store's revision by exactly one, and every key it wrote
 *    carries it. A new store is at revision 1.
 * 2. Acknowledged = durable = visible: a write is answered, and shown to any range or watch, only after its group commit is flushed. A
 *    failed commit rejects that batch and every later write (`StoreError` code `readonly`).
 * 3. Keys are non-empty well-formed strings, ordered by their UTF-8 bytes. Values are bytes the store never looks into and callers never write
 *    to afterwards.
 * 4. A watch delivers every event from its start revision on exactly once, in revision order. A batch may hold several revisions; all events of
 *    one revision come in one batch (each event's `kv.modRevision` tells which).
 * 5. A range's `end` is exclusive; `'\0'` means "to the last key", so `{ key: '\0', end: '\0' }` is everything; an end at or before `key` is an
 *    empty range. A transaction may not put a key twice, nor put and delete it (`invalid`).
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
  /** Exclusive end; absent: the one key; `'\0'`: to the last key. `prefixEnd(key)` makes a prefix range. */
  readonly end?: string;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  /** A past revision; absent or 0: the newest, linearizable. Compacted: `StoreError` `compacted`; beyond the newest: `futureRevision`. */
  readonly revision?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  /** With `limit`: the caller does not need `count`, which may then be as low as the number returned. Saves looking at the rest of the range. */
  readonly withoutCount?: boolean;
}

export interface RangeResult {
  /** The store's revision when the answer was made. */
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** Keys in the range whatever the limit; see `withoutCount`. */
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
  /**
   * All must hold for `success` to run; else `failure` does. A missing key has modRevision, createRevision and version 0; a comparison of its value
   * never holds. Ranges in a transaction see its own writes before them.
   */
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure?: readonly Op[];
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
  /** Absent: true. Whoever keeps the state itself says false and saves the reads. */
  readonly prevKv?: boolean;
  /** First revision to deliver (may lie ahead); absent: after now. Compacted: the iteration throws `StoreError` `compacted` with `compactRevision`. */
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
  /**
   * History before `revision` goes: reads and watches before it fail from now on. `compacted` when it has been compacted to there or further
   * already (harmless to the caller), `futureRevision` when beyond the newest.
   */
  compact(revision: number, signal?: AbortSignal): Promise<void>;
  /** Its keys are deleted, in one revision, when it was not renewed in time. etcd raises times under about two seconds. */
  leaseGrant(ttlSeconds: number, signal?: AbortSignal): Promise<bigint>;
  /** @returns the remaining time to live in seconds after the renewal. */
  leaseKeepAlive(lease: bigint, signal?: AbortSignal): Promise<number>;
  leaseRevoke(lease: bigint, signal?: AbortSignal): Promise<void>;
  /** Bytes on disk (or in memory). */
  size(signal?: AbortSignal): Promise<number>;
  /** Waits for writes under way, then releases everything. Idempotent. */
  close(): Promise<void>;
}

/** The exclusive end of the range of all keys that start with `prefix`: the next code point after its last, as UTF-8 orders them. */
export function prefixEnd(prefix: string): string {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0)!;
    if (point === 0x10ffff) continue;
    return points.join('') + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1);
  }
  return '\0';
}
