/** Two connections as one: what comes out of either goes into the other, each side held back by the other's pace. */
import { type Duplex, Transform } from 'node:stream';
import type { Clock } from '../../base/clock.ts';

/** How long a side that was told of the end may take to close. */
const lingerMs = 30_000;

/**
 * Ends when both are closed. A half-close is passed on where the socket allows it; once one side is gone for good, the other gets what was on its way and
 * then the end. Takes both over, errors included.
 *
 * The side that is left is read on, and what it says is dropped, until it closes: closing a socket with unread bytes resets it, and the reset would overtake
 * the last thing it was told (the exit code of a command that did not read all its input).
 */
export function splice(a: Duplex, b: Duplex, clock: Clock): Promise<void> {
  join(a, b, clock);
  join(b, a, clock);
  return Promise.all([closed(a), closed(b)]).then(() => undefined);
}

function join(from: Duplex, to: Duplex, clock: Clock): void {
  const late = afterReads(clock);
  // A broken connection is an ordinary end here; its 'close' follows.
  from.on('error', () => undefined);
  from.on('close', () => {
    if (!late.writableEnded) late.end();
    finish(to, clock);
  });
  from.pipe(late).pipe(to);
}

/**
 * Holds each piece until what is there to be read from other sockets has been read. A write to a server that has closed with something unread fails, and Node
 * then drops that socket with all it has not read yet: the last word of the server, which had come before.
 */
const afterReads = (clock: Clock): Transform =>
  new Transform({
    transform(piece: Buffer, _encoding, done) {
      void clock.yield().then(() => done(null, piece)); // never rejects
    },
  });

/** The other side is closed: the rest comes through the pipe, with the end behind it. */
function finish(socket: Duplex, clock: Clock): void {
  if (socket.destroyed) return;
  const linger = clock.timer(lingerMs, () => socket.destroy());
  socket.on('close', () => linger.cancel());
  if (socket.readableEnded) {
    if (socket.writableFinished) socket.destroy();
    else socket.on('finish', () => socket.destroy());
    return;
  }
  socket.unpipe();
  socket.on('end', () => socket.destroy());
  socket.resume();
}

const closed = (socket: Duplex): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', () => resolve());
  });
