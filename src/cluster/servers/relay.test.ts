/** Real sockets on 127.0.0.1, time that does not pass: nothing here waits for a moment, only for what the other side does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { relay } from './relay.ts';

interface Pair {
  /** What the client has. */
  readonly client: Socket;
  /** What the server has. */
  readonly server: Socket;
  readonly clock: VirtualClock;
  readonly ended: Promise<void>;
  heard(): number;
  cut(): void;
}

/** client - relay - server */
async function startPair(t: TestContext): Promise<Pair> {
  const clock = createVirtualClock();
  const backend = await listen(t, {});
  const front = await listen(t, { pauseOnConnect: true });
  const client = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true });
  const [inner] = (await once(front.server, 'connection')) as [Socket];
  const outer = connect({ port: backend.port, host: '127.0.0.1', allowHalfOpen: true });
  const [server] = (await once(backend.server, 'connection')) as [Socket];
  const ended = Promise.withResolvers<void>();
  let heard = 0;
  const cut = relay(inner, outer, { clock, onHeard: () => heard++, onEnd: ended.resolve });
  t.after(() => {
    for (const socket of [client, server, inner, outer]) socket.destroy();
  });
  return { client, server, clock, ended: ended.promise, heard: () => heard, cut };
}

async function listen(t: TestContext, options: { readonly pauseOnConnect?: boolean }) {
  const server: Server = createServer({ allowHalfOpen: true, ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** Until its end; the socket can still write then. */
async function all(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  await once(socket, 'end');
  return text;
}
const broke = async (socket: Socket): Promise<string> => {
  const [error] = (await once(socket.resume(), 'error')) as [NodeJS.ErrnoException];
  return error.code ?? '';
};

const limit = { timeout: 60_000 };

test('relay: who has finished asking gets the whole answer', limit, async (t) => {
  const { client, server, ended, heard } = await startPair(t);
  client.end('question');
  assert.equal(await all(server), 'question');
  server.write('first ');
  server.end('second');
  assert.equal(await all(client), 'first second');
  await ended;
  assert.ok(heard() > 0);
});

test('relay: a server that has finished hears what the client still says', limit, async (t) => {
  const { client, server, ended } = await startPair(t);
  server.end('hello');
  assert.equal(await all(client), 'hello');
  client.end('goodbye');
  assert.equal(await all(server), 'goodbye');
  await ended;
});

test(
  'relay: an answer is whole though its server closed before it was read, and the client was slow',
  limit,
  async (t) => {
    const { client, server, ended } = await startPair(t);
    const size = 16 << 20;
    client.pause();
    client.write('question');
    await once(server, 'data');
    // As a server that closes does: nobody reads from it any more. The client reads when all of it is gone from the server.
    server.end(Buffer.alloc(size, 'x'));
    let length = 0;
    client.on('data', (chunk: Buffer) => {
      length += chunk.length;
    });
    client.on('end', () => client.end());
    client.resume();
    await ended;
    assert.equal(length, size);
  },
);

test('relay: what a slow reader has not taken holds the other side up, and is not gathered', limit, async (t) => {
  const { client, server } = await startPair(t);
  client.pause();
  const chunk = Buffer.alloc(1 << 20, 'x');
  let sent = 0;
  // Both kernels' buffers and ours are full before this: 256 MiB would be a lot to hold.
  while (sent < 256) {
    sent++;
    const flushed = new Promise<void>((resolve) => server.write(chunk, () => resolve()));
    const stuck = new Promise<'stuck'>((resolve) => {
      // Nothing moves through the relay any more: many turns of the loop without the write coming to its end.
      let turns = 2000;
      const turn = (): void => void (--turns === 0 ? resolve('stuck') : setImmediate(turn));
      turn();
    });
    if ((await Promise.race([flushed, stuck])) === 'stuck') break;
  }
  assert.ok(sent < 256, `${sent} MiB were taken of a server whose client reads nothing`);
  server.end();
  let length = 0;
  client.on('data', (data: Buffer) => {
    length += data.length;
  });
  client.resume();
  await once(client, 'end');
  assert.equal(length, sent << 20, 'all of it comes when the client reads on');
});

test('relay: a break comes through as a break, either way', limit, async (t) => {
  for (const [from, to] of [
    ['client', 'server'],
    ['server', 'client'],
  ] as const) {
    const pair = await startPair(t);
    pair.client.write('x');
    await once(pair.server, 'data');
    const broken = broke(pair[to]);
    pair[from].resetAndDestroy();
    assert.equal(await broken, 'ECONNRESET', `from the ${from}`);
    await pair.ended;
  }
});

test('relay: cut, both sides hear that it broke', limit, async (t) => {
  const { client, server, cut, ended } = await startPair(t);
  client.write('x');
  await once(server, 'data');
  const broken = Promise.all([broke(client), broke(server)]);
  cut();
  assert.deepEqual(await broken, ['ECONNRESET', 'ECONNRESET']);
  await ended;
});

test(
  'relay: a client whose server has finished is waited for while it says something, not for ever',
  limit,
  async (t) => {
    const { client, server, ended, clock } = await startPair(t);
    for (const socket of [client, server]) socket.on('error', () => undefined);
    server.end('hello');
    assert.equal(await all(client), 'hello');
    await clock.advance(20_000);
    client.write('still here');
    await once(server, 'data');
    await clock.advance(20_000);
    assert.equal(client.destroyed, false);
    client.write('and here');
    await once(server, 'data');
    await clock.advance(60_000);
    await ended;
  },
);
