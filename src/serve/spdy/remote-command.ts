/** exec and attach on SPDY streams (`v4.channel.k8s.io`): each stream says by its header `streamtype` what it is. Source: kubelet/pkg/cri/streaming/remotecommand. */
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { RemoteCommandOptions, RemoteCommandStreams } from '../streams.ts';
import { createSpdySession, type SpdySession } from './session.ts';
import { SpdyError } from './spdy-error.ts';
import type { SpdyStream } from './spdy-stream.ts';

/** The protocol whose error stream carries a Status. */
export const remoteCommandProtocol = 'v4.channel.k8s.io';

/** The caller's side. Outputs are read to their end before `error` is believed. */
export interface RemoteCommandCall {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** One Status as JSON; nothing when the connection broke. */
  readonly error: Readable;
  readonly resize: Writable | undefined;
}

/** Opens the streams in upstream's order. @throws SpdyError */
export async function openRemoteCommand(
  session: SpdySession,
  { stdin, stdout, stderr, tty }: RemoteCommandOptions,
): Promise<RemoteCommandCall> {
  const open = (streamtype: string): Promise<SpdyStream> => session.open({ streamtype });
  const error = await open('error');
  // The server has nothing to read from these.
  error.end();
  return {
    error,
    stdin: stdin ? await open('stdin') : undefined,
    stdout: stdout ? await open('stdout') : undefined,
    stderr: stderr && !tty ? await open('stderr') : undefined,
    resize: tty ? await open('resize') : undefined,
  };
}

export interface AcceptOptions extends RemoteCommandOptions {
  readonly clock: Clock;
  /** Until the caller has opened all its streams. */
  readonly timeoutMs: number;
  readonly head?: Uint8Array;
}

/** The server's side, after the upgrade. @throws SpdyError when the streams do not come; the connection is closed then. */
export function acceptRemoteCommand(
  socket: Duplex,
  { stdin, stdout, stderr, tty, clock, timeoutMs, head }: AcceptOptions,
): Promise<RemoteCommandStreams> {
  const wanted = new Set(['error']);
  if (stdin) wanted.add('stdin');
  if (stdout) wanted.add('stdout');
  if (stderr && !tty) wanted.add('stderr');
  if (tty) wanted.add('resize');
  const streams = new Map<string, SpdyStream>();
  return new Promise((resolve, reject) => {
    const session = createSpdySession(socket, {
      side: 'server',
      ...(head ? { head } : {}),
      onStream: (stream) => {
        const type = stream.headers.streamtype ?? '';
        if (!wanted.has(type) || streams.has(type)) {
          stream.destroy();
          return;
        }
        streams.set(type, stream);
        if (streams.size < wanted.size) return;
        timeout.cancel();
        const closed = session.closed.then(() => undefined);
        resolve({
          stdin: streams.get('stdin'),
          stdout: streams.get('stdout'),
          stderr: streams.get('stderr'),
          error: streams.get('error')!,
          resize: streams.get('resize'),
          closed,
          close: () => session.close(),
        });
      },
    });
    const timeout = clock.timer(timeoutMs, () => {
      reject(new SpdyError('closed', 'Timed out waiting for client to create streams'));
      session.close();
    });
    void session.closed.then((reason) => {
      timeout.cancel();
      reject(reason ?? new SpdyError('closed', 'The caller went away before its streams were there'));
    });
  });
}
