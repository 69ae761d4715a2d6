import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { recordType } from './protocol.ts';
import {
  createAsker,
  createSampleCluster,
  fillSampleCluster,
  queryBytes,
  replyText,
  service,
  slice,
} from './testdata/sample-cluster.ts';

const soa = '| cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5';
const noName = ['NXDOMAIN aa', soa];
const noData = ['NOERROR aa', soa];
const s = 'default.svc.cluster.local';

const cases: readonly [string, string, keyof typeof recordType, readonly string[]][] = [
  ['the address of a Service', `web.${s}`, 'A', ['NOERROR aa', `web.${s}. 30 A 10.96.1.1`]],
  [
    'a dual-stack Service has an IPv6 address too',
    `web.${s}`,
    'AAAA',
    ['NOERROR aa', `web.${s}. 30 28 fd000000000000000000000000000001`.replace(' 28 ', ' AAAA ')],
  ],
  ['a name that has nothing of the type', `kube-dns.kube-system.svc.cluster.local`, 'AAAA', noData],
  ['a Service that is not there', `nobody.${s}`, 'A', noName],
  ['a namespace that is not there', 'web.nowhere.svc.cluster.local', 'A', noName],
  ['a namespace without anything in it exists', 'empty.svc.cluster.local', 'A', noData],
  ['the names between the zone and the namespaces exist', 'svc.cluster.local', 'A', noData],
  ['what a search path makes of a full name', `web.${s}.${s}`, 'A', noName],
  ['a word that is neither svc nor pod', 'web.default.srv.cluster.local', 'A', noName],
  [
    'only ready endpoints of a headless Service',
    `db.${s}`,
    'A',
    ['NOERROR aa', `db.${s}. 30 A 10.244.0.5`, `db.${s}. 30 A 10.244.0.6`, `db.${s}. 30 A 10.244.0.7`],
  ],
  [
    'endpoints of the other family',
    `db.${s}`,
    'AAAA',
    ['NOERROR aa', `db.${s}. 30 AAAA fd000000000000000000000000000005`],
  ],
  ['a headless Service without ready endpoints has no name', `idle.${s}`, 'A', noName],
  ['an endpoint by its hostname', `db-1.db.${s}`, 'A', ['NOERROR aa', `db-1.db.${s}. 30 A 10.244.0.6`]],
  [
    'an endpoint without a hostname is named by its address',
    `10-244-0-7.db.${s}`,
    'A',
    ['NOERROR aa', `10-244-0-7.db.${s}. 30 A 10.244.0.7`],
  ],
  ['an endpoint with a hostname is not named by its address', `10-244-0-6.db.${s}`, 'A', noName],
  ['an endpoint that is not ready', `db-2.db.${s}`, 'A', noName],
  [
    'an endpoint below a Service with an address',
    `10-244-0-9.web.${s}`,
    'A',
    ['NOERROR aa', `10-244-0-9.web.${s}. 30 A 10.244.0.9`],
  ],
  [
    'a named port',
    `_http._tcp.web.${s}`,
    'SRV',
    [
      'NOERROR aa',
      `_http._tcp.web.${s}. 30 SRV 0 50 80 web.${s}.`,
      `+ web.${s}. 30 A 10.96.1.1`,
      `+ web.${s}. 30 AAAA fd000000000000000000000000000001`,
    ],
  ],
  ['a port of another protocol', `_http._udp.web.${s}`, 'SRV', noName],
  ['a port that is not there', `_ftp._tcp.web.${s}`, 'SRV', noName],
  ['the address at a named port', `_dns._udp.web.${s}`, 'A', ['NOERROR aa', `_dns._udp.web.${s}. 30 A 10.96.1.1`]],
  [
    'all ports of a Service',
    `web.${s}`,
    'SRV',
    [
      'NOERROR aa',
      `web.${s}. 30 SRV 0 25 80 web.${s}.`,
      `web.${s}. 30 SRV 0 25 53 web.${s}.`,
      `+ web.${s}. 30 A 10.96.1.1`,
      `+ web.${s}. 30 AAAA fd000000000000000000000000000001`,
    ],
  ],
  [
    'a named port of a headless Service',
    `_http._tcp.db.${s}`,
    'SRV',
    [
      'NOERROR aa',
      `_http._tcp.db.${s}. 30 SRV 0 25 8080 db-0.db.${s}.`,
      `_http._tcp.db.${s}. 30 SRV 0 25 8080 db-1.db.${s}.`,
      `_http._tcp.db.${s}. 30 SRV 0 25 8080 10-244-0-7.db.${s}.`,
      `+ db-0.db.${s}. 30 A 10.244.0.5`,
      `+ db-1.db.${s}. 30 A 10.244.0.6`,
      `+ 10-244-0-7.db.${s}. 30 A 10.244.0.7`,
      `+ db-0.db.${s}. 30 AAAA fd000000000000000000000000000005`,
    ],
  ],
  [
    'the name of a Service address',
    '1.1.96.10.in-addr.arpa',
    'PTR',
    ['NOERROR aa', `1.1.96.10.in-addr.arpa. 30 PTR web.${s}.`],
  ],
  [
    'the name of an IPv6 Service address',
    `1.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`,
    'PTR',
    ['NOERROR aa', `1.${'0.'.repeat(27)}0.0.d.f.ip6.arpa. 30 PTR web.${s}.`],
  ],
  [
    'the name of an endpoint without a hostname',
    '7.0.244.10.in-addr.arpa',
    'PTR',
    ['NOERROR aa', `7.0.244.10.in-addr.arpa. 30 PTR 10-244-0-7.db.${s}.`],
  ],
  ['an endpoint that is not ready has no name', '8.0.244.10.in-addr.arpa', 'PTR', ['SERVFAIL']],
  [
    'an endpoint that two Services select has two names',
    '9.0.244.10.in-addr.arpa',
    'PTR',
    [
      'NOERROR aa',
      `9.0.244.10.in-addr.arpa. 30 PTR 10-244-0-9.web.${s}.`,
      `9.0.244.10.in-addr.arpa. 30 PTR 10-244-0-9.also.${s}.`,
    ],
  ],
  [
    'the name of an endpoint with a hostname',
    '6.0.244.10.in-addr.arpa',
    'PTR',
    ['NOERROR aa', `6.0.244.10.in-addr.arpa. 30 PTR db-1.db.${s}.`],
  ],
  [
    'an alias inside the cluster comes with its addresses',
    `alias.${s}`,
    'A',
    ['NOERROR aa', `alias.${s}. 30 CNAME web.${s}.`, `web.${s}. 30 A 10.96.1.1`],
  ],
  ['an alias alone when that was asked for', `alias.${s}`, 'CNAME', ['NOERROR aa', `alias.${s}. 30 CNAME web.${s}.`]],
  ['an alias of nothing', `broken.${s}`, 'A', ['NXDOMAIN aa', `broken.${s}. 30 CNAME nobody.${s}.`, soa]],
  ['aliases in a circle', `circle.${s}`, 'A', ['SERVFAIL']],
  ['an external name that is an address', `numeric.${s}`, 'A', noName],
  [
    'an alias outside, with nobody to ask',
    `abroad.${s}`,
    'A',
    ['NOERROR aa', `abroad.${s}. 30 CNAME www.example.com.`],
  ],
  ['nothing is below an alias', `_http._tcp.abroad.${s}`, 'SRV', noName],
  [
    'a pod by its address',
    '10-244-0-5.default.pod.cluster.local',
    'A',
    ['NOERROR aa', '10-244-0-5.default.pod.cluster.local. 30 A 10.244.0.5'],
  ],
  [
    'a pod by its IPv6 address',
    'fd00--5.default.pod.cluster.local',
    'AAAA',
    ['NOERROR aa', 'fd00--5.default.pod.cluster.local. 30 AAAA fd000000000000000000000000000005'],
  ],
  ['a pod address of the other family', '10-244-0-5.default.pod.cluster.local', 'AAAA', noData],
  ['a pod name that is no address', '10-244-0-500.default.pod.cluster.local', 'A', noName],
  ['a pod in a namespace that is not there', '10-244-0-5.nowhere.pod.cluster.local', 'A', noName],
  [
    'the version of the schema',
    'dns-version.cluster.local',
    'TXT',
    ['NOERROR aa', 'dns-version.cluster.local. 28800 TXT "1.1.0"'],
  ],
  ['the version has no address', 'dns-version.cluster.local', 'A', noData],
  ['the zone itself', 'cluster.local', 'SOA', ['NOERROR aa', soa.slice(2)]],
  [
    'the name server of the zone',
    'cluster.local',
    'NS',
    [
      'NOERROR aa',
      'cluster.local. 30 NS kube-dns.kube-system.svc.cluster.local.',
      '+ kube-dns.kube-system.svc.cluster.local. 30 A 10.96.0.10',
    ],
  ],
  ['the server named in the SOA', 'ns.dns.cluster.local', 'A', ['NOERROR aa', 'ns.dns.cluster.local. 30 A 10.96.0.10']],
  ['a transfer of the zone', 'cluster.local', 'AXFR', ['REFUSED']],
  ['another name, with nobody to ask', 'www.example.com', 'A', ['SERVFAIL']],
  ['a name that only ends like the zone', 'notcluster.local', 'A', ['SERVFAIL']],
];

for (const [name, question, type, want] of cases)
  test(`answer: ${name}`, () => {
    const cluster = createSampleCluster();
    fillSampleCluster(cluster);
    const reply = createAsker(cluster)(queryBytes(question, type), { transport: 'tcp' })!;
    const got = replyText(reply);
    const sorted = (lines: readonly string[]): string[] => [lines[0]!, ...lines.slice(1).sort()];
    assert.deepEqual(sorted(got), sorted(want));
  });

test('answer: the question comes back as it was spelled', () => {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  const request = queryBytes('WeB.Default.svc.CLUSTER.local', 'A', { id: 0xbeef });
  const reply = createAsker(cluster)(request)!;
  assert.equal(reply.readUInt16BE(0), 0xbeef);
  assert.deepEqual(reply.subarray(12, request.length), request.subarray(12));
  assert.equal(reply.readUInt32BE(reply.length - 4), 0x0a600101);
});

test('answer: another class than Internet is refused', () => {
  const ask = createAsker(createSampleCluster());
  assert.deepEqual(replyText(ask(queryBytes('version.bind', 'TXT', { class: 3 }))!), ['REFUSED']);
});

test('answer: until the informers are complete the cluster denies nothing', () => {
  const ask = createAsker(createSampleCluster(), { isSynced: () => false });
  assert.deepEqual(replyText(ask(queryBytes(`web.${s}`, 'A'))!), ['SERVFAIL']);
});

test('answer: changes are seen at once', () => {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  const ask = createAsker(cluster);
  const lines = (name: string, type: keyof typeof recordType): string[] => replyText(ask(queryBytes(name, type))!);
  assert.equal(lines(`db.${s}`, 'A').length, 4);
  cluster.slices.set(slice('db', [{ addresses: ['10.244.0.66'], hostname: 'db-1' }]));
  assert.deepEqual(lines(`db.${s}`, 'A'), ['NOERROR aa', `db.${s}. 30 A 10.244.0.66`]);
  assert.deepEqual(lines('6.0.244.10.in-addr.arpa', 'PTR'), ['SERVFAIL']);
  assert.equal(lines('66.0.244.10.in-addr.arpa', 'PTR').length, 2);
  cluster.slices.delete('default/db-1');
  cluster.slices.delete('default/db-6');
  assert.deepEqual(lines(`db.${s}`, 'A'), noName);
  cluster.services.set(service('web', { clusterIP: '10.96.2.2', clusterIPs: ['10.96.2.2'] }));
  assert.deepEqual(lines(`web.${s}`, 'A'), ['NOERROR aa', `web.${s}. 30 A 10.96.2.2`]);
  assert.deepEqual(lines('1.1.96.10.in-addr.arpa', 'PTR'), ['SERVFAIL']);
  cluster.services.delete('default/web');
  assert.deepEqual(lines(`web.${s}`, 'A'), noName);
});

test('answer: the records of a headless Service take turns', () => {
  const cluster = createSampleCluster();
  fillSampleCluster(cluster);
  const ask = createAsker(cluster);
  const firsts = new Set(Array.from({ length: 3 }, () => replyText(ask(queryBytes(`db.${s}`, 'A'))!)[1]));
  assert.equal(firsts.size, 3);
});

const many = Array.from({ length: 100 }, (_, i) => ({ addresses: [`10.244.1.${i}`] }));
const sizes = [
  { name: '512 bytes without EDNS', payloadBytes: undefined, limit: 512, cut: true },
  { name: 'what the client takes', payloadBytes: 900, limit: 900, cut: true },
  { name: 'at least 512', payloadBytes: 12, limit: 512, cut: true },
  { name: 'no more than fits an Ethernet frame', payloadBytes: 4096, limit: 1232, cut: true },
] as const;
for (const { name, payloadBytes, limit, cut } of sizes)
  test(`answer: over UDP ${name}, whole records, TC set`, () => {
    const cluster = createSampleCluster();
    fillSampleCluster(cluster);
    cluster.slices.set(slice('db', many));
    const query = queryBytes(`db.${s}`, 'A', payloadBytes === undefined ? {} : { payloadBytes });
    const ask = createAsker(cluster);
    const reply = ask(query)!;
    assert.ok(reply.length <= limit && reply.length > limit - 16, String(reply.length));
    const text = replyText(reply);
    assert.equal(text[0], cut ? 'NOERROR aa tc' : 'NOERROR aa');
    assert.equal(text.at(-1)!.startsWith('+ OPT'), payloadBytes !== undefined);
    assert.equal(replyText(ask(query, { transport: 'tcp' })!).filter((l) => l.includes(' A ')).length, 100);
  });
