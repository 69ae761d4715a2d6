/**
 * What readers that do not keep up cost the others: 1,000 watchers that stop reading while pods change, then 100 large lists asked for at once on one connection and read
 * slowly. Beside them one client gets pods; its p99 must at most double, and the server's memory stay bounded. Run: `node bench/slow-readers.ts [pods]`.
 */
import http2 from 'node:http2';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { bundle, repository } from '../scripts/bundle.ts';
import { inTemporaryDirectory } from './support/built-cluster.ts';
import { conditions, print } from './support/figures.ts';
import { startHttpsProcess } from './support/https-process.ts';
import { create, get, listAll, patch, pods, serviceAccount } from './support/pod-calls.ts';
import { type Credentials, http2Wire, type Wire } from './support/wire.ts';

const [podCount = 5_000] = process.argv.slice(2).map(Number);
const watchers = 1_000;
const lists = 100;
const outdir = join(repository, '.cache', 'bench');
await bundle({ 'https-server': 'bench/https-server.ts' }, outdir);
await inTemporaryDirectory(async (directory) => {
  const server = await startHttpsProcess(outdir, directory);
  const wire = http2Wire(server.port, server.credentials, 1);
  const writes = http2Wire(server.port, server.credentials, 1);
  console.log(conditions());
  try {
    await wire.send(serviceAccount);
    await all(podCount, 48, (i) => writes.send(create(`pod-${i}`, i)));
    await writes.send(listAll);
    const change = (round: number) => all(1_000, 4, (i) => writes.send(patch(`pod-${i % podCount}`, `${round}-${i}`)));
    await beside(wire, () => change(0));
    const idle = await server.rssBytes();
    const alone = await beside(wire, () => change(1));
    const sockets = await deafWatchers(server.port, server.credentials);
    const watched = await beside(wire, () => change(2));
    const watchedRss = await server.rssBytes();
    for (const socket of sockets) socket.destroy();
    const calm = await beside(wire, () => change(3));
    const session = slowLists(server.port, server.credentials);
    const listed = await beside(wire, () => change(4));
    const listedRss = await server.rssBytes();
    session.destroy();
    const mib = (bytes: number): number => bytes / 2 ** 20;
    report('a get while pods change', alone);
    report(`  beside ${watchers} watchers that do not read`, watched, 2 * p99(alone));
    print({ what: '  memory they hold', unit: 'MiB', measured: [mib(watchedRss - idle)] });
    report('a get while pods change, again alone', calm);
    report(`  beside ${lists} lists of ${podCount} on one connection`, listed, 2 * p99(calm));
    print({ what: '  memory they hold', unit: 'MiB', measured: [mib(listedRss - idle)] });
  } finally {
    wire.close();
    writes.close();
    await server.stop();
  }
});

function p99(ms: readonly number[]): number {
  return ms.toSorted((a, b) => a - b)[Math.floor(ms.length * 0.99)]!;
}

function report(what: string, ms: readonly number[], target?: number): void {
  print({ what: `${what}, p99`, unit: 'ms', measured: [p99(ms)], ...(target === undefined ? {} : { target }) });
}

/** Latencies of gets, one after the other, for as long as `work` runs. */
async function beside(wire: Wire, work: () => Promise<void>): Promise<number[]> {
  const latencies: number[] = [];
  let over = false;
  const working = work().finally(() => {
    over = true;
  });
  for (let i = 0; !over; i++) {
    const began = performance.now();
    await wire.send(get(`pod-${i % podCount}`));
    latencies.push(performance.now() - began);
  }
  await working;
  return latencies;
}

async function all(count: number, width: number, send: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await send(next++);
    }),
  );
}

/** Watches of everything over connections of their own, which read the head of the answer and no more. */
function deafWatchers(port: number, credentials: Credentials): Promise<TLSSocket[]> {
  return Promise.all(
    Array.from(
      { length: watchers },
      () =>
        new Promise<TLSSocket>((resolve, reject) => {
          const socket = connect({ host: '127.0.0.1', port, ...credentials, ALPNProtocols: ['http/1.1'] }, () =>
            socket.write(`GET ${pods}?watch=1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n`),
          );
          socket.once('data', () => {
            socket.pause();
            resolve(socket);
          });
          socket.on('error', reject);
        }),
    ),
  );
}

/** Lists whose answers nobody takes: each stream's window fills, and then the connection's. */
function slowLists(port: number, credentials: Credentials): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ...credentials });
  session.on('error', () => session.destroy());
  for (let i = 0; i < lists; i++) {
    const stream = session.request({ ':path': listAll.path, accept: 'application/json' });
    stream.on('error', () => stream.destroy());
    stream.pause();
  }
  return session;
}
