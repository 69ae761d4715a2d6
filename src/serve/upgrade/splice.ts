/** Two connections as one: what comes out of either goes into the other, each side held back by the other's pace. */
import type { Duplex } from 'node:stream';

/**
 * Ends when both are closed. A half-close is passed on where the socket allows it; once one side is gone for good, the other is closed when
 * what was on its way to it is written. Takes both over, errors included.
 */
export function splice(a: Duplex, b: Duplex): Promise<void> {
  join(a, b);
  join(b, a);
  return Promise.all([closed(a), closed(b)]).then(() => undefined);
}

function join(from: Duplex, to: Duplex): void {
  // A broken connection is an ordinary end here; its 'close' follows.
  from.on('error', () => to.destroy());
  from.on('close', () => finish(to));
  from.pipe(to);
}

function finish(socket: Duplex): void {
  if (socket.destroyed) return;
  if (socket.writableFinished) {
    socket.destroy();
    return;
  }
  socket.on('finish', () => socket.destroy());
  if (!socket.writableEnded) socket.end();
}

const closed = (socket: Duplex): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', () => resolve());
  });
