/**
 * What exec, attach and port-forward are, whatever carries them (SPDY/3.1, WebSocket): the neutral side of `spdy/` and `websocket/`. Node's streams,
 * so that a slow reader holds its writer back.
 */
import type { Duplex, Readable, Writable } from 'node:stream';

/** Which streams a caller asked for. */
export interface RemoteCommandOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** A terminal: one output, and its size comes over a stream of its own. */
  readonly tty: boolean;
}

/** The server's side of one exec or attach. A stream that was not asked for is undefined. */
export interface RemoteCommandStreams {
  /** Ends when the caller closes its input, or goes away. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Takes one Status as JSON and is ended; nothing must be written to the others after it. */
  readonly error: Writable;
  /** `{"Width":80,"Height":24}` texts, one after the other. */
  readonly resize: Readable | undefined;
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
  /** Ends the connection after everything written is on its way. Idempotent. */
  close(): void;
}

/** One forwarded connection. */
export interface PortForwardConnection {
  readonly port: number;
  readonly data: Duplex;
  /** Text that the caller prints; ended without text when all is well. */
  readonly error: Writable;
}
