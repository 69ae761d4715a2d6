/** etcd's messages <-> the store's. protobufjs decodes int64 as Long; revisions fit a number, leases do not. */
import type { Compare, KeyValue, Op, OpResult, RangeRequest, RangeResult, StoreEvent, TxnRequest } from '../store.ts';

/** What protobufjs gives for an int64. */
export type Int64 = number | { toString(): string; toNumber(): number };
export const toNumber = (value: Int64): number => (typeof value === 'number' ? value : value.toNumber());
export const toBigInt = (value: Int64): bigint => BigInt(value.toString());

export interface Header {
  readonly revision: Int64;
}
interface EtcdKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: Int64;
  readonly mod_revision: Int64;
  readonly version: Int64;
  readonly lease: Int64;
}
export interface EtcdRangeResponse {
  readonly header: Header | null;
  readonly kvs: readonly EtcdKeyValue[];
  readonly count: Int64;
  readonly more: boolean;
}
export interface EtcdTxnResponse {
  readonly header: Header;
  readonly succeeded: boolean;
  readonly responses: readonly {
    readonly response_range: EtcdRangeResponse | null;
    readonly response_delete_range: { readonly deleted: Int64; readonly prev_kvs: readonly EtcdKeyValue[] } | null;
  }[];
}
export interface EtcdEvent {
  readonly type: number;
  readonly kv: EtcdKeyValue;
  readonly prev_kv: EtcdKeyValue | null;
}
export interface EtcdWatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: Int64;
  readonly cancel_reason: string;
  /** More of the same revisions follows: an answer would have been too large. */
  readonly fragment: boolean;
  readonly events: readonly EtcdEvent[];
}

const empty = new Uint8Array(0);
const bytes = (text: string): Buffer => Buffer.from(text);

export const toRange = (request: RangeRequest): object => ({
  key: bytes(request.key),
  ...(request.end === undefined ? {} : { range_end: bytes(request.end) }),
  ...(request.limit ? { limit: request.limit } : {}),
  ...(request.revision ? { revision: request.revision } : {}),
  ...(request.keysOnly ? { keys_only: true } : {}),
  ...(request.countOnly ? { count_only: true } : {}),
});

export const toTxn = (request: TxnRequest): object => ({
  compare: request.compare.map(toCompare),
  success: request.success.map(toOp),
  failure: (request.failure ?? []).map(toOp),
});

const results = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
const targets = { version: 0, createRevision: 1, modRevision: 2, value: 3 } as const;
const targetFields = { version: 'version', createRevision: 'create_revision', modRevision: 'mod_revision' } as const;

function toCompare(compare: Compare): object {
  const common = { key: bytes(compare.key), result: results[compare.op], target: targets[compare.target] };
  if (compare.target === 'value') return { ...common, value: compare.value };
  return { ...common, [targetFields[compare.target]]: compare.value };
}

function toOp(op: Op): object {
  if (op.type === 'range') return { request_range: toRange(op) };
  const key = bytes(op.key);
  if (op.type === 'put')
    return { request_put: { key, value: op.value, ...(op.lease ? { lease: op.lease.toString() } : {}) } };
  return {
    request_delete_range: {
      key,
      ...(op.end === undefined ? {} : { range_end: bytes(op.end) }),
      ...(op.prevKv ? { prev_kv: true } : {}),
    },
  };
}

export const fromKeyValue = (kv: EtcdKeyValue): KeyValue => ({
  key: kv.key.toString(),
  // protobufjs' default for absent bytes is an array.
  value: kv.value.length === 0 ? empty : kv.value,
  createRevision: toNumber(kv.create_revision),
  modRevision: toNumber(kv.mod_revision),
  version: toNumber(kv.version),
  lease: toBigInt(kv.lease),
});

export const fromRange = (response: EtcdRangeResponse, revision: number): RangeResult => ({
  revision,
  kvs: response.kvs.map(fromKeyValue),
  count: toNumber(response.count),
  more: response.more,
});

export function fromResult(response: EtcdTxnResponse['responses'][number], revision: number): OpResult {
  if (response.response_range) return { type: 'range', ...fromRange(response.response_range, revision) };
  const deleted = response.response_delete_range;
  if (!deleted) return { type: 'put' };
  return { type: 'delete', deleted: toNumber(deleted.deleted), prevKvs: deleted.prev_kvs.map(fromKeyValue) };
}

export const fromEvent = (event: EtcdEvent): StoreEvent => ({
  type: event.type === 1 ? 'delete' : 'put',
  kv: fromKeyValue(event.kv),
  ...(event.prev_kv ? { prevKv: fromKeyValue(event.prev_kv) } : {}),
});
