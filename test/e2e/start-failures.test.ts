/** What is in the way of `bireme up` is told in one sentence with the remedy, exit code 1, and nothing is left half-started. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { resources } from '../../src/api/types/resources.ts';
import { requires } from '../requirements.ts';
import { accessTo } from './cluster.ts';
import { containerdNeeds, launcher, machineNeeds, port, type Result, startMachine } from './machine.ts';

const hollow = ['--runtime', 'hollow'] as const;

interface Obstacle {
  readonly name: string;
  /** Shell commands in the machine; `$FOLDER` is the test's own. */
  readonly before?: string;
  readonly after?: string;
  readonly args: readonly string[];
  /** The whole of standard error, with `$FOLDER` for the test's folder. */
  readonly told: readonly [sentence: string, remedy: string];
}

const obstacles: readonly Obstacle[] = [
  {
    name: 'a port in use',
    before: listener(port),
    after: 'kill $(cat $FOLDER/listener); rm $FOLDER/listener',
    args: hollow,
    told: [
      'Cannot listen on 0.0.0.0:6443: another program holds the port.',
      'End it (`ss -ltnp sport = :6443` names it) or choose another port.',
    ],
  },
  {
    name: "the kubelet's port in use",
    before: listener(10_250),
    after: 'kill $(cat $FOLDER/listener); rm $FOLDER/listener',
    args: ['--runtime', 'containerd'],
    told: [
      'Cannot listen on 0.0.0.0:10250: another program holds the port: the kubelet needs it, and one machine carries one real node.',
      'End that program (`ss -ltnp sport = :10250` names it), or use hollow nodes with --runtime hollow.',
    ],
  },
  {
    name: 'a read-only file system',
    before: 'mkdir $FOLDER/there && mount -t tmpfs -o ro tmpfs $FOLDER/there',
    after: 'umount $FOLDER/there && rmdir $FOLDER/there',
    args: [...hollow, '--data-dir', '$FOLDER/there/data'],
    told: [
      'Cannot use the data directory "$FOLDER/there/data": its file system is read-only.',
      'Mount it writable, or choose another place with --data-dir.',
    ],
  },
  {
    name: 'a full file system',
    before: 'mkdir $FOLDER/there && mount -t tmpfs -o size=64k tmpfs $FOLDER/there',
    after: 'umount $FOLDER/there && rmdir $FOLDER/there',
    args: [...hollow, '--data-dir', '$FOLDER/there/data'],
    told: [
      'Cannot use the data directory "$FOLDER/there/data": 64 KiB are free on its file system, 16 MiB are needed.',
      'Free some space, or choose another place with --data-dir.',
    ],
  },
  {
    name: 'a file where the data directory should be',
    before: 'echo x > $FOLDER/there',
    after: 'rm $FOLDER/there',
    args: [...hollow, '--data-dir', '$FOLDER/there'],
    told: [
      'Cannot use the data directory "$FOLDER/there": a file is in the way.',
      'Choose another place with --data-dir.',
    ],
  },
  {
    name: "somebody else's folder",
    before: 'mkdir $FOLDER/there && echo x > $FOLDER/there/diary',
    after: 'rm -r $FOLDER/there',
    args: [...hollow, '--data-dir', '$FOLDER/there'],
    told: [
      'The data directory "$FOLDER/there" holds files that are not Bireme\'s (diary).',
      'Choose an empty one with --data-dir.',
    ],
  },
  {
    name: 'a kubeconfig that is none',
    before: 'echo "{{{" > $FOLDER/there',
    after: 'rm $FOLDER/there',
    args: [...hollow, '--kubeconfig', '$FOLDER/there'],
    told: [
      'Cannot write the kubeconfig "$FOLDER/there": it is not a YAML mapping.',
      'Mend or move that file, or set KUBECONFIG to another one.',
    ],
  },
  {
    name: 'no CNI plugins',
    before: 'for d in /opt/cni/bin /usr/lib/cni /usr/libexec/cni; do [ -d $d ] && mount -t tmpfs tmpfs $d; done; true',
    after: 'for d in /opt/cni/bin /usr/lib/cni /usr/libexec/cni; do umount $d 2>/dev/null; done; true',
    args: ['--runtime', 'containerd'],
    told: [
      'Cannot run containers with containerd: the CNI plugins bridge and host-local are not installed.',
      'Install them (Debian: apt-get install containerd runc containernetworking-plugins nftables iproute2), or use hollow nodes with --runtime hollow.',
    ],
  },
];

test('up: what is in the way is told in one sentence, and nothing is left half-started', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const machine = await startMachine(t);
  const inFolder = (text: string): string => text.replaceAll('$FOLDER', machine.folder);
  for (const { name, before, after, args, told } of obstacles)
    await t.test(name, async () => {
      if (before) await machine.ok('sh', '-c', inFolder(before));
      try {
        const clean = await machine.look();
        const result = await machine.bireme('up', ...args.map(inFolder));
        refused(result, ...told.map(inFolder));
        assert.deepEqual(await machine.look(), clean);
      } finally {
        if (after) await machine.ok('sh', '-c', inFolder(after));
      }
    });
});

test('up: a cluster in the way, a damaged store, and down after them', async (t) => {
  if (!requires(t, machineNeeds)) return;
  const machine = await startMachine(t);
  const clean = await machine.look();
  assert.equal((await machine.bireme('up', ...hollow)).code, 0);

  await t.test('a data directory in use', async () => {
    const [pid] = await machine.pids('up --data-dir');
    refused(
      await machine.bireme('up', ...hollow, '--port', '7443'),
      `A cluster runs in "${machine.dataDir}" already (process ${pid}, https://127.0.0.1:6443).`,
      'Look at it with "bireme status" or end it with "bireme down"; for a second cluster choose another --data-dir and --port.',
    );
    assert.equal((await machine.bireme('status')).code, 0);
  });

  await t.test('kill -9, then up: all that was acknowledged is there', async () => {
    await using cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
    const maps = cluster.client.resource(resources.configMaps);
    const pids = await machine.pids('up --data-dir');
    let killed: Promise<void> | undefined;
    const acknowledged: string[] = [];
    for (let i = 0; ; i++) {
      if (i === 50) killed = machine.kill(...pids);
      try {
        await maps.create({ metadata: { namespace: 'default', name: `kept-${i}` } });
        acknowledged.push(`kept-${i}`);
      } catch {
        // The server is dead: what it was asked last may or may not be there.
        break;
      }
    }
    await killed;
    assert.ok(acknowledged.length >= 50);
    assert.equal((await machine.bireme('up', ...hollow)).code, 0);
    await using again = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
    const { items } = await again.client.resource(resources.configMaps).list({ namespace: 'default' });
    const there = new Set(items.map((item) => item.metadata.name));
    assert.deepEqual(
      acknowledged.filter((name) => !there.has(name)),
      [],
    );
    t.diagnostic(`${acknowledged.length} objects`);
  });

  await machine.kill(...(await machine.pids('up --data-dir')));
  const file = join(machine.dataDir, 'store', 'store.mdb');
  const sound = readFileSync(file);
  const remedy = `Put "${join(machine.dataDir, 'store')}" back from a backup, or start over with "bireme down".`;
  for (const [name, damage, sentence] of [
    ['a store of random bytes', () => writeFileSync(file, Buffer.alloc(100_000, 'garbage')), 'is not a store'],
    ['a store cut short', () => truncateSync(file, 20_000), 'damaged|bytes where'],
    ['a store without its file', () => truncateSync(file, 0), 'missing or empty'],
  ] as const)
    await t.test(name, async () => {
      damage();
      const result = await machine.bireme('up', ...hollow);
      assert.equal(result.code, 1);
      const [first = '', second] = result.stderr.trim().split('\n');
      assert.match(first, new RegExp(`^Error: Cannot open the store in "${machine.dataDir}/store": .*(${sentence})`));
      assert.equal(second, remedy);
      assert.deepEqual(await machine.pids('up --data-dir'), []);
      writeFileSync(file, sound);
    });

  await t.test('down takes away what is left', async () => {
    assert.equal((await machine.bireme('down')).code, 0);
    assert.deepEqual(await machine.look(), clean);
    const again = await machine.bireme('down');
    assert.equal(again.code, 0);
    assert.match(again.stdout, /There is no cluster/);
  });
});

test('up: without root the nodes are hollow, and containerd is refused', async (t) => {
  if (!requires(t, { ...machineNeeds, commands: [...(machineNeeds.commands ?? []), 'setpriv'] })) return;
  const machine = await startMachine(t);
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const readable = (await machine.run('setpriv', ...nobody, 'test', '-r', launcher)).code === 0;
  if (!requires(t, readable ? {} : { found: [`leave for the user nobody to read ${launcher}`] })) return;
  const home = join(machine.folder, 'nobody');
  mkdirSync(home);
  await machine.ok('chown', '65534:65534', home);
  await machine.ok('chmod', '755', machine.folder);
  const bireme = (...args: readonly string[]): Promise<Result> =>
    machine.run('setpriv', ...nobody, 'env', `HOME=${home}`, 'KUBECONFIG=', process.execPath, launcher, ...args);
  refused(
    await bireme('up', '--detach', '--runtime', 'containerd'),
    'Cannot run containers with containerd: this user is not root.',
    'Run as root, or use hollow nodes with --runtime hollow.',
  );
  refused(
    await bireme('up', '--detach', '--port', '443'),
    'Cannot listen on 0.0.0.0:443: ports below 1024 need root.',
    'Choose a higher port or start as root.',
  );
  const up = await bireme('up', '--detach');
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /^Pods run on hollow nodes, in memory only: this user is not root\.$/m);
  assert.ok(existsSync(join(home, '.kube', 'config')));
  assert.equal((await bireme('down')).code, 0);
  assert.equal(existsSync(join(home, '.kube')), false);
});

test('up: without containerd the nodes are hollow, with the reason in one line', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const machine = await startMachine(t);
  await machine.ok('sh', '-c', 'mount --bind /dev/null $(command -v containerd)');
  refused(
    await machine.bireme('up', '--runtime', 'containerd'),
    'Cannot run containers with containerd: containerd is not installed.',
    'Install them (Debian: apt-get install containerd runc containernetworking-plugins nftables iproute2), or use hollow nodes with --runtime hollow.',
  );
  const up = await machine.bireme('up', '--hollow-nodes', '2');
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /^Pods run on hollow nodes, in memory only: containerd is not installed\.$/m);
  await using cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  await cluster.client.resource(resources.deployments).create({
    metadata: { namespace: 'default', name: 'web' },
    spec: {
      replicas: 4,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'any' }] } },
    },
  });
  const pods = await cluster.until(
    resources.pods,
    'four pods run',
    (all) => all.length === 4 && all.every((pod) => pod.status?.phase === 'Running'),
    { namespace: 'default' },
  );
  assert.deepEqual([...new Set(pods.map((pod) => pod.spec?.nodeName))].sort(), ['hollow-1', 'hollow-2']);
  assert.equal((await machine.bireme('down')).code, 0);
});

test('bireme: wrong usage has exit code 2', async (t) => {
  if (!requires(t, machineNeeds)) return;
  const machine = await startMachine(t);
  for (const args of [
    ['up', '--bogus'],
    ['up', '--port', '0'],
    ['up', '--port', 'x'],
    ['up', '--hollow-nodes', '-1'],
    ['up', '--runtime', 'docker'],
    ['up', 'extra'],
    ['image', 'import'],
    ['frob'],
  ]) {
    const { code, stderr } = await machine.run(process.execPath, launcher, ...args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /^error: /);
  }
});

function refused({ code, stdout, stderr }: Result, ...told: readonly string[]): void {
  assert.equal(stderr.trim(), `Error: ${told.join('\n')}`, stdout);
  assert.equal(code, 1);
}

/** Something else that listens; its process id goes to `$FOLDER/listener`. */
function listener(on: number): string {
  const program = `require("net").createServer().listen(${on}, "0.0.0.0", () => require("fs").writeFileSync("$FOLDER/listener", String(process.pid)))`;
  return `${process.execPath} -e '${program}' > /dev/null 2>&1 & while [ ! -s $FOLDER/listener ]; do sleep 0.05; done`;
}
