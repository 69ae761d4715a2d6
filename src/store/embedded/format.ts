/**
 * The embedded store's records in one LMDB B-tree. All numbers are big-endian in keys, so that byte order is revision order.
 *
 * ```
 * key 00 name                     meta: `owner`, `compacted`
 * key 01 lease:8                  lease, value ttl seconds:f64
 * key 02 revision:6 sub:4         one version; written once, always at the end
 *   value crc32:4 kind:1 create:6 version:6 lease:8 keyLength:4 key value     crc32 over all after it
 * ```
 * The log comes last, so that writes to it are appends.
 */
import { crc32 } from 'node:zlib';
import type { Version } from '../mvcc/version.ts';
import { StoreError } from '../store.ts';

export const formatVersion = 1;
export const logPrefix = 2;
export const leasePrefix = 1;

const headerBytes = 29;
const put = 1;
const deletion = 2;

export const metaKey = (name: string): Buffer => Buffer.from(`\0${name}`);

/** Writes the key of (revision, sub) into `into` (11 bytes) and returns it; the database copies keys at once. */
export function logKey(revision: number, sub: number, into: Buffer = Buffer.allocUnsafe(11)): Buffer {
  into[0] = logPrefix;
  into.writeUIntBE(revision, 1, 6);
  into.writeUInt32BE(sub, 7);
  return into;
}

export function leaseKey(lease: bigint): Buffer {
  const key = Buffer.alloc(9);
  key[0] = leasePrefix;
  key.writeBigInt64BE(lease, 1);
  return key;
}
export const leaseOfKey = (key: Buffer): bigint => key.readBigInt64BE(1);

export function encodeRecord(version: Version): Buffer {
  const { key, value } = version;
  const keyLength = Buffer.byteLength(key);
  const record = Buffer.allocUnsafe(headerBytes + keyLength + (value?.length ?? 0));
  record[4] = value === undefined ? deletion : put;
  record.writeUIntBE(version.createRevision, 5, 6);
  record.writeUIntBE(version.version, 11, 6);
  if (version.lease === 0n) record.fill(0, 17, 25);
  else record.writeBigInt64BE(version.lease, 17);
  record.writeUInt32BE(keyLength, 25);
  record.write(key, headerBytes, 'utf8');
  if (value !== undefined) record.set(value, headerBytes + keyLength);
  record.writeUInt32BE(crc32(record.subarray(4)), 0);
  return record;
}

/** @param record may be longer than `length`. @returns the version with its value absent. @throws StoreError `corrupt`. */
export function decodeRecord(logKey: Buffer, record: Buffer, length: number): Version {
  const modRevision = logKey.length === 11 ? logKey.readUIntBE(1, 6) : 0;
  checkRecord(record, length, modRevision);
  const keyLength = record.readUInt32BE(25);
  return {
    key: record.toString('utf8', headerBytes, headerBytes + keyLength),
    modRevision,
    sub: logKey.readUInt32BE(7),
    createRevision: record.readUIntBE(5, 6),
    version: record.readUIntBE(11, 6),
    lease: record.readUInt32BE(17) === 0 && record.readUInt32BE(21) === 0 ? 0n : record.readBigInt64BE(17),
    valueLength: length - headerBytes - keyLength,
    value: undefined,
    prev: undefined,
  };
}

/** @returns a view of the value in `record`. @throws StoreError `corrupt`. */
export function recordValue(record: Buffer, revision: number): Uint8Array {
  checkRecord(record, record.length, revision);
  return record.subarray(headerBytes + record.readUInt32BE(25));
}

function checkRecord(record: Buffer, length: number, revision: number): void {
  if (length < headerBytes || record.readUInt32BE(0) !== crc32(record.subarray(4, length)))
    throw new StoreError('corrupt', `The record of revision ${revision} fails its checksum`);
}

/** Bytes a version takes in the data file, about: small records share pages, bigger ones have pages of their own. */
export function diskBytes(version: Version): number {
  const record = headerBytes + version.key.length + version.valueLength + 32;
  return record < 2040 ? record * 1.3 : Math.ceil((record + 24) / 4096) * 4096 + 64;
}
