/** Messages to and from upstream resolvers: ours are made here, theirs are read with every bound checked, for they are as hostile as a client's. */
import { type Name, nameLengthMax } from './name.ts';
import { classInternet, ednsPayloadBytes, flag, headerLength, optLength, rcode, recordType } from './protocol.ts';
import { skipName } from './query.ts';
import type { DnsRecord } from './records.ts';

export interface UpstreamQuestion {
  /** Wire form, lower case. */
  readonly name: Name;
  readonly type: number;
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

/** Equal questions have equal keys. */
export function questionKey({ name, type, dnssecOk, checkingDisabled }: UpstreamQuestion): string {
  const text = Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
  return `${type}${dnssecOk ? 'd' : ''}${checkingDisabled ? 'c' : ''}/${text}`;
}

export function writeUpstreamQuery(id: number, question: UpstreamQuestion): Buffer {
  const { name, type, dnssecOk, checkingDisabled } = question;
  const out = Buffer.alloc(headerLength + name.length + 4 + optLength);
  out.writeUInt16BE(id, 0);
  out.writeUInt16BE(flag.recursionDesired | (checkingDisabled ? flag.checkingDisabled : 0), 2);
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(1, 10);
  out.set(name, headerLength);
  let at = headerLength + name.length;
  at = out.writeUInt16BE(type, at);
  at = out.writeUInt16BE(classInternet, at);
  out.writeUInt16BE(recordType.OPT, at + 1);
  out.writeUInt16BE(ednsPayloadBytes, at + 3);
  out.writeUInt16BE(dnssecOk ? 0x8000 : 0, at + 7);
  return out;
}

/** A resolver's answer, kept as the bytes that came, without its OPT record. */
export interface UpstreamAnswer {
  /** Header and question are there but are the writer's to set. */
  readonly bytes: Buffer;
  readonly questionEnd: number;
  readonly rcode: number;
  readonly authenticData: boolean;
  readonly truncated: boolean;
  readonly answerCount: number;
  readonly authorityCount: number;
  readonly additionalCount: number;
  /** Where each record ends and where its TTL stands, in the order of the message. */
  readonly ends: readonly number[];
  readonly ttlOffsets: readonly number[];
  /** How long it may be kept by what its records say; 0: not at all. */
  readonly ttlSeconds: number;
}

/** @returns undefined for anything but a well-formed answer to this question. */
export function readUpstreamAnswer(
  message: Buffer,
  id: number,
  question: UpstreamQuestion,
): UpstreamAnswer | undefined {
  const { name } = question;
  const questionEnd = headerLength + name.length + 4;
  if (message.length < headerLength || message.readUInt16BE(0) !== id) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & flag.response) === 0 || (flags & flag.opcode) !== 0) return undefined;
  const code = flags & 15;
  const questions = message.readUInt16BE(4);
  // Some resolvers refuse a query without repeating it.
  if (questions === 0 && code !== rcode.noError && message.length === headerLength) return bare(question, code);
  if (questions !== 1 || message.length < questionEnd) return undefined;
  for (let i = 0; i < name.length; i++) {
    const byte = message[headerLength + i]!;
    // Length bytes are below 64, so folding letters cannot make two names equal that are not.
    if ((byte >= 65 && byte <= 90 ? byte + 32 : byte) !== name[i]) return undefined;
  }
  if (message.readUInt16BE(questionEnd - 4) !== question.type) return undefined;
  if (message.readUInt16BE(questionEnd - 2) !== classInternet) return undefined;

  const answerCount = message.readUInt16BE(6);
  const authorityCount = message.readUInt16BE(8);
  const total = answerCount + authorityCount + message.readUInt16BE(10);
  const ends: number[] = [];
  const ttlOffsets: number[] = [];
  let ttlSeconds = -1;
  let negativeSeconds = 0;
  let extendedCode = code;
  let cutAt = -1;
  let at = questionEnd;
  for (let i = 0; i < total; i++) {
    const afterName = skipName(message, at);
    if (afterName < 0 || afterName + 10 > message.length) return undefined;
    const end = afterName + 10 + message.readUInt16BE(afterName + 8);
    if (end > message.length) return undefined;
    const type = message.readUInt16BE(afterName);
    if (type === recordType.OPT && i >= answerCount + authorityCount) {
      extendedCode = code | (message[afterName + 4]! << 4);
      // Between ourselves and the resolver only. What comes behind it is a courtesy and may go with it; what is before may be pointed at.
      if (cutAt < 0) cutAt = at;
    } else if (cutAt < 0) {
      ends.push(end);
      ttlOffsets.push(afterName + 4);
      const ttl = ttlOf(message, afterName + 4);
      if (i < answerCount) ttlSeconds = ttlSeconds < 0 ? ttl : Math.min(ttlSeconds, ttl);
      else if (i < answerCount + authorityCount && type === recordType.SOA && end - afterName - 10 >= 22)
        negativeSeconds = Math.min(ttl, ttlOf(message, end - 4));
    }
    at = end;
  }
  const length = cutAt < 0 ? at : cutAt;
  const isNegative = extendedCode === rcode.nameError || (extendedCode === rcode.noError && answerCount === 0);
  return {
    bytes: Buffer.from(message.subarray(0, length)),
    questionEnd,
    rcode: extendedCode,
    authenticData: (flags & flag.authenticData) !== 0,
    truncated: (flags & flag.truncated) !== 0,
    answerCount,
    authorityCount,
    additionalCount: ends.length - answerCount - authorityCount,
    ends,
    ttlOffsets,
    ttlSeconds: isNegative ? negativeSeconds : extendedCode === rcode.noError ? Math.max(0, ttlSeconds) : 0,
  };
}

/** An answer without records. */
export function bare(question: UpstreamQuestion, code: number): UpstreamAnswer {
  const questionEnd = headerLength + question.name.length + 4;
  return {
    bytes: Buffer.alloc(questionEnd),
    questionEnd,
    rcode: code,
    authenticData: false,
    truncated: false,
    answerCount: 0,
    authorityCount: 0,
    additionalCount: 0,
    ends: [],
    ttlOffsets: [],
    ttlSeconds: 0,
  };
}

/** Aliases and addresses of the answer section as values of their own, for an answer that began with an alias of the cluster. */
export function recordsOf(answer: UpstreamAnswer, ageSeconds: number): DnsRecord[] {
  const { bytes, questionEnd, answerCount, ends } = answer;
  const out: DnsRecord[] = [];
  let start = questionEnd;
  for (let i = 0; i < answerCount; i++) {
    const end = ends[i]!;
    const afterName = skipName(bytes, start);
    const type = bytes.readUInt16BE(afterName);
    const owner = expandName(bytes, start);
    const ttlSeconds = Math.max(0, ttlOf(bytes, afterName + 4) - ageSeconds);
    const data = bytes.subarray(afterName + 10, end);
    if (owner !== undefined) {
      if (type === recordType.CNAME) {
        const target = expandName(bytes, afterName + 10);
        if (target) out.push({ owner, type, ttlSeconds, data: new Uint8Array(0), target });
      } else if ((type === recordType.A && data.length === 4) || (type === recordType.AAAA && data.length === 16))
        out.push({ owner, type, ttlSeconds, data: Uint8Array.from(data), target: undefined });
    }
    start = end;
  }
  return out;
}

/** The name at `start` without pointers, lower case. Each pointer must lead further back, so there is no circle. */
export function expandName(message: Uint8Array, start: number): Name | undefined {
  const out: number[] = [];
  let at = start;
  let before = start;
  while (at < message.length) {
    const size = message[at]!;
    if (size === 0) {
      out.push(0);
      return out.length <= nameLengthMax ? Uint8Array.from(out) : undefined;
    }
    if (size >= 0xc0) {
      if (at + 1 >= message.length) return undefined;
      const to = ((size & 0x3f) << 8) | message[at + 1]!;
      if (to >= before || to < headerLength) return undefined;
      before = to;
      at = to;
      continue;
    }
    if (size > 63 || at + 1 + size > message.length || out.length + 1 + size >= nameLengthMax) return undefined;
    out.push(size);
    for (let i = at + 1; i <= at + size; i++) {
      const byte = message[i]!;
      out.push(byte >= 65 && byte <= 90 ? byte + 32 : byte);
    }
    at += size + 1;
  }
  return undefined;
}

/** Values with the highest bit set count as zero (RFC 2181 8). */
function ttlOf(message: Buffer, at: number): number {
  const value = message.readUInt32BE(at);
  return value > 0x7fff_ffff ? 0 : value;
}
