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

/** How much is read at once: the way of a block to the client costs more than the block. */
const blockBytes = 256 * 1024;
const tailBlockBytes = 64 * 1024;
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
  const lines = createLineFilter(options);
  let block: Buffer | undefined;
  try {
    let at = file && options.tailLines !== undefined ? await tailOffset(file, options.tailLines) : 0;
    for (;;) {
      const ended = !options.follow || !context.running();
      if (file) {
        for (;;) {
          block ??= Buffer.allocUnsafe(blockBytes);
          const { bytesRead } = await file.read(block, 0, blockBytes, at);
          if (bytesRead === 0) break;
          at += bytesRead;
          const piece = lines.next(block.subarray(0, bytesRead));
          // The block is the reader's now.
          block = undefined;
          // One piece a block: a line's end never travels alone, and a long log costs few writes.
          if (piece.length > 0 && left > 0) {
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
        lines.forget();
      }
    }
  } finally {
    await file?.close();
  }
}

/** Lines as the runtime wrote them in, text out. */
export interface LineFilter {
  /** @param data taken over: the text is made in its place. @returns the text of all lines that are whole by now. */
  next(data: Buffer): Buffer;
  /** What follows is another file. */
  forget(): void;
}

export function createLineFilter({
  timestamps,
  sinceMs,
  stream = 'All',
}: Pick<LogOptions, 'timestamps' | 'sinceMs' | 'stream'>): LineFilter {
  const only = stream === 'All' ? undefined : Buffer.from(stream.toLowerCase());
  let rest: Buffer | undefined;
  // Whether the text so far ends inside a line that was written in parts.
  let inPart = false;
  return {
    next(more) {
      const data = rest ? Buffer.concat([rest, more]) : more;
      let out = 0;
      let start = 0;
      // What is kept of a line is never longer than the line: it moves towards the front.
      for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, start)) {
        const from = start;
        start = end + 1;
        const first = spaceIn(data, from, end);
        const second = spaceIn(data, first + 1, end);
        // A torn write.
        if (second >= end) continue;
        if (only && data.compare(only, 0, only.length, first + 1, second) !== 0) continue;
        if (sinceMs !== undefined && Date.parse(data.toString('latin1', from, first)) < sinceMs) continue;
        const text = Math.min(spaceIn(data, second + 1, end) + 1, end);
        const partial = data[second + 1] === letterP && isTagEnd(data[second + 2]!);
        if (timestamps && !inPart) {
          data.copyWithin(out, from, first + 1);
          out += first + 1 - from;
        }
        const until = partial ? end : end + 1;
        data.copyWithin(out, text, until);
        out += until - text;
        inPart = partial;
      }
      rest = start < data.length ? Buffer.from(data.subarray(start)) : undefined;
      return data.subarray(0, out);
    },
    forget() {
      rest = undefined;
    },
  };
}

const newline = 10;
const space = 32;
const letterP = 80;

/** Tags stand between colons, the first one says whether the line goes on; the text behind them may be empty, and its space missing. */
const isTagEnd = (byte: number): boolean => byte === space || byte === 58 || byte === newline;

/** The next space, `end` when there is none. The words before it are short: a loop is faster than a call. */
function spaceIn(data: Buffer, from: number, end: number): number {
  for (let i = from; i < end; i++) if (data[i] === space) return i;
  return end;
}

interface LogLine {
  readonly time: string;
  readonly stream: string;
  readonly partial: boolean;
  readonly text: Buffer;
}

/** One line, for those who want its parts. @returns undefined for what is no such line (a torn write). */
export function parseLine(line: Buffer): LogLine | undefined {
  const first = spaceIn(line, 0, line.length);
  const second = spaceIn(line, first + 1, line.length);
  if (second >= line.length) return undefined;
  return {
    time: line.toString('latin1', 0, first),
    stream: line.toString('latin1', first + 1, second),
    partial: line[second + 1] === letterP && (second + 2 === line.length || isTagEnd(line[second + 2]!)),
    text: line.subarray(Math.min(spaceIn(line, second + 1, line.length) + 1, line.length)),
  };
}

/** Where the last `lines` lines begin. */
async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  let found = 0;
  const buffer = Buffer.allocUnsafe(tailBlockBytes);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - tailBlockBytes);
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
