import protobufjs from 'protobufjs/minimal.js';
import type { JsonObject } from '../../json.ts';

const magicBytes = 4;

/**
 * The node ports that upstream's servers have given out: stored, but no kind that anybody asks for, so the schema does not have it.
 * Source: k8s.io/api/core/v1 RangeAllocation: range 2, data 3, inside runtime.Unknown's raw, 2.
 */
export function decodeRangeAllocation(stored: Uint8Array): JsonObject {
  const found: Record<string, string> = {};
  const raw = fields(stored.subarray(magicBytes)).get(2);
  const inside = raw && fields(raw);
  const range = inside?.get(2);
  const data = inside?.get(3);
  if (range) found.range = Buffer.from(range).toString();
  if (data) found.data = Buffer.from(data).toString('base64');
  return found;
}

/** Those of a message that have a length, by number. */
function fields(message: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const reader = protobufjs.Reader.create(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 2) found.set(tag >>> 3, reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}
