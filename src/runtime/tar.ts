/** A small tar writer (POSIX ustar, long names as GNU does) and what image layers need: files, folders, links, with times and owners fixed. */
export type TarEntry =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly bytes: Uint8Array;
      readonly uid?: number;
      readonly gid?: number;
    }
  | {
      readonly kind: 'folder';
      readonly path: string;
      readonly mode: number;
      readonly uid?: number;
      readonly gid?: number;
    }
  | { readonly kind: 'symlink' | 'hardlink'; readonly path: string; readonly target: string };

/** The same entries always give the same bytes: times are 0. Paths are relative, without a leading slash. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const path = entry.kind === 'folder' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
    const target = 'target' in entry ? entry.target : '';
    if (Buffer.byteLength(path) > 100) parts.push(...longName('L', path));
    if (Buffer.byteLength(target) > 100) parts.push(...longName('K', target));
    const bytes = entry.kind === 'file' ? entry.bytes : new Uint8Array();
    parts.push(
      header({
        path,
        type: { file: '0', hardlink: '1', symlink: '2', folder: '5' }[entry.kind],
        mode: 'mode' in entry ? entry.mode : 0o777,
        size: bytes.length,
        uid: ('uid' in entry ? entry.uid : undefined) ?? 0,
        gid: ('gid' in entry ? entry.gid : undefined) ?? 0,
        target,
      }),
      bytes,
      padding(bytes.length),
    );
  }
  parts.push(new Uint8Array(1024));
  return Buffer.concat(parts);
}

const longName = (type: 'L' | 'K', name: string): Uint8Array[] => {
  const bytes = Buffer.from(`${name}\0`);
  return [
    header({ path: '././@LongLink', type, mode: 0, size: bytes.length, uid: 0, gid: 0, target: '' }),
    bytes,
    padding(bytes.length),
  ];
};

const padding = (size: number): Uint8Array => new Uint8Array((512 - (size % 512)) % 512);

interface Header {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly uid: number;
  readonly gid: number;
  readonly target: string;
}

function header({ path, type, mode, size, uid, gid, target }: Header): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  block.write(Buffer.from(path).subarray(0, 100).toString('latin1'), 0, 100, 'latin1');
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(Buffer.from(target).subarray(0, 100).toString('latin1'), 157, 100, 'latin1');
  block.write('ustar\x0000', 257);
  block.write('root', 265);
  block.write('root', 297);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
