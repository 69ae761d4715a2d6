import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import type { ApiRequest } from '../../api/exchange.ts';
import { createRealClock } from '../../base/real-clock.ts';
import type { RemoteCommandOptions, RemoteCommandStreams } from '../streams.ts';
import { acceptWebSocket } from './accept.ts';
import { type ChannelProtocol, webSocketStreams } from './channels.ts';

const clock = createRealClock();
const exec: RemoteCommandOptions = { stdin: true, stdout: true, stderr: true, tty: false };

/** A server that accepts each WebSocket with the first protocol offered; `use` gets both ends. */
async function meet(
  protocol: ChannelProtocol,
  options: RemoteCommandOptions,
  use: (client: WebSocket, streams: RemoteCommandStreams, messages: Buffer[]) => Promise<void>,
): Promise<void> {
  const server = createServer();
  const accepted = Promise.withResolvers<RemoteCommandStreams>();
  server.on('upgrade', (message, socket: Duplex, head: Buffer) => {
    const request = { method: 'GET', path: message.url, headers: message.headers } as unknown as ApiRequest;
    accepted.resolve(webSocketStreams(acceptWebSocket(request, socket, head, protocol)!, protocol, options));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, protocol === '' ? [] : [protocol]);
  const messages: Buffer[] = [];
  client.on('message', (data: Buffer) => messages.push(data));
  try {
    await once(client, 'open');
    assert.equal(client.protocol, protocol);
    await use(client, await accepted.promise, messages);
  } finally {
    client.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
const textOf = async (stream: Readable): Promise<string> => Buffer.concat(await stream.toArray()).toString();
const message = (channel: number, text: string): Buffer => Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);

describe('websocket channels', () => {
  for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io', ''] as const)
    test(`${protocol || 'no protocol'}: binary messages with the channel first`, () =>
      meet(protocol, exec, async (client, streams, messages) => {
        streams.stdout?.write('out');
        streams.stderr?.write('err');
        streams.error.end('{"status":"Success"}', () => streams.close());
        const [code] = (await once(client, 'close')) as [number];
        assert.deepEqual(
          [code, ...messages.map((m) => m.toString('latin1'))],
          [1000, '\x01', '\x01out', '\x02err', '\x03{"status":"Success"}'],
        );
      }));
  for (const protocol of ['v4.base64.channel.k8s.io', 'base64.channel.k8s.io'] as const)
    test(`${protocol}: text messages, both ways`, () =>
      meet(protocol, exec, async (client, streams, messages) => {
        client.send(`0${Buffer.from('in').toString('base64')}`);
        const [piece] = (await once(streams.stdin!, 'data')) as [Buffer];
        assert.equal(piece.toString(), 'in');
        streams.stdout?.write(Buffer.from([0, 255]));
        streams.error.end('x', () => streams.close());
        await once(client, 'close');
        assert.deepEqual(messages.map(String), ['1', '1AP8=', '3eA==']);
      }));
  test('v5: the close signal ends standard input and nothing else', () =>
    meet('v5.channel.k8s.io', exec, async (client, streams, messages) => {
      client.send(message(0, 'to the end'));
      client.send(Buffer.from([255, 0]));
      client.send(message(0, 'after the end'));
      assert.equal(await textOf(streams.stdin!), 'to the end');
      streams.stdout?.write('still here');
      while (messages.length < 2) await once(client, 'message');
      assert.equal(messages[1]?.toString(), '\x01still here');
    }));
  test('v4 has no close signal: channel 255 means nothing there', () =>
    meet('v4.channel.k8s.io', exec, async (client, streams) => {
      client.send(Buffer.from([255, 0]));
      client.send(message(0, 'more'));
      const [piece] = (await once(streams.stdin!, 'data')) as [Buffer];
      assert.equal(piece.toString(), 'more');
    }));
  test('a terminal: sizes come on their channel, and there is no stderr', () =>
    meet('v5.channel.k8s.io', { ...exec, tty: true }, async (client, streams) => {
      assert.equal(streams.stderr, undefined);
      client.send(message(4, '{"Width":80,"Height":24}'));
      const [size] = (await once(streams.resize!, 'data')) as [Buffer];
      assert.equal(size.toString(), '{"Width":80,"Height":24}');
    }));
  test('channels nobody asked for, unknown ones and empty messages are ignored', () =>
    meet('v5.channel.k8s.io', { ...exec, stdin: false }, async (client, streams) => {
      assert.equal(streams.stdin, undefined);
      for (const bytes of [[0, 65], [9, 65], [], [255], [255, 9]]) client.send(Buffer.from(bytes));
      client.close(1000);
      await streams.closed;
    }));
  test('a client that goes away ends its input; what is written then is dropped', () =>
    meet('v5.channel.k8s.io', exec, async (client, streams) => {
      client.terminate();
      assert.equal(await textOf(streams.stdin!), '');
      await streams.closed;
      await new Promise<void>((resolve) => streams.stdout!.write('nobody', () => resolve()));
    }));
  test('input that nobody reads is held back at the client', () =>
    meet('v5.channel.k8s.io', exec, async (client, streams) => {
      const piece = message(0, 'x'.repeat(32 * 1024));
      for (let i = 0; i < 1000; i++) client.send(piece);
      await clock.sleep(100);
      assert.ok(streams.stdin!.readableLength < 1024 * 1024, `${streams.stdin!.readableLength} bytes are held here`);
      client.send(Buffer.from([255, 0]));
      assert.equal((await textOf(streams.stdin!)).length, 1000 * 32 * 1024);
    }));
});

test('websocket: a server that closes does not wait for input nobody reads', () =>
  meet('v5.channel.k8s.io', exec, async (client, streams) => {
    for (let i = 0; i < 100; i++) client.send(message(0, 'x'.repeat(32 * 1024)));
    await clock.sleep(50);
    streams.error.end('{"status":"Success"}', () => streams.close());
    const [code] = (await once(client, 'close')) as [number];
    assert.equal(code, 1000);
    await streams.closed;
  }));

test('websocket: a handshake without a key is answered 400', async () => {
  const server = createServer();
  server.on('upgrade', (message, socket: Duplex, head: Buffer) => {
    const request = { method: 'GET', path: message.url, headers: message.headers } as unknown as ApiRequest;
    assert.equal(acceptWebSocket(request, socket, head, ''), undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { requestUpgrade } = await import('../upgrade/request-upgrade.ts');
  const answer = await requestUpgrade(
    { host: '127.0.0.1', port },
    { method: 'GET', path: '/', headers: { connection: 'Upgrade', upgrade: 'websocket' }, clock, timeoutMs: 5000 },
  );
  assert.equal(answer.kind === 'refused' && answer.status, 400);
  await new Promise((resolve) => server.close(resolve));
});
