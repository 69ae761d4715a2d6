/** Jobs on the real API server with the scheduler, in virtual time; the test says how pods end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../src/api/time.ts';
import type { Job, JobSpec } from '../src/api/types/batch-v1.ts';
import type { Pod, PodSpec } from '../src/api/types/core-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { createGarbageCollector } from '../src/controllers/garbage-collector/garbage-collector.ts';
import { jobController } from '../src/controllers/job/controller.ts';
import {
  namespace,
  type WorkloadCluster,
  type WorkloadClusterOptions,
  withWorkloads,
} from './support/workload-cluster.ts';

interface JobCluster extends WorkloadCluster {
  job(): Promise<Job>;
  create(spec: Partial<JobSpec>, pod?: Partial<PodSpec>): Promise<void>;
  patch(spec: object): Promise<void>;
  /** Pods that are neither done nor going, by name. */
  active(): Promise<readonly Pod[]>;
  finish(pod: Pod | undefined, exitCode: number): Promise<void>;
  /** `type=status reason` of each condition. */
  conditions(): Promise<readonly string[]>;
}

const cluster = (
  body: (cluster: JobCluster) => Promise<void>,
  options: Partial<WorkloadClusterOptions> = {},
): Promise<void> =>
  withWorkloads({ controllers: [jobController()], kubelet: false, ...options }, (base) => {
    const jobs = base.client.resource(resources.jobs);
    const job = () => jobs.get('work', { namespace });
    return body({
      ...base,
      job,
      async create(spec, pod = {}) {
        const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }], ...pod } };
        await jobs.create({ metadata: { name: 'work', namespace }, spec: { template, ...spec } });
        await base.clock.advance(1_000);
      },
      async patch(spec) {
        await jobs.patch('work', { type: 'merge', patch: { spec: { ...spec } } }, { namespace });
        await base.clock.advance(1_000);
      },
      async active() {
        return (await base.pods()).filter(
          ({ metadata, status }) => !metadata.deletionTimestamp && !/^(Succeeded|Failed)$/.test(status?.phase ?? ''),
        );
      },
      async finish(pod, exitCode) {
        const finishedAt = formatTime(base.clock.now());
        await base.setPodStatus(pod!.metadata.name!, {
          phase: exitCode === 0 ? 'Succeeded' : 'Failed',
          containerStatuses: [
            {
              name: 'c',
              image: 'i',
              imageID: '',
              ready: false,
              restartCount: 0,
              state: { terminated: { exitCode, finishedAt } },
            },
          ],
        });
        await base.clock.advance(1_000);
      },
      async conditions() {
        return ((await job()).status?.conditions ?? []).map(
          ({ type, status, reason }) => `${type}=${status} ${reason}`,
        );
      },
    });
  });

const indexOf = ({ metadata }: Pod): string | undefined =>
  metadata.annotations?.['batch.kubernetes.io/job-completion-index'];

test('job: runs parallelism pods until completions have succeeded, counts each once and lets go of them', () =>
  cluster(async ({ create, active, finish, job, conditions, pods, events, clock }) => {
    await create({ completions: 3, parallelism: 2 });
    assert.equal((await active()).length, 2);
    assert.deepEqual((await active())[0]!.metadata.finalizers, ['batch.kubernetes.io/job-tracking']);
    await finish((await active())[0], 0);
    assert.equal((await active()).length, 2);
    await finish((await active())[0], 0);
    assert.equal((await active()).length, 1, 'no more than are still needed');
    assert.equal((await job()).status?.succeeded, 2);
    await finish((await active())[0], 0);
    const { status } = await job();
    assert.deepEqual(await conditions(), [
      'SuccessCriteriaMet=True CompletionsReached',
      'Complete=True CompletionsReached',
    ]);
    assert.equal(status?.completionTime, formatTime(clock.now() - 1_000 + 200).replace(/\.\d+/, ''));
    assert.deepEqual([status?.succeeded, status?.active ?? 0, status?.ready, status?.terminating], [3, 0, 0, 0]);
    assert.deepEqual(status?.uncountedTerminatedPods, {});
    assert.ok((await pods()).every(({ metadata }) => metadata.finalizers === undefined));
    assert.ok((await events('Job')).includes('Completed: Job completed'));
  }));

test('job: without completions one success ends it when the others have ended', () =>
  cluster(async ({ create, active, finish, conditions }) => {
    await create({ parallelism: 3 });
    await finish((await active())[0], 0);
    assert.equal((await active()).length, 2, 'what runs may finish, nothing new starts');
    assert.deepEqual(await conditions(), []);
    for (const pod of await active()) await finish(pod, 1);
    assert.equal((await conditions()).length, 2);
  }));

test('job: failed pods are replaced after 10, 20, 40 seconds, until the back-off limit', () =>
  cluster(async ({ create, active, finish, job, conditions, clock, events }) => {
    await create({ backoffLimit: 3 });
    for (const wait of [10, 20, 40]) {
      await finish((await active())[0], 1);
      const start = clock.now();
      while ((await active()).length === 0 && clock.now() - start < 100_000) await clock.advance(500);
      assert.ok(Math.abs((clock.now() - start) / 1000 - wait) <= 2, `${clock.now() - start} ms for ${wait} s`);
    }
    await finish((await active())[0], 1);
    assert.deepEqual(await conditions(), [
      'FailureTarget=True BackoffLimitExceeded',
      'Failed=True BackoffLimitExceeded',
    ]);
    assert.equal((await job()).status?.failed, 4);
    assert.ok((await events('Job')).includes('BackoffLimitExceeded: Job has reached the specified backoff limit'));
  }));

test('job: past its deadline the pods go, and it fails when they are gone', () =>
  cluster(async ({ create, active, job, conditions, clock, reap, pods }) => {
    await create({ parallelism: 2, completions: 2, activeDeadlineSeconds: 30 });
    await clock.advance(35_000);
    assert.equal((await active()).length, 0);
    assert.deepEqual(await conditions(), ['FailureTarget=True DeadlineExceeded']);
    assert.equal((await job()).status?.terminating, 2);
    await reap();
    await clock.advance(2_000);
    assert.deepEqual(await conditions(), ['FailureTarget=True DeadlineExceeded', 'Failed=True DeadlineExceeded']);
    assert.equal((await pods()).length, 0);
    assert.equal((await job()).status?.failed, 2);
  }));

test('job: suspended it has no pods and no start time; resumed it goes on, and nothing counts as failed', () =>
  cluster(async ({ create, active, job, conditions, patch, clock, reap, events }) => {
    await create({ suspend: true, activeDeadlineSeconds: 20 });
    assert.equal((await active()).length, 0);
    assert.deepEqual(await conditions(), ['Suspended=True JobSuspended']);
    await clock.advance(30_000);
    await patch({ suspend: false });
    assert.equal((await active()).length, 1);
    assert.deepEqual(await conditions(), ['Suspended=False JobResumed']);
    await patch({ suspend: true });
    await reap();
    await clock.advance(30_000);
    const { status } = await job();
    assert.deepEqual([status?.startTime, status?.failed ?? 0, status?.active ?? 0], [undefined, 0, 0]);
    assert.deepEqual(await conditions(), ['Suspended=True JobSuspended']);
    assert.ok((await events('Job')).includes('Resumed: Job resumed'));
  }));

test('job: indexed pods have their index as annotation, label, variable and hostname; each index succeeds once', () =>
  cluster(async ({ create, active, finish, job, conditions, clock }) => {
    await create({ completions: 5, parallelism: 3, completionMode: 'Indexed' });
    const [first] = await active();
    assert.deepEqual((await active()).map(indexOf), ['0', '1', '2']);
    assert.match(first!.metadata.name!, /^work-0-/);
    assert.equal(first!.spec!.hostname, 'work-0');
    assert.equal(first!.metadata.labels?.['batch.kubernetes.io/job-completion-index'], '0');
    assert.equal(first!.spec!.containers[0]!.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
    await finish((await active())[2], 0);
    await finish((await active())[0], 1);
    await clock.advance(15_000);
    assert.deepEqual((await active()).map(indexOf), ['0', '1', '3']);
    for (const pod of await active()) await finish(pod, 0);
    assert.equal((await job()).status?.completedIndexes, '0-3');
    await finish((await active())[0], 0);
    const { status } = await job();
    assert.deepEqual([status?.completedIndexes, status?.succeeded, status?.failed], ['0-4', 5, 1]);
    assert.equal((await conditions()).length, 2);
  }));

test('job: with a back-off limit per index one index fails while the others go on', () =>
  cluster(async ({ create, active, finish, job, conditions, clock }) => {
    await create({ completions: 2, parallelism: 2, completionMode: 'Indexed', backoffLimitPerIndex: 1 });
    const byIndex = async (index: string) => (await active()).find((pod) => indexOf(pod) === index);
    await finish(await byIndex('0'), 1);
    await clock.advance(12_000);
    const second = await byIndex('0');
    assert.equal(second?.metadata.annotations?.['batch.kubernetes.io/job-index-failure-count'], '1');
    await finish(second, 1);
    await clock.advance(60_000);
    assert.equal(await byIndex('0'), undefined);
    assert.equal((await job()).status?.failedIndexes, '0');
    await finish(await byIndex('1'), 0);
    assert.deepEqual(await conditions(), ['FailureTarget=True FailedIndexes', 'Failed=True FailedIndexes']);
    assert.deepEqual([(await job()).status?.completedIndexes, (await job()).status?.failed], ['1', 2]);
  }));

test('job: the pod failure policy fails the job, ignores failures and fails an index', () =>
  cluster(async ({ create, active, finish, job, clock, client, conditions, setPodStatus }) => {
    const podFailurePolicy = {
      rules: [
        { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      ],
    };
    await create({ podFailurePolicy, backoffLimit: 0 });
    const [evicted] = await active();
    await setPodStatus(evicted!.metadata.name!, {
      phase: 'Failed',
      conditions: [{ type: 'DisruptionTarget', status: 'True' }],
    });
    await clock.advance(30_000);
    assert.equal((await job()).status?.failed ?? 0, 0);
    const [next] = await active();
    await finish(next, 42);
    assert.deepEqual(await conditions(), ['FailureTarget=True PodFailurePolicy', 'Failed=True PodFailurePolicy']);
    const name = next!.metadata.name;
    assert.equal(
      (await client.resource(resources.jobs).get('work', { namespace })).status?.conditions?.[0]?.message,
      `Container c for pod default/${name} failed with exit code 42 matching FailJob rule at index 0`,
    );
  }));

test('job: the success policy ends it early, and its running pods are no failures', () =>
  cluster(async ({ create, active, finish, job, conditions, clock, reap }) => {
    await create({
      completions: 3,
      parallelism: 3,
      completionMode: 'Indexed',
      successPolicy: { rules: [{ succeededIndexes: '1-2', succeededCount: 1 }] },
    });
    await finish((await active())[1], 0);
    assert.deepEqual(await conditions(), ['SuccessCriteriaMet=True SuccessPolicy']);
    await reap();
    await clock.advance(2_000);
    assert.deepEqual(await conditions(), ['SuccessCriteriaMet=True SuccessPolicy', 'Complete=True SuccessPolicy']);
    const { status } = await job();
    assert.deepEqual([status?.succeeded, status?.completedIndexes], [1, '1']);
  }));

test('job: with podReplacementPolicy Failed a pod that is going is replaced only when it has ended', () =>
  cluster(async ({ create, active, client, clock, pods, setPodStatus, job }) => {
    await create({ podReplacementPolicy: 'Failed' });
    const [pod] = await active();
    const name = pod!.metadata.name!;
    await setPodStatus(name, { phase: 'Running' });
    await client.resource(resources.pods).delete(name, { namespace });
    await clock.advance(20_000);
    assert.equal((await active()).length, 0);
    assert.equal((await job()).status?.terminating, 1);
    await setPodStatus(name, { phase: 'Failed' });
    await clock.advance(20_000);
    assert.equal((await active()).length, 1);
    assert.equal((await job()).status?.failed, 1);
    assert.equal((await pods()).length, 2);
  }));

test('job: fewer completions or parallelism take surplus pods away, without counting them', () =>
  cluster(async ({ create, active, patch, job, reap, clock, pods }) => {
    await create({ completions: 6, parallelism: 6, completionMode: 'Indexed' });
    await patch({ completions: 3, parallelism: 3 });
    assert.deepEqual((await active()).map(indexOf), ['0', '1', '2']);
    await patch({ parallelism: 1 });
    await reap();
    await clock.advance(2_000);
    assert.deepEqual([(await active()).length, (await job()).status?.failed ?? 0, (await pods()).length], [1, 0, 1]);
  }));

for (const propagationPolicy of ['Background', 'Foreground', 'Orphan'] as const)
  test(`job: deleted with ${propagationPolicy}, no finalizer stays behind`, () =>
    cluster(
      async ({ create, client, clock, reap, pods }) => {
        await create({ parallelism: 2, completions: 2 });
        await client.resource(resources.jobs).delete('work', { namespace, body: { propagationPolicy } });
        await clock.advance(5_000);
        await reap();
        await clock.advance(5_000);
        assert.equal((await client.resource(resources.jobs).list({ namespace })).items.length, 0);
        const left = await pods();
        assert.equal(left.length, propagationPolicy === 'Orphan' ? 2 : 0);
        assert.ok(left.every(({ metadata }) => metadata.finalizers === undefined));
      },
      { controllers: [jobController(), createGarbageCollector()] },
    ));

test('job: a restart of the controller in the middle of things loses and doubles nothing', () =>
  cluster(async ({ create, active, finish, job, restart, clock, conditions }) => {
    await create({ completions: 12, parallelism: 4 });
    for (let round = 0; (await conditions()).length < 2 && round < 20; round++) {
      const some = await active();
      for (const pod of some) await finish(pod, 0);
      await restart();
      await clock.advance(500);
    }
    const { status } = await job();
    assert.deepEqual([status?.succeeded, status?.failed ?? 0], [12, 0]);
  }));
