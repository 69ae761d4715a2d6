/** TCP connections that are there in time or not at all. */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';

/** Connects and hangs up. @param address `host:port`, `[v6]:port` @throws the socket's error, or that it took too long. */
export function connectWithin(address: string, timeoutMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)) });
    const late = (): void => void socket.destroy(new Error(`Connecting to ${address} took more than ${timeoutMs} ms`));
    const stop = (): void => void socket.destroy(new Error(`Connecting to ${address} was given up`));
    const timer = clock.timer(timeoutMs, late);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    socket.once('connect', () => {
      resolve();
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      timer.cancel();
      signal.removeEventListener('abort', stop);
    });
  });
}

/** What `start` does with the socket, which is destroyed when that is not done in time. */
export async function endWithin<T>(
  socket: Socket,
  timeoutMs: number,
  clock: Clock,
  start: () => Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.timer(timeoutMs, () => {
    socket.destroy();
    late.reject(new Error(`The greeting took more than ${timeoutMs} ms`));
  });
  try {
    return await Promise.race([start(), late.promise]);
  } finally {
    timer.cancel();
  }
}
