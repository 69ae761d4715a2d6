/**
 * What a traced process did to one file, in order: made from `strace -f -y -xx` output. A write is durable once a sync of the file that
 * began after the write had ended has ended, or when it went through an O_DSYNC descriptor.
 */
export type Step =
  | { readonly type: 'write'; readonly offset: number; readonly bytes: Buffer; readonly durable: boolean }
  | { readonly type: 'truncate'; readonly length: number }
  /** Makes durable the first `writes` steps of type write or truncate. */
  | { readonly type: 'sync'; readonly writes: number }
  /** One line on standard output. */
  | { readonly type: 'line'; readonly text: string };

interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: number;
  /** Writes that had ended when it began. */
  readonly writesBefore: number;
}

/** @param file the traced file's name as it ends in strace's `<path>`. */
export function parseRecording(trace: string, file: string): Step[] {
  const steps: Step[] = [];
  const synchronous = new Set<string>();
  const open = new Map<string, { readonly text: string; readonly writesBefore: number }>();
  /** Where lseek put each descriptor. */
  const positions = new Map<string, number>();
  const ending = `${hex(file)}>`;
  let writes = 0;
  const finish = ({ name, args, result, writesBefore }: Call): void => {
    if (result < 0) return;
    if (name === 'openat') {
      if (args.includes(`${hex(file)}"`) && /O_DSYNC|O_SYNC/.test(args)) synchronous.add(String(result));
      return;
    }
    const descriptor = /^(\d+)/.exec(args)?.[1] ?? '';
    if (name === 'write' && descriptor === '1') {
      for (const text of strings(args)[0]!.toString().split('\n')) if (text !== '') steps.push({ type: 'line', text });
      return;
    }
    if (!args.slice(0, args.indexOf('>') + 1).endsWith(ending)) return;
    if (name === 'fsync' || name === 'fdatasync') steps.push({ type: 'sync', writes: writesBefore });
    else if (name === 'lseek') positions.set(descriptor, result);
    else if (name === 'ftruncate') {
      steps.push({ type: 'truncate', length: Number(/(\d+)$/.exec(args)![1]) });
      writes++;
    } else if (name === 'pwrite64' || name === 'pwritev' || name === 'writev') {
      const bytes = Buffer.concat(strings(args)).subarray(0, result);
      const offset = name === 'writev' ? positions.get(descriptor)! : Number(/(\d+)$/.exec(args)![1]);
      if (name === 'writev') positions.set(descriptor, offset + result);
      steps.push({ type: 'write', offset, bytes, durable: synchronous.has(descriptor) });
      writes++;
    } else throw new Error(`Unexpected call on ${file}: ${name}`);
  };
  for (const line of trace.split('\n')) {
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/.exec(line);
    const pid = /^(\d+)/.exec(line)?.[1] ?? '';
    let text = line.replace(/^\d+ +/, '');
    let writesBefore = writes;
    if (resumed) {
      const begun = open.get(pid)!;
      open.delete(pid);
      text = begun.text + resumed[3]!;
      writesBefore = begun.writesBefore;
    } else if (text.endsWith('<unfinished ...>')) {
      open.set(pid, { text: text.slice(0, -'<unfinished ...>'.length).trimEnd(), writesBefore: writes });
      continue;
    }
    const call = /^(\w+)\((.*)\) += (-?\d+)/s.exec(text);
    if (call) finish({ name: call[1]!, args: call[2]!, result: Number(call[3]), writesBefore });
  }
  return steps;
}

const hex = (text: string): string =>
  [...Buffer.from(text)].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join('');

function strings(args: string): Buffer[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((m) => Buffer.from(m[1]!.replaceAll('\\x', ''), 'hex'));
}

/**
 * The file as a power loss just before step `end` could leave it: everything durable, and of the rest what `survives` says.
 */
export function imageAt(steps: readonly Step[], end: number, survives: (write: number) => boolean): Buffer {
  let synced = 0;
  for (let i = 0; i < end; i++) {
    const step = steps[i]!;
    if (step.type === 'sync') synced = Math.max(synced, step.writes);
  }
  let image = Buffer.alloc(0);
  let n = 0;
  for (let i = 0; i < end; i++) {
    const step = steps[i]!;
    if (step.type !== 'write' && step.type !== 'truncate') continue;
    const kept = n < synced || (step.type === 'write' && step.durable) || survives(n);
    n++;
    if (!kept) continue;
    const size = step.type === 'truncate' ? step.length : Math.max(image.length, step.offset + step.bytes.length);
    if (size !== image.length)
      image = size < image.length ? image.subarray(0, size) : Buffer.concat([image, Buffer.alloc(size - image.length)]);
    if (step.type === 'write') step.bytes.copy(image, step.offset);
  }
  return image;
}
