/**
 * Hashes that end up in names: `web-6d4cf56db6`. Upstream hashes Go's dump of the struct; only the look and the stability of the outcome
 * matter to others, so here the JSON tree is hashed, with keys in order.
 */
import type { JsonObject, JsonValue } from './json.ts';
import { safeEncode } from './names.ts';

/**
 * The hash of a pod template (or any tree) as a name's last part. The order of keys and undefined properties do not matter.
 * @param collisionCount raised by the owner when a name turns out to be taken by another template
 */
export function templateHash(template: JsonObject, collisionCount?: number): string {
  let hash = hashValue(fnvOffset, template);
  if (collisionCount !== undefined) {
    for (let shift = 0; shift < 32; shift += 8) hash = hashByte(hash, (collisionCount >>> shift) & 0xff);
    for (let i = 0; i < 4; i++) hash = hashByte(hash, 0);
  }
  return safeEncode(String(hash));
}

/** FNV-1a, 32 bits, of the UTF-8 text. */
export function fnv32a(text: string): number {
  return hashText(fnvOffset, text);
}

const fnvOffset = 0x811c9dc5;
const hashByte = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193) >>> 0;

function hashText(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) hash = hashByte(hash, code);
    else {
      for (const byte of new TextEncoder().encode(text.slice(i))) hash = hashByte(hash, byte);
      return hash;
    }
  }
  return hash;
}

/** Kinds and ends are marked, so that different trees do not run into the same bytes. */
function hashValue(hash: number, value: JsonValue): number {
  if (typeof value === 'string') return hashByte(hashText(hashByte(hash, 0x22), value), 0);
  if (typeof value !== 'object' || value === null) return hashByte(hashText(hash, String(value)), 0);
  if (Array.isArray(value)) {
    hash = hashByte(hash, 0x5b);
    for (const item of value as readonly JsonValue[]) hash = hashValue(hash, item);
    return hashByte(hash, 0x5d);
  }
  const object = value as JsonObject;
  hash = hashByte(hash, 0x7b);
  for (const key of Object.keys(object).sort()) {
    const child = object[key];
    if (child !== undefined) hash = hashValue(hashByte(hashText(hash, key), 0), child);
  }
  return hashByte(hash, 0x7d);
}
