import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { createRealClock } from '../../base/real-clock.ts';
import { createHttpClient, type HttpRequest } from './http-client.ts';

const body = '{"kind":"DeleteOptions"}';

for (const method of ['DELETE', 'GET', 'OPTIONS', 'POST', 'PUT'])
  for (const [form, make] of [
    ['as bytes', () => Buffer.from(body)],
    ['as a stream', () => Readable.from([Buffer.from(body.slice(0, 5)), Buffer.from(body.slice(5))])],
  ] as const)
    test(`http client: the body of a ${method} ${form} ends where the next request on the connection begins`, async (t) => {
      const seen: string[] = [];
      let connections = 0;
      const server = createServer((request, response) => {
        const pieces: Buffer[] = [];
        request.on('data', (piece: Buffer) => pieces.push(piece));
        request.on('end', () => {
          seen.push(`${request.method} ${Buffer.concat(pieces)}`);
          response.end('ok');
        });
      });
      server.on('connection', () => connections++);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      t.after(() => server.close());
      const client = createHttpClient({ clock: createRealClock() });
      t.after(() => client.close());
      const target = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
      const answers: string[] = [];
      const requests: readonly HttpRequest[] = [
        { method, path: '/x', headers: { 'content-type': 'application/json' }, body: make() },
        { method: 'GET', path: '/y', headers: {} },
      ];
      for (const request of requests) {
        const answer = await client.send(target, request);
        answers.push(`${answer.status} ${Buffer.concat(await answer.body.toArray())}`);
      }
      assert.deepEqual(answers, ['200 ok', '200 ok']);
      assert.deepEqual(seen, [`${method} ${body}`, 'GET ']);
      assert.equal(connections, 1);
    });

test('http client: a stream whose length the caller knows is sent with it', async (t) => {
  let framing: unknown;
  const server = createServer((request, response) => {
    framing = [request.headers['content-length'], request.headers['transfer-encoding']];
    request.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const client = createHttpClient({ clock: createRealClock() });
  t.after(() => client.close());
  const answer = await client.send(
    { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    {
      ...{ method: 'DELETE', path: '/', headers: { 'content-length': String(body.length) } },
      body: Readable.from([Buffer.from(body)]),
    },
  );
  answer.body.resume();
  assert.deepEqual(framing, [String(body.length), undefined]);
});
