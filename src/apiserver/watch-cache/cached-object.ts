/**
 * One stored object as the watch cache holds it (decision 5): the store's bytes, plus what lists and watches select by, extracted at insert.
 *
 * The bytes are the storage form, JSON without resourceVersion. Where the resourceVersion belongs is found once, so that every answer in the
 * storage version is a copy of pieces:
 *
 *     {"kind":"Pod","apiVersion":"v1",   head: list items of built-in kinds leave it out (but keep the brace)
 *     "metadata":{...,"uid":"..."        body up to the hole
 *     ,"resourceVersion":"42"            written on the way out
 *     ,"creationTimestamp":...}          body after the hole
 *
 * Invariants: 1. `bytes` are never written to and never a slice of a larger buffer that others use. 2. A CachedObject never changes,
 * except that `value` may be dropped and made again: equal and frozen, but another object.
 */
import type { JsonObject } from '../../api/json.ts';

export class CachedObject {
  /** `namespace/name` or `name`: unique within the resource, and the order of lists. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly bytes: Uint8Array;
  /** Length of the head, which is also where `"metadata"` starts. */
  readonly headLength: number;
  readonly hole: number;
  /** What the written resourceVersion is preceded and followed by. */
  readonly holeBefore: string;
  readonly holeAfter: string;
  /** What fills the hole at this object's own revision; ASCII. */
  readonly ownHoleText: string;
  /** Bytes of the object behind the head, hole filled. */
  readonly filledLength: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Selectable fields in the resource's order; metadata.name and metadata.namespace are not among them. */
  readonly fields: readonly string[];
  /** The node a pod is bound to; empty for everything else. */
  readonly node: string;
  /** The parsed object with its resourceVersion, deep-frozen; see `ValueBudget`. */
  value: JsonObject | undefined;
  /** Somebody has asked for the value since the budget last looked. */
  valueUsed = false;

  constructor(
    from: { key: string; revision: number; createRevision: number; bytes: Uint8Array },
    extracted: Extracted,
    value: JsonObject | undefined,
  ) {
    const layout = layoutOf(from.bytes);
    const slash = from.key.indexOf('/');
    this.key = from.key;
    this.namespace = slash < 0 ? '' : from.key.slice(0, slash);
    this.name = slash < 0 ? from.key : from.key.slice(slash + 1);
    this.revision = from.revision;
    this.createRevision = from.createRevision;
    this.bytes = from.bytes;
    this.headLength = layout.headLength;
    this.hole = layout.hole;
    this.holeBefore = layout.before;
    this.holeAfter = layout.after;
    this.ownHoleText = `${layout.before}"resourceVersion":"${from.revision}"${layout.after}`;
    this.filledLength = from.bytes.byteLength - layout.headLength + this.ownHoleText.length;
    this.labels = extracted.labels;
    this.fields = extracted.fields;
    this.node = extracted.node;
    this.value = value;
  }

  /** The text that fills the hole. ASCII. */
  holeText(revision: number): string {
    if (revision === this.revision) return this.ownHoleText;
    return `${this.holeBefore}"resourceVersion":"${revision}"${this.holeAfter}`;
  }
}

export interface Extracted {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly fields: readonly string[];
  readonly node: string;
}

interface Layout {
  readonly headLength: number;
  readonly hole: number;
  readonly before: string;
  readonly after: string;
}

const metadataStart = Buffer.from('"metadata":{');
const uidStart = Buffer.from('"uid":"');
const comma = ',';
const closeBrace = 0x7d;
const quote = 0x22;
const openBrace = 0x7b;
const openBracket = 0x5b;

/**
 * Finds the pieces without parsing. The stored form begins with kind and apiVersion, then metadata (`normalizeStored` sees to that). The hole is
 * behind the uid, where upstream writes the resourceVersion; for an object without uid, at metadata's start.
 */
function layoutOf(bytes: Uint8Array): Layout {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = buffer.indexOf(metadataStart);
  const inside = head + metadataStart.length;
  const uid = buffer.indexOf(uidStart, inside);
  if (uid >= 0 && isFlat(buffer, inside, uid)) {
    const end = buffer.indexOf(quote, uid + uidStart.length);
    return { headLength: head, hole: end + 1, before: comma, after: '' };
  }
  return { headLength: head, hole: inside, before: '', after: buffer[inside] === closeBrace ? '' : comma };
}

/** No object or list opens between the two places: a `"uid":"` found there is metadata's own. */
function isFlat(buffer: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const byte = buffer[i];
    if (byte === openBrace || byte === openBracket) return false;
  }
  return true;
}

/**
 * Bytes that may be kept: no slice of a pooled buffer, without upstream's final newline, kind and apiVersion before metadata. A value written by us
 * passes untouched.
 */
export function normalizeStored(value: Uint8Array): Uint8Array {
  let end = value.byteLength;
  while (end > 0 && (value[end - 1] === 0x0a || value[end - 1] === 0x20)) end--;
  const buffer = Buffer.from(value.buffer, value.byteOffset, end);
  const metadata = buffer.indexOf(metadataStart);
  if (metadata > 0 && isHead(buffer, metadata)) {
    if (end === value.byteLength && value.byteLength === value.buffer.byteLength) return value;
    return Uint8Array.prototype.slice.call(buffer);
  }
  const { kind, apiVersion, metadata: meta, ...rest } = JSON.parse(buffer.toString('utf8')) as Record<string, unknown>;
  return ownBytes(JSON.stringify({ kind, apiVersion, metadata: meta ?? {}, ...rest }));
}

/** `{"kind":"..","apiVersion":"..",` in either order and nothing else. */
function isHead(buffer: Buffer, end: number): boolean {
  if (end > 512) return false;
  return /^\{"(?:kind":"[^"\\]*","apiVersion|apiVersion":"[^"\\]*","kind)":"[^"\\]*",$/.test(
    buffer.toString('latin1', 0, end),
  );
}

/** UTF-8 bytes in a buffer of their own, outside the pool. */
export function ownBytes(text: string): Uint8Array {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafeSlow(length);
  bytes.write(text, 0, length, 'utf8');
  return bytes;
}
