/**
 * The cluster's DNS: CPU time per question, by message in and message out in this process, and over UDP on the loopback interface (client and
 * server in processes of their own; only the server's CPU time counts).
 * Run: node bench/dns.ts
 */
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import { createRealClock } from '../src/base/real-clock.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { startDnsServer } from '../src/network/dns/dns-server.ts';
import { createDnsService, type DnsService } from '../src/network/dns/dns-service.ts';
import { createForwarder } from '../src/network/dns/forwarder.ts';
import { createSampleCluster, queryBytes, service, slice } from '../src/network/dns/testdata/sample-cluster.ts';

const serviceCount = 10_000;
const targetPerSecond = 15_000;

function createService(): DnsService {
  const cluster = createSampleCluster();
  cluster.namespaces.set({ metadata: { name: 'default' } });
  for (let i = 0; i < serviceCount; i++) {
    const ip = `10.96.${i >> 8}.${i & 255}`;
    const headless = i % 10 === 0;
    const addresses = headless ? { clusterIP: 'None', clusterIPs: ['None'] } : { clusterIP: ip, clusterIPs: [ip] };
    cluster.services.set(service(`s${i}`, { ...addresses, ports: [{ name: 'http', port: 80 }] }));
    const endpoints = Array.from({ length: 5 }, (_, k) => ({
      addresses: [`10.${k}.${i >> 8}.${i & 255}`],
      hostname: `pod-${k}`,
    }));
    cluster.slices.set(slice(`s${i}`, endpoints));
  }
  const clock = createRealClock();
  const forwarder = createForwarder({
    upstreams: [{ address: '192.0.2.1', port: 53 }],
    clock,
    random: createSeededRandom(1),
    ttlMaxSeconds: 3600,
    async exchange(_, query, { accept }) {
      const end = query.length - 11;
      const message = Buffer.concat([query.subarray(0, end), Buffer.from('c00c0001000100000e100004c6336401', 'hex')]);
      message.writeUInt16BE(0x8180, 2);
      message.writeUInt16BE(1, 6);
      message.writeUInt16BE(0, 10);
      accept(message);
      return message;
    },
  });
  return createDnsService({ zone: cluster.zone, isSynced: () => true, forwarder });
}

const s = 'default.svc.cluster.local';
const pick = (i: number): number => (i * 7919) % serviceCount;
const kinds: Readonly<Record<string, (i: number) => Buffer>> = {
  'A of a ClusterIP': (i) => queryBytes(`s${pick(i) - (pick(i) % 10) + 1}.${s}`, 'A', { payloadBytes: 1232 }),
  'A of a headless Service, 5 endpoints': (i) => queryBytes(`s${pick(i) - (pick(i) % 10)}.${s}`, 'A'),
  'SRV of a headless Service, 5 endpoints': (i) => queryBytes(`_http._tcp.s${pick(i) - (pick(i) % 10)}.${s}`, 'SRV'),
  'no such name (search path)': (i) => queryBytes(`www${i}.example.com.${s}`, 'A'),
  'PTR of an endpoint': (i) => queryBytes(`${i % 256}.${(pick(i) >> 8) & 31}.1.10.in-addr.arpa`, 'PTR'),
  'forwarded, from the cache': (i) => queryBytes(`www${i % 500}.example.com`, 'A'),
};
const queriesPerKind = 2000;

if (process.send) {
  const { handle } = createService();
  const server = await startDnsServer({
    address: '127.0.0.1',
    port: 0,
    handle,
    mayRecurse: () => true,
    clock: createRealClock({ keepAlive: true }),
  });
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
  process.send({ port: server.port });
} else {
  const dns = createService();
  console.log(`${serviceCount} Services, 5 endpoints each; target ${targetPerSecond} queries/s on one core\n`);
  for (const [name, make] of Object.entries(kinds)) {
    const queries = Array.from({ length: queriesPerKind }, (_, i) => make(i));
    let bytes = 0;
    const round = (): void => {
      for (const query of queries)
        dns.handle(query, { transport: 'udp', mayRecurse: true }, (reply) => {
          bytes += reply.length;
        });
    };
    for (let i = 0; i < 10; i++) {
      round();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const start = process.cpuUsage();
    const rounds = 25;
    for (let i = 0; i < rounds; i++) round();
    const { user, system } = process.cpuUsage(start);
    const each = (user + system) / (rounds * queriesPerKind);
    const perSecond = Math.round(1e6 / each).toLocaleString('en');
    console.log(
      `${name.padEnd(40)} ${each.toFixed(2)} us CPU  ${perSecond.padStart(9)} /s per core  ${bytes > 0 ? '' : 'no answers'}`,
    );
  }
  await overUdp();
}

async function overUdp(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url));
  const next = <T>(): Promise<T> => new Promise((resolve) => child.once('message', (message) => resolve(message as T)));
  const { port } = await next<{ port: number }>();
  const cpu = async (): Promise<number> => {
    const answer = next<{ cpu: NodeJS.CpuUsage }>();
    child.send('cpu');
    const { user, system } = (await answer).cpu;
    return user + system;
  };
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  const all = Object.values(kinds).flatMap((make) => Array.from({ length: 500 }, (_, i) => make(i)));
  let sent = 0;
  let received = 0;
  let done = (): void => undefined;
  let total = 0;
  const send = (): void => {
    if (sent < total) socket.send(all[sent++ % all.length]!);
  };
  socket.on('message', () => {
    if (++received === total) done();
    else send();
  });
  const run = (count: number): Promise<void> =>
    new Promise((resolve) => {
      [sent, received, total, done] = [0, 0, count, resolve];
      for (let i = 0; i < 64; i++) send();
    });
  await run(20_000);
  const before = await cpu();
  const count = 100_000;
  await run(count);
  const each = ((await cpu()) - before) / count;
  const perSecond = Math.round(1e6 / each);
  console.log(
    `\n${'over UDP, all of these in turn'.padEnd(40)} ${each.toFixed(2)} us CPU  ${perSecond.toLocaleString('en').padStart(9)} /s per core`,
  );
  console.log(perSecond >= targetPerSecond ? 'target met' : `target missed: ${targetPerSecond} /s`);
  if (perSecond < targetPerSecond) process.exitCode = 1;
  socket.close();
  child.kill();
}
