/** Which start of a CronJob is due, and when to look again. Pure. Source: pkg/controller/cronjob/utils.go. */
import { type CronSchedule, parseCronSchedule } from '../../api/cron-schedule.ts';
import { parseTime } from '../../api/time.ts';
import type { CronJob } from '../../api/types/batch-v1.ts';

/** Clocks of a cluster differ a little: a start is looked for a moment after its time. */
const marginMs = 100;
const missedMax = 100;

export interface DueStart {
  /** The latest start that has not happened; undefined when none is due. */
  readonly at?: number;
  /** More than a hundred were missed: something has been wrong for long, or a clock is. */
  readonly tooManyMissed: boolean;
}

/** @throws Error for a schedule that cannot be read, with upstream's text. */
export const scheduleOf = ({ spec }: CronJob): CronSchedule =>
  parseCronSchedule(spec!.schedule, spec!.timeZone ?? 'UTC');

/** @throws Error for a schedule whose times never come. */
export function dueStart(cronJob: CronJob, schedule: CronSchedule, nowMs: number): DueStart {
  const deadline = cronJob.spec?.startingDeadlineSeconds;
  // What lies before the deadline is lost and not counted.
  const earliest =
    deadline === undefined ? lastMs(cronJob) : Math.max(lastMs(cronJob), nowMs - Number(deadline) * 1000);
  const { at, missed } = mostRecent(schedule, earliest, nowMs);
  return { ...(at === undefined ? {} : { at }), tooManyMissed: missed > missedMax };
}

/** @returns milliseconds until the next start. */
export function nextLookMs(cronJob: CronJob, schedule: CronSchedule, nowMs: number): number {
  const earliest = lastMs(cronJob);
  let from: number;
  try {
    const { at, missed } = mostRecent(schedule, earliest, nowMs);
    from = at ?? (missed === 0 ? earliest : nowMs);
  } catch {
    // Its times never come as far as we can see: look again when the next one would be.
    from = nowMs;
  }
  const next = schedule.next(from);
  return next === undefined ? Number.POSITIVE_INFINITY : next + marginMs - nowMs;
}

function lastMs({ metadata, status }: CronJob): number {
  const text = status?.lastScheduleTime ?? metadata.creationTimestamp;
  return (text ? parseTime(text) : undefined) ?? 0;
}

function mostRecent(
  schedule: CronSchedule,
  earliest: number,
  nowMs: number,
): { readonly at?: number; readonly missed: number } {
  const first = schedule.next(earliest);
  const second = first === undefined ? undefined : schedule.next(first);
  if (first === undefined || second === undefined || second - first < 1000)
    throw new Error('time difference between two schedules is less than 1 second');
  if (nowMs < first) return { missed: 0 };
  if (nowMs < second) return { at: first, missed: 0 };
  // Not one by one: after a long pause there may be millions. The first interval tells about how many.
  const interval = second - first;
  const missed = Math.floor((nowMs - first) / interval) + 1;
  let at: number | undefined;
  for (
    let next = schedule.next(first + (missed - 2) * interval);
    next !== undefined && next <= nowMs;
    next = schedule.next(next)
  )
    at = next;
  return { ...(at === undefined ? {} : { at }), missed };
}
