/** Port-forward on SPDY streams (`portforward.k8s.io`): two streams a connection, joined by `requestid`. Source: kubelet/pkg/cri/streaming/portforward/httpstream.go. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { PortForwardConnection } from '../streams.ts';
import { createSpdySession, type SpdySession } from './session.ts';
import type { SpdyStream } from './spdy-stream.ts';

export const portForwardProtocol = 'portforward.k8s.io';

export interface PortForwardOptions {
  readonly clock: Clock;
  /** Between a connection's first stream and its second. */
  readonly pairTimeoutMs: number;
  readonly onConnection: (connection: PortForwardConnection) => void;
  readonly head?: Uint8Array;
}

interface Half {
  readonly stream: SpdyStream;
  readonly timeout: { cancel(): void };
}

/** The server's side, after the upgrade. Connections go on until the session ends. */
export function acceptPortForward(socket: Duplex, options: PortForwardOptions): SpdySession {
  const { clock, pairTimeoutMs, onConnection, head } = options;
  const waiting = new Map<string, Half>();
  const session = createSpdySession(socket, {
    side: 'server',
    ...(head ? { head } : {}),
    onStream: (stream) => {
      const { streamtype: type, port: portText = '', requestid } = stream.headers;
      const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
      if ((type !== 'error' && type !== 'data') || port < 1 || port > 65_535) {
        stream.destroy();
        return;
      }
      // Clients before 1.6 sent no id: the error stream comes right before its data stream.
      const id = requestid ?? String(type === 'error' ? stream.id : stream.id - 2);
      const first = waiting.get(id);
      if (!first) {
        const timeout = clock.timer(pairTimeoutMs, () => {
          waiting.delete(id);
          stream.destroy();
        });
        waiting.set(id, { stream, timeout });
        return;
      }
      if (first.stream.headers.streamtype === type) {
        stream.destroy();
        return;
      }
      waiting.delete(id);
      first.timeout.cancel();
      onConnection({
        port,
        data: type === 'data' ? stream : first.stream,
        error: type === 'error' ? stream : first.stream,
      });
    },
  });
  void session.closed.then(() => {
    for (const { timeout } of waiting.values()) timeout.cancel();
  });
  return session;
}

/** The caller's side: one connection to a port. `error` is read for what the other end has to say. @throws SpdyError */
export async function openPortForward(
  session: SpdySession,
  { port, requestId }: { readonly port: number; readonly requestId: number },
): Promise<{ readonly data: Duplex; readonly error: Duplex }> {
  const headers = { port: String(port), requestid: String(requestId) };
  const error = await session.open({ ...headers, streamtype: 'error' });
  error.end();
  const data = await session.open({ ...headers, streamtype: 'data' });
  return { data, error };
}
