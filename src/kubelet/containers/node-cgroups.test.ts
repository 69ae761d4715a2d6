import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types/core-v1.ts';
import { createVirtualClock } from '../../base/virtual-clock.ts';
import type { CgroupLimits, Cgroups } from '../../host/cgroups.ts';
import { defaultKubeletConfig } from '../config.ts';
import { createNodeCgroups, nodeLimits, tierShares } from './node-cgroups.ts';

const pod = (qosClass: string, cpu?: string): Pod =>
  ({
    metadata: {},
    spec: { containers: [{ name: 'c', resources: cpu ? { requests: { cpu } } : {} }] },
    status: { qosClass },
  }) as Pod;
const machine = { cpus: 4, memoryBytes: 8 * 2 ** 30 };

test('node cgroups: pods may have what is left beside the reservations', () => {
  const config = {
    ...defaultKubeletConfig,
    systemReserved: { cpu: '500m', memory: '1Gi' },
    kubeReserved: { cpu: '500m', memory: '512Mi' },
  };
  const { cpuShares, memoryBytes } = nodeLimits(config, machine);
  assert.deepEqual([cpuShares, memoryBytes], [3072, 6.5 * 2 ** 30]);
  const all = nodeLimits({ ...config, enforceNodeAllocatable: ['none'] }, machine);
  assert.deepEqual([all.cpuShares, all.memoryBytes], [4096, 8 * 2 ** 30]);
});

test('node cgroups: burstable pods have the shares they asked for together, the others the least', () => {
  assert.deepEqual(tierShares([pod('Burstable', '500m'), pod('Burstable', '1'), pod('Guaranteed', '2')]), {
    burstable: 1536,
    besteffort: 2,
  });
  assert.deepEqual(tierShares([pod('BestEffort')]), { burstable: 2, besteffort: 2 });
});

test('node cgroups: limits that cannot be set yet are told and tried again; what has not changed is not written', async () => {
  const clock = createVirtualClock();
  const written: string[] = [];
  const told: string[] = [];
  let full = true;
  let pods: readonly Pod[] = [];
  const cgroups = {
    ensure: async (path: string, { cpuShares }: CgroupLimits) => {
      if (path === '/kubepods' && full) throw new Error('in use');
      written.push(`${path} ${cpuShares}`);
    },
  } as unknown as Cgroups;
  const groups = createNodeCgroups({
    cgroups,
    config: defaultKubeletConfig,
    machine,
    clock,
    pods: () => pods,
    onEnforced: (failure) => told.push(failure === undefined ? 'enforced' : String(failure)),
  });
  const stop = new AbortController();
  const running = groups.run(stop.signal);
  await clock.advance(1);
  assert.deepEqual(told, ['Error: in use']);
  assert.deepEqual(written.splice(0), ['/kubepods/burstable 2', '/kubepods/besteffort 2']);
  pods = [pod('Burstable', '1')];
  await groups.update();
  await groups.update();
  assert.deepEqual(written.splice(0), ['/kubepods/burstable 1024']);
  full = false;
  await clock.advance(60_000);
  assert.deepEqual(told, ['Error: in use', 'enforced']);
  assert.equal(written[0], '/kubepods 4096');
  stop.abort();
  await clock.advance(1);
  await running;
});
