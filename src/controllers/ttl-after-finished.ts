/** Deletes Jobs `spec.ttlSecondsAfterFinished` after their end. Source: pkg/controller/ttlafterfinished. */
import { isConflict, isNotFound } from '../api/errors.ts';
import { isBeingDeleted } from '../api/meta.ts';
import { parseTime } from '../api/time.ts';
import type { Job } from '../api/types/batch-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { keyOf } from '../client/informer.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

export function ttlAfterFinishedController(): Controller {
  return {
    name: 'ttl-after-finished-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const jobs = informers.informer(resources.jobs);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'ttl_jobs_to_delete' } });
      const consider = (job: Job): void => {
        if (expiryMs(job) !== undefined) queue.add(keyOf(job));
      };
      observe(jobs, { onAdd: consider, onUpdate: (_, job) => consider(job) }, signal);
      if (!(await untilSynced([jobs], signal))) return;
      const reconcile = async (key: string) => {
        const cached = jobs.get(key);
        const cachedExpiry = cached && expiryMs(cached);
        if (cachedExpiry === undefined) return undefined;
        if (cachedExpiry > clock.now()) return { requeueAfterMs: cachedExpiry - clock.now() };
        const { name, namespace, uid } = cached!.metadata;
        try {
          // The time to live may have been raised a moment ago.
          const job = await client.resource(resources.jobs).get(name!, { namespace: namespace!, signal });
          const expiry = job.metadata.uid === uid ? expiryMs(job) : undefined;
          if (expiry === undefined) return undefined;
          if (expiry > clock.now()) return { requeueAfterMs: expiry - clock.now() };
          const body = { propagationPolicy: 'Foreground', preconditions: { uid: uid! } };
          await client.resource(resources.jobs).delete(name!, { namespace: namespace!, body, signal });
        } catch (error) {
          if (!isNotFound(error) && !isConflict(error)) throw error;
        }
        return undefined;
      };
      await runWorkers(queue, 5, reconcile, { clock, log, kind: 'job' }, signal);
    },
  };
}

/** When the Job may go; undefined while it runs, without a time to live, and when it is going already. */
function expiryMs(job: Job): number | undefined {
  const seconds = job.spec?.ttlSecondsAfterFinished;
  if (seconds === undefined || isBeingDeleted(job)) return undefined;
  const end = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  const finished = end?.lastTransitionTime ? parseTime(end.lastTransitionTime) : undefined;
  return finished === undefined ? undefined : finished + seconds * 1000;
}
