/** The server's side of a WebSocket handshake; frames are the `ws` package's. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ApiRequest } from '../../api/exchange.ts';

/** Longest message taken; clients of Kubernetes write 32 KiB at a time. */
const messageBytesMax = 4 * 1024 * 1024;

/**
 * @param protocol one of those the client offered; empty when it offered none
 * @returns undefined when the handshake is no good: it has been answered with 400 and the connection is over.
 */
export function acceptWebSocket(
  request: ApiRequest,
  socket: Duplex,
  head: Uint8Array,
  protocol: string,
): WebSocket | undefined {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: messageBytesMax,
  });
  // `ws` refuses names with a slash, and `SPDY/3.1+portforward.k8s.io` has one: the protocol is settled here, without it.
  const { 'sec-websocket-protocol': _, ...headers } = request.headers;
  if (protocol !== '')
    server.on('headers', (lines: string[]) => {
      lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
    });
  // All that the handshake reads of Node's request.
  const message = { method: request.method, url: request.path, headers } as unknown as IncomingMessage;
  let accepted: WebSocket | undefined;
  server.handleUpgrade(message, socket, Buffer.from(head), (webSocket) => {
    accepted = webSocket;
  });
  // A peer that breaks the rules or the connection ends it: 'close' follows and tells whoever listens.
  accepted?.on('error', () => undefined);
  return accepted;
}
