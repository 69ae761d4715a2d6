/** The Job of one start of a CronJob. Pure. Source: getJobFromTemplate2 in pkg/controller/cronjob/utils.go. */
import { newControllerRef } from '../../api/meta.ts';
import { formatTime } from '../../api/time.ts';
import { timeZone } from '../../api/time-zone.ts';
import type { CronJob, Job } from '../../api/types/batch-v1.ts';
import { resources } from '../../api/types/resources.ts';

/** By its start: a second try for the same start finds the name taken. */
export const jobNameFor = ({ metadata }: CronJob, startMs: number): string =>
  `${metadata.name}-${Math.floor(startMs / 60_000)}`;

export function jobFor(cronJob: CronJob, startMs: number): Job {
  const { metadata, spec } = cronJob.spec!.jobTemplate;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobNameFor(cronJob, startMs),
      namespace: cronJob.metadata.namespace!,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: {
        ...metadata?.annotations,
        'batch.kubernetes.io/cronjob-scheduled-timestamp': localTime(startMs, cronJob.spec!.timeZone),
      },
      ownerReferences: [newControllerRef(cronJob, resources.cronJobs)],
    },
    spec: spec!,
  };
}

/** RFC 3339 with the zone's offset. */
function localTime(at: number, zone: string | undefined): string {
  const offset = zone === undefined ? 0 : timeZone(zone).offsetMs(at) / 60_000;
  const text = formatTime(at + offset * 60_000);
  if (offset === 0) return text;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const size = Math.abs(offset);
  return `${text.slice(0, -1)}${offset < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`;
}
