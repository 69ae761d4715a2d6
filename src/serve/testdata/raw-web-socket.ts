/** The client's side of WebSocket frames on a connection that is upgraded already: for protocol names that the `ws` client refuses. */
import { Duplex } from 'node:stream';

/** Bytes written leave as binary messages; the payloads of what comes are read. Masked with zeros, so that nothing needs masking. */
export function webSocketClientBytes(socket: Duplex): Duplex {
  let rest = Buffer.alloc(0);
  const bytes = new Duplex({
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      const head = Buffer.alloc(14);
      head[0] = 0x82;
      head[1] = 0x80 | 127;
      head.writeBigUInt64BE(BigInt(chunk.length), 2);
      socket.write(head);
      socket.write(chunk, () => done());
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const short = (rest[1] ?? 0) & 127;
      const headLength = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (rest.length < headLength) return;
      const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      if (rest.length < headLength + length) return;
      const isData = (rest[0]! & 15) <= 2;
      if (isData && !bytes.push(rest.subarray(headLength, headLength + length))) socket.pause();
      rest = rest.subarray(headLength + length);
    }
  });
  socket.on('close', () => bytes.push(null));
  return bytes;
}
