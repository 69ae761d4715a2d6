import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest } from '../api/exchange.ts';
import { createVirtualClock } from '../base/virtual-clock.ts';
import { followedVersion } from './index.ts';
import { createZPages } from './z-pages.ts';

const clock = createVirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5));
const pages = createZPages({ clock, version: followedVersion, flags: { v: '2', 'secure-port': '6443' } });
await clock.advance(3_725_000);
const ask = async (path: string, accept: string): Promise<string> => {
  const request: ApiRequest = {
    method: 'GET',
    path,
    query: '',
    headers: accept === '' ? {} : { accept },
    remoteAddress: '192.0.2.1',
    signal: AbortSignal.timeout(60_000),
  };
  const response = await pages(request);
  if (!response) return 'another page';
  assert.equal(response.body.kind, 'bytes');
  return `${response.headers['content-type']}\n${response.body.kind === 'bytes' ? Buffer.from(response.body.bytes).toString() : ''}`;
};

test('flagz: what the server was started with, by name', async () => {
  assert.match(
    await ask('/flagz', ''),
    /^text\/plain; charset=utf-8\n\napiserver flagz\nWarning: .*\nsecure-port=6443\nv=2\n$/,
  );
});

test('statusz: since when, for how long, which versions', async () => {
  assert.match(
    await ask('/statusz', 'text/html, text/*'),
    /\n\nStarted: Fri Jan {2}2 03:04:05 UTC 2026\nUp: 1 hr 02 min 05 sec\n.*\nBinary version: 1\.36\.3\nEmulation version: 1\.36\nPaths: \/flagz /,
  );
});

test('statusz: an object for who names it', async () => {
  const [type, ...rest] = (await ask('/statusz', 'application/json;as=Statusz;g=config.k8s.io;v=v1beta1')).split('\n');
  assert.equal(type, 'application/json;g=config.k8s.io;v=v1beta1;as=Statusz');
  const { startTime, uptimeSeconds, kind } = JSON.parse(rest.join('\n')) as Record<string, unknown>;
  assert.deepEqual([kind, startTime, uptimeSeconds], ['Statusz', '2026-01-02T03:04:05Z', 3725]);
});

test('statusz: another kind, no version or another media type is not acceptable', async () => {
  for (const accept of ['application/json', 'application/json;as=Flagz;g=config.k8s.io;v=v1beta1', 'text/html'])
    await assert.rejects(ask('/statusz', accept), { name: 'ApiError', code: 406 });
});

test("z pages: other paths are others'", async () => assert.equal(await ask('/versionz', ''), 'another page'));
