/**
 * Paths and URLs as Go's net/url and path see them: what the proxies write into requests and links must be what upstream writes.
 */

/** Percent-encodes a decoded path. Source: net/url, escape(encodePath). */
export function escapePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-_.~$&+,/:;=@]/gu, (char) =>
    [...Buffer.from(char.toWellFormed())]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

/** Joined and cleaned: no empty, `.` or `..` segments, no slash at the end. Source: path.Join. */
export function joinPath(...parts: readonly string[]): string {
  const text = parts.filter((part) => part !== '').join('/');
  if (text === '') return '';
  const rooted = text.startsWith('/');
  const out: string[] = [];
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') out.push(segment);
    else if (out.length > 0 && out.at(-1) !== '..') out.pop();
    else if (!rooted) out.push('..');
  }
  const joined = out.join('/');
  return rooted ? `/${joined}` : joined === '' ? '.' : joined;
}

export interface LinkUrl {
  /** Without the colon, lower case. */
  readonly scheme: string;
  /** With its port and user info. */
  readonly host: string;
  /** As it was written. */
  readonly path: string;
  /** `?query#fragment` as it was written. */
  readonly rest: string;
}

/** @returns the reason when Go could not parse it */
export function parseLink(text: string): LinkUrl | { readonly error: string } {
  if (/[\u0000-\u001f\u007f]/.test(text)) return { error: 'net/url: invalid control character in URL' };
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/s.exec(text);
  if (!match) return { error: 'missing protocol scheme' };
  const [, scheme = '', host = '', path = '', rest = ''] = match;
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(path) ?? /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(rest.split('#')[1] ?? '');
  if (bad) return { error: `invalid URL escape ${JSON.stringify(bad[0])}` };
  if (scheme === '' && host === '' && path.startsWith(':')) return { error: 'missing protocol scheme' };
  if (scheme === '' && host === '' && /^[^/]*:/.test(path))
    return { error: 'first path segment in URL cannot contain colon' };
  return { scheme: scheme.toLowerCase(), host, path, rest };
}
