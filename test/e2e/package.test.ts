/** The package as it is published: built into a folder of its own, it starts hosts whose pods meet through VXLAN. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../../scripts/bundle.ts';
import type { PodSpec } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import { busyboxArchive } from '../images.ts';
import { requires } from '../requirements.ts';
import { accessTo } from './cluster.ts';
import { containerdNeeds, port, startMachine } from './machine.ts';

const image = 'localhost/test/busybox:1';
const namespace = 'default';

test('package: the built command starts two workers, and pods on them meet through VXLAN', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  const folder = mkdtempSync(join(tmpdir(), 'bireme-package-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['bin', 'package.json']) cpSync(join(repository, name), join(folder, name), { recursive: true });
  execFileSync(process.execPath, [join(repository, 'scripts', 'build.ts'), join(folder, 'dist')], { stdio: 'ignore' });
  // What is not in the bundle comes from the registry: native modules only.
  mkdirSync(join(folder, 'node_modules'));
  for (const name of [
    'lmdb',
    '@lmdb',
    'msgpackr',
    'msgpackr-extract',
    '@msgpackr-extract',
    'node-addon-api',
    'node-gyp-build-optional-packages',
    'ordered-binary',
    'weak-lru-cache',
    'detect-libc',
  ])
    if (existsSync(join(repository, 'node_modules', name)))
      symlinkSync(join(repository, 'node_modules', name), join(folder, 'node_modules', name));
  assert.equal(existsSync(join(folder, 'src')), false);

  const machine = await startMachine(t, join(folder, 'bin', 'bireme.js'));
  const before = await machine.look();
  const bireme = async (command: string, ...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await machine.bireme(command, ...args);
    assert.equal(code, 0, stdout + stderr);
  };
  await bireme('up', '--workers', '2', '--pod-routing', 'vxlan');
  const archive = join(machine.folder, 'busybox.tar');
  writeFileSync(archive, busyboxArchive(image));
  await bireme('image import', archive);
  await using cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, { namespace });
  const pods = cluster.client.resource(resources.pods);
  const pod = async (name: string, nodeName: string, script: string, phase: string) => {
    const spec: PodSpec = {
      nodeName,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image, imagePullPolicy: 'Never', command: ['sh', '-c', script] }],
    };
    await pods.create({ metadata: { namespace, name }, spec });
    const [found] = await cluster.until(
      resources.pods,
      `${name} is ${phase}`,
      (all) => all[0]?.status?.phase === phase,
      {
        namespace,
        fieldSelector: `metadata.name=${name}`,
      },
    );
    return found?.status?.podIP ?? '';
  };
  const address = await pod(
    'server',
    'worker-1',
    // Larger than a packet: what does not fit the tunnel would not arrive.
    'mkdir /www; dd if=/dev/zero of=/www/large bs=1024 count=4096; exec httpd -f -p 8080 -h /www',
    'Running',
  );
  await pod(
    'client',
    'worker-2',
    `for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O /large http://${address}:8080/large && break; sleep 0.2; done
     test $(wc -c < /large) = 4194304 && test $(cat /sys/class/net/eth0/mtu) = 1450`,
    'Succeeded',
  );
  // The API server reaches pods without the tunnel: it is on their hosts' segment.
  assert.match(await machine.ok('ip', 'route', 'get', address), /via 10\.190\.\d+\.1\d dev bireme-/);

  await bireme('down');
  assert.deepEqual(await machine.look(), before);
});
