import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { candidates, refusal, staticBand } from './address-range.ts';
import { formatIp, inCidr, parseCidr, parseIp } from './ip.ts';
import { formatPortRange, PortSet, parsePortRange, staticPorts } from './port-set.ts';

for (const [text, canonical] of [
  ['10.96.0.1', '10.96.0.1'],
  ['255.255.255.255', '255.255.255.255'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::', 'fe80::'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['::ffff:1.2.3.4', '::ffff:102:304'],
] as const)
  test(`ip: ${text} is ${canonical}`, () => assert.equal(formatIp(parseIp(text)!), canonical));

for (const text of ['', 'None', '1.2.3', '1.2.3.256', '01.2.3.4', '1::2::3', 'fe80::1%eth0', ':::'])
  test(`ip: ${JSON.stringify(text)} is no address`, () => assert.equal(parseIp(text), undefined));

test('ip: every IPv6 address survives its text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
      const text = formatIp({ family: 'IPv6', value });
      assert.deepEqual(parseIp(text), { family: 'IPv6', value });
    }),
  );
});

for (const [size, band] of [
  [16n, 0n],
  [32n, 16n],
  [256n, 16n],
  [1024n, 64n],
  [65536n, 256n],
  [1n << 64n, 256n],
] as const)
  test(`address range: of ${size} addresses ${band} are kept for static use`, () =>
    assert.equal(staticBand(size), band));

test('address range: every usable address is offered once, the upper band first', () => {
  const range = parseCidr('10.0.0.0/26');
  const offered = [...candidates(range, createSeededRandom(3))].map((ip) => Number(ip.value - range.base));
  assert.equal(new Set(offered).size, 62);
  assert.deepEqual(
    offered.toSorted((a, b) => a - b),
    Array.from({ length: 62 }, (_, i) => i + 1),
  );
  assert.ok(offered.slice(0, 47).every((offset) => offset >= 16));
  assert.ok(offered.slice(47).every((offset) => offset < 16));
});

test('address range: the first and the last address of a range are refused, others are not', () => {
  const ranges = [parseCidr('10.0.0.0/24'), parseCidr('10.2.0.0/24')];
  const refused = (text: string): boolean => refusal(ranges, parseIp(text)!) !== undefined;
  assert.deepEqual(['10.0.0.0', '10.0.0.255', '10.0.0.1', '10.2.0.254', '10.1.0.1', '::1'].map(refused), [
    true,
    true,
    false,
    false,
    true,
    true,
  ]);
  assert.ok(inCidr(ranges[0]!, parseIp('10.0.0.255')!));
});

for (const [size, band] of [
  [10, 0],
  [16, 16],
  [512, 16],
  [2768, 86],
  [10_000, 128],
] as const)
  test(`port set: of ${size} ports ${band} are kept for static use`, () => assert.equal(staticPorts(size), band));

test('port set: ranges are written as upstream takes them', () => {
  for (const [text, canonical] of [
    ['30000-32767', '30000-32767'],
    ['30000+100', '30000-30100'],
    ['80', '80-80'],
  ] as const)
    assert.equal(formatPortRange(parsePortRange(text)), canonical);
  for (const text of ['', '2-1', '1-70000', 'a-b']) assert.throws(() => parsePortRange(text), /Invalid port range/);
});

test('port set: the bitmap is a big integer, most significant byte first', () => {
  const set = new PortSet(parsePortRange('30000-32767'));
  set.allocate(30000);
  set.allocate(30009);
  assert.equal(set.data(), Buffer.from([0x02, 0x01]).toString('base64'));
});

test('port set: what is stored is read back, also into another range', () => {
  const range = parsePortRange('30000-32767');
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 30000, max: 32767 })), (ports) => {
      const set = new PortSet(range);
      for (const port of ports) set.allocate(port);
      const sorted = ports.toSorted((a, b) => a - b);
      assert.deepEqual(PortSet.parse(range, range, set.data()).ports(), sorted);
      const narrow = PortSet.parse(parsePortRange('31000-31100'), range, set.data());
      assert.deepEqual(
        narrow.ports(),
        sorted.filter((port) => port >= 31000 && port <= 31100),
      );
    }),
  );
});

test('port set: all ports can be had, one by one', () => {
  const set = new PortSet(parsePortRange('100-199'));
  const random = createSeededRandom(5);
  const ports = Array.from({ length: 100 }, () => set.allocateNext(random));
  assert.equal(new Set(ports).size, 100);
  assert.ok(
    ports.slice(0, 84).every((port) => port >= 116),
    'the static band comes last',
  );
  assert.throws(() => set.allocateNext(random), /range is full/);
});
