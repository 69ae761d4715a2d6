/** Evaluates transactions on a History, one after the other. Everything that can be refused is refused before the first write. */
import {
  type Compare,
  type Op,
  type OpResult,
  type RangeRequest,
  type RangeResult,
  StoreError,
  type TxnRequest,
} from '../store.ts';
import type { History } from './history.ts';
import type { Leases } from './leases.ts';
import { toKeyValue, type Version } from './version.ts';

export interface Applied {
  readonly succeeded: boolean;
  /** The store's revision after it. */
  readonly revision: number;
  readonly results: readonly OpResult[];
}

const noOps: readonly Op[] = [];
const noResults: readonly OpResult[] = [];
const putResult: OpResult = { type: 'put' };

/**
 * Runs a checked request at the head, published or not, and adds the versions it wrote to `written`.
 * @throws StoreError `leaseNotFound`, `compacted`, `futureRevision`; then nothing was written.
 */
export function applyTxn(history: History, leases: Leases, request: TxnRequest, written: Version[]): Applied {
  const { compare } = request;
  let succeeded = true;
  for (let i = 0; succeeded && i < compare.length; i++) succeeded = holds(history, compare[i]!);
  const ops = succeeded ? request.success : (request.failure ?? noOps);
  for (let i = 0; i < ops.length; i++) checkAgainst(history, leases, ops[i]!);

  const revision = history.head + 1;
  const first = written.length;
  const results: OpResult[] = [];
  const ranges: number[] = [];
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!;
    if (op.type === 'put') {
      const lease = op.lease ?? 0n;
      const version = history.append(op.key, written.length - first, op.value, revision, lease);
      leases.move(op.key, version.prev?.lease ?? 0n, lease);
      written.push(version);
      results.push(putResult);
    } else if (op.type === 'delete') {
      results.push(deleteRange(history, leases, op, revision, first, written));
    } else {
      ranges.push(i);
      results.push({ type: 'range', ...rangeAt(history, op, written.length > first ? revision : history.head) });
    }
  }
  const after = history.head;
  for (const i of ranges) results[i] = { ...(results[i] as OpResult & { type: 'range' }), revision: after };
  return { succeeded, revision: after, results: results.length === 0 ? noResults : results };
}

/** Deletes `keys` (each known to exist) in one revision: what the end of a lease does. */
export function deleteKeys(history: History, leases: Leases, keys: readonly string[], written: Version[]): void {
  const revision = history.head + 1;
  const first = written.length;
  for (const key of keys) {
    const current = history.newest(key);
    if (current === undefined || current.version === 0) continue;
    written.push(history.append(key, written.length - first, undefined, revision, 0n));
    leases.move(key, current.lease, 0n);
  }
}

/** A range request answered at `newest` unless it names a revision. */
export function rangeAt(history: History, request: RangeRequest, newest: number): RangeResult {
  checkRevision(history, request.revision, newest);
  const { found, count, more } = history.range(request, request.revision || newest);
  const keysOnly = request.keysOnly === true;
  return { revision: newest, kvs: found.map((version) => toKeyValue(version, history.load, keysOnly)), count, more };
}

/** @throws StoreError `compacted` or `futureRevision`. */
export function checkRevision(history: History, revision: number | undefined, newest: number): void {
  if (!revision) return;
  if (revision > newest)
    throw new StoreError('futureRevision', 'etcdserver: mvcc: required revision is a future revision');
  if (revision < history.compactRevision) throw compacted(history.compactRevision);
}

/** @throws StoreError `compacted` or `futureRevision`, as etcd's Compact. */
export function checkCompaction(history: History, revision: number): void {
  if (revision <= history.compactRevision) throw compacted(history.compactRevision);
  checkRevision(history, revision, history.published);
}

export function compacted(compactRevision: number): StoreError {
  return new StoreError('compacted', 'etcdserver: mvcc: required revision has been compacted', { compactRevision });
}

function checkAgainst(history: History, leases: Leases, op: Op): void {
  if (op.type === 'range') checkRevision(history, op.revision, history.head);
  else if (op.type === 'put' && op.lease) leases.require(op.lease);
}

function deleteRange(
  history: History,
  leases: Leases,
  op: Op & { type: 'delete' },
  revision: number,
  first: number,
  written: Version[],
): OpResult {
  const doomed: Version[] = [];
  // The index must not change under the scan.
  history.scan(op.key, op.end, revision, (version) => {
    doomed.push(version);
    return true;
  });
  for (const version of doomed) {
    written.push(history.append(version.key, written.length - first, undefined, revision, 0n));
    leases.move(version.key, version.lease, 0n);
  }
  const prevKvs = op.prevKv === true ? doomed.map((version) => toKeyValue(version, history.load, false)) : [];
  return { type: 'delete', deleted: doomed.length, prevKvs };
}

function holds(history: History, compare: Compare): boolean {
  const current = history.at(compare.key, history.head);
  if (compare.target === 'value') {
    // etcd: a value comparison with a missing key never holds, `!=` included.
    if (current === undefined) return false;
    const same = Buffer.compare(current.value ?? history.load(current), compare.value) === 0;
    return compare.op === '=' ? same : !same;
  }
  const actual = current === undefined ? 0 : current[compare.target];
  switch (compare.op) {
    case '=':
      return actual === compare.value;
    case '!=':
      return actual !== compare.value;
    case '<':
      return actual < compare.value;
    case '>':
      return actual > compare.value;
  }
}
