/** Images for tests, made from this machine's busybox-static: nothing is pulled. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type OciImage, writeOciArchive } from '../src/runtime/oci-archive.ts';
import type { TarEntry } from '../src/runtime/tar.ts';
import { findCommand } from './requirements.ts';

/** busybox with a link for each applet, users root, nobody and `user` (1000), and the folders programs expect. */
export function busyboxImage(name: string, options: Partial<OciImage> = {}): OciImage {
  const path = findCommand('busybox');
  if (path === undefined) throw new Error('busybox is missing: apt-get install busybox-static');
  const applets = execFileSync(path, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = ['bin', 'etc', 'home', 'proc', 'root', 'sys', 'tmp', 'var', 'var/log', 'dev', 'usr', 'usr/bin'];
  const text = (file: string, content: string): TarEntry => ({
    kind: 'file',
    path: file,
    mode: 0o644,
    bytes: Buffer.from(content),
  });
  const layer: TarEntry[] = [
    ...folders.map((folder): TarEntry => ({ kind: 'folder', path: folder, mode: folder === 'tmp' ? 0o1777 : 0o755 })),
    { kind: 'file', path: 'bin/busybox', mode: 0o755, bytes: readFileSync(path) },
    ...applets
      .filter((applet) => applet !== 'busybox')
      .map((applet): TarEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
    text(
      'etc/passwd',
      'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n',
    ),
    text('etc/group', 'root:x:0:\nuser:x:1000:\nnobody:x:65534:\n'),
    text('etc/os-release', 'NAME=busybox\nID=busybox\n'),
  ];
  return { name, layers: [layer], command: ['sh'], ...options };
}

/** An archive with busybox under the given names. */
export const busyboxArchive = (...names: readonly string[]): Buffer =>
  writeOciArchive(names.map((name) => busyboxImage(name)));
