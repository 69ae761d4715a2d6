/** SPDY inside a WebSocket: the bytes of one connection in binary messages, cut anywhere. Source: KEP-4006, client-go transport/websocket. */
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket } from 'ws';

/** `SPDY/3.1+portforward.k8s.io`: what runs inside stands behind the plus. */
export const spdyTunnelPrefix = 'SPDY/3.1+';

/** Ending it closes the WebSocket in order. */
export function webSocketBytes(webSocket: WebSocket): Duplex {
  return createWebSocketStream(webSocket);
}
