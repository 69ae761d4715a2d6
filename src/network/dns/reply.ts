/** An answer as a value becomes bytes: the client's own question is echoed, names are compressed, what does not fit is cut off with TC set. */
import type { Name } from './name.ts';
import { classInternet, ednsPayloadBytes, flag, headerLength, optLength, rcode, recordType } from './protocol.ts';
import type { Query } from './query.ts';
import type { DnsRecord } from './records.ts';

export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

const noRecords: readonly DnsRecord[] = Object.freeze([]);

/** A reply that carries nothing but its code. */
export function failure(code: number): Reply {
  return { rcode: code, authoritative: false, answers: noRecords, authorities: noRecords, additionals: noRecords };
}

/** The reply to a message that cannot be read as a question. */
export function replyToProblem(query: Query): Reply {
  return failure(
    query.problem === 'notImplemented'
      ? rcode.notImplemented
      : query.problem === 'badVersion'
        ? rcode.badVersion
        : rcode.formatError,
  );
}

/**
 * @param request the client's message, that `query` was read from.
 * @param out at least `limitBytes` long. @param limitBytes of the whole message, at least 512.
 * @param turn the first record of the answer is that many places on: clients that take the first are spread.
 * @returns the length of the message in `out`.
 */
export function writeReply(
  reply: Reply,
  query: Query,
  request: Buffer,
  out: Buffer,
  limitBytes: number,
  turn: number,
): number {
  const questionLength = query.questionEnd - headerLength;
  if (questionLength > 0) out.set(request.subarray(headerLength, query.questionEnd), headerLength);
  const writer: Writer = {
    out,
    at: query.questionEnd,
    limit: limitBytes - (query.payloadBytes > 0 ? optLength : 0),
    names: undefined,
    request: query,
  };
  // An alias stays before what it stands for: old resolvers read the answer from top to bottom.
  const answers = writeRecords(writer, reply.answers, reply.answers[0]?.type === recordType.CNAME ? 0 : turn);
  // Additional records are a courtesy; only what answers the question makes an answer incomplete (RFC 2181 9).
  const cut = answers < reply.answers.length;
  const authorities = cut ? 0 : writeRecords(writer, reply.authorities, 0);
  const additionals = cut ? 0 : writeRecords(writer, reply.additionals, 0);
  const at = query.payloadBytes > 0 ? writeOpt(out, writer.at, reply.rcode, query.dnssecOk) : writer.at;
  const truncated = cut || authorities < reply.authorities.length;
  out.writeUInt16BE(query.id, 0);
  out.writeUInt16BE(replyFlags(query, reply.rcode, { authoritative: reply.authoritative, truncated }), 2);
  out.writeUInt16BE(questionLength > 0 ? 1 : 0, 4);
  out.writeUInt16BE(answers, 6);
  out.writeUInt16BE(authorities, 8);
  out.writeUInt16BE(additionals + (query.payloadBytes > 0 ? 1 : 0), 10);
  return at;
}

/** The second word of a header. */
export function replyFlags(
  query: Query,
  code: number,
  { authoritative, truncated }: { readonly authoritative: boolean; readonly truncated: boolean },
): number {
  return (
    flag.response |
    (query.flags & (flag.opcode | flag.recursionDesired | flag.checkingDisabled)) |
    (authoritative ? flag.authoritative : 0) |
    (truncated ? flag.truncated : 0) |
    flag.recursionAvailable |
    (code & 15)
  );
}

/** @returns where it ends. */
export function writeOpt(out: Buffer, start: number, code: number, dnssecOk: boolean): number {
  out[start] = 0;
  out.writeUInt16BE(recordType.OPT, start + 1);
  out.writeUInt16BE(ednsPayloadBytes, start + 3);
  out[start + 5] = code >> 4;
  out[start + 6] = 0;
  out.writeUInt16BE(dnssecOk ? 0x8000 : 0, start + 7);
  out.writeUInt16BE(0, start + 9);
  return start + optLength;
}

interface Writer {
  readonly out: Buffer;
  at: number;
  /** Where records must end. */
  readonly limit: number;
  /** Offsets of names written before, by their bytes; made when the first name beyond the question's is written. */
  names: Map<string, number> | undefined;
  readonly request: Query;
}

/** @returns how many were written whole. */
function writeRecords(writer: Writer, records: readonly DnsRecord[], turn: number): number {
  const count = records.length;
  for (let i = 0; i < count; i++) if (!writeRecord(writer, records[(i + turn) % count]!)) return i;
  return count;
}

function writeRecord(writer: Writer, record: DnsRecord): boolean {
  const { out } = writer;
  const start = writer.at;
  // Names are shorter when compressed, never longer: room for all of it is room enough, and nothing has to be taken back.
  const needed = (record.owner?.length ?? 2) + 10 + record.data.length + (record.target?.length ?? 0);
  if (start + needed > writer.limit) return false;
  let at = start;
  if (record.owner === undefined) {
    out[at] = 0xc0;
    out[at + 1] = headerLength;
    at += 2;
  } else at = writeName(writer, record.owner, at);
  out[at] = record.type >> 8;
  out[at + 1] = record.type & 255;
  out[at + 2] = 0;
  out[at + 3] = classInternet;
  out.writeUInt32BE(record.ttlSeconds, at + 4);
  const lengthAt = at + 8;
  at += 10;
  const { data, target } = record;
  for (let i = 0; i < data.length; i++) out[at + i] = data[i]!;
  at += data.length;
  if (target !== undefined) {
    if (record.type === recordType.SRV) {
      out.set(target, at);
      remember(writer, target, at);
      at += target.length;
    } else at = writeName(writer, target, at);
  }
  out.writeUInt16BE(at - lengthAt - 2, lengthAt);
  writer.at = at;
  return true;
}

/** Offsets beyond this do not fit into a pointer. */
const pointerMax = 0x3fff;

function writeName(writer: Writer, name: Name, start: number): number {
  const { out } = writer;
  const names = (writer.names ??= questionNames(writer));
  let at = start;
  for (let i = 0; i < name.length && name[i] !== 0; ) {
    const suffix = keyOf(name, i);
    const known = names.get(suffix);
    if (known !== undefined) {
      out[at] = 0xc0 | (known >> 8);
      out[at + 1] = known & 255;
      return at + 2;
    }
    if (at <= pointerMax) names.set(suffix, at);
    const size = name[i]! + 1;
    for (let k = 0; k < size; k++) out[at + k] = name[i + k]!;
    at += size;
    i += size;
  }
  out[at] = 0;
  return at + 1;
}

/** A name that was written in full may be pointed at by later ones. */
function remember(writer: Writer, name: Name, start: number): void {
  const names = (writer.names ??= questionNames(writer));
  for (let i = 0; i < name.length && name[i] !== 0; i += name[i]! + 1) {
    const suffix = keyOf(name, i);
    if (start + i <= pointerMax && !names.has(suffix)) names.set(suffix, start + i);
  }
}

function questionNames({ request }: Writer): Map<string, number> {
  const names = new Map<string, number>();
  let suffix = '\0';
  let at = request.questionEnd - 5;
  for (let i = request.labels.length - 1; i >= 0; i--) {
    const label = request.labels[i]!;
    at -= label.length + 1;
    suffix = `${String.fromCharCode(label.length)}${label}${suffix}`;
    names.set(suffix, at);
  }
  return names;
}

const keyOf = (name: Name, start: number): string =>
  Buffer.from(name.buffer, name.byteOffset + start, name.length - start).toString('latin1');
