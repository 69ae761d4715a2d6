/** One query to one resolver over real sockets: a port of its own for each, so that answers are hard to forge (RFC 5452). */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Exchange } from './forwarder.ts';
import { createFrameReader, frame } from './tcp-frames.ts';

export const exchangeOverSockets: Exchange = (upstream, query, options) =>
  options.transport === 'udp' ? overUdp(upstream, query, options) : overTcp(upstream, query, options);

const overUdp: Exchange = (upstream, query, { accept, signal }) =>
  new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(upstream.address) ? 'udp6' : 'udp4', lookup: asIs });
    const finish = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      // After a failed send libuv may still report; nobody waits for it any more.
      socket.on('error', () => undefined);
      socket.close();
      settle();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => fail(new Error(`No answer from ${upstream.address} in time`));
    if (signal.aborted) {
      socket.close();
      reject(new Error(`No answer from ${upstream.address} in time`));
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', fail);
    socket.on('message', (message) => {
      if (accept(message)) finish(() => resolve(message));
    });
    // Connected: the kernel drops what others send, and a closed port is reported at once.
    socket.connect(upstream.port, upstream.address, () => {
      if (signal.aborted) return;
      socket.send(query, (error) => {
        if (error && !signal.aborted) fail(error);
      });
    });
  });

const overTcp: Exchange = (upstream, query, { accept, signal }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: upstream.address, port: upstream.port });
    const finish = (settle: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.destroy();
      settle();
    };
    const fail = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => fail(new Error(`No answer from ${upstream.address} in time`));
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const frames = createFrameReader((message) => {
      if (accept(message)) finish(() => resolve(message));
    });
    socket.once('connect', () => socket.write(frame(query)));
    socket.on('data', (chunk: Buffer) => frames.push(chunk));
    socket.once('error', fail);
    socket.once('close', () => fail(new Error(`${upstream.address} closed the connection`)));
  });

/** The address is an address: asking the system's resolver for it costs a trip through the thread pool. */
export function asIs(
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, host, isIPv6(host) ? 6 : 4);
}
