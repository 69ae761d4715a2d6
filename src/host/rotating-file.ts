/**
 * A file that lines are added to and that is put aside when it has grown: `audit.log` becomes `audit-2006-01-02T15-04-05.000.log`. Old ones are compressed,
 * and taken away by number and age. Names and rules as of natefinch/lumberjack, so that what collects such logs finds them.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errorCode } from './host-error.ts';

export interface RotatingFileOptions {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The file is put aside before it grows beyond this. */
  readonly sizeMax: number;
  /** Old files that are kept; 0: all. */
  readonly backupsMax: number;
  /** Old files are taken away after so many days; 0: never. */
  readonly ageDaysMax: number;
  readonly compress: boolean;
  /** Old files could not be tidied up; what is written is whole all the same. */
  readonly onTidyError: (error: unknown) => void;
}

export interface RotatingFile {
  /** Resolves when the text was given to the system, whole and in order. Rejects when it was not; the next write tries anew. */
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

interface Pending {
  readonly text: string;
  readonly done: PromiseWithResolvers<void>;
}

export function openRotatingFile(options: RotatingFileOptions): RotatingFile {
  const { path } = options;
  let handle: FileHandle | undefined;
  let size = 0;
  let waiting: Pending[] = [];
  let working: Promise<void> | undefined;
  let tidying: Promise<void> = Promise.resolve();

  const ready = async (length: number): Promise<FileHandle> => {
    if (handle && size > 0 && size + length > options.sizeMax) {
      await handle.close();
      handle = undefined;
      await rename(path, await freeName(path, options.now()));
      tidying = tidying.then(() => tidy(options)).catch(options.onTidyError);
    }
    if (handle) return handle;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    handle = await open(path, 'a', 0o600);
    ({ size } = await handle.stat());
    return size > 0 && size + length > options.sizeMax ? ready(length) : handle;
  };
  /** Never rejects: each failure belongs to its writers. What came meanwhile goes out as one write. */
  const work = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const bytes = Buffer.from(batch.map(({ text }) => text).join(''));
      try {
        const file = await ready(bytes.length);
        await file.appendFile(bytes);
        size += bytes.length;
        for (const { done } of batch) done.resolve();
      } catch (error) {
        const broken = handle;
        handle = undefined;
        await broken?.close().catch(() => undefined);
        for (const { done } of batch) done.reject(error);
      }
    }
    working = undefined;
  };
  return {
    write(text) {
      const done = Promise.withResolvers<void>();
      waiting.push({ text, done });
      working ??= work();
      return done.promise;
    },
    async close() {
      await working;
      await handle?.close();
      handle = undefined;
      await tidying;
    },
  };
}

/** Two of one millisecond must not overwrite each other. */
async function freeName(path: string, now: number): Promise<string> {
  const extension = extname(path);
  const names = new Set(await readdir(dirname(path)));
  for (let at = now; ; at++) {
    const stamp = new Date(at).toISOString().slice(0, 23).replaceAll(':', '-');
    const name = `${basename(path, extension)}-${stamp}${extension}`;
    if (!names.has(name) && !names.has(`${name}.gz`)) return join(dirname(path), name);
  }
}

async function tidy({ path, now, backupsMax, ageDaysMax, compress }: RotatingFileOptions): Promise<void> {
  const folder = dirname(path);
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  const old = (await readdir(folder))
    .filter((name) => name.startsWith(prefix) && stampOf(name, prefix, extension) !== undefined)
    .sort()
    .reverse();
  const oldest = ageDaysMax === 0 ? Number.NEGATIVE_INFINITY : now() - ageDaysMax * 86_400_000;
  for (const [i, name] of old.entries()) {
    const excess = (backupsMax > 0 && i >= backupsMax) || stampOf(name, prefix, extension)! < oldest;
    if (excess) await rm(join(folder, name), { force: true });
    else if (compress && !name.endsWith('.gz')) await compressed(join(folder, name));
  }
}

function stampOf(name: string, prefix: string, extension: string): number | undefined {
  const plain = name.endsWith('.gz') ? name.slice(0, -3) : name;
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(
    plain.slice(prefix.length, plain.length - extension.length),
  );
  if (!match || !plain.endsWith(extension)) return undefined;
  return Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`);
}

async function compressed(path: string): Promise<void> {
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`, { mode: 0o600 }));
    await rm(path, { force: true });
  } catch (error) {
    await rm(`${path}.gz`, { force: true });
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
