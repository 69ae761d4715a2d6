/**
 * The two ways in which the API server speaks another protocol to clients than to kubelets (KEP-4006): exec and attach on WebSocket v5 become SPDY streams,
 * and SPDY inside a WebSocket is taken out of it. Source: apiserver/pkg/util/proxy (StreamTranslatorHandler, TunnelingHandler).
 */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ApiError } from '../../../api/errors.ts';
import type { ApiRequest, ApiResponse } from '../../../api/exchange.ts';
import type { Clock } from '../../../base/clock.ts';
import { openRemoteCommand, remoteCommandProtocol } from '../../../serve/spdy/remote-command.ts';
import { createSpdySession } from '../../../serve/spdy/session.ts';
import { SpdyError } from '../../../serve/spdy/spdy-error.ts';
import type { RemoteCommandOptions, RemoteCommandStreams } from '../../../serve/streams.ts';
import type { UpgradeAnswer } from '../../../serve/upgrade/request-upgrade.ts';
import { splice } from '../../../serve/upgrade/splice.ts';
import { tunnelled } from '../../../serve/upgrade/tunnel.ts';
import { acceptWebSocket } from '../../../serve/websocket/accept.ts';
import { webSocketStreams } from '../../../serve/websocket/channels.ts';
import { spdyTunnelPrefix, webSocketBytes } from '../../../serve/websocket/spdy-tunnel.ts';
import type { StreamMetrics } from './connect.ts';
import type { KubeletUpgrade } from './logs.ts';

/** Asks the pod's kubelet. @throws ApiError when it cannot be reached. */
export type AskKubelet = (
  upgrade: Pick<KubeletUpgrade, 'method' | 'headers'>,
  signal: AbortSignal,
) => Promise<UpgradeAnswer>;

/** The protocol with a signal for half-close, which kubelets' runtimes do not speak. */
export const closingProtocol = 'v5.channel.k8s.io';

/** @param protocols what the client offered, among it one inside SPDY */
export async function tunnelSpdy(
  request: ApiRequest,
  protocols: readonly string[],
  ask: AskKubelet,
  metrics: StreamMetrics,
  clock: Clock,
): Promise<ApiResponse> {
  const inner = protocols
    .filter((name) => name.startsWith(spdyTunnelPrefix))
    .map((n) => n.slice(spdyTunnelPrefix.length));
  const answer = await ask({ method: request.method, headers: spdyHeaders(request, inner) }, request.signal);
  if (answer.kind === 'refused') {
    metrics.tunnelled(answer.status);
    return tunnelled(answer, clock);
  }
  metrics.tunnelled(101);
  const chosen = `${spdyTunnelPrefix}${answer.headers['x-stream-protocol-version'] ?? inner[0]}`;
  return {
    status: 101,
    headers: {},
    body: {
      kind: 'upgrade',
      take: (socket, head) => {
        const webSocket = socket.destroyed ? undefined : acceptWebSocket(request, socket, head, chosen);
        if (!webSocket) {
          answer.socket.destroy();
          return;
        }
        const bytes = webSocketBytes(webSocket);
        if (answer.head.length > 0) bytes.write(answer.head);
        void splice(bytes, answer.socket, clock); // never rejects; the server ends it with its sockets
      },
    },
  };
}

/**
 * The WebSocket is accepted before the kubelet is asked, so that what goes wrong reaches the client as a Status on the error channel; a refused WebSocket would
 * only make it try SPDY.
 */
export function translateRemoteCommand(
  request: ApiRequest,
  options: RemoteCommandOptions,
  ask: AskKubelet,
  metrics: StreamMetrics,
): ApiResponse {
  return {
    status: 101,
    headers: {},
    body: {
      kind: 'upgrade',
      take: (socket, head) => {
        const webSocket = socket.destroyed ? undefined : acceptWebSocket(request, socket, head, closingProtocol);
        if (!webSocket) {
          metrics.translated(400);
          return;
        }
        const streams = webSocketStreams(webSocket, closingProtocol, options);
        void translate(request, options, ask, streams).then((failure) => {
          metrics.translated(failure?.code ?? 200);
          streams.error.end(failure ? JSON.stringify(failure.status) : '', () => streams.close());
        });
      },
    },
  };
}

/** Never rejects. @returns what the caller has to be told when no Status came from the other end. */
async function translate(
  request: ApiRequest,
  options: RemoteCommandOptions,
  ask: AskKubelet,
  streams: RemoteCommandStreams,
): Promise<ApiError | undefined> {
  const gone = new AbortController();
  void streams.closed.then(() => gone.abort());
  try {
    const answer = await ask({ method: 'POST', headers: spdyHeaders(request, [remoteCommandProtocol]) }, gone.signal);
    if (answer.kind === 'refused') return refusal(answer.body.toString());
    const session = createSpdySession(answer.socket, { side: 'client', head: answer.head });
    void streams.closed.then(() => session.close());
    try {
      const call = await openRemoteCommand(session, options);
      if (streams.stdin && call.stdin) streams.stdin.pipe(call.stdin);
      if (streams.resize && call.resize) streams.resize.pipe(call.resize);
      const outputs = [
        [call.stdout, streams.stdout],
        [call.stderr, streams.stderr],
      ] as const;
      // The outputs' last bytes must be out before the Status: clients stop reading at it.
      const [status] = await Promise.all([
        textOf(call.error),
        ...outputs.map(([from, to]) => (from && to ? pipeline(from, to) : undefined)),
      ]);
      if (status === '') return brokeOff();
      streams.error.write(status);
      return undefined;
    } finally {
      session.close();
    }
  } catch (error) {
    return error instanceof SpdyError && error.code === 'closed' ? brokeOff() : ApiError.internal(error);
  }
}

/** Upstream takes an error stream that ends empty for a success; a command whose end nobody saw is none. */
const brokeOff = (): ApiError =>
  ApiError.internal(new Error('the connection to the kubelet ended before the command did'));

function spdyHeaders(request: ApiRequest, protocols: readonly string[]): KubeletUpgrade['headers'] {
  const agent = request.headers['user-agent'];
  return {
    connection: 'Upgrade',
    upgrade: 'SPDY/3.1',
    'x-stream-protocol-version': protocols,
    ...(agent === undefined ? {} : { 'user-agent': agent }),
  };
}

const refusal = (text: string): ApiError =>
  ApiError.internal(new Error(`unable to upgrade connection: ${text.trimEnd()}`));

/** A Status is small; more than this is not one. */
const statusBytesMax = 64 * 1024;

async function textOf(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length <= statusBytesMax) pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
