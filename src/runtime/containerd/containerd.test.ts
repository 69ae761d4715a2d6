import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxArchive } from '../../../test/images.ts';
import { requires } from '../../../test/requirements.ts';
import type { Logger } from '../../base/log.ts';
import { createRealClock } from '../../base/real-clock.ts';
import { openCgroups } from '../../host/cgroups.ts';
import { createLocalSpawner } from '../../host/local-spawner.ts';
import { createMounts } from '../../host/mounts.ts';
import { deleteLink } from '../../host/network-links.ts';
import { isAlive, listProcesses } from '../../host/process-table.ts';
import { CriError } from '../cri.ts';
import { createCriClient } from '../cri-client.ts';
import { downContainerd, importedNames, startContainerd } from './containerd.ts';

const clock = createRealClock();
const quiet = (): undefined => undefined;
const log: Logger = { debug: quiet, info: quiet, warn: console.warn, error: console.error, with: () => log };
const call = { timeoutMs: 60_000 };

test('image import: the names are read from what ctr of containerd 1.x and 2.x says', () => {
  assert.deepEqual(importedNames('unpacking registry.k8s.io/pause:3.10.2 (sha256:28)...done\n'), [
    'registry.k8s.io/pause:3.10.2',
  ]);
  const table =
    'registry.k8s.io/pause:3.10.2            \tsaved\t\napplication/vnd.docker.distribution.manifest.v2+json sha256:28\nImporting\telapsed: 0.1 s\ttotal:   0.0 B\t(0.0 B/s)\n';
  assert.deepEqual(importedNames(table), ['registry.k8s.io/pause:3.10.2']);
});

test('containerd of our own: starts, runs a pod, is adopted, outlives us, goes without a trace', async (t) => {
  if (
    !requires(t, {
      root: true,
      linux: true,
      commands: ['containerd', 'ctr', 'runc', 'busybox', 'ip'],
      files: ['/usr/lib/cni/bridge'],
    })
  )
    return;
  // The clock's timers keep no process alive by themselves.
  const alive = setInterval(() => undefined, 1000);
  const stateDir = await mkdtemp(join(tmpdir(), 'bt-'));
  const spawner = createLocalSpawner({ clock });
  const bridge = `bt${process.pid % 100_000}`;
  const options = { stateDir, spawner, clock, log, cniConfDir: join(stateDir, 'cni') };
  try {
    await mkdir(options.cniConfDir);
    await writeFile(
      join(options.cniConfDir, '10-test.conflist'),
      JSON.stringify({
        cniVersion: '0.4.0',
        name: `test-${process.pid}`,
        plugins: [
          {
            type: 'bridge',
            bridge,
            isGateway: true,
            ipam: {
              type: 'host-local',
              dataDir: join(stateDir, 'ipam'),
              ranges: [[{ subnet: `10.214.${process.pid % 250}.0/24` }]],
            },
          },
        ],
      }),
    );
    const first = await startContainerd(options);
    assert.equal(first.adopted, false);
    const archive = join(stateDir, 'busybox.tar');
    await writeFile(archive, busyboxArchive('localhost/test/busybox:1'));
    assert.deepEqual(await first.importImage(archive), ['localhost/test/busybox:1']);

    const cri = createCriClient({ endpoint: first.endpoint, clock });
    assert.equal((await cri.version({}, call)).runtimeName, 'containerd');
    const { status } = await cri.status({}, call);
    assert.deepEqual(
      status?.conditions.map((c) => [c.type, c.status]),
      [
        ['RuntimeReady', true],
        ['NetworkReady', true],
      ],
    );
    const sandbox = {
      metadata: { name: 'p', namespace: 'default', uid: 'u1', attempt: 0 },
      hostname: 'p',
      logDirectory: join(stateDir, 'logs'),
      labels: { 'io.kubernetes.pod.uid': 'u1' },
      linux: {
        cgroupParent: `/bt${process.pid}`,
        securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
      },
    } as const;
    const { podSandboxId } = await cri.runPodSandbox({ config: sandbox }, call);
    const { status: sandboxStatus } = await cri.podSandboxStatus({ podSandboxId }, call);
    assert.match(sandboxStatus?.network?.ip ?? '', /^10\.214\./);
    const { containerId } = await cri.createContainer(
      {
        podSandboxId,
        config: {
          metadata: { name: 'c', attempt: 0 },
          image: { image: 'localhost/test/busybox:1' },
          command: ['sh', '-c', 'echo "$GREETING"; sleep 600'],
          envs: [{ key: 'GREETING', value: Buffer.from('hello from a container') }],
          logPath: 'c.log',
          linux: { resources: { oomScoreAdj: -500, memoryLimitInBytes: 64 * 1024 * 1024 } },
        },
        sandboxConfig: sandbox,
      },
      call,
    );
    await cri.startContainer({ containerId }, call);
    const { stdout, exitCode } = await cri.execSync({ containerId, cmd: ['hostname'], timeout: 10 }, call);
    assert.deepEqual([exitCode, Buffer.from(stdout).toString()], [0, 'p\n']);
    assert.match(await readFile(join(stateDir, 'logs', 'c.log'), 'utf8'), /^\S+ stdout F hello from a container\n$/);
    await assert.rejects(cri.containerStatus({ containerId: 'nothing' }, call), (error) => {
      assert.ok(error instanceof CriError);
      assert.equal(error.code, 'NOT_FOUND');
      assert.match(error.message, /^rpc error: code = NotFound desc = /);
      return true;
    });

    const second = await startContainerd(options);
    assert.equal(second.adopted, true);
    assert.deepEqual(second.identity, first.identity);

    // The daemon dies; the container does not notice, and the next start finds it.
    process.kill(first.identity.pid, 'SIGKILL');
    await first.exited;
    const third = await startContainerd(options);
    assert.equal(third.adopted, false);
    const again = await cri.containerStatus({ containerId }, call);
    assert.equal(again.status?.state, 'CONTAINER_RUNNING');
    await cri.close();

    await downContainerd({ ...options, removeState: true });
    assert.ok(!isAlive(third.identity));
    assert.deepEqual(
      createMounts(spawner)
        .list()
        .filter((mount) => mount.mountPoint.startsWith(stateDir)),
      [],
    );
    assert.deepEqual(
      listProcesses().filter((process) => process.arguments.some((word) => word.includes(stateDir))),
      [],
    );
  } finally {
    await downContainerd({ ...options, removeState: true });
    await deleteLink(spawner, bridge);
    await (await openCgroups(clock)).remove(`/bt${process.pid}`);
    await rm(stateDir, { recursive: true, force: true });
    await spawner.close();
    clearInterval(alive);
  }
});
