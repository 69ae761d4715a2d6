import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { createForwarder, type Exchange, type Forwarder, type ForwarderOptions } from './forwarder.ts';
import { recordType } from './protocol.ts';
import { readQuery } from './query.ts';
import { type UpstreamAddress, upstreamsOf } from './resolv-conf.ts';
import {
  createAsker,
  createSampleCluster,
  fillSampleCluster,
  queryBytes,
  replyText,
  wireName,
} from './testdata/sample-cluster.ts';
import { type UpstreamQuestion, writeUpstreamQuery } from './upstream-message.ts';

const a: UpstreamAddress = { address: '192.0.2.1', port: 53 };
const b: UpstreamAddress = { address: '192.0.2.2', port: 53 };
const question = (name: string, type: number = recordType.A): UpstreamQuestion => ({
  name: wireName(name),
  type,
  dnssecOk: false,
  checkingDisabled: false,
});

interface Behaviour {
  readonly rcode?: number;
  readonly ttlSeconds?: number;
  readonly delayMs?: number;
  readonly truncated?: boolean;
  readonly silent?: boolean;
  /** TTL and minimum of the SOA of a negative answer. */
  readonly soa?: readonly [number, number];
}

/** Resolvers in virtual time. */
function network(clock: VirtualClock, behave: (upstream: UpstreamAddress, transport: string) => Behaviour) {
  const asked: string[] = [];
  const exchange: Exchange = async (upstream, query, { transport, accept, signal }) => {
    asked.push(`${upstream.address} ${transport}`);
    const how = behave(upstream, transport);
    await clock.sleep(how.silent ? 1e9 : (how.delayMs ?? 10), signal);
    if (signal.aborted) throw new Error('no answer in time');
    const message = answerTo(query, how);
    const forged = Buffer.from(message);
    forged.writeUInt16BE((message.readUInt16BE(0) + 1) & 0xffff, 0);
    assert.equal(accept(forged), false, 'another id is not the answer');
    if (!accept(message)) throw new Error('not accepted');
    return message;
  };
  return { asked, exchange };
}

function answerTo(query: Buffer, { rcode = 0, ttlSeconds = 60, truncated = false, soa }: Behaviour): Buffer {
  const { questionEnd } = readQuery(query)!;
  const head = Buffer.from(query.subarray(0, questionEnd));
  head.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | rcode, 2);
  const hasAddress = rcode === 0 && !soa;
  head.writeUInt16BE(hasAddress ? 1 : 0, 6);
  head.writeUInt16BE(soa ? 1 : 0, 8);
  head.writeUInt16BE(0, 10);
  if (hasAddress) {
    const record = Buffer.from('c00c00010001000000000004c6336401', 'hex');
    record.writeUInt32BE(ttlSeconds, 6);
    return Buffer.concat([head, record]);
  }
  if (!soa) return head;
  const record = Buffer.concat([Buffer.from('000006000100000000001600', 'hex'), Buffer.alloc(21)]);
  record.writeUInt32BE(soa[0], 5);
  record.writeUInt32BE(soa[1], record.length - 4);
  return Buffer.concat([head, record]);
}

function setup(
  behave: (upstream: UpstreamAddress, transport: string) => Behaviour,
  more: Partial<ForwarderOptions> = {},
) {
  const clock = createVirtualClock();
  const { asked, exchange } = network(clock, behave);
  const forwarder = createForwarder({
    upstreams: [a, b],
    exchange,
    clock,
    random: createSeededRandom(1),
    ...more,
  });
  /** rcode, or undefined while it is under way. */
  const resolve = async (name: string, ms = 6000): Promise<number | undefined> => {
    let code: number | undefined;
    void forwarder.resolve(question(name)).then(({ answer }) => {
      code = answer.rcode;
    });
    await clock.advance(ms);
    return code;
  };
  return { clock, asked, forwarder, resolve };
}

test('forwarder: an answer is kept as long as its TTL says, and grows old', async () => {
  const { clock, asked, forwarder, resolve } = setup(() => ({ ttlSeconds: 20 }));
  assert.equal(await resolve('x.test', 100), 0);
  await clock.advance(5000);
  assert.equal(forwarder.cached(question('x.test'))!.ageSeconds, 5);
  await clock.advance(15_000);
  assert.equal(forwarder.cached(question('x.test')), undefined);
  assert.equal(asked.length, 1);
});

test('forwarder: no answer is kept longer than the maximum, none at all with TTL 0', async () => {
  const long = setup(() => ({ ttlSeconds: 86_400 }));
  await long.resolve('x.test', 100);
  await long.clock.advance(29_000);
  assert.ok(long.forwarder.cached(question('x.test')));
  await long.clock.advance(1000);
  assert.equal(long.forwarder.cached(question('x.test')), undefined);
  const zero = setup(() => ({ ttlSeconds: 0 }));
  await zero.resolve('x.test', 100);
  assert.equal(zero.forwarder.cached(question('x.test')), undefined);
});

test('forwarder: a denial is kept by the smaller of the SOA TTL and its minimum; without SOA not at all', async () => {
  for (const [soa, kept] of [
    [[20, 10], 10],
    [[7, 10], 7],
    [undefined, 0],
  ] as const) {
    const { clock, forwarder, resolve } = setup(() => ({ rcode: 3, ...(soa ? { soa } : {}) }));
    assert.equal(await resolve('x.test', 100), 3);
    await clock.advance(Math.max(0, kept * 1000 - 200));
    assert.equal(forwarder.cached(question('x.test')) !== undefined, kept > 0, String(soa));
    await clock.advance(200);
    assert.equal(forwarder.cached(question('x.test')), undefined);
  }
});

test('forwarder: a question is asked once however many ask it', async () => {
  const { clock, asked, forwarder } = setup(() => ({ ttlSeconds: 0 }));
  const answers = Promise.all(Array.from({ length: 50 }, () => forwarder.resolve(question('x.test'))));
  void forwarder.resolve(question('x.test', recordType.AAAA));
  await clock.advance(100);
  assert.equal((await answers).length, 50);
  assert.equal(asked.length, 2);
});

test('forwarder: a silent resolver is left for the next, and asked last for a while', async () => {
  const { clock, asked, resolve } = setup((u) => (u === a ? { silent: true } : {}));
  assert.equal(await resolve('x.test', 2100), 0);
  assert.equal(await resolve('y.test', 100), 0);
  assert.deepEqual(asked, ['192.0.2.1 udp', '192.0.2.2 udp', '192.0.2.2 udp']);
  await clock.advance(10_000);
  await resolve('z.test', 2100);
  assert.equal(asked[3], '192.0.2.1 udp');
});

test('forwarder: one that cannot say is no reason to give up', async () => {
  const { asked, resolve } = setup((u) => ({ rcode: u === a ? 2 : 0 }));
  assert.equal(await resolve('x.test', 100), 0);
  assert.equal(asked.length, 2);
});

test('forwarder: when none answers it is SERVFAIL within five seconds, kept for five', async () => {
  const { clock, asked, resolve } = setup(() => ({ silent: true }));
  assert.equal(await resolve('x.test', 4900), 2);
  assert.equal(await resolve('x.test', 10), 2);
  assert.equal(asked.length, 2);
  await clock.advance(5000);
  await resolve('x.test', 10);
  assert.equal(asked.length, 3);
});

test('forwarder: a truncated answer is asked for again over TCP', async () => {
  const { asked, resolve } = setup((_, transport) => ({ truncated: transport === 'udp' }));
  assert.equal(await resolve('x.test', 100), 0);
  assert.deepEqual(asked, ['192.0.2.1 udp', '192.0.2.1 tcp']);
});

test('forwarder: the cache is bounded in entries and bytes, the oldest go first', async () => {
  for (const bounds of [{ entriesMax: 3 }, { bytesMax: 130 }]) {
    const { forwarder, resolve } = setup(() => ({}), bounds);
    for (let i = 0; i < 10; i++) await resolve(`n${i}.test`, 100);
    assert.equal(forwarder.counts.entries, 3);
    assert.equal(forwarder.cached(question('n0.test')), undefined);
    assert.ok(forwarder.cached(question('n9.test')));
  }
});

test('forwarder: other resolvers are asked from now on, and what the old ones said is forgotten', async () => {
  const { asked, forwarder, resolve } = setup(() => ({}), { upstreams: [] });
  assert.equal(await resolve('x.test', 100), 2, 'without a resolver nothing can be said');
  forwarder.setUpstreams([a]);
  assert.equal(await resolve('x.test', 100), 0);
  forwarder.setUpstreams([b]);
  assert.equal(forwarder.cached(question('x.test')), undefined);
  await resolve('x.test', 100);
  assert.deepEqual(asked, ['192.0.2.1 udp', '192.0.2.2 udp']);
});

test('forwarder: closing ends what is under way and leaves no timer', async () => {
  const { clock, forwarder } = setup(() => ({ silent: true }));
  const answer = forwarder.resolve(question('x.test'));
  await clock.settle();
  forwarder.close();
  assert.equal((await answer).answer.rcode, 2);
  await clock.settle();
  assert.equal(clock.pendingTimers, 0);
});

test('dns service: an alias outside comes with the records that the resolver gave', async () => {
  const { clock, forwarder } = setup(() => ({ ttlSeconds: 60 }));
  assert.deepEqual(await later(clock, forwarder, queryBytes('abroad.default.svc.cluster.local', 'A')), [
    'NOERROR aa',
    'abroad.default.svc.cluster.local. 30 CNAME www.example.com.',
    'www.example.com. 60 A 198.51.100.1',
  ]);
});

test('dns service: other names are forwarded, but only for those who may ask', async () => {
  const { clock, forwarder } = setup(() => ({ ttlSeconds: 60 }));
  const request = queryBytes('www.example.com', 'A');
  assert.deepEqual(await later(clock, forwarder, request), ['NOERROR', 'www.example.com. 60 A 198.51.100.1']);
  await clock.advance(3000);
  assert.deepEqual(await later(clock, forwarder, request), ['NOERROR', 'www.example.com. 57 A 198.51.100.1']);
  assert.deepEqual(await later(clock, forwarder, request, false), ['REFUSED']);
  assert.equal(forwarder.counts.exchanges, 1);
});

test('dns service: clients beyond the bound are refused at once', async () => {
  const { forwarder } = setup(() => ({}));
  const ask = createAsker(createSampleCluster(), { forwarder, waitingMax: 2 });
  assert.equal(ask(queryBytes('a.test', 'A')), undefined);
  assert.equal(ask(queryBytes('b.test', 'A')), undefined);
  assert.deepEqual(replyText(ask(queryBytes('c.test', 'A'))!), ['REFUSED']);
  forwarder.close();
});

test('dns service: a loop is found by our own question coming back, and then nothing is forwarded', () => {
  const { forwarder } = setup(() => ({}));
  const probe = question('123.456', recordType.HINFO);
  let looped = false;
  const ask = createAsker(createSampleCluster(), {
    forwarder,
    loop: { question: probe, isLooped: () => looped, seen: () => (looped = true) },
  });
  assert.equal(ask(queryBytes('x.test', 'A')), undefined);
  assert.deepEqual(replyText(ask(writeUpstreamQuery(1, probe))!), ['REFUSED', '+ OPT 1232']);
  assert.equal(looped, true);
  assert.deepEqual(replyText(ask(queryBytes('y.test', 'A'))!), ['REFUSED']);
  forwarder.close();
});

test('resolv.conf: name servers in order, each once, and nothing else', () => {
  const text =
    '# c\nnameserver 10.0.0.1\n  nameserver\t10.0.0.2 # x\nsearch a b\nnameserver 10.0.0.1\nnameserver nonsense\nnameserver fd00::1\n';
  assert.deepEqual(
    upstreamsOf(text).map((u) => u.address),
    ['10.0.0.1', '10.0.0.2', 'fd00::1'],
  );
  assert.deepEqual(upstreamsOf(''), []);
});

async function later(clock: VirtualClock, forwarder: Forwarder, request: Buffer, mayRecurse = true): Promise<string[]> {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  const lines: string[][] = [];
  const { createDnsService } = await import('./dns-service.ts');
  createDnsService({ zone: cluster.zone, isSynced: () => true, forwarder }).handle(
    request,
    { transport: 'udp', mayRecurse },
    (message) => lines.push(replyText(message)),
  );
  await clock.advance(100);
  assert.equal(lines.length, 1);
  return lines[0]!;
}
