/**
 * A registry for a test, run as a program: `node slow-registry.ts PORT ARCHIVE ...`. The archive `X.tar` has the one image of `X/anything`,
 * which is served as X says: `quick` at once, `slow` by a few bytes at a time until somebody asks for `/go`, `stalled` begins and never ends.
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const trickleBytes = 512;
const trickleMs = 100;
const smallBytes = 65_536;

/** Files of a tar archive without long names, as `writeOciArchive` makes it. */
function filesOf(tar: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= tar.length; ) {
    const text = (from: number, length: number): string =>
      tar
        .subarray(at + from, at + from + length)
        .toString()
        .replace(/\0.*$/s, '');
    const name = text(0, 100);
    if (name === '') break;
    const size = Number.parseInt(text(124, 12), 8);
    files.set(name, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

interface Served {
  readonly digest: string;
  readonly mediaType: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

function open(archive: string): Served {
  const files = filesOf(readFileSync(archive));
  const [manifest] = JSON.parse(files.get('index.json')?.toString() ?? '').manifests as readonly Served[];
  if (!manifest) throw new Error(`${archive} holds no image`);
  return { ...manifest, files };
}

function serve(port: number, archives: readonly string[]): void {
  const images = new Map(archives.map((archive) => [basename(archive, '.tar'), open(archive)]));
  let hurry = false;

  const blob = async (bytes: Buffer, how: string, answer: ServerResponse): Promise<void> => {
    // Only layers: what leads to them is small.
    if (how !== 'quick' && bytes.length > smallBytes)
      for (let at = 0; at < bytes.length && !answer.destroyed; ) {
        if (hurry && how === 'slow') return void answer.end(bytes.subarray(at));
        if (how === 'slow' || at === 0) {
          answer.write(bytes.subarray(at, at + trickleBytes));
          at += trickleBytes;
        }
        await setTimeout(trickleMs);
      }
    else answer.end(bytes);
  };
  createServer((request, answer) => {
    const path = request.url ?? '';
    const [, how, kind, what] = /^\/v2\/(\w+)\/.*\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    if (path === '/go') hurry = true;
    if (how === undefined) return void answer.end();
    const image = images.get(how);
    const digest = what?.startsWith('sha256:') ? what : (image?.digest ?? '');
    const bytes = image?.files.get(`blobs/${digest.replace(':', '/')}`);
    if (!image || !bytes) return void answer.writeHead(404).end();
    answer.writeHead(200, {
      'content-type': kind === 'manifests' ? image.mediaType : 'application/octet-stream',
      'docker-content-digest': digest,
      'content-length': bytes.length,
    });
    if (request.method === 'HEAD') return void answer.end();
    void blob(bytes, how, answer);
  }).listen(port, '127.0.0.1');
}

const [, program = '', port, ...archives] = process.argv;
if (import.meta.url === pathToFileURL(program).href) serve(Number(port), archives);
