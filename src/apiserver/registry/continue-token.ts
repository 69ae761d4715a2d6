/**
 * Continue tokens, upstream's format: unpadded base64url of `{"v":"meta.k8s.io/v1","rv":REVISION,"start":"/KEY\0"}`. `start` is relative to the
 * listed prefix; `rv` -1 means "whatever is there now" (an inconsistent list). Source: k8s.io/apiserver/pkg/storage/continue.go.
 */
import { ApiError } from '../../api/errors.ts';

export interface ContinueToken {
  /** -1: any. */
  readonly revision: number;
  /** First key to return, relative to the listed prefix (after its slash). */
  readonly start: string;
}

export function encodeContinue({ revision, start }: ContinueToken): string {
  return Buffer.from(`{"v":"meta.k8s.io/v1","rv":${revision},"start":${JSON.stringify(`/${start}`)}}`).toString(
    'base64url',
  );
}

/** @throws ApiError 400 in upstream's words. */
export function decodeContinue(token: string): ContinueToken {
  if (!/^[A-Za-z0-9_-]*$/.test(token) || token.length % 4 === 1)
    throw invalid(`continue key is not valid: illegal base64 data at input byte ${illegalByte(token)}`);
  const text = Buffer.from(token, 'base64url').toString('latin1');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'latin1').toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(`continue key is not valid: ${jsonComplaint(text)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid('continue key is not valid: json: cannot unmarshal into Go value of type storage.continueToken');
  const { v, rv, start } = parsed as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== 'meta.k8s.io/v1')
    throw invalid(
      `continue key is not valid: server does not recognize this encoded version ${JSON.stringify(v ?? '')}`,
    );
  if (rv === 0 || rv === undefined)
    throw invalid('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
  if (typeof start !== 'string' || start === '')
    throw invalid('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  if (typeof rv !== 'number') throw invalid('continue key is not valid: rv must be a number');
  // A key that leaves the prefix, as path.Clean would show.
  const relative = start.startsWith('/') ? start.slice(1) : start;
  if (relative.split('/').some((s) => s === '..' || s === '.' || s === '') && !relative.endsWith('/'))
    throw invalid(`continue key is not valid: ${start}`);
  return { revision: rv, start: relative };
}

const invalid = (why: string): ApiError => ApiError.badRequest(`invalid continue token: ${why}`);

function illegalByte(token: string): number {
  const at = token.search(/[^A-Za-z0-9_-]/);
  return at >= 0 ? at : token.length - (token.length % 4);
}

/** Go's complaint about the first byte that cannot start a value; token contents are ours, so no deeper grammar is worth having. */
function jsonComplaint(text: string): string {
  const first = /[^ \t\r\n]/.exec(text)?.[0];
  if (first === undefined) return 'unexpected end of JSON input';
  if (!/[[{"0-9tfn-]/.test(first)) return `invalid character ${goChar(first)} looking for beginning of value`;
  return 'unexpected end of JSON input';
}

function goChar(char: string): string {
  const code = char.charCodeAt(0);
  if (char === "'") return `'\\''`;
  if (code >= 0x20 && code < 0x7f) return `'${char}'`;
  return `'\\u${code.toString(16).padStart(4, '0')}'`;
}
