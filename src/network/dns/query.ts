/** A client's message, read without copying it: one question, and the EDNS record if there is one. Bounds are checked at every step. */

import { nameLengthMax } from './name.ts';
import { flag, headerLength, recordType } from './protocol.ts';

/** What is in a query, or why it cannot be answered. */
export type QueryProblem = 'none' | 'malformed' | 'notImplemented' | 'badVersion';

export interface Query {
  readonly id: number;
  /** The header's second word as the client sent it. */
  readonly flags: number;
  /** Lower case; each character is one byte. Empty for the root. */
  readonly labels: readonly string[];
  readonly type: number;
  readonly class: number;
  /** Where the question ends in the message; 12 when it could not be read. */
  readonly questionEnd: number;
  /** What the client takes over UDP by its OPT record; 0: none was sent. */
  readonly payloadBytes: number;
  readonly dnssecOk: boolean;
  readonly problem: QueryProblem;
}

/**
 * @param message one datagram or one TCP message, with no bytes missing.
 * @returns undefined for what must not be answered at all: no header, or a response.
 */
export function readQuery(message: Buffer): Query | undefined {
  const length = message.length;
  if (length < headerLength) return undefined;
  const id = (message[0]! << 8) | message[1]!;
  const flags = (message[2]! << 8) | message[3]!;
  if ((flags & flag.response) !== 0) return undefined;
  const broken = (problem: QueryProblem): Query => ({
    id,
    flags,
    labels: none,
    type: 0,
    class: 0,
    questionEnd: headerLength,
    payloadBytes: 0,
    dnssecOk: false,
    problem,
  });
  if ((flags & flag.opcode) !== 0) return broken('notImplemented');
  if (message.readUInt16BE(4) !== 1) return broken('malformed');

  const labels: string[] = [];
  let at = headerLength;
  for (;;) {
    if (at >= length) return broken('malformed');
    const size = message[at]!;
    at++;
    if (size === 0) break;
    // The question is the first name of a message: there is nothing before it that a pointer could mean.
    if (size > 63 || at + size >= length || at + size - headerLength >= nameLengthMax) return broken('malformed');
    labels.push(lowerCase(message, at, at + size));
    at += size;
  }
  if (at + 4 > length) return broken('malformed');
  const type = message.readUInt16BE(at);
  const questionClass = message.readUInt16BE(at + 2);
  const questionEnd = at + 4;

  let payloadBytes = 0;
  let dnssecOk = false;
  let problem: QueryProblem = 'none';
  const others = message.readUInt16BE(6) + message.readUInt16BE(8);
  const records = others + message.readUInt16BE(10);
  let seen = false;
  at = questionEnd;
  for (let i = 0; i < records; i++) {
    const afterName = skipName(message, at);
    if (afterName < 0 || afterName + 10 > length) return broken('malformed');
    const end = afterName + 10 + message.readUInt16BE(afterName + 8);
    if (end > length) return broken('malformed');
    if (message.readUInt16BE(afterName) === recordType.OPT) {
      // One at most, owned by the root, in the additional section (RFC 6891 6.1.1).
      if (seen || i < others || afterName !== at + 1) return broken('malformed');
      seen = true;
      payloadBytes = Math.max(message.readUInt16BE(afterName + 2), 512);
      if (message[afterName + 5] !== 0) problem = 'badVersion';
      dnssecOk = (message[afterName + 6]! & 0x80) !== 0;
    }
    at = end;
  }
  return { id, flags, labels, type, class: questionClass, questionEnd, payloadBytes, dnssecOk, problem };
}

/** @returns where the name that starts at `at` ends in the message, -1 when it does not. Pointers are not followed. */
export function skipName(message: Uint8Array, start: number): number {
  let at = start;
  while (at < message.length) {
    const size = message[at]!;
    if (size === 0) return at + 1;
    if (size >= 0xc0) return at + 2 <= message.length ? at + 2 : -1;
    if (size > 63) return -1;
    at += size + 1;
    if (at - start >= nameLengthMax) return -1;
  }
  return -1;
}

const none: readonly string[] = Object.freeze([]);

/** Names compare without regard to the case of ASCII letters, and of those only (RFC 4343). */
function lowerCase(message: Buffer, start: number, end: number): string {
  const text = message.toString('latin1', start, end);
  for (let i = start; i < end; i++) {
    const byte = message[i]!;
    if (byte >= 65 && byte <= 90) return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
  }
  return text;
}
