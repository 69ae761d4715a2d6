/**
 * Answers that only flow outwards, on a WebSocket for clients that asked for one: a container's log, a watch. What the client sends is not listened to.
 * Source: apimachinery streaming wsstream (Reader), apiserver/pkg/endpoints/handlers/watch.go (HandleWS).
 */
import type { WebSocket } from 'ws';
import { ApiError } from '../../api/errors.ts';
import type { ApiRequest, ApiResponse, WatchStream } from '../../api/exchange.ts';
import { offered } from '../upgrade/tunnel.ts';
import { acceptWebSocket } from './accept.ts';

const binary = 'binary.k8s.io';
const base64 = 'base64.binary.k8s.io';

/**
 * Bytes as messages; the first, empty one tells that the other end is there. Without a protocol, or with `binary.k8s.io`, messages are binary; with
 * `base64.binary.k8s.io` they are text.
 * @throws ApiError 403 when the client offers only other protocols
 */
export function streamOverWebSocket(request: ApiRequest, stream: AsyncIterable<Uint8Array>): ApiResponse {
  const offers = offered(request.headers['sec-websocket-protocol']);
  const protocol = offers.find((name) => name === binary || name === base64);
  if (protocol === undefined && offers.length > 0)
    throw new ApiError({
      code: 403,
      reason: 'Forbidden',
      message: `requested protocol(s) are not supported: [${offers.join(' ')}]; supports [${binary} ${base64}]`,
    });
  return over(request, protocol ?? '', async (webSocket) => {
    await sent(webSocket, protocol === base64 ? '' : new Uint8Array(0));
    for await (const piece of stream) {
      if (webSocket.readyState !== webSocket.OPEN) return;
      if (piece.length > 0) await sent(webSocket, protocol === base64 ? Buffer.from(piece).toString('base64') : piece);
    }
  });
}

/** One event a message, as text. */
export function watchOverWebSocket(request: ApiRequest, stream: WatchStream): ApiResponse {
  return over(request, '', async (webSocket) => {
    webSocket.on('close', () => stream.close());
    try {
      while (webSocket.readyState === webSocket.OPEN) {
        const frames = stream.take();
        if (frames === undefined) return;
        if (frames.length === 0) await stream.ready();
        for (const frame of frames) await sent(webSocket, Buffer.from(frame.bytes()).toString());
      }
    } finally {
      stream.close();
    }
  });
}

function over(request: ApiRequest, protocol: string, pump: (webSocket: WebSocket) => Promise<void>): ApiResponse {
  return {
    status: 101,
    headers: {},
    body: {
      kind: 'upgrade',
      take: (socket, head) => {
        const webSocket = socket.destroyed ? undefined : acceptWebSocket(request, socket, head, protocol);
        if (!webSocket) return;
        // A source that breaks has no place left to say why: the client sees an abnormal end. The server ends it with its sockets.
        void pump(webSocket).then(
          () => webSocket.close(1000),
          () => webSocket.close(1011),
        );
      },
    },
  };
}

/** Resolves when the bytes have left, so that a slow reader slows the source; also when the client is gone. */
const sent = (webSocket: WebSocket, message: Uint8Array | string): Promise<void> =>
  new Promise((resolve) => {
    webSocket.send(message, { binary: typeof message !== 'string' }, () => resolve());
  });
