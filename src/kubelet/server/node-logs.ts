/** `/logs/...`: files of the machine's log folder, as a file server shows them: a folder as a list of links, a file as it is. */
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiResponse } from '../../api/exchange.ts';
import { errorCode } from '../../host/host-error.ts';
import { notFound } from './mux.ts';

/** @param parts decoded path segments below /logs. @throws Refused 404; links that lead out of the folder are not followed. */
export async function nodeLogs(root: string, parts: readonly string[]): Promise<ApiResponse> {
  try {
    const base = await realpath(root);
    const path = await realpath(join(base, ...parts));
    if (path !== base && !path.startsWith(`${base}/`)) throw notFound();
    const found = await stat(path);
    if (found.isDirectory()) {
      const entries = await readdir(path, { withFileTypes: true });
      const links = entries
        .map((entry) => `${entry.name}${entry.isDirectory() ? '/' : ''}`)
        .sort()
        .map((name) => `<a href="${escaped(encodeURI(name))}">${escaped(name)}</a>\n`);
      return {
        status: 200,
        headers: { 'content-type': 'text/html; charset=utf-8' },
        body: {
          kind: 'bytes',
          bytes: Buffer.from(
            `<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n${links.join('')}</pre>\n`,
          ),
        },
      };
    }
    if (!found.isFile()) throw notFound();
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: { kind: 'stream', stream: createReadStream(path) },
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errorCode(error) ?? '')) throw notFound();
    throw error;
  }
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c]!);
