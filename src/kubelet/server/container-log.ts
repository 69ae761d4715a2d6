/**
 * Container logs in the CRI format: a line is `<RFC 3339 with nanoseconds> <stdout|stderr> <P|F> <text>`; P is a part of a longer line.
 * Source: pkg/kubelet/kuberuntime/logs, staging cri-client logs.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { errorCode } from '../../host/host-error.ts';

export interface LogOptions {
  readonly follow: boolean;
  /** Absent: all lines. */
  readonly tailLines: number | undefined;
  /** Milliseconds since the epoch; older lines are left out. */
  readonly sinceMs: number | undefined;
  readonly timestamps: boolean;
  readonly limitBytes: number | undefined;
  readonly stream?: 'All' | 'Stdout' | 'Stderr';
}

export interface LogContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether more can come: the container still runs. Asked while following, at the end of the file. */
  running(): boolean;
}

const blockBytes = 64 * 1024;
const pollMs = 100;

/** Streams the text of a log file; a missing file is an empty log. Survives the rotation of the file while following. */
export async function* readContainerLog(
  path: string,
  options: LogOptions,
  context: LogContext,
): AsyncIterable<Uint8Array> {
  const { clock, signal } = context;
  let file = await openIfAny(path);
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let rest: Buffer = Buffer.alloc(0);
  // Whether the text so far ends inside a line that was written in parts.
  let inPart = false;
  try {
    let at = file && options.tailLines !== undefined ? await tailOffset(file, options.tailLines) : 0;
    for (;;) {
      const ended = !options.follow || !context.running();
      if (file) {
        for (;;) {
          const buffer = Buffer.allocUnsafe(blockBytes);
          const { bytesRead } = await file.read(buffer, 0, blockBytes, at);
          if (bytesRead === 0) break;
          at += bytesRead;
          const data: Buffer =
            rest.length === 0 ? buffer.subarray(0, bytesRead) : Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
          const out: Uint8Array[] = [];
          let start = 0;
          for (let newline = data.indexOf(10); newline >= 0; newline = data.indexOf(10, start)) {
            const line = parseLine(data.subarray(start, newline));
            start = newline + 1;
            if (!line || !wanted(line, options)) continue;
            if (options.timestamps && !inPart) out.push(Buffer.from(`${line.time} `));
            out.push(line.text);
            if (!line.partial) out.push(newlineByte);
            inPart = line.partial;
          }
          rest = Buffer.from(data.subarray(start));
          // One piece a block: a line's end never travels alone, and a long log costs few writes.
          if (out.length > 0 && left > 0) {
            const piece = Buffer.concat(out);
            yield piece.length <= left ? piece : piece.subarray(0, left);
            left -= piece.length;
          }
          if (left <= 0 || signal.aborted) return;
        }
      }
      if (ended || signal.aborted) return;
      await clock.sleep(pollMs, signal);
      if (!file) file = await openIfAny(path);
      else if (await rotated(file, path, at)) {
        await file.close();
        file = await openIfAny(path);
        at = 0;
        rest = Buffer.alloc(0);
      }
    }
  } finally {
    await file?.close();
  }
}

const newlineByte = Buffer.from('\n');

interface LogLine {
  readonly time: string;
  readonly stream: string;
  readonly partial: boolean;
  readonly text: Buffer;
}

/** @returns undefined for what is no such line (a torn write). */
export function parseLine(line: Buffer): LogLine | undefined {
  const first = line.indexOf(32);
  const second = line.indexOf(32, first + 1);
  if (first < 0 || second < 0) return undefined;
  let third = line.indexOf(32, second + 1);
  if (third < 0) third = line.length;
  const tags = line.toString('latin1', second + 1, third);
  return {
    time: line.toString('latin1', 0, first),
    stream: line.toString('latin1', first + 1, second),
    partial: tags.split(':')[0] === 'P',
    text: line.subarray(Math.min(third + 1, line.length)),
  };
}

function wanted({ time, stream }: LogLine, { sinceMs, stream: which = 'All' }: LogOptions): boolean {
  if (which !== 'All' && stream !== which.toLowerCase()) return false;
  return sinceMs === undefined || Date.parse(time) >= sinceMs;
}

/** Where the last `lines` lines begin. */
async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let found = 0;
  const buffer = Buffer.allocUnsafe(blockBytes);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - blockBytes);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let i = bytesRead - 1; i >= 0; i--) {
      // The last line's own end does not count.
      if (buffer[i] !== 10 || start + i === size - 1) continue;
      if (++found === lines) return start + i + 1;
    }
    end = start;
  }
  return 0;
}

async function rotated(file: FileHandle, path: string, at: number): Promise<boolean> {
  const own = await file.stat();
  if (at < own.size) return false;
  try {
    const now = await stat(path);
    return now.ino !== own.ino || now.size < at;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function openIfAny(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
