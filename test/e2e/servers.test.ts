/**
 * Servers of a cluster with real etcd in network namespaces: the short mode. `init`, joins of a worker, of a second control-plane host and of a
 * witness, what goes wrong by hand, and the loss of processes and hosts while clients write and read.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import { findCommand, requires } from '../requirements.ts';
import { type FleetHost, fleetNeeds, hollow, joinFlags, startFleet } from './fleet.ts';
import { isReady, underLoad } from './under-load.ts';

const clock = createRealClock({ keepAlive: true });
test('servers: init, join, what goes wrong by hand, a token command, status, reset', {
  timeout: 400_000,
}, async (t) => {
  if (!requires(t, fleetNeeds)) return;
  const { hosts } = await startFleet(t, ['m1', 'w1', 'n1']);
  const [m1, w1, n1] = [hosts.m1!, hosts.w1!, hosts.n1!];
  const flags = joinFlags(await m1.ok('init', '--upload-certs', ...hollow));
  await using cluster = m1.access();

  const again = await m1.bireme('init', ...hollow);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^Error: This host is a server of a cluster already/);

  const [server = '', , token = '', , hash = ''] = flags.worker;
  const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'a wrong token',
      [server, '--token', 'abcdef.0123456789abcdef', '--discovery-token-ca-cert-hash', hash],
      /does not know a token with id "abcdef"/,
    ],
    [
      'a wrong secret',
      [server, '--token', `${token.slice(0, 7)}0123456789abcdef`, '--discovery-token-ca-cert-hash', hash],
      /is not the one that the cluster knows/,
    ],
    [
      'a wrong hash',
      [server, '--token', token, '--discovery-token-ca-cert-hash', `sha256:${'0'.repeat(64)}`],
      /is not the expected one: its hash is sha256:/,
    ],
    ['no hash', [server, '--token', token], /The hash of the cluster authority is missing/],
    [
      'a wrong certificate key',
      [...flags.worker, '--control-plane', '--certificate-key', 'ab'.repeat(32)],
      /The certificate key is not the one/,
    ],
    ['no certificate key', [...flags.worker, '--control-plane'], /needs the key of the cluster's certificates/],
    [
      'the name of a node that is there',
      [...flags.worker, '--node-name', 'm1'],
      /A Node with name "m1" and status "Ready" already exists/,
    ],
  ];
  for (const [what, given, sentence] of wrong) {
    const { code, stderr } = await w1.bireme('join', ...given, ...hollow);
    assert.equal(code, 1, what);
    assert.match(stderr, sentence, what);
    assert.equal(stderr.trimEnd().split('\n').length, 2, `${what}: a sentence and a remedy`);
    assert.ok(!existsSync(`${w1.dataDir}/run/host.json`), `${what}: nothing half-joined`);
  }

  await w1.ok('join', ...flags.worker, ...hollow, '--labels', 'disk=ssd');
  await cluster.until(resources.nodes, 'two ready nodes', (nodes) => nodes.filter(isReady).length === 2);
  const repeated = await w1.bireme('join', ...flags.worker, ...hollow);
  assert.match(repeated.stderr, /This host is a server of a cluster already: worker "w1"/);

  const printed = await m1.ok('token create', '--print-join-command', '--ttl', '10m');
  assert.match(
    printed,
    /^bireme join \S+ --token [a-z0-9]{6}\.[a-z0-9]{16} --discovery-token-ca-cert-hash sha256:[0-9a-f]{64}\n$/,
  );
  const made = /--token (\S+)/.exec(printed)![1]!;
  assert.match(await m1.ok('token list'), new RegExp(`${made.replace('.', '\\.')} +(9m|10m|59\\ds)`));
  await m1.ok('token delete', made.slice(0, 6));
  assert.doesNotMatch(await m1.ok('token list'), new RegExp(made));
  assert.match(await m1.ok('certs check'), /etcd\/server +\d{4}-/);
  assert.match(await m1.ok('status'), /Quorum +1 of 1 members answer; no failure is tolerated: join a third/);
  assert.match(await w1.ok('status'), /Role +worker/);

  // The kubelet serves with a certificate of the cluster: the API server reaches it.
  const serving = await cluster.client.resource(resources.certificateSigningRequests).list();
  assert.ok(
    serving.items.some(
      ({ spec, status }) => spec.signerName === 'kubernetes.io/kubelet-serving' && status?.certificate,
    ),
  );

  if (findCommand('etcdctl') ?? findCommand('etcdutl')) {
    const maps = cluster.client.resource(resources.configMaps);
    const kept = await maps.create({ metadata: { name: 'kept', namespace: 'default' } });
    await m1.ok('snapshot save');
    await maps.delete('kept', { namespace: 'default' });
    const later = await maps.create({ metadata: { name: 'later', namespace: 'default' } });
    await m1.ok('snapshot restore', (await m1.ok('snapshot list', '-o', 'name')).trim());
    await using restored = m1.access();
    const { items, metadata } = await restored.client.resource(resources.configMaps).list({ namespace: 'default' });
    assert.equal(items.find((map) => map.metadata.name === 'kept')?.metadata.uid, kept.metadata.uid);
    assert.ok(!items.some((map) => map.metadata.name === 'later'));
    assert.ok(
      Number(metadata.resourceVersion) > Number(later.metadata.resourceVersion),
      'no revision is given out twice',
    );
    await restored.until(resources.nodes, 'two ready nodes', (nodes) => nodes.filter(isReady).length === 2);
  } else t.diagnostic('no etcdctl or etcdutl: the snapshot was not restored');

  await w1.ok('reset');
  assert.ok(!existsSync(w1.dataDir));
  await using last = m1.access();
  await last.client.resource(resources.nodes).delete('w1');
  const bootstrapToken = { apiServerEndpoint: server, token, caCertHashes: [hash] };
  const config = { apiVersion: 'kubeadm.k8s.io/v1beta4', kind: 'JoinConfiguration', discovery: { bootstrapToken } };
  writeFileSync(`${w1.dataDir}.yaml`, JSON.stringify(config));
  await w1.ok('join', '--config', `${w1.dataDir}.yaml`, ...hollow);
  const snapshot = `${m1.dataDir}.db`;
  await m1.ok('snapshot save', snapshot);
  const namespaces = await last.client.resource(resources.namespaces).list();
  const authority = readFileSync(`${m1.dataDir}/pki/ca.crt`, 'utf8');
  const admin = readFileSync(`${m1.dataDir}/admin.conf`, 'utf8');
  await m1.ok('reset');
  assert.ok(!existsSync(m1.dataDir));
  await w1.ok('reset');

  // The cluster on a machine that was never part of it.
  if (!(findCommand('etcdctl') ?? findCommand('etcdutl'))) return;
  await n1.ok('init', '--from-snapshot', snapshot, ...hollow);
  assert.equal(readFileSync(`${n1.dataDir}/pki/ca.crt`, 'utf8'), authority, 'the same authority');
  await using back = n1.access();
  const restored = await back.client.resource(resources.namespaces).list();
  const uids = ({ items }: typeof restored): readonly string[] =>
    items.map(({ metadata }) => `${metadata.name} ${metadata.uid}`);
  assert.deepEqual(uids(restored), uids(namespaces));
  assert.ok(Number(restored.metadata.resourceVersion) > Number(namespaces.metadata.resourceVersion));
  await back.until(resources.nodes, 'n1 is ready', (nodes) =>
    nodes.some((node) => node.metadata.name === 'n1' && isReady(node)),
  );
  // Who held credentials of the cluster still does: a certificate of before, on the server's new one.
  writeFileSync(`${n1.dataDir}/admin.conf`, admin);
  await using before = n1.access();
  await before.client.resource(resources.namespaces).get('default');
});

test('servers: two control-plane hosts and a witness lose any one of them', { timeout: 600_000 }, async (t) => {
  if (!requires(t, fleetNeeds)) return;
  const fleet = await startFleet(t, ['m1', 'm2', 'e1', 'w1']);
  const { m1, m2, e1, w1 } = fleet.hosts as Readonly<Record<'m1' | 'm2' | 'e1' | 'w1', FleetHost>>;
  const flags = joinFlags(await m1.ok('init', '--upload-certs', ...hollow));
  assert.match(await m2.ok('join', ...flags.master, '--control-plane', ...hollow), /it tolerates no failure/);
  assert.match(await e1.ok('join', ...flags.master, '--etcd-witness'), /tolerates the loss of any one of them/);
  await w1.ok('join', ...flags.worker, ...hollow);
  await underLoad(t, fleet, [m1, m2], 1, async (load) => {
    // etcd of the leader's host: the API server there goes on with another member.
    await load.fault('etcd of m1 killed', () => m1.signal('etcd', 'KILL'));
    // The whole of m1: API server, scheduler, controllers and etcd.
    await load.fault('m1 killed', () => m1.signal('server', 'KILL'));
    await load.fault('m1 back', async () => void (await m1.ok('start')));
    await load.fault('the witness killed', () => e1.signal('server', 'KILL'));
    await e1.ok('start');
    // Its process stopped in its tracks: clients of m2 get no answer, those of m1 go on.
    await load.fault('m2 stopped', () => m2.signal('server', 'STOP'));
    await load.fault('m2 goes on', () => m2.signal('server', 'CONT'));
  });
  await using cluster = m1.access();
  await cluster.until(resources.nodes, 'three ready nodes', (nodes) => nodes.filter(isReady).length === 3);
  // A host that leaves and comes back.
  await m2.ok('reset');
  assert.match(await m1.ok('status'), /Quorum +2 of 2 members answer/);
  await cluster.client.resource(resources.nodes).delete('m2');
  assert.match(await m2.ok('join', ...flags.master, '--control-plane', ...hollow), /tolerates the loss of any one/);
});

/** `BIREME_LONG_SEED=N`, by hand: random faults on three control-plane hosts, one at a time, each healed before the next. */
test('servers: three control-plane hosts lose any one of them, again and again', { timeout: 1_500_000 }, async (t) => {
  const seed = Number(process.env.BIREME_LONG_SEED ?? 0);
  if (!requires(t, { ...fleetNeeds, found: seed > 0 ? [] : ['BIREME_LONG_SEED (the long mode)'] })) return;
  const random = createSeededRandom(seed);
  const rounds = Number(process.env.BIREME_LONG_ROUNDS ?? 10);
  const fleet = await startFleet(t, ['m1', 'm2', 'm3', 'w1']);
  const { m1, m2, m3, w1 } = fleet.hosts as Readonly<Record<'m1' | 'm2' | 'm3' | 'w1', FleetHost>>;
  const flags = joinFlags(await m1.ok('init', '--upload-certs', ...hollow));
  for (const host of [m2, m3]) await host.ok('join', ...flags.master, '--control-plane', ...hollow);
  await w1.ok('join', ...flags.worker, ...hollow);
  const faults: Readonly<Record<string, (host: FleetHost) => Promise<() => Promise<unknown>>>> = {
    'etcd killed': async (host) => {
      await host.signal('etcd', 'KILL');
      return async () => undefined;
    },
    'etcd stopped': async (host) => {
      await host.signal('etcd', 'STOP');
      return () => host.signal('etcd', 'CONT');
    },
    'server killed': async (host) => {
      await host.signal('server', 'KILL');
      return () => host.ok('start');
    },
    'server stopped': async (host) => {
      await host.signal('server', 'STOP');
      return () => host.signal('server', 'CONT');
    },
    'server ended in order': async (host) => {
      const pid = host.pid('server');
      await host.signal('server', 'TERM');
      while ((await fleet.machine.run('kill', '-0', String(pid))).code === 0) await clock.sleep(100);
      return () => host.ok('start');
    },
    'cut off': async (host) => {
      await host.link('down');
      return () => host.link('up');
    },
  };
  await underLoad(t, fleet, [m1, m2, m3], seed, async (load) => {
    for (let round = 0; round < rounds; round++) {
      const names = Object.keys(faults);
      const name = names[random.below(names.length)]!;
      const host = [m1, m2, m3][random.below(3)]!;
      await load.fault(`${host.name} ${name}`, async () => {
        const heal = await faults[name]!(host);
        await load.goesOn(`${host.name} ${name}`);
        await clock.sleep(random.below(12_000));
        await heal();
      });
      await clock.sleep(3000 + random.below(5000));
    }
  });
  await using cluster = m1.access();
  await cluster.until(resources.nodes, 'four ready nodes', (nodes) => nodes.filter(isReady).length === 4);
  assert.match(await m1.ok('status'), /Quorum +3 of 3 members answer; 1 more may fail/);
});
