/** An upstream answer becomes a reply to one client: its id, its spelling of the question, its size, and TTLs that are as old as the answer. */
import type { KeptAnswer } from './forwarder.ts';
import { flag, headerLength, optLength } from './protocol.ts';
import type { Query } from './query.ts';
import { replyFlags, writeOpt } from './reply.ts';

/** @param out at least `limitBytes` long. @returns the length of the message in `out`. */
export function writeForwarded(
  { answer, ageSeconds }: KeptAnswer,
  query: Query,
  request: Buffer,
  out: Buffer,
  limitBytes: number,
): number {
  const hasOpt = query.payloadBytes > 0;
  const room = limitBytes - (hasOpt ? optLength : 0);
  const { ends, bytes, answerCount, authorityCount, additionalCount } = answer;
  let whole = ends.length;
  while (whole > 0 && ends[whole - 1]! > room) whole--;
  const end = whole === 0 ? answer.questionEnd : ends[whole - 1]!;
  out.set(bytes.subarray(headerLength, end), headerLength);
  // Same name, same length; only the case may differ.
  out.set(request.subarray(headerLength, query.questionEnd), headerLength);
  for (let i = 0; i < whole; i++) {
    const at = answer.ttlOffsets[i]!;
    out.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - ageSeconds), at);
  }
  const answers = Math.min(whole, answerCount);
  const authorities = Math.min(whole - answers, authorityCount);
  const additionals = Math.min(whole - answers - authorities, additionalCount);
  const truncated = answer.truncated || answers < answerCount || authorities < authorityCount;
  out.writeUInt16BE(query.id, 0);
  out.writeUInt16BE(
    replyFlags(query, answer.rcode, { authoritative: false, truncated }) |
      (answer.authenticData ? flag.authenticData : 0),
    2,
  );
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(answers, 6);
  out.writeUInt16BE(authorities, 8);
  out.writeUInt16BE(additionals + (hasOpt ? 1 : 0), 10);
  return hasOpt ? writeOpt(out, end, answer.rcode, query.dnssecOk) : end;
}
