/** CronJobs and the Jobs' time to live, on the real API server in virtual time; the test ends the Jobs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../src/api/time.ts';
import type { CronJob, CronJobSpec, Job } from '../src/api/types/batch-v1.ts';
import { resources } from '../src/api/types/resources.ts';
import { cronJobController } from '../src/controllers/cron-job/controller.ts';
import { createGarbageCollector } from '../src/controllers/garbage-collector/garbage-collector.ts';
import { ttlAfterFinishedController } from '../src/controllers/ttl-after-finished.ts';
import { namespace, type WorkloadCluster, withWorkloads } from './support/workload-cluster.ts';

interface CronCluster extends WorkloadCluster {
  create(spec?: Partial<CronJobSpec>): Promise<void>;
  get(): Promise<CronJob>;
  jobs(): Promise<readonly Job[]>;
  end(job: Job | undefined, type: 'Complete' | 'Failed'): Promise<void>;
}

const minute = 60_000;

const cluster = (body: (cluster: CronCluster) => Promise<void>): Promise<void> =>
  withWorkloads(
    {
      controllers: [cronJobController(), ttlAfterFinishedController(), createGarbageCollector()],
      kubelet: false,
      nodes: 0,
    },
    (base) => {
      const { client, clock } = base;
      const cronJobs = client.resource(resources.cronJobs);
      const jobs = client.resource(resources.jobs);
      return body({
        ...base,
        async create(spec = {}) {
          // Begin at a full hour.
          await clock.advance(60 * minute - (clock.now() % (60 * minute)));
          const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
          await cronJobs.create({
            metadata: { name: 'tick', namespace },
            spec: { schedule: '*/10 * * * *', jobTemplate: { spec: { template } }, ...spec },
          });
        },
        get: () => cronJobs.get('tick', { namespace }),
        async jobs() {
          return (await jobs.list({ namespace })).items;
        },
        async end(job, type) {
          const now = formatTime(clock.now());
          const condition = { type, status: 'True', lastTransitionTime: now, lastProbeTime: now };
          const criteria = { ...condition, type: type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget' };
          await jobs.updateStatus({
            ...job!,
            status: {
              startTime: now,
              ...(type === 'Complete' ? { completionTime: now } : {}),
              conditions: [criteria, condition],
              uncountedTerminatedPods: {},
            },
          });
          await clock.advance(1_000);
        },
      });
    },
  );

const minuteOf = ({ metadata }: Job): number =>
  new Date(metadata.annotations!['batch.kubernetes.io/cronjob-scheduled-timestamp']!).getUTCMinutes();

test('cron job: makes a Job at each of its times, named by the minute, and keeps track of it', () =>
  cluster(async ({ create, get, jobs, end, clock, events }) => {
    await create();
    await clock.advance(9 * minute);
    assert.equal((await jobs()).length, 0);
    await clock.advance(2 * minute);
    const [job] = await jobs();
    const at = Math.floor(clock.now() / (10 * minute)) * 10;
    assert.equal(job!.metadata.name, `tick-${at}`);
    assert.equal(minuteOf(job!), 10);
    assert.equal((await get()).status?.lastScheduleTime, formatTime(at * minute));
    assert.equal((await get()).status?.active?.[0]?.name, job!.metadata.name);
    await end(job, 'Complete');
    const { status } = await get();
    assert.equal(status?.active, undefined);
    assert.ok(status?.lastSuccessfulTime);
    const told = await events('CronJob');
    assert.ok(told.includes(`SuccessfulCreate: Created job ${job!.metadata.name}`));
    assert.ok(told.includes(`SawCompletedJob: Saw completed job: ${job!.metadata.name}, condition: Complete`));
  }));

for (const [concurrencyPolicy, want] of [
  ['Allow', [10, 20, 30]],
  ['Forbid', [10]],
  ['Replace', [30]],
] as const)
  test(`cron job: with concurrencyPolicy ${concurrencyPolicy}`, () =>
    cluster(async ({ create, jobs, clock, events, get }) => {
      await create({ concurrencyPolicy });
      await clock.advance(31 * minute);
      assert.deepEqual((await jobs()).map(minuteOf), want);
      assert.equal((await get()).status?.active?.length, want.length);
      if (concurrencyPolicy === 'Forbid')
        assert.ok((await events('CronJob')).some((text) => text.startsWith('JobAlreadyActive: Not starting job')));
    }));

test('cron job: a forbidden start is made up for when the Job before it has ended', () =>
  cluster(async ({ create, jobs, clock, end }) => {
    await create({ concurrencyPolicy: 'Forbid' });
    await clock.advance(25 * minute);
    await end((await jobs())[0], 'Complete');
    assert.deepEqual((await jobs()).map(minuteOf), [10, 20]);
  }));

test('cron job: finished Jobs beyond the history limits go, the oldest first', () =>
  cluster(async ({ create, jobs, clock, end }) => {
    await create({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 });
    await clock.advance(1_000);
    for (const type of ['Complete', 'Failed', 'Complete', 'Failed', 'Complete'] as const) {
      await clock.advance(10 * minute);
      await end((await jobs()).at(-1), type);
    }
    await clock.advance(minute);
    assert.deepEqual((await jobs()).map(minuteOf), [40, 50]);
  }));

test('cron job: suspended it starts nothing; resumed it makes up for the last start only', () =>
  cluster(async ({ create, jobs, clock, client }) => {
    await create({ suspend: true });
    await clock.advance(35 * minute);
    assert.equal((await jobs()).length, 0);
    const patch = { spec: { suspend: false } };
    await client.resource(resources.cronJobs).patch('tick', { type: 'merge', patch }, { namespace });
    await clock.advance(1_000);
    assert.deepEqual((await jobs()).map(minuteOf), [30]);
  }));

test('cron job: what is later than the starting deadline is not made up for', () =>
  cluster(async ({ create, jobs, clock, client }) => {
    await create({ suspend: true, startingDeadlineSeconds: 60 });
    await clock.advance(35 * minute);
    const patch = { spec: { suspend: false } };
    await client.resource(resources.cronJobs).patch('tick', { type: 'merge', patch }, { namespace });
    await clock.advance(minute);
    assert.deepEqual((await jobs()).map(minuteOf), []);
    await clock.advance(5 * minute);
    assert.deepEqual((await jobs()).map(minuteOf), [40]);
  }));

test('cron job: more than a hundred missed starts are told, and the last one is made', () =>
  cluster(async ({ create, jobs, clock, client, events }) => {
    await create({ suspend: true, schedule: '* * * * *' });
    await clock.advance(121.5 * minute);
    const patch = { spec: { suspend: false } };
    await client.resource(resources.cronJobs).patch('tick', { type: 'merge', patch }, { namespace });
    await clock.advance(1_000);
    assert.deepEqual((await jobs()).map(minuteOf), [1]);
    assert.ok((await events('CronJob')).some((text) => text.startsWith('TooManyMissedTimes: too many missed start')));
  }));

test('cron job: its time zone counts, and the Job says its start in it', () =>
  cluster(async ({ create, jobs, clock }) => {
    await create({ schedule: '40 * * * *', timeZone: 'Asia/Kolkata' });
    await clock.advance(11 * minute);
    const [job] = await jobs();
    assert.match(job!.metadata.annotations!['batch.kubernetes.io/cronjob-scheduled-timestamp']!, /T\d\d:40:00\+05:30$/);
  }));

test('cron job: a schedule or zone that cannot be read is refused by the API server', () =>
  cluster(async ({ create }) => {
    await assert.rejects(create({ schedule: '61 * * * *' }), /end of range \(61\) above maximum \(59\): 61/);
    await assert.rejects(create({ schedule: 'TZ=UTC * * * * *' }), /cannot use TZ or CRON_TZ in schedule/);
    await assert.rejects(create({ timeZone: 'Mars/Base' }), /unknown time zone Mars\/Base/);
    await assert.rejects(create({ timeZone: 'Local' }), /timeZone must be an explicit time zone/);
  }));

test('cron job: a changed schedule counts from now on; one that never comes is told; vanished Jobs are noted', () =>
  cluster(async ({ create, jobs, clock, client, events, get }) => {
    await create();
    const cronJobs = client.resource(resources.cronJobs);
    const reschedule = (schedule: string) =>
      cronJobs.patch('tick', { type: 'merge', patch: { spec: { schedule } } }, { namespace });
    await clock.advance(11 * minute);
    await client.resource(resources.jobs).delete((await jobs())[0]!.metadata.name!, {
      namespace,
      body: { propagationPolicy: 'Background' },
    });
    await clock.advance(1_000);
    assert.equal((await get()).status?.active, undefined);
    assert.ok((await events('CronJob')).some((text) => text.startsWith('MissingJob: Active job went missing')));
    await reschedule('15 * * * *');
    await clock.advance(5 * minute);
    assert.deepEqual((await jobs()).map(minuteOf), [15]);
    await reschedule('0 0 31 2 *');
    await clock.advance(60 * minute);
    assert.deepEqual((await jobs()).map(minuteOf), [15]);
  }));

test('cron job: a restart starts nothing twice, and a deleted one takes its Jobs along', () =>
  cluster(async ({ create, jobs, clock, restart, client }) => {
    await create();
    await clock.advance(11 * minute);
    await restart();
    await clock.advance(minute);
    assert.equal((await jobs()).length, 1);
    await client.resource(resources.cronJobs).delete('tick', { namespace, body: { propagationPolicy: 'Background' } });
    await clock.advance(minute);
    assert.equal((await jobs()).length, 0);
  }));

test('ttl after finished: a finished Job goes when its time is up, one that runs stays', () =>
  cluster(async ({ jobs, clock, client, end }) => {
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
    for (const [name, ttlSecondsAfterFinished] of [
      ['short', 60],
      ['long', 3600],
      ['runs', 0],
    ] as const)
      await client
        .resource(resources.jobs)
        .create({ metadata: { name, namespace }, spec: { ttlSecondsAfterFinished, template } });
    for (const job of await jobs()) if (job.metadata.name !== 'runs') await end(job, 'Complete');
    const names = async () => (await jobs()).map(({ metadata }) => metadata.name);
    await clock.advance(50_000);
    assert.deepEqual(await names(), ['long', 'runs', 'short']);
    await clock.advance(20_000);
    assert.deepEqual(await names(), ['long', 'runs']);
    const raised = { spec: { ttlSecondsAfterFinished: 7200 } };
    await client.resource(resources.jobs).patch('long', { type: 'merge', patch: raised }, { namespace });
    await clock.advance(3_700_000);
    assert.deepEqual(await names(), ['long', 'runs']);
    await clock.advance(3_600_000);
    assert.deepEqual(await names(), ['runs']);
  }));
