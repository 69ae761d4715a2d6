import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { escapePath, joinPath, parseLink } from './go-url.ts';
import { rewriteHtml } from './rewrite-html.ts';
import { rewriteLink } from './rewrite-link.ts';

describe('proxy: paths as Go writes them', () => {
  for (const [path, wanted] of [
    ['/a b/ü?#[]!', '/a%20b/%C3%BC%3F%23%5B%5D%21'],
    ["/a-b_c.d~$&+,:;=@/('*')", '/a-b_c.d~$&+,:;=@/%28%27%2A%27%29'],
    ['/50%', '/50%25'],
  ] as const)
    test(`escape ${path}`, () => assert.equal(escapePath(path), wanted));
  for (const [parts, wanted] of [
    [['/a/', '/b//c/'], '/a/b/c'],
    [['/a', '../..', 'b'], '/b'],
    [['', 'a/./b'], 'a/b'],
    [['a', '../..'], '..'],
    [['', ''], ''],
  ] as const)
    test(`join ${parts.join(' + ')}`, () => assert.equal(joinPath(...parts), wanted));
});

describe('proxy: links', () => {
  const source = { backend: '10.0.0.1:80', requested: 'api:6443', prefix: '/proxy/x' };
  for (const [link, wanted, why] of [
    ['/a/b', '/proxy/x/a/b', 'an absolute path'],
    ['/a/b/', '/proxy/x/a/b/', 'its last slash stays'],
    ['/', '/proxy/x/', 'the root'],
    ['/a//b/../c?x=/y#/z', '/proxy/x/a/c?x=/y#/z', 'cleaned, query and fragment kept'],
    ['a/b', 'a/b', 'a relative path'],
    ['?q', '?q', 'a query alone'],
    ['//10.0.0.1:80/a', '/proxy/x/a', "the backend's own host"],
    ['http://10.0.0.1:80/a', '/proxy/x/a', "the backend's own origin"],
    ['https://api:6443/a', 'https://api:6443/proxy/x/a', 'the host the client asked'],
    ['http://elsewhere/a', 'http://elsewhere/a', 'another host'],
    ['/proxy/x/a', '/proxy/x/a', 'what leads through the proxy already'],
    ['mailto:a@b', 'mailto:a@b', 'no path at all'],
  ] as const)
    test(`rewrite ${why}`, () => {
      const url = parseLink(link);
      assert.ok(!('error' in url));
      assert.equal(rewriteLink(url, link, source), wanted);
    });
  for (const [link, wanted] of [
    ['/%zz', 'invalid URL escape "%zz"'],
    ['a\u0001', 'net/url: invalid control character in URL'],
    ['1a:b', 'first path segment in URL cannot contain colon'],
    [':a', 'missing protocol scheme'],
  ] as const)
    test(`refuse ${JSON.stringify(link)}`, () => assert.deepEqual(parseLink(link), { error: wanted }));
});

describe('proxy: links in HTML', () => {
  const rewrite = (link: string): string => (link.startsWith('/') ? `/p${link}` : link);
  const through = async (pieces: readonly string[]): Promise<string> =>
    Buffer.concat(
      await Readable.from(pieces.map((piece) => Buffer.from(piece)))
        .pipe(rewriteHtml(rewrite))
        .toArray(),
    ).toString();
  const cases = [
    ['a link', '<pre><a href="/a">x</a></pre>', '<pre><a href="/p/a">x</a></pre>'],
    ['several attributes', "<img src=/a alt=b usemap='/c'>", '<img src="/p/a" alt="b" usemap="/p/c">'],
    ['an attribute that is no link', '<a title="/a">', '<a title="/a">'],
    ['case', '<A HREF="/a" Data-X=1>', '<a href="/p/a" data-x="1">'],
    ['escapes', '<a href="/a?b=1&amp;c=%22">', '<a href="/p/a?b=1&amp;c=%22">'],
    ['a tag that closes itself', '<link rel="x" href="/a"/>', '<link rel="x" href="/p/a"/>'],
    [
      'a script is text',
      '<script src="/a">if (a<b) "<a href=/x>"</script><a href=/y>',
      '<script src="/p/a">if (a<b) "<a href=/x>"</script><a href="/p/y">',
    ],
    ['a comment', '<!-- <a href="/x"> --><a href="/y">', '<!-- <a href="/x"> --><a href="/p/y">'],
    ['a doctype', '<!DOCTYPE html><html>', '<!DOCTYPE html><html>'],
    ['a lone less-than', 'a < b <b>', 'a < b <b>'],
    ['a greater-than inside quotes', '<a title="a>b" href="/c">', '<a title="a&gt;b" href="/p/c">'],
    ['an unfinished tag', 'x<a href="/a', 'x<a href="/a'],
    ['an empty attribute', '<input disabled src="/a">', '<input disabled="" src="/p/a">'],
  ] as const;
  for (const [name, html, wanted] of cases) {
    test(`html: ${name}`, async () => assert.equal(await through([html]), wanted));
    test(`html: ${name}, a byte at a time`, async () => assert.equal(await through([...html]), wanted));
  }
  test('html: characters of several bytes across pieces', async () => {
    const bytes = Buffer.from('<a href="/ü">ü</a>');
    const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
    const out = await Readable.from(pieces).pipe(rewriteHtml(rewrite)).toArray();
    assert.equal(Buffer.concat(out).toString(), '<a href="/p/ü">ü</a>');
  });
});
