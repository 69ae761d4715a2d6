/** The small parts of servers, each by itself. The whole is `test/e2e/servers.test.ts`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { requires } from '../../../test/requirements.ts';
import type { CertificateSigningRequest } from '../../api/types/certificates-v1.ts';
import type { Node } from '../../api/types/core-v1.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { ClusterError } from '../cluster-error.ts';
import { defaultClusterNetwork } from '../control-plane.ts';
import { createCertificateAuthority, createCertificateRequest, type KeyPair } from '../pki.ts';
import { decrypt, encrypt, generateCertificateKey } from './certificate-upload.ts';
import { parseClusterConfiguration, renderClusterConfiguration } from './cluster-objects.ts';
import { checkSkew } from './join.ts';
import { givenUp, noteCheck, startLoadBalancer, unknownHealth } from './load-balancer.ts';
import { orderEndpoints } from './master.ts';
import { dueIn } from './node-certificates.ts';
import { addressWithPort } from './prepare.ts';
import { quorumAfterLeaving } from './reset.ts';
import { mastersOf } from './run-host.ts';
import { servingObstacle } from './serving-approver.ts';
import { renderUnit } from './systemd.ts';
import { generateToken } from './tokens.ts';

const virtual = { clock: createVirtualClock(Date.UTC(2026, 10, 23)), random: createSeededRandom(1) };

test('certificate upload: what was encrypted with a key comes back with it, and with no other, nor changed', () => {
  const key = Buffer.from(generateCertificateKey(virtual.random), 'hex');
  const encrypted = encrypt(Buffer.from('secret'), key, virtual.random);
  assert.equal(decrypt(encrypted, key).toString(), 'secret');
  assert.equal(encrypted.length, 12 + 6 + 16, 'nonce, text and tag, as kubeadm lays them out');
  assert.throws(() => decrypt(encrypted, Buffer.from(key).fill(1)));
  const changed = Buffer.from(encrypted);
  changed[14]! ^= 1;
  assert.throws(() => decrypt(changed, key));
});

test('tokens: made-up ones have the form, and use the whole alphabet', () => {
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const { id, secret } = generateToken(virtual.random);
    assert.match(`${id}.${secret}`, /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
    for (const character of secret) seen.add(character);
  }
  assert.equal(seen.size, 36);
});

test('cluster configuration: what init writes is what join reads', () => {
  const network = {
    ...defaultClusterNetwork,
    podCidr: '10.9.0.0/16',
    nodeCidrMaskSize: 25,
    clusterDomain: 'c.example',
  };
  const text = renderClusterConfiguration({
    network,
    port: 6443,
    kubernetesVersion: 'v1.36.3',
    controlPlaneEndpoint: 'api:6443',
  });
  assert.deepEqual(parseClusterConfiguration(text, defaultClusterNetwork), {
    network,
    kubernetesVersion: 'v1.36.3',
    controlPlaneEndpoint: 'api:6443',
  });
});

for (const [cluster, own, fine] of [
  ['v1.36.1', 'v1.36.3', true],
  ['v1.36.1', 'v1.33.0', true],
  ['v1.36.1', 'v1.32.9', false],
  ['v1.35.0', 'v1.36.0', false],
] as const)
  test(`version skew: ${own} ${fine ? 'joins' : 'does not join'} ${cluster}`, () => {
    if (fine) checkSkew(cluster, own);
    else assert.throws(() => checkSkew(cluster, own), ClusterError);
  });

test('join: an address without a port gets the default one', () => {
  assert.deepEqual(
    ['10.0.0.1', '10.0.0.1:7443', 'https://api.example:6443/', 'fd00::1', '[fd00::1]:7443'].map((text) =>
      addressWithPort(text, 6443),
    ),
    ['10.0.0.1:6443', '10.0.0.1:7443', 'api.example:6443', '[fd00::1]:6443', '[fd00::1]:7443'],
  );
});

test('masters: the own etcd member first, when it has a vote', () => {
  assert.deepEqual(orderEndpoints('b', ['a', 'b', 'c']), ['b', 'a', 'c']);
  assert.deepEqual(orderEndpoints('x', ['a', 'b']), ['a', 'b']);
});

test('masters: the list of API servers comes from the slice of the Service kubernetes', () => {
  const slice = {
    metadata: {},
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.2'] }, { addresses: ['10.0.0.1'] }],
    ports: [{ name: 'https', port: 6443 }],
  };
  assert.deepEqual(mastersOf([slice]), ['10.0.0.1:6443', '10.0.0.2:6443']);
});

const member = (id: string, answers: boolean, learner = false) => ({
  id,
  answers,
  learner,
  name: id,
  peerUrls: [],
  clientUrls: [],
});
for (const [what, members, kept] of [
  ['one of three', [member('a', true), member('b', true), member('c', true)], true],
  ['one of two', [member('a', true), member('b', true)], true],
  ['one of three, another being dead', [member('a', true), member('b', true), member('c', false)], false],
  ['one of two, the other being dead', [member('a', true), member('b', false)], false],
  ['the only one', [member('a', true)], true],
  ['one of two beside a learner', [member('a', true), member('b', true), member('c', true, true)], true],
] as const)
  test(`reset: ${what} ${kept ? 'may leave' : 'may not leave'}`, () =>
    assert.equal(quorumAfterLeaving(members, 'a').kept, kept));

test('serving certificates: approved for the names and addresses of the own Node, and nothing else', async () => {
  const order = async (
    over: {
      commonName?: string;
      dnsNames?: string[];
      ipAddresses?: string[];
      usages?: string[];
      username?: string;
    } = {},
  ) => {
    const { request } = await createCertificateRequest({
      commonName: over.commonName ?? 'system:node:w1',
      organizations: ['system:nodes'],
      dnsNames: over.dnsNames ?? ['w1'],
      ipAddresses: over.ipAddresses ?? ['10.0.0.7', 'fd00::7'],
    });
    return {
      metadata: {},
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: 'kubernetes.io/kubelet-serving',
        usages: over.usages ?? ['digital signature', 'server auth'],
        username: over.username ?? 'system:node:w1',
        groups: ['system:nodes', 'system:authenticated'],
      },
    } as CertificateSigningRequest;
  };
  const node: Node = {
    metadata: { name: 'w1' },
    status: {
      addresses: [
        { type: 'InternalIP', address: '10.0.0.7' },
        { type: 'InternalIP', address: 'fd00::7' },
      ],
    },
  };
  assert.equal(servingObstacle(await order(), node), undefined);
  assert.match(servingObstacle(await order(), undefined) ?? '', /no such Node/);
  assert.match(servingObstacle(await order({ ipAddresses: ['10.0.0.8'] }), node) ?? '', /"10.0.0.8" is no address/);
  assert.match(servingObstacle(await order({ dnsNames: ['kubernetes.default'] }), node) ?? '', /is no address/);
  assert.match(servingObstacle(await order({ commonName: 'system:node:w2' }), node) ?? '', /in the name of another/);
  assert.match(servingObstacle(await order({ username: 'alice' }), node) ?? '', /not a node/);
  assert.match(servingObstacle(await order({ usages: ['server auth', 'client auth'] }), node) ?? '', /usages/);
});

test('node certificates: due at 70 to 90% of their life; one that the cluster did not sign is due now', async () => {
  const ca = await createCertificateAuthority('kubernetes', virtual);
  const leaf = await ca.issue({ commonName: 'system:node:w1', usages: ['client'] });
  const day = 86_400_000;
  const left = dueIn(leaf.cert, ca.cert, virtual.clock.now(), virtual.random) / day;
  assert.ok(left > 365 * 0.69 && left < 365 * 0.91, String(left));
  assert.ok(dueIn(leaf.cert, ca.cert, virtual.clock.now() + 340 * day, virtual.random) < 0);
  const other = await createCertificateAuthority('other', virtual);
  assert.equal(dueIn(leaf.cert, other.cert, virtual.clock.now(), virtual.random), 0);
});

test('systemd: the unit starts the process, with words that need it quoted', () => {
  const unit = renderUnit(['/usr/bin/node', '/opt/b/bin/bireme.js', 'server', '--data-dir', '/var/lib/my %dir$']);
  assert.match(
    unit,
    /^ExecStart=\/usr\/bin\/node \/opt\/b\/bin\/bireme.js server --data-dir "\/var\/lib\/my %%dir\$\$"$/m,
  );
});

test('systemd: the unit passes systemd-analyze verify', (t) => {
  // CI's machine has no systemd.
  if (!requires(t, { optional: ['systemd-analyze'] })) return;
  const folder = mkdtempSync(join(tmpdir(), 'bireme-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'bireme.service');
  writeFileSync(path, renderUnit([process.execPath, 'server', '--data-dir', '/var/lib/my %dir$']));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('load balancer: connections go to a server that answers, and leave one that falls silent', {
  timeout: 60_000,
}, async (t) => {
  const clock = createRealClock({ keepAlive: true });
  const ca = await createCertificateAuthority('kubernetes', { clock, random: createSeededRandom(2) });
  const pair: KeyPair = await ca.issue({
    commonName: 'kube-apiserver',
    usages: ['server'],
    dnsNames: ['kubernetes'],
    ipAddresses: ['127.0.0.1'],
  });
  const serve = async (name: string, isReady: () => boolean) => {
    const server = createTlsServer({ key: pair.key, cert: pair.cert }, (request, answer) => {
      if (request.url === '/readyz' && !isReady()) return;
      answer.end(name);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  let firstAnswers = true;
  const first = await serve('first', () => firstAnswers);
  const second = await serve('second', () => true);
  const balancer = await startLoadBalancer({
    port: 0,
    backends: ['127.0.0.1:1', first, second],
    ca: ca.cert,
    clock,
    log: silentLogger,
    checkIntervalMs: 50,
  });
  t.after(() => balancer.stop());
  const open = () =>
    new Promise<{ closed: Promise<void>; ask(): Promise<string> }>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: balancer.port, ca: ca.cert, servername: 'kubernetes' }, () =>
        resolve({
          closed: new Promise((done) => socket.once('close', () => done())),
          ask: () =>
            new Promise((answered) => {
              socket.once('data', (data) => answered(/first|second/.exec(data.toString())?.[0] ?? ''));
              socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
            }),
        }),
      );
      socket.once('error', reject);
    });
  const held = await open();
  assert.equal(await held.ask(), 'first', 'nobody listens on the one before it');
  firstAnswers = false;
  await held.closed;
  assert.equal(await (await open()).ask(), 'second');
});

for (const [what, checks, heardMs, others, gone] of [
  ['it was silent twice', ['silent', 'silent'], -1, [0], true],
  ['it was silent once', ['silent'], -1, [0], false],
  ['it is late with checks, but speaks', ['silent', 'silent'], 100, [0], false],
  ['it has been late with checks for ten seconds', ['silent', 'silent', 'silent', 'silent', 'silent'], 9000, [0], true],
  ['it says that it is not ready', ['unready', 'unready'], -1, [0], false],
  ['it has not been ready for ten seconds', ['unready', 'silent', 'unready', 'unready', 'unready'], 9000, [0], true],
  ['it was well in between', ['silent', 'ready', 'silent'], -1, [0], false],
  ['nobody is well', ['silent', 'silent', 'silent'], -1, [1, 2], false],
  ['there is no other', ['silent', 'silent', 'silent'], -1, [], false],
] as const)
  test(`load balancer: connections are ${gone ? 'cut' : 'left'} when ${what}`, () => {
    const health = { ...unknownHealth(), heardMs };
    for (const [i, answer] of checks.entries()) noteCheck(health, answer, i * 2000);
    const rest = others.map((failures) => ({ ...unknownHealth(), failures }));
    assert.equal(givenUp(health, rest, checks.length * 2000), gone);
  });

test('load balancer: a server that left the list keeps the connections it has and gets no new ones', {
  timeout: 60_000,
}, async (t) => {
  const clock = createVirtualClock();
  const serve = async (name: string) => {
    const server = createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write(name)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const [first, second] = [await serve('first'), await serve('second')];
  const balancer = await startLoadBalancer({ port: 0, backends: [first], ca: '', clock, log: silentLogger });
  t.after(() => balancer.stop());
  const ask = async (socket: Socket): Promise<string> => {
    socket.write('?');
    return String((await once(socket, 'data'))[0]);
  };
  const held = connectPlain(balancer.port, '127.0.0.1');
  assert.equal(await ask(held), 'first');
  balancer.setBackends([second]);
  const other = connectPlain(balancer.port, '127.0.0.1');
  assert.equal(await ask(other), 'second');
  assert.equal(await ask(held), 'first');
  balancer.setBackends([second, first]);
  assert.equal(await ask(held), 'first');
  for (const socket of [held, other]) socket.destroy();
});

test('snapshots: a file that was cut off is refused', async () => {
  const { restoreData } = await import('./snapshots.ts');
  const folder = mkdtempSync(join(tmpdir(), 'bireme-snapshot-'));
  try {
    const path = join(folder, 'cut.db');
    writeFileSync(path, Buffer.alloc(100));
    assert.equal(readFileSync(path).length, 100);
    await assert.rejects(
      restoreData({} as never, {} as never, { snapshot: path, spawner: {} as never, path: '' }),
      /is damaged: its hash does not match/,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
