import assert from 'node:assert/strict';
import { type Duplex, duplexPair, type Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import { createRealClock } from '../../base/real-clock.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { controlFrame, dataHead, FrameParser, frameTypes } from './frames.ts';
import { HeaderBlockReader, HeaderBlockWriter } from './header-block.ts';
import { headerDictionary } from './header-dictionary.ts';
import { acceptRemoteCommand, openRemoteCommand } from './remote-command.ts';
import { createSpdySession, type SpdySession } from './session.ts';
import { SpdyError } from './spdy-error.ts';
import type { SpdyStream } from './spdy-stream.ts';

const clock = createRealClock();
const textOf = async (stream: Readable): Promise<string> => {
  const pieces: Buffer[] = [];
  // Iterating a stream destroys it at the end, its writable half included, unless told otherwise.
  for await (const piece of stream.iterator({ destroyOnReturn: false })) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
};

/** A client and what its server gets, over one connection. */
function sessions(onStream: (stream: SpdyStream) => void = () => undefined, streamsMax?: number) {
  const [a, b] = duplexPair();
  const client = createSpdySession(a, { side: 'client' });
  const server = createSpdySession(b, { side: 'server', onStream, ...(streamsMax ? { streamsMax } : {}) });
  return { client, server, clientSocket: a, serverSocket: b };
}

/** A server and the raw other end of its connection; `next` reads its frames. */
function rawPeer(onStream: (stream: SpdyStream) => void = () => undefined) {
  const [raw, b] = duplexPair();
  const server = createSpdySession(b, { side: 'server', onStream });
  const parser = new FrameParser();
  const frames: string[] = [];
  let wake = (): void => undefined;
  raw.on('data', (chunk: Buffer) => {
    for (const frame of parser.feed(chunk))
      frames.push(
        frame.kind === 'data'
          ? `data ${frame.streamId} ${frame.bytes.length}${frame.fin ? ' fin' : ''}`
          : `${Object.keys(frameTypes).find((name) => frameTypes[name as keyof typeof frameTypes] === frame.type)} ${frame.payload.readUInt32BE(0)}${frame.payload.length >= 8 && frame.type !== frameTypes.synReply ? ` ${frame.payload.readUInt32BE(4)}` : ''}`,
      );
    wake();
  });
  return {
    raw,
    server,
    frames,
    async until(wanted: string): Promise<void> {
      while (!frames.includes(wanted)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
  };
}
const writer = () => new HeaderBlockWriter();
const syn = (id: number, block: Buffer, flags = 0): Buffer =>
  controlFrame(frameTypes.synStream, flags, id, 0, Buffer.alloc(2), block);

describe('spdy: frames', () => {
  test('bytes cut anywhere give the same frames', () => {
    const bytes = Buffer.concat([
      controlFrame(frameTypes.ping, 0, 7),
      dataHead(5, true, 3),
      Buffer.from('abc'),
      dataHead(5, false, 0),
    ]);
    for (const size of [1, 2, 7, 9, bytes.length]) {
      const parser = new FrameParser();
      let data = '';
      let pings = 0;
      let fins = 0;
      for (let at = 0; at < bytes.length; at += size)
        for (const frame of parser.feed(bytes.subarray(at, at + size)))
          if (frame.kind === 'control') pings += frame.payload.readUInt32BE(0);
          else {
            data += frame.bytes.toString();
            if (frame.fin) fins++;
          }
      assert.deepEqual({ data, pings, fins }, { data: 'abc', pings: 7, fins: 1 });
    }
  });
  test('another version and an endless control frame are refused', () => {
    const other = controlFrame(frameTypes.ping, 0, 1);
    other.writeUInt16BE(0x8002, 0);
    const long = controlFrame(frameTypes.headers, 0, 1);
    long.writeUIntBE(0xffffff, 5, 3);
    for (const bytes of [other, long]) assert.throws(() => [...new FrameParser().feed(bytes)], SpdyError);
  });
});

describe('spdy: header blocks', () => {
  test('blocks of one direction are read one after the other', async () => {
    const write = writer();
    const reader = new HeaderBlockReader();
    const many: Record<string, string>[] = [
      { streamtype: 'error' },
      {},
      { port: '80', requestid: '0' },
      { x: 'ü'.repeat(20_000) },
    ];
    for (const headers of many) assert.deepEqual({ ...(await reader.decode(write.encode(headers))) }, headers);
    reader.close();
  });
  test('a block compressed with the dictionary, as Go writes it, is read', async () => {
    const deflate = createDeflate({ dictionary: headerDictionary(), flush: constants.Z_SYNC_FLUSH });
    const plain = Buffer.concat([
      Buffer.from([0, 0, 0, 1, 0, 0, 0, 10]),
      Buffer.from('streamtype'),
      Buffer.from([0, 0, 0, 5]),
      Buffer.from('error'),
    ]);
    const reader = new HeaderBlockReader();
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve) => deflate.write(plain, () => resolve()));
      assert.deepEqual({ ...(await reader.decode(deflate.read() as Buffer)) }, { streamtype: 'error' });
    }
    reader.close();
    deflate.destroy();
  });
  const block = (...bytes: number[]): Buffer =>
    Buffer.concat([Buffer.from([0x78, 0x01, 0, bytes.length, 0, ~bytes.length & 255, 255]), Buffer.from(bytes)]);
  for (const [name, bytes] of [
    ['a block that is cut off', block(0, 0, 0, 1, 0, 0, 0, 9, 97)],
    ['a count beyond its bytes', block(0, 0xff, 0, 0)],
    ['a header without a name', block(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a name that comes twice', block(0, 0, 0, 2, 0, 0, 0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 0, 0)],
    ['what is not zlib', Buffer.from('hello world')],
  ] as const)
    test(`${name} is refused`, async () => {
      const reader = new HeaderBlockReader();
      await assert.rejects(reader.decode(bytes), SpdyError);
      reader.close();
    });
  test('a block that inflates without end is refused', async () => {
    const deflate = createDeflate({ flush: constants.Z_SYNC_FLUSH });
    await new Promise<void>((resolve) => deflate.write(Buffer.alloc(10_000_000), () => resolve()));
    const reader = new HeaderBlockReader();
    await assert.rejects(reader.decode(deflate.read() as Buffer), /longer than 65536/);
    reader.close();
    deflate.destroy();
  });
});

describe('spdy: sessions', () => {
  test('streams carry any headers and bytes both ways', async () => {
    const { client, server } = sessions((stream) => stream.pipe(stream));
    const stream = await client.open({ anything: 'at all' });
    stream.end('hello');
    assert.equal(await textOf(stream), 'hello');
    client.close();
    assert.equal(await client.closed, undefined);
    assert.equal(await server.closed, undefined);
  });
  test('closing one half leaves the other open', async () => {
    const { client } = sessions((stream) => {
      void textOf(stream).then((text) => stream.end(`got ${text}`));
    });
    const stream = await client.open({});
    stream.end('all');
    assert.equal(await textOf(stream), 'got all');
    client.close();
  });
  test('a reset by the peer ends reading with what came before, and drops what is written after it', async () => {
    const { client } = sessions((stream) => stream.write('last words', () => stream.destroy()));
    const stream = await client.open({});
    assert.equal(await textOf(stream), 'last words');
    assert.equal(stream.reset, true);
    await new Promise<void>((resolve) => stream.write('dropped', () => resolve()));
    client.close();
  });
  test('a slow reader holds its writer back, another stream goes on', async () => {
    const seen = new Map<string, SpdyStream>();
    const { client } = sessions((stream) => seen.set(stream.headers.name ?? '', stream));
    const slow = await client.open({ name: 'slow' });
    const fast = await client.open({ name: 'fast' });
    const total = 1_000_000;
    let left = total;
    const pump = (): void => {
      while (left > 0) {
        left -= 10_000;
        if (!slow.write(Buffer.alloc(10_000))) {
          slow.once('drain', pump);
          return;
        }
      }
      slow.end();
    };
    pump();
    fast.end('quick');
    assert.equal(await textOf(seen.get('fast')!), 'quick');
    assert.ok(left > total / 2, `only ${left} of ${total} were held back`);
    assert.equal((await textOf(seen.get('slow')!)).length, total);
    client.close();
  });
  test('without windows at the peer the connection itself is the brake, and nothing is lost', async () => {
    const { raw, server } = rawPeer((stream) => void got.resolve(stream));
    const got = Promise.withResolvers<SpdyStream>();
    raw.write(syn(1, writer().encode({})));
    const stream = await got.promise;
    let written = 0;
    const piece = Buffer.alloc(32_768);
    const send = (): void => {
      while (written < 100) {
        written++;
        const last = written === 100;
        raw.write(dataHead(1, last, piece.length));
        if (!raw.write(piece)) {
          raw.once('drain', send);
          return;
        }
      }
    };
    send();
    await clock.sleep(20);
    assert.ok(written < 20, `${written} pieces were taken although nobody read`);
    assert.equal((await textOf(stream)).length, 100 * piece.length);
    server.close();
  });
  test('a peer that overruns a window it knows is reset', async () => {
    const { raw, server, until } = rawPeer();
    raw.write(controlFrame(frameTypes.settings, 0, 1, 7, 65_536));
    raw.write(syn(1, writer().encode({})));
    for (let i = 0; i < 5; i++) raw.write(Buffer.concat([dataHead(1, false, 32_768), Buffer.alloc(32_768)]));
    await until('rstStream 1 7');
    server.close();
  });
  test('pings are echoed, and answered when they are ours', async () => {
    const { client, server } = sessions();
    await client.ping();
    await server.ping();
    client.close();
    await assert.rejects(client.ping(), SpdyError);
  });
  test('a stream the server does not want is refused, and so is one too many', async () => {
    const none = createSpdySession(duplexPair()[0], { side: 'client' });
    none.close();
    await assert.rejects(none.open({}), { code: 'closed' });
    const { client } = sessions(() => undefined, 1);
    await client.open({});
    await assert.rejects(client.open({}), { code: 'refused' });
    client.close();
  });
  test('a stream id used again, or of the wrong side, is a protocol error for that stream only', async () => {
    const { raw, server, until } = rawPeer();
    const write = writer();
    raw.write(Buffer.concat([syn(3, write.encode({})), syn(3, write.encode({})), syn(2, write.encode({}))]));
    await until('synReply 3');
    await until('rstStream 3 1');
    await until('rstStream 2 1');
    raw.write(syn(5, write.encode({})));
    await until('synReply 5');
    server.close();
  });
  test('data for a stream that never was is answered with a reset, late data is not', async () => {
    const { raw, server, until, frames } = rawPeer((stream) => stream.destroy());
    raw.write(syn(1, writer().encode({})));
    await until('rstStream 1 5');
    raw.write(Buffer.concat([dataHead(1, false, 1), Buffer.from('x'), dataHead(9, false, 1), Buffer.from('x')]));
    await until('rstStream 9 2');
    assert.equal(frames.filter((frame) => frame.startsWith('rstStream 1')).length, 1);
    server.close();
  });
  test('after goaway there are no new streams, and the session ends with its last one', async () => {
    const { raw, server, until } = rawPeer((stream) => void got.resolve(stream));
    const got = Promise.withResolvers<SpdyStream>();
    raw.write(syn(1, writer().encode({})));
    const stream = await got.promise;
    raw.write(controlFrame(frameTypes.goAway, 0, 0, 0));
    raw.write(dataHead(1, true, 0));
    assert.equal(await textOf(stream), '');
    await assert.rejects(server.open({}), { code: 'refused' });
    stream.end('bye');
    await until('data 1 3');
    assert.equal(await server.closed, undefined);
  });
  test('rubbish ends the session with a reason', async () => {
    const { raw, server } = rawPeer();
    raw.write('HTTP/1.1 200 OK\r\n\r\n'.padEnd(64));
    raw.write(Buffer.from([0x80, 9, 0, 0, 0, 0, 0, 0]));
    const reason = await endedBy(server, raw);
    assert.ok(reason === undefined || reason.code === 'protocol');
  });
  test('a connection that breaks ends every stream', async () => {
    const { client, serverSocket } = sessions();
    const stream = await client.open({});
    serverSocket.destroy();
    assert.equal(await textOf(stream), '');
    await client.closed;
    await assert.rejects(client.open({}), { code: 'closed' });
  });
});

async function endedBy(session: SpdySession, raw: Duplex): Promise<SpdyError | undefined> {
  raw.end();
  return session.closed;
}

describe('spdy: remote commands', () => {
  const all = { stdin: true, stdout: true, stderr: true, tty: false };
  test('streams meet by their type, whatever the order; a status comes back', async () => {
    const [a, b] = duplexPair();
    const session = createSpdySession(a, { side: 'client' });
    const [server, call] = await Promise.all([
      acceptRemoteCommand(b, { ...all, clock, timeoutMs: 5000 }),
      openRemoteCommand(session, all),
    ]);
    server.stdin?.pipe(server.stdout!);
    server.stderr?.end('oops');
    call.stdin?.end('echo');
    assert.equal(await textOf(call.stdout!), 'echo');
    assert.equal(await textOf(call.stderr!), 'oops');
    server.error.end('{"status":"Success"}');
    assert.equal(await textOf(call.error), '{"status":"Success"}');
    server.close();
    await session.closed;
  });
  test('a terminal has a stream for its size and no stderr', async () => {
    const [a, b] = duplexPair();
    const session = createSpdySession(a, { side: 'client' });
    const options = { ...all, tty: true };
    const [server, call] = await Promise.all([
      acceptRemoteCommand(b, { ...options, clock, timeoutMs: 5000 }),
      openRemoteCommand(session, options),
    ]);
    assert.equal(server.stderr, undefined);
    call.resize?.end('{"Width":80,"Height":24}');
    assert.equal(await textOf(server.resize!), '{"Width":80,"Height":24}');
    session.close();
    await server.closed;
  });
  test('a caller that does not open its streams in time is sent away', async () => {
    const [a, b] = duplexPair();
    const time = createVirtualClock();
    const session = createSpdySession(a, { side: 'client' });
    const accepted = acceptRemoteCommand(b, { ...all, clock: time, timeoutMs: 30_000 });
    accepted.catch(() => undefined);
    await session.open({ streamtype: 'error' });
    for (const streamtype of ['nonsense', 'error']) {
      const refused = await session.open({ streamtype });
      assert.equal(await textOf(refused), '');
      assert.equal(refused.reset, true);
    }
    await time.advance(30_000);
    await assert.rejects(accepted, /Timed out/);
    await session.closed;
  });
});
