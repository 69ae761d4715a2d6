/**
 * A worker's way to all API servers: connections to 127.0.0.1 go on to one of them, another one when that does not answer. Bytes only: TLS goes
 * through, and the API servers' certificates name 127.0.0.1.
 *
 * New connections go to servers that are well. Those that are established live on, whatever a check says of their server and whether or not it is still in the
 * list, unless it is gone (`givenUp`): a server that was stopped in its tracks (SIGSTOP, a lost host) keeps connections and says nothing, so each in use is
 * asked for `/readyz` from time to time. Clients of one that is gone hear that their connections broke, and come back to another.
 */
import { Agent, request } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { ClusterError } from '../cluster-error.ts';
import { relay } from './relay.ts';

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
/** Checks in a row without any answer, after which a server that nobody hears from is gone. */
const silentChecks = 2;
/** One that is short of time is late with its checks, and one that is about to stop ends what it has begun: neither takes so long. */
const failingMs = 10_000;

/** What is known of one API server. Times are monotonic. */
export interface Health {
  /** Checks in a row that were not answered with "ready", and connections since the last that was which could not be made. */
  failures: number;
  /** Checks in a row without any answer. */
  silences: number;
  /** When the first of the checks was sent that were not answered with "ready" in a row. */
  failingSinceMs: number | undefined;
  /** When the last byte came from it, on whatever connection. */
  heardMs: number;
}

interface Backend {
  readonly name: string;
  readonly health: Health;
  /** Break a connection each. */
  readonly connections: Set<() => void>;
}

export const unknownHealth = (): Health => ({
  failures: 0,
  silences: 0,
  failingSinceMs: undefined,
  heardMs: Number.NEGATIVE_INFINITY,
});

/** What a check came to. @param sentMs when it was sent */
export function noteCheck(health: Health, answer: 'ready' | 'unready' | 'silent', sentMs: number): void {
  health.silences = answer === 'silent' ? health.silences + 1 : 0;
  health.failingSinceMs = answer === 'ready' ? undefined : (health.failingSinceMs ?? sentMs);
  health.failures = answer === 'ready' ? 0 : health.failures + 1;
}

/**
 * Pure: whether a server's connections are cut: it is gone, or as good as gone, and another one is well. Where none is (a machine that is short of time, a
 * majority that is gone) another connection is no better than this one.
 */
export function givenUp(health: Health, others: readonly Health[], nowMs: number): boolean {
  if (others.every(({ failures }) => failures > 0)) return false;
  const { silences, failingSinceMs, heardMs } = health;
  if (failingSinceMs === undefined) return false;
  return (silences >= silentChecks && heardMs < failingSinceMs) || nowMs - failingSinceMs >= failingMs;
}

export async function startLoadBalancer(options: LoadBalancerOptions): Promise<LoadBalancer> {
  const { clock, log, ca, checkIntervalMs = 2000 } = options;
  const made = (name: string): Backend => ({ name, health: unknownHealth(), connections: new Set() });
  let backends = options.backends.map(made);
  /** Not in the list any more: what was begun with them goes on. */
  const left = new Set<Backend>();
  const clients = new Set<Socket>();
  const agent = new Agent({ keepAlive: true, ca, servername: 'kubernetes' });
  const tasks = createTaskGroup();

  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    void forward(client);
  });

  /** Well ones first, each once. */
  const candidates = (): Backend[] =>
    [...backends].sort((a, b) => Number(a.health.failures > 0) - Number(b.health.failures > 0));

  async function forward(client: Socket): Promise<void> {
    const giveUp = (): void => void client.destroy();
    client.on('error', giveUp);
    for (const backend of candidates()) {
      const { name, health, connections } = backend;
      const upstream = client.destroyed ? undefined : await dial(name, clock);
      if (client.destroyed) {
        upstream?.destroy();
        return;
      }
      if (!upstream) {
        health.failures++;
        log.debug('Cannot connect to an API server', { server: name });
        continue;
      }
      client.off('error', giveUp);
      const cut = relay(client, upstream, {
        clock,
        onHeard: () => {
          health.heardMs = clock.monotonic();
        },
        onEnd: () => {
          connections.delete(cut);
          if (connections.size === 0) left.delete(backend);
        },
      });
      connections.add(cut);
      return;
    }
    client.resetAndDestroy();
  }

  tasks.run('load-balancer-checks', async (signal) => {
    for (let pauseMs = checkIntervalMs; ; ) {
      await clock.sleep(pauseMs, signal);
      if (signal.aborted) return;
      // Those in use, and those that failed and may be well again.
      const asked = [...backends, ...left].filter(
        ({ connections, health }) => connections.size > 0 || health.failures > 0,
      );
      const sentMs = clock.monotonic();
      await Promise.all(
        asked.map(async ({ name, health }) => {
          const answer = await check(name, agent, clock, signal);
          if (answer === 'ready' && health.failures > 0) log.info('An API server answers again', { server: name });
          noteCheck(health, answer, sentMs);
        }),
      );
      if (signal.aborted) return;
      for (const { name, health, connections } of asked) {
        const others = backends.filter((each) => each.health !== health).map((each) => each.health);
        if (connections.size === 0 || !givenUp(health, others, clock.monotonic())) continue;
        log.warn('An API server does not answer, its connections go to another', { server: name });
        for (const cut of connections) cut();
      }
      // Whether a server is gone is wanted soon.
      pauseMs = asked.some(({ health }) => health.silences === 1) ? checkIntervalMs / 8 : checkIntervalMs;
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
      const before = [...backends, ...left];
      backends = names.map((name) => before.find((each) => each.name === name) ?? made(name));
      left.clear();
      for (const gone of before) if (!names.includes(gone.name) && gone.connections.size > 0) left.add(gone);
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const { connections } of [...backends, ...left]) for (const cut of connections) cut();
      for (const socket of clients) socket.destroy();
      await tasks.stop();
      agent.destroy();
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
    const socket = connect({ ...split(name), noDelay: true, allowHalfOpen: true });
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

function check(name: string, agent: Agent, clock: Clock, signal: AbortSignal): Promise<'ready' | 'unready' | 'silent'> {
  return new Promise((resolve) => {
    const asked = request({ ...split(name), path: '/readyz', agent, signal }, (answer) => {
      timer.cancel();
      answer.resume();
      resolve(answer.statusCode === 200 ? 'ready' : 'unready');
    });
    const timer = clock.timer(checkTimeoutMs, () => asked.destroy(new Error('no answer in time')));
    asked.on('error', () => {
      timer.cancel();
      resolve('silent');
    });
    asked.end();
  });
}
