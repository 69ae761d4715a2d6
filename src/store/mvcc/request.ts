/** What etcd refuses before it looks at any data, with etcd's words. Source: etcdserver/api/v3rpc/{key,rpctypes}.go, mvcc/kv.go. */

import { type Op, type RangeRequest, StoreError, type TxnRequest } from '../store.ts';
import { toSortKey } from './sort-key.ts';

export interface RequestLimits {
  /** etcd's --max-request-bytes. */
  readonly maxRequestBytes: number;
  /** etcd's --max-txn-ops. */
  readonly maxTxnOps: number;
}
export const defaultLimits: RequestLimits = { maxRequestBytes: 1.5 * 1024 * 1024, maxTxnOps: 128 };

/** @throws StoreError `invalid` or `tooLarge`. */
export function checkTxn(request: TxnRequest, limits: RequestLimits): void {
  const { compare, success } = request;
  const failure = request.failure ?? [];
  if (Math.max(compare.length, success.length, failure.length) > limits.maxTxnOps)
    throw new StoreError('invalid', 'etcdserver: too many operations in txn request');
  let bytes = 0;
  for (const condition of compare) {
    checkKey(condition.key);
    bytes += condition.key.length;
  }
  for (const op of success) bytes += checkOp(op);
  for (const op of failure) bytes += checkOp(op);
  if (bytes > limits.maxRequestBytes) throw new StoreError('tooLarge', 'etcdserver: request is too large');
  if (success.length > 1) checkDuplicates(success);
  if (failure.length > 1) checkDuplicates(failure);
}

export function checkRange(request: RangeRequest): void {
  checkKey(request.key);
  if (request.end !== undefined) checkWellFormed(request.end);
}

/** Whether `key` lies in [start, end); all are sort keys except the special ends of RangeRequest. */
export function inRange(key: string, start: string, end: string | undefined): boolean {
  if (end === undefined) return key === start;
  return key >= start && (end === '\0' || key < end);
}

/** @returns about how many bytes the operation has. */
function checkOp(op: Op): number {
  checkKey(op.key);
  if (op.type === 'put') return op.key.length + op.value.length;
  if (op.end !== undefined) checkWellFormed(op.end);
  return op.key.length;
}

function checkKey(key: string): void {
  if (key === '') throw new StoreError('invalid', 'etcdserver: key is not provided');
  checkWellFormed(key);
}
function checkWellFormed(key: string): void {
  if (!key.isWellFormed()) throw new StoreError('invalid', 'Key is not well-formed Unicode');
}

/** A key is put at most once in a transaction, and not both put and deleted. Deletions may overlap. */
function checkDuplicates(ops: readonly Op[]): void {
  const puts = new Set<string>();
  for (const op of ops) {
    if (op.type !== 'put') continue;
    if (puts.has(op.key)) throw duplicate();
    puts.add(op.key);
  }
  for (const op of ops) {
    if (op.type !== 'delete') continue;
    if (op.end === undefined) {
      if (puts.has(op.key)) throw duplicate();
      continue;
    }
    const start = toSortKey(op.key);
    const end = toSortKey(op.end);
    for (const key of puts) if (inRange(toSortKey(key), start, end)) throw duplicate();
  }
}
const duplicate = (): StoreError => new StoreError('invalid', 'etcdserver: duplicate key given in txn request');
