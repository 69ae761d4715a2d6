/**
 * What the job controller, ours or a user's own (`spec.managedBy`), may say of a Job. A rule looks only at what the request changes, so that a
 * status from before the rule can still be written around. Source: apis/batch/validation (ValidateJobStatusUpdate), registry/batch/job.
 */
import { sameJson } from '../edit.ts';
import type { JsonValue } from '../json.ts';
import type { Job, JobStatus } from '../types/batch-v1.ts';
import { at, type ErrorList, immutable, nonNegative } from './error-list.ts';
import { indexesOf, omitted, overlapOf } from './job-indexes.ts';

/** The facts of a status that rules ask for. */
class Facts {
  readonly status: JobStatus;
  readonly active: number;
  readonly uncounted: number;
  readonly complete: boolean;
  readonly failed: boolean;
  readonly target: boolean;
  readonly criteria: boolean;
  readonly finished: boolean;

  constructor({ status = {} }: Job) {
    this.status = status;
    this.active = status.active ?? 0;
    const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {};
    this.uncounted = succeeded.length + failed.length;
    this.complete = this.says('Complete');
    this.failed = this.says('Failed');
    this.target = this.says('FailureTarget');
    this.criteria = this.says('SuccessCriteriaMet');
    this.finished = this.complete || this.failed;
  }
  says(type: string, value = 'True'): boolean {
    return (this.status.conditions ?? []).some((condition) => condition.type === type && condition.status === value);
  }
}

export function validateJobStatusUpdate(errors: ErrorList, next: Job, previous: Job): void {
  const now = new Facts(next);
  const before = new Facts(previous);
  const changed = (name: keyof JobStatus): boolean =>
    !sameJson((now.status[name] ?? null) as JsonValue, (before.status[name] ?? null) as JsonValue);
  const changes: Changes = {
    active: now.active !== before.active,
    ready: changed('ready'),
    terminating: changed('terminating'),
    startTime: changed('startTime'),
    completionTime: changed('completionTime'),
    uncounted: changed('uncountedTerminatedPods'),
    completedIndexes: (now.status.completedIndexes ?? '') !== (before.status.completedIndexes ?? ''),
    failedIndexes: changed('failedIndexes'),
    complete: now.complete !== before.complete,
    failed: now.failed !== before.failed,
    target: now.target !== before.target,
    criteria: now.criteria !== before.criteria,
    finished: now.finished !== before.finished,
  };
  validateCounts(errors, now.status);
  validateConditions(errors, now, changes);
  validateFinished(errors, next, now, changes);
  validateIndexes(errors, next, now.status, changes);
  if (now.finished && (now.status.terminating ?? 0) > 0 && (changes.finished || changes.terminating))
    errors.invalid('status.terminating', now.status.terminating, 'terminating>0 is invalid for finished job');
  const { ready } = now.status;
  if ((changes.ready || changes.active) && (ready ?? null) !== null && ready! > now.active)
    errors.invalid('status.ready', ready, 'cannot set more ready pods than active');
  const conditions = 'status.conditions';
  if (now.criteria && now.failed)
    omitted(errors, conditions, 'cannot set SuccessCriteriaMet=True and Failed=true conditions');
  if (now.criteria && now.target)
    omitted(errors, conditions, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
  if (next.spec?.successPolicy && !now.criteria && now.complete)
    omitted(errors, conditions, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True');
  validateProgress(errors, next, now, before, changes);
}

type Changes = Readonly<
  Record<
    | 'active'
    | 'ready'
    | 'terminating'
    | 'startTime'
    | 'completionTime'
    | 'uncounted'
    | 'completedIndexes'
    | 'failedIndexes'
    | 'complete'
    | 'failed'
    | 'target'
    | 'criteria'
    | 'finished',
    boolean
  >
>;

function validateCounts(errors: ErrorList, status: JobStatus): void {
  for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    nonNegative(errors, status[name] ?? 0, `status.${name}`);
  const seen = new Set<string>();
  for (const name of ['succeeded', 'failed'] as const)
    for (const [i, uid] of (status.uncountedTerminatedPods?.[name] ?? []).entries()) {
      const path = at(`status.uncountedTerminatedPods.${name}`, i);
      if (uid === '') errors.invalid(path, uid, 'must not be empty');
      else if (seen.has(uid)) errors.duplicate(path, uid);
      else seen.add(uid);
    }
}

function validateConditions(errors: ErrorList, now: Facts, changes: Changes): void {
  const conditions = 'status.conditions';
  const { complete, failed, target, criteria } = now;
  const { startTime, completionTime } = now.status;
  const field = 'status.completionTime';
  if (complete && failed && (changes.complete || changes.failed))
    omitted(errors, conditions, 'cannot set Complete=True and Failed=true conditions');
  if (complete && target && (changes.complete || changes.target))
    omitted(errors, conditions, 'cannot set Complete=True and FailureTarget=true conditions');
  if (changes.complete || changes.completionTime) {
    if (completionTime && !complete)
      errors.invalid(field, completionTime, 'cannot set completionTime when there is no Complete=True condition');
    if (!completionTime && complete) errors.required(field, 'completionTime is required for Complete jobs');
  }
  // Times of the API are all written alike, so their order is that of their text.
  if ((changes.startTime || changes.completionTime) && startTime && completionTime && completionTime < startTime)
    errors.invalid(field, completionTime, 'must be equal to or after `startTime`');
  if (failed && !target && (changes.failed || changes.failedIndexes))
    omitted(errors, conditions, 'cannot set Failed=True condition without the FailureTarget=true condition');
  if (complete && !criteria && (changes.complete || changes.criteria))
    omitted(errors, conditions, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition');
}

function validateFinished(errors: ErrorList, { spec }: Job, now: Facts, changes: Changes): void {
  if (!now.finished) return;
  if (now.active > 0 && (changes.finished || changes.active))
    errors.invalid('status.active', now.active, 'active>0 is invalid for finished job');
  const nothingToStart = spec?.suspend === true && spec.completions === 0;
  if (!now.status.startTime && (changes.finished || changes.startTime) && !nothingToStart)
    errors.required('status.startTime', 'startTime is required for finished job');
  if (now.uncounted > 0 && (changes.finished || changes.uncounted)) {
    const { succeeded = null, failed = null } = now.status.uncountedTerminatedPods ?? {};
    errors.invalid(
      'status.uncountedTerminatedPods',
      { Succeeded: succeeded, Failed: failed },
      'must be empty for finished job',
    );
  }
}

function validateIndexes(errors: ErrorList, { spec }: Job, status: JobStatus, changes: Changes): void {
  const { completions, backoffLimitPerIndex, completionMode } = spec ?? {};
  const { completedIndexes = '', failedIndexes } = status;
  const counted = (completions ?? null) !== null;
  const failing = (failedIndexes ?? null) !== null;
  const perIndex = (backoffLimitPerIndex ?? null) !== null;
  const parse = (name: 'completedIndexes' | 'failedIndexes', text: string): void => {
    const found = indexesOf(text, completions!);
    if (typeof found === 'string') errors.invalid(`status.${name}`, text, `error parsing ${name}: ${found}`);
  };
  if (changes.completedIndexes && counted) parse('completedIndexes', completedIndexes);
  if (changes.failedIndexes && counted && perIndex && failing) parse('failedIndexes', failedIndexes!);
  if (changes.completedIndexes && completedIndexes !== '' && completionMode !== 'Indexed')
    errors.invalid(
      'status.completedIndexes',
      completedIndexes,
      'cannot set non-empty completedIndexes when non-indexed completion mode',
    );
  if (changes.failedIndexes && !perIndex && failing)
    errors.invalid(
      'status.failedIndexes',
      failedIndexes,
      'cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    );
  if ((changes.failedIndexes || changes.completedIndexes) && counted && failing) {
    const shared = overlapOf(completedIndexes, failedIndexes!, completions!);
    if (shared !== undefined)
      errors.invalid(
        'status.failedIndexes',
        failedIndexes,
        `failedIndexes and completedIndexes overlap at index: ${shared}`,
      );
  }
}

/** What a Job cannot take back. */
function validateProgress(errors: ErrorList, { spec }: Job, now: Facts, before: Facts, changes: Changes): void {
  const conditions = 'status.conditions';
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (before.says(type) && !now.says(type))
      omitted(errors, conditions, `cannot disable the terminal ${type}=True condition`);
  const fell = (name: 'failed' | 'succeeded'): boolean => (now.status[name] ?? 0) < (before.status[name] ?? 0);
  if (fell('failed')) errors.invalid('status.failed', now.status.failed ?? 0, 'cannot decrease the failed counter');
  const scalable = spec?.completionMode === 'Indexed' && (spec.completions ?? null) === (spec.parallelism ?? null);
  if (!scalable && fell('succeeded'))
    errors.invalid('status.succeeded', now.status.succeeded ?? 0, 'cannot decrease the succeeded counter');
  const [completion, completed] = [now.status.completionTime, before.status.completionTime];
  if (completion && completed && completion !== completed)
    errors.invalid('status.completionTime', completion, immutable);
  const resuming = before.says('Suspended') && now.says('Suspended', 'False');
  if (changes.startTime && !resuming && before.status.startTime && spec?.suspend !== true)
    errors.invalid('status.startTime', now.status.startTime ?? null, 'field is immutable for unsuspended job once set');
  if (before.criteria && !now.criteria)
    omitted(errors, conditions, 'cannot disable the SuccessCriteriaMet=True condition');
  if (before.complete && !before.criteria && now.criteria)
    omitted(errors, conditions, 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions');
}
