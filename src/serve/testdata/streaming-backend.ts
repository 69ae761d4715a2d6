/** A streaming server for tests, as runtimes have one: plain HTTP, upgrades to SPDY (a small command or a forwarded echo) or to an echo of bytes. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createRealClock } from '../../base/real-clock.ts';
import { acceptPortForward } from '../spdy/port-forward.ts';
import { acceptRemoteCommand } from '../spdy/remote-command.ts';
import type { RemoteCommandOptions, RemoteCommandStreams } from '../streams.ts';
import { writeSwitch } from '../upgrade/tunnel.ts';

export interface StreamingBackend {
  readonly port: number;
  /** `METHOD url` and headers of each upgrade. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage['headers'] }[];
  /** Ends of connections seen so far. */
  readonly ended: () => number;
  stop(): Promise<void>;
}

export interface BackendOptions {
  /** Answers every upgrade with this instead. */
  readonly refuse?: { readonly status: number; readonly text: string };
  /** What runs on SPDY; absent: bytes are echoed. */
  readonly command?: { readonly options: RemoteCommandOptions; run(streams: RemoteCommandStreams): void };
  /** Forwarded connections are echoed, to port 1 refused. */
  readonly forward?: boolean;
}

export async function startStreamingBackend(options: BackendOptions): Promise<StreamingBackend> {
  const clock = createRealClock();
  const server = createServer();
  const sockets = new Set<Duplex>();
  const requests: StreamingBackend['requests'][number][] = [];
  let ended = 0;
  server.on('upgrade', (message, socket: Duplex, head: Buffer) => {
    requests.push({ line: `${message.method} ${message.url}`, headers: message.headers });
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      ended++;
      sockets.delete(socket);
    });
    if (options.refuse) {
      const { status, text } = options.refuse;
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
      return;
    }
    const upgrade = message.headers.upgrade ?? '';
    const protocol = String(message.headers['x-stream-protocol-version'] ?? '').split(',')[0] ?? '';
    writeSwitch(socket, [
      ...['Connection', 'Upgrade', 'Upgrade', upgrade],
      ...(protocol === '' ? [] : ['X-Stream-Protocol-Version', protocol]),
      ...(upgrade === 'websocket' ? ['Sec-WebSocket-Accept', 'none'] : []),
    ]);
    if (options.command) {
      const { options: streams, run } = options.command;
      void acceptRemoteCommand(socket, { ...streams, clock, timeoutMs: 5000, head }).then(run, () => socket.destroy());
    } else if (options.forward)
      acceptPortForward(socket, {
        clock,
        pairTimeoutMs: 5000,
        head,
        onConnection: ({ port, data, error }) => {
          if (port === 1) {
            error.end('connection refused');
            data.end();
          } else {
            error.end();
            data.pipe(data);
          }
        },
      });
    else {
      socket.write(head);
      socket.pipe(socket);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    ended: () => ended,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
