import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBytes, addressKey, reverseAddress } from './address.ts';
import { writeForwarded } from './forwarded-reply.ts';
import { readQuery } from './query.ts';
import {
  createAsker,
  createSampleCluster,
  fillSampleCluster,
  queryBytes,
  replyText,
  wireName,
} from './testdata/sample-cluster.ts';
import { readUpstreamAnswer, recordsOf } from './upstream-message.ts';

const cluster = createSampleCluster();
fillSampleCluster(cluster);
const ask = createAsker(cluster);

/** A message with some bytes changed, cut or added. */
const damaged = (message: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(message.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(message.length),
      fc.uint8Array({ maxLength: 8 }),
      fc.boolean(),
    )
    .map(([changes, length, tail, whole]) => {
      const out = Buffer.from(message);
      for (const [at, value] of changes) out[at] = value;
      return whole ? out : Buffer.concat([out.subarray(0, length), tail]);
    });

function isAnswered(request: Buffer): void {
  const reply = ask(request);
  const answerable = request.length >= 12 && (request[2]! & 0x80) === 0;
  assert.equal(reply !== undefined, answerable);
  if (!reply) return;
  assert.equal(reply.readUInt16BE(0), request.readUInt16BE(0));
  assert.ok(reply.length <= 1232);
  assert.doesNotMatch(replyText(reply).at(-1)!, /left over/);
}

test('hostile input: any bytes are answered well-formed, or not at all', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => isAnswered(Buffer.from(bytes))),
    { numRuns: 2000 },
  );
});

test('hostile input: damaged questions are answered well-formed, or not at all', () => {
  const sound = [
    queryBytes('_http._tcp.db.default.svc.cluster.local', 'SRV', { payloadBytes: 1232 }),
    queryBytes('5.0.244.10.in-addr.arpa', 'PTR'),
    queryBytes('alias.default.svc.cluster.local', 'A', { payloadBytes: 4096 }),
  ];
  fc.assert(fc.property(fc.oneof(...sound.map(damaged)), isAnswered), { numRuns: 3000 });
});

const formErrors: readonly [string, Buffer][] = [
  ['a header alone', queryBytes('a.b', 'A').subarray(0, 12)],
  ['a name without its end', queryBytes('a.b', 'A').subarray(0, 15)],
  ['a question without its class', queryBytes('a.b', 'A').subarray(0, -1)],
  ['two questions', edited(queryBytes('a.b', 'A'), 5, 2)],
  ['no question', edited(queryBytes('a.b', 'A'), 5, 0)],
  ['a pointer in the question', edited(queryBytes('a.b', 'A'), 12, 0xc0)],
  ['a label of a length that is none', edited(queryBytes('a.b', 'A'), 12, 0x40)],
  ['a name longer than 255', queryBytes(Array.from({ length: 128 }, () => 'a').join('.'), 'A')],
  [
    'two OPT records',
    edited(
      Buffer.concat([
        queryBytes('a.b', 'A', { payloadBytes: 600 }),
        queryBytes('.', 'A', { payloadBytes: 600 }).subarray(-11),
      ]),
      11,
      2,
    ),
  ],
  ['an OPT record as an answer', edited(edited(queryBytes('a.b', 'A', { payloadBytes: 600 }), 11, 0), 7, 1)],
  ['records announced and not there', edited(queryBytes('a.b', 'A'), 11, 1)],
];
for (const [name, request] of formErrors)
  test(`hostile input: FORMERR for ${name}`, () => assert.deepEqual(replyText(ask(request)!), ['FORMERR']));

test('hostile input: what is no query gets its own answer', () => {
  assert.deepEqual(replyText(ask(queryBytes('a.b', 'A', { flags: 0x2800 }))!), ['NOTIMP']);
  const version1 = queryBytes('a.b', 'A', { payloadBytes: 600 });
  version1[version1.length - 5] = 1;
  const reply = ask(version1)!;
  assert.deepEqual(replyText(reply), ['NOERROR', '+ OPT 1232']);
  assert.equal(reply[reply.length - 6], 1, 'BADVERS is 16: its upper bits are in the OPT record');
  assert.equal(ask(queryBytes('a.b', 'A', { flags: 0x8100 })), undefined, 'a response is never answered');
  assert.equal(ask(Buffer.alloc(11)), undefined);
});

test('hostile input: the longest name there is can be asked for', () => {
  const name = [...Array.from({ length: 3 }, () => 'a'.repeat(63)), 'b'.repeat(61)].join('.');
  assert.equal(readQuery(queryBytes(name, 'A'))!.problem, 'none');
  assert.equal(readQuery(queryBytes(`${name}b`, 'A'))!.problem, 'malformed');
});

test('hostile input: letters beyond ASCII keep their case', () => {
  assert.deepEqual(readQuery(queryBytes('\u00c4B', 'A'))!.labels, ['\u00c4b']);
});

const question = { name: wireName('www.example.com'), type: 1, dnssecOk: false, checkingDisabled: false };
/** CNAME to a compressed name, its address, an OPT record. */
const upstream = Buffer.concat([
  edited(edited(edited(queryBytes('www.example.com', 'A'), 2, 0x81), 7, 2), 11, 1),
  Buffer.from('c00c000500010000003c0006', 'hex'),
  Buffer.from('03646e73c010', 'hex'),
  Buffer.from('c02d000100010000001e0004c0000201', 'hex'),
  Buffer.from('0000291000000000000000', 'hex'),
]);

test('hostile input: damaged upstream answers are read or dropped', () => {
  const out = Buffer.alloc(65_535);
  const request = queryBytes('www.example.com', 'A', { payloadBytes: 600 });
  const query = readQuery(request)!;
  let read = 0;
  fc.assert(
    fc.property(damaged(upstream), (message) => {
      const answer = readUpstreamAnswer(message, 1, question);
      if (!answer) return;
      read++;
      for (const limit of [512, 600]) {
        const length = writeForwarded({ answer, ageSeconds: 5 }, query, request, out, limit);
        assert.ok(length <= limit);
      }
      recordsOf(answer, 1);
    }),
    { numRuns: 5000 },
  );
  assert.ok(read > 100, String(read));
});

test('upstream message: its answer, without OPT, older by its age', () => {
  const answer = readUpstreamAnswer(upstream, 1, question)!;
  assert.equal(answer.ttlSeconds, 30);
  const out = Buffer.alloc(600);
  const request = queryBytes('WWW.example.com', 'A');
  const length = writeForwarded({ answer, ageSeconds: 5 }, readQuery(request)!, request, out, 512);
  assert.deepEqual(replyText(out.subarray(0, length)), [
    'NOERROR',
    'WWW.example.com. 55 CNAME dns.example.com.'.replace('WWW', 'www'),
    'dns.example.com. 25 A 192.0.2.1',
  ]);
});

const wrong: readonly [string, Buffer, number][] = [
  ['of another id', upstream, 2],
  ['to another name', edited(upstream, 13, 0x78), 1],
  ['to another type', edited(upstream, 30, 28), 1],
  ['that is a query', edited(upstream, 2, 1), 1],
];
for (const [name, message, id] of wrong)
  test(`upstream message: dropped when it is an answer ${name}`, () =>
    assert.equal(readUpstreamAnswer(message, id, question), undefined));

test('addresses: whatever the spelling, the same bytes; and back from their reverse names', () => {
  const cases: readonly [string, string][] = [
    ['10.0.0.1', '0a000001'],
    ['255.255.255.255', 'ffffffff'],
    ['0.0.0.0', '00000000'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['fd00::', `fd00${'0'.repeat(28)}`],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:10.0.0.1', `${'0'.repeat(20)}ffff0a000001`],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ];
  for (const [text, hex] of cases) assert.equal(Buffer.from(addressBytes(text)!).toString('hex'), hex, text);
  for (const text of [
    '',
    'x',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    '01.2.3.4',
    '1..2.3',
    '1.2.3.',
    '.1.2.3',
    '::1%lo',
    '1:2',
    'fe80:::1',
  ])
    assert.equal(addressBytes(text), undefined, text);
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const bytes = addressBytes(text)!;
      const labels = [...Buffer.from(bytes).toString('hex')].reverse().concat('ip6', 'arpa');
      assert.equal(addressKey(reverseAddress(labels)!), addressKey(bytes));
    }),
  );
  for (const name of ['1.2.3.in-addr.arpa', '01.2.3.4.in-addr.arpa', '256.2.3.4.in-addr.arpa', 'a.2.3.4.in-addr.arpa'])
    assert.equal(reverseAddress(name.split('.')), undefined, name);
});

function edited(message: Buffer, at: number, value: number): Buffer {
  const out = Buffer.from(message);
  out[at] = value;
  return out;
}
