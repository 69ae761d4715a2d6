/**
 * What serving costs the server's CPU, with a handler that does nothing: `node bench/serve.ts`.
 * Prints microseconds of server CPU per small GET over kept connections (32 at once, HTTP/1.1 and HTTP/2), per MB of a streamed list, and
 * per watch event and watcher with 1,000 watchers. The server runs in a child process; clients are in this one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import http2 from 'node:http2';
import https from 'node:https';
import { connect } from 'node:tls';
import type { ApiHandler, WatchFrame, WatchStream } from '../src/api/exchange.ts';
import type { Logger } from '../src/base/log.ts';
import { createMetricsRegistry } from '../src/base/metrics.ts';
import { createRealClock } from '../src/base/real-clock.ts';
import { startHttpsServer } from '../src/serve/index.ts';
import { authority, type Pem } from '../src/serve/testdata/pki.ts';

const concurrency = 32;
const requests = 40_000;
const watchers = 1000;

if (process.argv[2] === 'server') await server();
else await client();

async function server(): Promise<void> {
  process.on('disconnect', () => process.exit());
  const nothing = (): void => undefined;
  const quiet: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => quiet };
  const small = Buffer.alloc(1600, 97);
  const items = Array.from({ length: 5000 }, () => Buffer.alloc(3400, 98));
  const open = new Set<Queue>();
  class Queue implements WatchStream {
    frames: WatchFrame[] = [];
    wake: (() => void) | undefined;
    closed = false;
    take(): readonly WatchFrame[] | undefined {
      if (this.frames.length === 0) return this.closed ? undefined : none;
      const taken = this.frames;
      this.frames = [];
      return taken;
    }
    ready(): Promise<void> {
      return new Promise((resolve) => {
        this.wake = resolve;
      });
    }
    close(): void {
      this.closed = true;
      open.delete(this);
      this.wake?.();
    }
  }
  const none: readonly WatchFrame[] = [];
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-cache, private', 'audit-id': 'x' };
  const handler: ApiHandler = async (request) => {
    if (request.path === '/list')
      return {
        status: 200,
        headers,
        body: { kind: 'list', chunks: () => items, byteLength: 17_000_000, value: () => ({}) },
      };
    if (request.path === '/watch') {
      const stream = new Queue();
      open.add(stream);
      return { status: 200, headers, body: { kind: 'watch', stream } };
    }
    return { status: 200, headers, body: { kind: 'bytes', bytes: small } };
  };
  process.on('message', (message: { pem?: Pem; ca?: string; events?: number; perTurn?: number; cpu?: true }) => {
    if (message.pem)
      void startHttpsServer({
        handler,
        ...message.pem,
        ...(message.ca ? { clientCa: message.ca } : {}),
        host: '127.0.0.1',
        port: 0,
        clock: createRealClock(),
        log: quiet,
        metrics: createMetricsRegistry(),
      }).then(({ port }) => process.send?.({ port }));
    if (message.cpu) process.send?.({ cpu: process.cpuUsage(), watchers: open.size });
    if (message.events) {
      let left = message.events;
      const turn = (): void => {
        for (let i = 0; i < (message.perTurn ?? 1) && left > 0; i++, left--) {
          const bytes = Buffer.alloc(1700, 99);
          const frame: WatchFrame = { type: 'MODIFIED', bytes: () => bytes, object: () => ({}) };
          for (const queue of open) {
            queue.frames.push(frame);
            queue.wake?.();
          }
        }
        if (left > 0) setImmediate(turn);
        else setTimeout(() => process.send?.({ done: true }), 1000);
      };
      turn();
    }
  });
}

async function client(): Promise<void> {
  const ca = await authority('bench');
  const pem = await ca.issue('CN=server', { server: true });
  const user = await ca.issue('CN=admin, O=system:masters');
  const child = fork(import.meta.filename, ['server']);
  const ask = <T>(message: object): Promise<T> => {
    child.send(message);
    return next<T>(child);
  };
  let usedSystem = 0;
  const cpu = async (): Promise<number> => {
    const { cpu: usage } = await ask<{ cpu: NodeJS.CpuUsage }>({ cpu: true });
    usedSystem = usage.system;
    return usage.user + usage.system;
  };
  const { port } = await ask<{ port: number }>({ pem, ca: ca.cert });
  const target = { host: '127.0.0.1', port, ca: ca.cert, ...user };

  const agent = new https.Agent({ keepAlive: true, maxSockets: concurrency });
  const get1 = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      https
        .get({ ...target, path, agent }, (response) => {
          let bytes = 0;
          response.on('data', (piece: Buffer) => {
            bytes += piece.length;
          });
          response.on('end', () => resolve(bytes));
        })
        .on('error', reject);
    });
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ca: ca.cert,
    ...user,
    settings: { initialWindowSize: 4 << 20 },
  });
  await new Promise((resolve) => session.once('connect', resolve));
  session.setLocalWindowSize(16 << 20);
  const get2 = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path });
      let bytes = 0;
      stream.on('data', (piece: Buffer) => {
        bytes += piece.length;
      });
      stream.on('end', () => resolve(bytes));
      stream.on('error', reject);
    });
  for (const [name, get] of [
    ['HTTP/1.1', get1],
    ['HTTP/2', get2],
  ] as const) {
    await many(get, 5000);
    const before = await cpu();
    await many(get, requests);
    console.log(`${name}: small get ${(((await cpu()) - before) / requests).toFixed(1)} us`);
    await get('/list');
    const beforeLists = await cpu();
    let bytes = 0;
    for (let i = 0; i < 10; i++) bytes += await get('/list');
    const spent = (await cpu()) - beforeLists;
    console.log(
      `${name}: list of 17 MB ${(spent / 10_000).toFixed(1)} ms (${(spent / (bytes / 1e6)).toFixed(0)} us/MB)`,
    );
  }
  agent.destroy();
  session.close();

  for (const perTurn of [1, 10]) {
    const sockets = await Promise.all(
      Array.from({ length: watchers }, async () => {
        const socket = connect({ ...target, ALPNProtocols: ['http/1.1'] });
        await new Promise((resolve) => socket.once('secureConnect', resolve));
        socket.write('GET /watch HTTP/1.1\r\nHost: x\r\n\r\n');
        await new Promise((resolve) => socket.once('data', resolve));
        socket.resume();
        return socket;
      }),
    );
    await watchCost(`HTTP/1.1, ${perTurn} events a turn`, perTurn);
    for (const socket of sockets) socket.destroy();
    const sessions = Array.from({ length: 20 }, () =>
      http2.connect(`https://127.0.0.1:${port}`, { ca: ca.cert, ...user }),
    );
    await Promise.all(
      Array.from({ length: watchers }, (_, i) => {
        const stream = sessions[i % sessions.length]!.request({ ':path': '/watch' });
        stream.resume();
        return new Promise((resolve) => stream.once('response', resolve));
      }),
    );
    await watchCost(`HTTP/2 (50 streams a connection), ${perTurn} events a turn`, perTurn);
    for (const each of sessions) each.destroy();
    while ((await ask<{ watchers: number }>({ cpu: true })).watchers > 0) await new Promise((r) => setTimeout(r, 50));
  }
  child.kill();

  async function watchCost(name: string, perTurn: number): Promise<void> {
    await ask({ events: 20, perTurn });
    const before = await cpu();
    const events = 100;
    await ask({ events, perTurn });
    const beforeSystem = usedSystem;
    const spent = (await cpu()) - before;
    const each = (microseconds: number): string => (microseconds / (events * watchers)).toFixed(2);
    console.log(
      `watch, ${name}: ${each(spent)} us per event and watcher, ${each(usedSystem - beforeSystem)} of it in the kernel`,
    );
  }
}

async function many(get: (path: string) => Promise<number>, count: number): Promise<void> {
  let started = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (started++ < count) await get('/small');
    }),
  );
}

function next<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (message) => resolve(message as T)));
}
