import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createRealClock } from '../../base/real-clock.ts';
import { splice } from './splice.ts';

/** A client and a server, and between them two sockets that are spliced. */
async function between(t: TestContext): Promise<{ readonly client: Socket; readonly server: Socket }> {
  const pair = async (): Promise<readonly [Socket, Socket]> => {
    const listener = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve));
    const near = connect({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port, allowHalfOpen: true });
    const far = await accepted;
    listener.close();
    t.after(() => {
      near.destroy();
      far.destroy();
    });
    return [near, far];
  };
  const [client, front] = await pair();
  const [back, server] = await pair();
  void splice(front, back, createRealClock());
  for (const end of [client, server]) end.on('error', () => undefined);
  return { client, server };
}

const all = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.on('data', (piece: Buffer) => {
    text += piece;
  });
  socket.on('end', () => socket.end());
  await new Promise((resolve) => socket.on('close', resolve));
  return text;
};

test('splice: the last word of a server that closes with input unread arrives, though more is being written to it', async (t) => {
  const { client, server } = await between(t);
  const heard = all(client);
  server.once('data', () => {
    server.pause();
    // In this order: what is written to the server is there to be passed on before its answer and its reset are there to be read.
    client.write('more');
    server.write('the exit code');
    server.resetAndDestroy();
  });
  client.write('first');
  assert.equal(await heard, 'the exit code');
});

test('splice: after half a close the other half goes on, and a megabyte each way arrives whole', async (t) => {
  const { client, server } = await between(t);
  const bytes = 1_000_000;
  server.on('end', () => server.write('y'.repeat(bytes)));
  const [heard, told] = [all(client), all(server)];
  client.end('x'.repeat(bytes));
  assert.equal(await told, 'x'.repeat(bytes));
  assert.equal(await heard, 'y'.repeat(bytes));
});
