import type { KeyValue, StoreEvent } from '../store.ts';

/**
 * One write to one key. Versions of a key form a chain from the newest back to the oldest that compaction left; a version number of 0 is a
 * deletion. All fields but `value`, `prev` and `sub` are fixed.
 */
export interface Version {
  readonly key: string;
  readonly modRevision: number;
  /** Position within its transaction: (modRevision, sub) names a version. */
  readonly sub: number;
  /** 0 for a deletion. */
  readonly createRevision: number;
  /** 0 for a deletion. */
  readonly version: number;
  readonly lease: bigint;
  /** Bytes of its value, also when that is not in memory. */
  readonly valueLength: number;
  /** Absent when the value lives on disk only. */
  value: Uint8Array | undefined;
  /** The version before this one; cut by compaction. */
  prev: Version | undefined;
}

/** Reads a value that is not in memory. */
export type LoadValue = (version: Version) => Uint8Array;

const empty = new Uint8Array(0);

export const isDeletion = (version: Version): boolean => version.version === 0;

export function toKeyValue(version: Version, load: LoadValue, keysOnly: boolean): KeyValue {
  return {
    key: version.key,
    value: keysOnly || version.version === 0 ? empty : (version.value ?? load(version)),
    createRevision: version.createRevision,
    modRevision: version.modRevision,
    version: version.version,
    lease: version.lease,
  };
}

export function toEvent(version: Version, load: LoadValue, withPrev: boolean): StoreEvent {
  const type = version.version === 0 ? 'delete' : 'put';
  const kv = toKeyValue(version, load, false);
  const prev = version.prev;
  if (!withPrev || prev === undefined || prev.version === 0) return { type, kv };
  return { type, kv, prevKv: toKeyValue(prev, load, false) };
}
