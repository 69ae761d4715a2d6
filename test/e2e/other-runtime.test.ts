/**
 * A container runtime that somebody else started, given by --container-runtime-endpoint: this machine's containerd, and containerd 2 where
 * BIREME_TEST_CONTAINERD_2 names a folder with its programs.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { resources } from '../../src/api/types/resources.ts';
import { renderContainerdConfig } from '../../src/runtime/containerd/config.ts';
import { makePauseArchive, pauseImageName } from '../../src/runtime/containerd/pause-image.ts';
import { busyboxArchive } from '../images.ts';
import { requires } from '../requirements.ts';
import { accessTo } from './cluster.ts';
import { containerdNeeds, port, startMachine } from './machine.ts';
import { busybox, createPod, image, namespace, podLog, untilPod } from './workload.ts';

test('other runtime: a containerd that runs already', async (t) => {
  if (!requires(t, containerdNeeds)) return;
  await usesRuntime(t, undefined);
});

test('other runtime: containerd 2', async (t) => {
  const folder = process.env.BIREME_TEST_CONTAINERD_2 ?? '';
  const found = existsSync(join(folder, 'containerd')) ? [] : ['containerd 2 (BIREME_TEST_CONTAINERD_2)'];
  if (!requires(t, { ...containerdNeeds, found })) return;
  await usesRuntime(t, folder);
});

async function usesRuntime(t: TestContext, folder: string | undefined): Promise<void> {
  const machine = await startMachine(t);
  const own = join(machine.folder, 'runtime');
  for (const name of ['etc', 'work']) mkdirSync(join(own, name), { recursive: true });
  // Its networks are looked for below /etc, which is the machine's own only now.
  await machine.ok(
    'mount',
    '-t',
    'overlay',
    'overlay',
    '-o',
    `lowerdir=/etc,upperdir=${own}/etc,workdir=${own}/work`,
    '/etc',
  );
  const socket = join(own, 'c.sock');
  writeFileSync(
    join(own, 'config.toml'),
    renderContainerdConfig({
      paths: { root: join(own, 'root'), state: join(own, 'state'), socket },
      sandboxImage: pauseImageName,
      cniConfDir: '/etc/cni/net.d',
      cniBinDir: existsSync('/opt/cni/bin/bridge') ? '/opt/cni/bin' : '/usr/lib/cni',
      snapshotter: 'overlayfs',
      restrictOomScores: true,
    }),
  );
  writeFileSync(join(own, 'pause.tar'), await makePauseArchive());
  writeFileSync(join(own, 'busybox.tar'), busyboxArchive(image));
  const program = folder === undefined ? 'containerd' : join(folder, 'containerd');
  const path = folder === undefined ? '' : `PATH=${folder}:$PATH`;
  await machine.ok('sh', '-c', `${path} nohup ${program} --config ${own}/config.toml >${own}/log 2>&1 </dev/null &`);
  for (let tries = 0; tries < 100 && !existsSync(socket); tries++) await setTimeout(100);

  const bireme = async (command: string, ...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await machine.bireme(command, ...args);
    assert.equal(code, 0, stdout + stderr);
  };
  await machine.ok('ctr', '--address', socket, '--namespace', 'k8s.io', 'images', 'import', join(own, 'pause.tar'));
  await bireme('up', '--container-runtime-endpoint', `unix://${socket}`);
  await bireme('image import', join(own, 'busybox.tar'));
  await using cluster = accessTo(machine.dataDir, `https://${machine.address}:${port}`);
  await cluster.until(resources.serviceAccounts, 'the default service account', (all) => all.length > 0, { namespace });
  await createPod(cluster, 'runs', { containers: [busybox('echo hello; exec sleep 70005')] });
  await untilPod(cluster, 'runs', 'runs', (pod) => pod.status?.phase === 'Running');
  assert.equal(await podLog(cluster, 'runs'), 'hello\n');
  const [node] = (await cluster.client.resource(resources.nodes).list()).items;
  assert.match(
    node?.status?.nodeInfo?.containerRuntimeVersion ?? '',
    folder === undefined ? /^containerd:\/\/1\./ : /^containerd:\/\/2\./,
  );
  await bireme('down');
  assert.deepEqual(await machine.pids('sleep 70005'), []);
  assert.equal((await machine.pids(`${own}/config.toml`)).length, 1, 'the runtime itself goes on');
  assert.equal((await machine.ok('ls', '/etc/cni/net.d')).trim(), '');
}
