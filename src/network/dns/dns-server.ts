/** The service's sockets: UDP and TCP on one port. Every client is bounded, in bytes held, questions under way, connections and idle time. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import type { DnsClient } from './dns-service.ts';
import { asIs } from './exchange.ts';
import { createFrameReader, frame } from './tcp-frames.ts';

export interface DnsServerOptions {
  readonly address: string;
  /** 0: any that is free for both. */
  readonly port: number;
  readonly handle: (request: Buffer, client: DnsClient, reply: (message: Buffer) => void) => void;
  /** By the client's address, as Node writes it. */
  readonly mayRecurse: (address: string) => boolean;
  readonly clock: Clock;
}

export interface DnsServer {
  readonly port: number;
  /** Rejects when a socket fails for good. */
  readonly failed: Promise<never>;
  /** Datagrams that could not be sent. */
  readonly sendFailures: number;
  stop(): Promise<void>;
}

const connectionsMax = 512;
/** CoreDNS' idle time of a connection. */
const idleMs = 10_000;
/** Questions of one connection under way, and bytes not taken by it yet: beyond them nothing more is read. */
const pipelineMax = 64;
const unsentBytesMax = 256 * 1024;
const portTries = 10;

/** @throws the error of the socket, e.g. EADDRINUSE. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  for (let tries = 1; ; tries++) {
    const tcp = createServer({ noDelay: true });
    try {
      const port = await listen(tcp, options);
      return await withUdp(options, tcp, port);
    } catch (error) {
      await close(tcp);
      // A port that is free for TCP need not be for UDP; with 0 another may do.
      const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!inUse || options.port !== 0 || tries >= portTries) throw error;
    }
  }
}

async function withUdp(options: DnsServerOptions, tcp: Server, port: number): Promise<DnsServer> {
  const { handle, mayRecurse } = options;
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  const udp = createSocket({
    type: isIPv6(options.address) ? 'udp6' : 'udp4',
    lookup: asIs,
    recvBufferSize: 1 << 20,
  });
  await bind(udp, options.address, port);
  let sendFailures = 0;
  const sent = (error: Error | null): void => {
    if (error) sendFailures++;
  };
  udp.on('message', (message, { address, port: clientPort }) => {
    // Nobody can be answered there.
    if (clientPort === 0) return;
    handle(message, { transport: 'udp', mayRecurse: mayRecurse(address) }, (reply) =>
      udp.send(Buffer.from(reply), clientPort, address, sent),
    );
  });
  udp.on('error', (error) => failure.reject(error));

  const connections = new Set<Socket>();
  tcp.maxConnections = connectionsMax;
  tcp.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveConnection(socket, options);
  });
  tcp.on('error', (error) => failure.reject(error));
  return {
    port,
    failed: failure.promise,
    get sendFailures() {
      return sendFailures;
    },
    async stop() {
      for (const socket of connections) socket.destroy();
      await Promise.all([close(tcp), new Promise<void>((resolve) => udp.close(() => resolve()))]);
    },
  };
}

function serveConnection(socket: Socket, { handle, mayRecurse, clock }: DnsServerOptions): void {
  const client: DnsClient = { transport: 'tcp', mayRecurse: mayRecurse(socket.remoteAddress ?? '') };
  let underWay = 0;
  let idle: Timer | undefined;
  const touch = (): void => {
    idle?.cancel();
    idle = clock.timer(idleMs, () => socket.destroy());
  };
  const flow = (): void => {
    if (underWay >= pipelineMax || socket.writableLength > unsentBytesMax) socket.pause();
    else if (socket.isPaused()) socket.resume();
  };
  const frames = createFrameReader((message) => {
    underWay++;
    let answered = false;
    handle(message, client, (reply) => {
      answered = true;
      underWay--;
      if (socket.destroyed) return;
      socket.write(frame(reply));
      flow();
    });
    // What is never answered ends the connection: the client would wait, and hold its place, for nothing.
    if (!answered && message.length < 12) socket.destroy();
  });
  touch();
  socket.on('data', (chunk: Buffer) => {
    touch();
    frames.push(chunk);
    flow();
  });
  socket.on('drain', flow);
  socket.on('end', () => socket.end());
  // A client that resets its connection is no event.
  socket.on('error', () => socket.destroy());
  socket.once('close', () => idle?.cancel());
}

function listen(tcp: Server, { address, port }: DnsServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen({ host: address, port, exclusive: true }, () => {
      tcp.removeListener('error', reject);
      const bound = tcp.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

function bind(udp: UdpSocket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      udp.close();
      reject(error);
    };
    udp.once('error', fail);
    udp.bind({ address, port, exclusive: true }, () => {
      udp.removeListener('error', fail);
      resolve();
    });
  });
}

const close = (tcp: Server): Promise<void> =>
  new Promise((resolve) => (tcp.listening ? tcp.close(() => resolve()) : resolve()));
