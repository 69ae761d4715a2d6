/**
 * HTML passing through a proxy with its links rewritten, a piece at a time: only an unfinished tag is held back. Start tags are written anew (lower-case names,
 * quoted and escaped values), as upstream does; everything else goes through as it is. Source: apimachinery/pkg/util/proxy (rewriteHTML), golang.org/x/net/html.
 */

import { Transform } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** @param rewrite the value of an attribute that holds a link */
export function rewriteHtml(rewrite: (link: string) => string): Transform {
  const decoder = new StringDecoder('utf8');
  const scanner = new HtmlScanner(rewrite);
  return new Transform({
    transform(piece: Buffer, _, done) {
      done(null, scanner.feed(decoder.write(piece), false));
    },
    flush(done) {
      done(null, scanner.feed(decoder.end(), true));
    },
  });
}

/** Which attributes of which elements hold links. */
const links: Readonly<Record<string, readonly string[]>> = Object.freeze(
  Object.assign(Object.create(null) as Record<string, readonly string[]>, {
    a: ['href'],
    applet: ['codebase'],
    area: ['href'],
    audio: ['src'],
    base: ['href'],
    blockquote: ['cite'],
    body: ['background'],
    button: ['formaction'],
    command: ['icon'],
    del: ['cite'],
    embed: ['src'],
    form: ['action'],
    frame: ['longdesc', 'src'],
    head: ['profile'],
    html: ['manifest'],
    iframe: ['longdesc', 'src'],
    img: ['longdesc', 'src', 'usemap'],
    input: ['src', 'usemap', 'formaction'],
    ins: ['cite'],
    link: ['href'],
    object: ['classid', 'codebase', 'data', 'usemap'],
    q: ['cite'],
    script: ['src'],
    source: ['src'],
    video: ['poster', 'src'],
  }),
);

/** Their content is text up to their end tag. */
const textElements: ReadonlySet<string> = new Set([
  'iframe',
  'noembed',
  'noframes',
  'noscript',
  'plaintext',
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
]);

/** A tag longer than this is passed on as it is: nobody may make the server hold more. */
const tagCharsMax = 1 << 20;

class HtmlScanner {
  readonly #rewrite: (link: string) => string;
  #rest = '';
  /** Inside an element whose content is text. */
  #until: RegExp | undefined;

  constructor(rewrite: (link: string) => string) {
    this.#rewrite = rewrite;
  }

  feed(text: string, last: boolean): string {
    const source = this.#rest + text;
    let out = '';
    let at = 0;
    while (at < source.length) {
      if (this.#until) {
        const found = this.#until.exec(source.slice(at));
        if (!found) {
          // The end tag may begin in what is still to come.
          const keep = last ? 0 : Math.min(source.length - at, 24);
          out += source.slice(at, source.length - keep);
          at = source.length - keep;
          break;
        }
        out += source.slice(at, at + found.index);
        at += found.index;
        this.#until = undefined;
      }
      const open = source.indexOf('<', at);
      if (open < 0) {
        out += source.slice(at);
        at = source.length;
        break;
      }
      out += source.slice(at, open);
      at = open;
      const end = tagEnd(source, open);
      if (end < 0) {
        if (!last && source.length - open <= tagCharsMax) break;
        out += source.slice(open);
        at = source.length;
        break;
      }
      const tag = source.slice(open, end);
      at = end;
      out += /^<[A-Za-z]/.test(tag) ? this.#startTag(tag) : tag;
    }
    this.#rest = source.slice(at);
    return out;
  }

  #startTag(text: string): string {
    const name = /^<([^\s/>]+)/.exec(text)![1]!.toLowerCase();
    const wanted = links[name];
    let out = `<${name}`;
    let selfClosing = false;
    let inside = text.slice(1 + name.length, -1);
    if (inside.endsWith('/') && !/=\s*[^\s"']*\/$/.test(inside)) {
      selfClosing = true;
      inside = inside.slice(0, -1);
    }
    for (const [, rawKey = '', , double, single, bare] of inside.matchAll(attribute)) {
      const key = rawKey.toLowerCase();
      let value = unescapeHtml(double ?? single ?? bare ?? '');
      if (wanted?.includes(key)) value = this.#rewrite(value);
      out += ` ${key}="${escapeHtml(value)}"`;
    }
    if (!selfClosing && textElements.has(name)) this.#until = new RegExp(`</${name}[\\s/>]`, 'i');
    return `${out}${selfClosing ? '/' : ''}>`;
  }
}

const attribute = /([^\s=/>"'][^\s=/>]*)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>][^\s>]*)?))?/g;

/** After the `>` of the tag, comment or declaration that begins at `open`; -1 when it has not all come. */
function tagEnd(text: string, open: number): number {
  if (text.startsWith('<!--', open)) {
    const end = text.indexOf('-->', open + 4);
    return end < 0 ? -1 : end + 3;
  }
  const next = text[open + 1];
  if (next === undefined || (next === '!' && text.length < open + 4)) return -1;
  // A lone `<` is text.
  if (!/[A-Za-z/!?]/.test(next)) return open + 1;
  if (!/[A-Za-z]/.test(next)) {
    const end = text.indexOf('>', open);
    return end < 0 ? -1 : end + 1;
  }
  let quote = '';
  let afterEquals = false;
  for (let i = open + 1; i < text.length; i++) {
    const char = text[i]!;
    if (quote !== '') {
      if (char === quote) quote = '';
      continue;
    }
    if (char === '>') return i + 1;
    if ((char === '"' || char === "'") && afterEquals) quote = char;
    if (char === '=') afterEquals = true;
    else if (!/\s/.test(char)) afterEquals = false;
  }
  return -1;
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeHtml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));?/g, (whole, dec, hex, name) => {
    if (name !== undefined) return named[name as string]!;
    const code = dec === undefined ? Number.parseInt(hex as string, 16) : Number(dec);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  "'": '&#39;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  '\r': '&#13;',
};
const escapeHtml = (text: string): string => text.replace(/[&'<>"\r]/g, (char) => escapes[char]!);
