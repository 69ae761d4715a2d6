/** Two connections made one: what comes from either side goes to the other, its end too, and a break as a break. */
import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';

export interface RelayOptions {
  readonly clock: Clock;
  /** Bytes came from the server. */
  readonly onHeard: () => void;
  /** Both connections are gone. */
  readonly onEnd: () => void;
}

/** Of two sides one of which has finished, the other is waited for as long as something passes in this time. */
const lingerMs = 30_000;
/** A peer whose host is gone is noticed by the kernel. */
const keepAliveMs = 30_000;

/**
 * Both sockets were made with `allowHalfOpen`, `client` is paused. From now on they are this function's:
 *
 * 1. A side that says nothing more (FIN) is told on to the other, which may go on speaking: an answer comes whole though its asker has finished, and
 *    though its server has closed before the asker has read it all.
 * 2. A side that breaks (RST, a network error) breaks the other (RST): nobody takes half an answer for a whole one.
 * 3. Who reads slowly slows the other side down; nothing is gathered here beyond the sockets' own buffers.
 *
 * @returns breaks both.
 */
export function relay(client: Socket, server: Socket, { clock, onHeard, onEnd }: RelayOptions): () => void {
  const cut = (): void => {
    for (const socket of [client, server]) if (!socket.destroyed) socket.resetAndDestroy();
  };
  client.pipe(server);
  server.pipe(client);
  server.on('data', onHeard);
  client.on('error', cut);
  server.on('error', () => {
    // A server that closes with something unread says its end and then breaks: what it said is whole.
    if (!server.readableEnded) cut();
  });
  let open = 2;
  const closed = (): void => {
    if (--open === 0) onEnd();
  };
  client.on('close', () => {
    closed();
    // In order it closes after both ends were told on.
    if (!client.readableEnded) cut();
  });
  server.on('close', () => {
    closed();
    if (!server.readableEnded) cut();
    // Nobody is left to hear what the client says, but it must be read for its end to be seen.
    else client.resume();
  });
  server.on('end', () => linger(client, clock, cut));
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
  }
  return cut;
}

/** A client that has stopped in its tracks takes no more of the answer, nor closes. */
function linger(client: Socket, clock: Clock, cut: () => void): void {
  const passed = (): number => client.bytesRead + client.bytesWritten - client.writableLength;
  let before = passed();
  const look = (): void => {
    if (client.destroyed) return;
    if (passed() === before) cut();
    else {
      before = passed();
      timer = clock.timer(lingerMs, look);
    }
  };
  let timer = clock.timer(lingerMs, look);
  client.once('close', () => timer.cancel());
}
