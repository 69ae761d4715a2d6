/**
 * Seeded histories of one indexed Job: pods succeed, fail, are deleted by hand, and the controllers are restarted in the middle of things. In the end each index has succeeded
 * exactly once, every failure is counted once, and no pod is held back. `SIMULATION_SEEDS=100` runs more; the seed is in the test's name.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../src/api/time.ts';
import type { Pod } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { createSeededRandom } from '../src/base/seeded-random.ts';
import { jobController } from '../src/controllers/job/controller.ts';
import { namespace, withWorkloads } from './support/workload-cluster.ts';

const seeds = Number(process.env.SIMULATION_SEEDS ?? 4);
const completions = 12;

for (let seed = 1; seed <= seeds; seed++)
  test(`job simulation: every end is counted once (seed ${seed})`, () =>
    withWorkloads({ controllers: [jobController()], kubelet: false }, async (cluster) => {
      const { client, clock, pods, reap, restart, setPodStatus } = cluster;
      const random = createSeededRandom(seed);
      const jobs = client.resource(resources.jobs);
      await jobs.create({
        metadata: { name: 'work', namespace },
        spec: {
          completions,
          parallelism: 4,
          completionMode: 'Indexed',
          backoffLimit: 1000,
          podReplacementPolicy: 'Failed',
          template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
        },
      });
      await clock.advance(1_000);
      let failures = 0;
      const end = async (pod: Pod, phase: 'Succeeded' | 'Failed'): Promise<void> => {
        if (phase === 'Failed') failures++;
        const terminated = { exitCode: phase === 'Failed' ? 1 : 0, finishedAt: formatTime(clock.now()) };
        const container = { name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state: { terminated } };
        await setPodStatus(pod.metadata.name!, { phase, containerStatuses: [container] });
      };
      const isOver = async () =>
        (await jobs.get('work', { namespace })).status?.conditions?.some(({ type }) => type === 'Complete') ?? false;
      for (let step = 0; step < 400 && !(await isOver()); step++) {
        const running = (await pods()).filter(({ status }) => !/^(Succeeded|Failed)$/.test(status?.phase ?? ''));
        assert.ok(running.length <= 4, 'never more than parallelism');
        const pod = running[random.below(Math.max(1, running.length))];
        const action = random.below(10);
        if (pod && action < 4) await end(pod, 'Succeeded');
        else if (pod && action < 6) await end(pod, 'Failed');
        else if (pod && action < 7 && !pod.metadata.deletionTimestamp) {
          // Deleted by hand, and its kubelet says that it failed.
          await client.resource(resources.pods).delete(pod.metadata.name!, { namespace });
          await end(pod, 'Failed');
        } else if (action < 9) await restart();
        await clock.advance(random.below(300));
        if (action === 9) await clock.advance(600_000);
        await reap();
      }
      await clock.advance(5_000);
      const { status } = await jobs.get('work', { namespace });
      assert.deepEqual(
        [status?.succeeded, status?.completedIndexes, status?.failed ?? 0, status?.active ?? 0],
        [completions, `0-${completions - 1}`, failures, 0],
      );
      assert.deepEqual(status?.uncountedTerminatedPods, {});
      assert.ok((await pods()).every(({ metadata }) => metadata.finalizers === undefined));
    }));
