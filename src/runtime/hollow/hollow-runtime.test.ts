import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import { CriError } from '../cri.ts';
import { createAddressPool } from './addresses.ts';
import { createHollowRuntime } from './hollow-runtime.ts';

const call = { timeoutMs: 1000 };

test('addresses: handed out in turn, used again only after the range was walked, exhausted with a clear error', () => {
  const pool = createAddressPool(['10.1.2.0/29']);
  const given = Array.from({ length: 5 }, () => pool.allocate()[0]);
  assert.deepEqual(given, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']);
  assert.throws(() => pool.allocate(), /No addresses left in range 10\.1\.2\.0\/29/);
  pool.release(['10.1.2.4']);
  assert.deepEqual(pool.allocate(), ['10.1.2.4']);
});

test('addresses: one of each family; what is no range is refused', () => {
  assert.deepEqual(createAddressPool(['10.1.2.0/24', 'fd00:1::/64']).allocate(), ['10.1.2.2', 'fd00:1::2']);
  for (const bad of ['10.1.2.0', '10.1.2.0/33', 'x/24', '10.1.2.0/31'])
    assert.throws(() => createAddressPool([bad]), /not a usable range|not an IPv4 address/);
});

async function startPod(annotations: Record<string, string> = {}) {
  const clock = createVirtualClock();
  const runtime = createHollowRuntime({ clock, random: createSeededRandom(1), podCidrs: ['10.1.2.0/24'] });
  const config = {
    metadata: { name: 'p', namespace: 'd', uid: 'u', attempt: 0 },
    labels: { 'io.kubernetes.pod.uid': 'u' },
    annotations,
  };
  const { podSandboxId } = await runtime.runPodSandbox({ config }, call);
  const { containerId } = await runtime.createContainer(
    { podSandboxId, config: { metadata: { name: 'c', attempt: 0 }, image: { image: 'x' }, labels: config.labels } },
    call,
  );
  await runtime.startContainer({ containerId }, call);
  const state = async () => (await runtime.containerStatus({ containerId }, call)).status!;
  return { clock, runtime, podSandboxId, containerId, state };
}

test('hollow: a scripted exit is told to listeners, a call of ours is not', async () => {
  const { clock, runtime, containerId, state } = await startPod({
    'hollow.bireme.dev/run-seconds': '5',
    'hollow.bireme.dev/exit-code.c': '4',
  });
  const told: string[] = [];
  runtime.onChange((uid) => told.push(uid));
  await clock.advance(4999);
  assert.equal((await state()).state, 'CONTAINER_RUNNING');
  await clock.advance(1);
  const { exitCode, reason, finishedAt, startedAt } = await state();
  assert.deepEqual([exitCode, reason, Math.round((finishedAt - startedAt) / 1e9), told], [4, 'Error', 5, ['u']]);
  await runtime.stopContainer({ containerId, timeout: 1 }, call);
  assert.deepEqual(told, ['u']);
  assert.match(runtime.log(containerId), /stdout F Hollow container c ended with 4\n$/);
  assert.equal(clock.pendingTimers, 0);
});

test('hollow: stopping waits as scripted, and kills after the grace period', async () => {
  for (const [wants, grace, code, tookMs] of [
    [3, 10, 0, 3000],
    [60, 10, 137, 10_000],
  ] as const) {
    const { clock, runtime, containerId, state } = await startPod({ 'hollow.bireme.dev/stop-seconds': String(wants) });
    let done = false;
    void runtime.stopContainer({ containerId, timeout: grace }, call).then(() => {
      done = true;
    });
    await clock.advance(tookMs - 1);
    assert.equal(done, false);
    await clock.advance(1);
    assert.equal(done, true);
    assert.equal((await state()).exitCode, code);
  }
});

test('hollow: calls that may be repeated succeed again; what is unknown is NOT_FOUND', async () => {
  const { runtime, podSandboxId, containerId } = await startPod();
  for (let i = 0; i < 2; i++) await runtime.stopPodSandbox({ podSandboxId }, call);
  for (let i = 0; i < 2; i++) await runtime.removePodSandbox({ podSandboxId }, call);
  await runtime.removeContainer({ containerId }, call);
  await assert.rejects(
    runtime.containerStatus({ containerId }, call),
    (e) => e instanceof CriError && e.code === 'NOT_FOUND',
  );
  await assert.rejects(runtime.exec({ containerId }, call), /hollow runtime has no processes/);
});

test('hollow: without a pod CIDR the network is not ready; the kubelet brings it later', async () => {
  const runtime = createHollowRuntime({ clock: createVirtualClock(), random: createSeededRandom(1) });
  const ready = async () =>
    (await runtime.status({}, call)).status?.conditions.find((c) => c.type === 'NetworkReady')?.status;
  assert.equal(await ready(), false);
  await assert.rejects(runtime.runPodSandbox({ config: {} }, call), /no pod CIDR/);
  await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: '10.9.0.0/24' } } }, call);
  assert.equal(await ready(), true);
});

test('hollow: images by tag, digest and id; a short name is the same as its long one', async () => {
  const runtime = createHollowRuntime({ clock: createVirtualClock(), random: createSeededRandom(1) });
  await runtime.pullImage({ image: { image: 'nginx' } }, call);
  const { image } = await runtime.imageStatus({ image: { image: 'docker.io/library/nginx:latest' } }, call);
  assert.ok(image);
  for (const name of [image.id, image.repoDigests[0]!])
    assert.deepEqual((await runtime.imageStatus({ image: { image: name } }, call)).image, image);
  await runtime.removeImage({ image: { image: 'nginx' } }, call);
  assert.deepEqual((await runtime.listImages({}, call)).images, []);
});
