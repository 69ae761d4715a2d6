/**
 * A worker's way to all API servers: connections to 127.0.0.1 go on to one of them, another one when that does not answer. Bytes only: TLS goes
 * through, and the API servers' certificates name 127.0.0.1.
 *
 * A server that was stopped in its tracks (SIGSTOP, a lost host) accepts or keeps connections and says nothing, so each in use is asked for `/readyz`
 * from time to time; one that fails twice loses its connections, and clients come back to another.
 */
import { request } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { ClusterError } from '../cluster-error.ts';

export interface LoadBalancer {
  readonly port: number;
  /** `address:port` of each, in the order they are tried. */
  setBackends(backends: readonly string[]): void;
  stop(): Promise<void>;
}

export interface LoadBalancerOptions {
  readonly port: number;
  readonly backends: readonly string[];
  /** PEM of the authority of the API servers' certificates. */
  readonly ca: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly checkIntervalMs?: number;
}

const connectTimeoutMs = 2000;
const checkTimeoutMs = 2000;
const failuresAllowed = 2;

interface Backend {
  readonly name: string;
  readonly sockets: Set<Socket>;
  failures: number;
}

/**
 * Pure: those whose connections are cut, because others may answer. Where none is well (a machine that is short of time, a majority that is gone)
 * another connection is no better than this one.
 */
export function givenUp<B extends Pick<Backend, 'failures' | 'sockets'>>(backends: readonly B[]): readonly B[] {
  if (backends.every(({ failures }) => failures > 0)) return [];
  return backends.filter(({ failures, sockets }) => failures >= failuresAllowed && sockets.size > 0);
}

export async function startLoadBalancer(options: LoadBalancerOptions): Promise<LoadBalancer> {
  const { clock, log, ca, checkIntervalMs = 2000 } = options;
  const made = (name: string): Backend => ({ name, sockets: new Set(), failures: 0 });
  let backends = options.backends.map(made);
  const clients = new Set<Socket>();
  const tasks = createTaskGroup();

  const server = createServer({ pauseOnConnect: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => client.destroy());
    void forward(client);
  });

  /** Well ones first, each once. */
  const candidates = (): Backend[] => [...backends].sort((a, b) => Number(a.failures > 0) - Number(b.failures > 0));

  async function forward(client: Socket): Promise<void> {
    for (const backend of candidates()) {
      if (client.destroyed) return;
      const upstream = await dial(backend.name, clock);
      if (!upstream) {
        backend.failures++;
        log.debug('Cannot connect to an API server', { server: backend.name });
        continue;
      }
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      backend.sockets.add(upstream);
      upstream.on('close', () => {
        backend.sockets.delete(upstream);
        client.destroy();
      });
      upstream.on('error', () => client.destroy());
      client.on('close', () => upstream.destroy());
      client.setNoDelay(true);
      client.pipe(upstream);
      upstream.pipe(client);
      client.resume();
      return;
    }
    client.destroy();
  }

  tasks.run('load-balancer-checks', async (signal) => {
    for (;;) {
      await clock.sleep(checkIntervalMs, signal);
      if (signal.aborted) return;
      // Those in use, and those that failed and may be well again.
      const asked = backends.filter(({ sockets, failures }) => sockets.size > 0 || failures > 0);
      await Promise.all(
        asked.map(async (backend) => {
          if (await isReady(backend.name, ca, clock, signal)) {
            if (backend.failures > 0) log.info('An API server answers again', { server: backend.name });
            backend.failures = 0;
            return;
          }
          backend.failures++;
        }),
      );
      if (signal.aborted) return;
      for (const { name, sockets } of givenUp(backends)) {
        log.warn('An API server does not answer, its connections go to another', { server: name });
        for (const socket of sockets) socket.destroy();
      }
    }
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ClusterError(
          `Cannot listen on 127.0.0.1:${options.port}: ${error.code === 'EADDRINUSE' ? 'the port is in use' : error.message}`,
          `end that program (\`ss -ltnp sport = :${options.port}\` names it)`,
          { cause: error },
        ),
      ),
    );
    server.listen(options.port, '127.0.0.1', () => resolve());
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('A TCP server has no address after listening');
  return {
    port: bound.port,
    setBackends(names) {
      if (names.length === 0) return;
      const before = backends;
      backends = names.map((name) => before.find((each) => each.name === name) ?? made(name));
      for (const gone of before) if (!names.includes(gone.name)) for (const socket of gone.sockets) socket.destroy();
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of clients) socket.destroy();
      for (const { sockets } of backends) for (const socket of sockets) socket.destroy();
      await tasks.stop();
      await closed;
    },
  };
}

const split = (name: string): { host: string; port: number } => {
  const colon = name.lastIndexOf(':');
  return { host: name.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(name.slice(colon + 1)) };
};

function dial(name: string, clock: Clock): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ ...split(name), noDelay: true });
    const fail = (): void => {
      timer.cancel();
      socket.destroy();
      resolve(undefined);
    };
    const timer = clock.timer(connectTimeoutMs, fail);
    socket.once('error', fail);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function isReady(name: string, ca: string, clock: Clock, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const { host, port } = split(name);
    const asked = request(
      { host, port, path: '/readyz', ca, agent: false, servername: 'kubernetes', signal },
      (answer) => {
        timer.cancel();
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    const timer = clock.timer(checkTimeoutMs, () => asked.destroy(new Error('no answer in time')));
    asked.on('error', () => {
      timer.cancel();
      resolve(false);
    });
    asked.end();
  });
}
