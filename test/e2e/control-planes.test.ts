/** `bireme up --control-planes 2 --etcd-witness`: servers made by `init` and `join` on hosts of their own; one of them is lost and comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requires } from '../requirements.ts';
import { containerdNeeds, startMachine } from './machine.ts';

const writer = fileURLToPath(new URL('./write-config-map.ts', import.meta.url));
const slowness = Number(process.env.BIREME_TEST_SLOWNESS ?? 1);
/** The bound; about 2 s on a machine of its own. */
const writeLimitMs = 10_000 * slowness;
const returnLimitMs = 60_000 * slowness;

test('control planes: two and a witness on hosts of their own go on without one of them', async (t) => {
  if (!requires(t, { ...containerdNeeds, commands: [...(containerdNeeds.commands ?? []), 'etcd'] })) return;
  const machine = await startMachine(t);
  const before = await machine.look();
  const bireme = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await machine.bireme(command, ...args);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  const write = async (name: string): Promise<number> =>
    Number(await machine.ok(process.execPath, writer, machine.kubeconfig, name, String(writeLimitMs)));
  await bireme('up', '--control-planes', '2', '--etcd-witness', '--workers', '1');

  await t.test('status shows the nodes, the members of etcd, who leads, and what may fail', async () => {
    const text = await bireme('status');
    assert.match(text, /Node +control-plane-1 Ready[\s\S]*Node +control-plane-2 Ready[\s\S]*Node +worker-1 Ready/);
    assert.match(text, /etcd +witness-1 /);
    assert.match(text, /Quorum +3 of 3 members answer; 1 more may fail/);
    assert.match(text, /Leader +kube-scheduler on control-plane-/);
  });

  await t.test('without the first control-plane host writes go on, and it comes back', async (step) => {
    await write('before');
    await bireme('host stop control-plane-1');
    step.diagnostic(`first write after the loss: ${await write('without')} ms`);
    assert.match(await bireme('status'), /Quorum +2 of 3 members answer; no failure is tolerated/);
    await bireme('host start control-plane-1');
    const startedMs = Date.now();
    let text = '';
    while (!/Quorum +3 of 3 members answer/.test(text) && Date.now() - startedMs < returnLimitMs)
      text = (await machine.bireme('status')).stdout;
    assert.match(text, /Quorum +3 of 3 members answer/);
    step.diagnostic(`back after ${Date.now() - startedMs} ms`);
  });

  await t.test('down leaves the machine as it was', async () => {
    await bireme('down');
    assert.deepEqual(await machine.look(), before);
  });
});
