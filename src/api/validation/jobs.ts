/** Jobs and cron jobs. */

import { parseCronSchedule } from '../cron-schedule.ts';
import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import { checkDns1123Label, checkQualifiedName } from '../names.ts';
import { isTimeZone } from '../time-zone.ts';
import type {
  CronJob,
  Job,
  JobSpec,
  JobTemplateSpec,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../types/batch-v1.ts';
import type { PodTemplateSpec } from '../types/core-v1.ts';
import type { LabelSelector } from '../types/meta-v1.ts';
import { checkDomainPath } from './domain-path.ts';
import { at, type ErrorList, immutable, nonNegative } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { indexesOf, omitted } from './job-indexes.ts';
import { hasInvalidValues, validateLabelSelector } from './metadata.ts';
import { validateTemplate } from './pods.ts';
import { selects } from './workloads.ts';

const labelNames = ['controller-uid', 'job-name', 'batch.kubernetes.io/controller-uid', 'batch.kubernetes.io/job-name'];

export function validateJob(errors: ErrorList, job: Job): void {
  validateWholeJob(errors, job, { prefixedLabels: true });
}

interface JobOptions {
  /** The labels with a prefix, which jobs of old servers do not have. */
  readonly prefixedLabels: boolean;
  readonly allowInvalidSelector?: boolean;
}

function validateWholeJob(errors: ErrorList, job: Job, options: JobOptions): void {
  const { metadata, spec } = job;
  if (!spec) return;
  if (spec.manualSelector !== true && spec.selector) validateGenerated(errors, job, spec.selector, options);
  validateSelectedJob(errors, spec, options);
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    const hostname = `${metadata.name ?? ''}-${spec.completions! - 1}`;
    if (checkDns1123Label(hostname).length > 0)
      errors.invalid(
        'metadata.name',
        metadata.name ?? '',
        `will not able to create pod with invalid DNS label: ${hostname}`,
      );
  }
}

/** A generated selector picks this job's pods and no others. */
function validateGenerated(
  errors: ErrorList,
  { metadata, spec }: Job,
  selector: LabelSelector,
  { prefixedLabels }: JobOptions,
): void {
  const { uid = '', name = '' } = metadata;
  if (uid === '') errors.required('metadata.uid');
  const labels = spec!.template?.metadata?.labels;
  const expected: Record<string, string> = {};
  for (const key of prefixedLabels ? labelNames : labelNames.slice(0, 2)) {
    const value = key.endsWith('job-name') ? name : uid;
    expected[key] = value;
    const path = at('spec.template.metadata.labels', key);
    if (labels?.[key] === undefined) errors.required(path, `must be '${value}'`);
    else if (labels[key] !== value) errors.invalid(path, labels, `must be '${value}'`);
  }
  if (selects(selector, expected) === false) errors.invalid('spec.selector', selector, '`selector` not auto-generated');
}

function validateSelectedJob(errors: ErrorList, spec: JobSpec, { allowInvalidSelector }: JobOptions): void {
  validateJobSpec(errors, spec, 'spec');
  if (!spec.selector) errors.required('spec.selector');
  else
    validateLabelSelector(errors, spec.selector, 'spec.selector', {
      allowInvalidValues: allowInvalidSelector === true,
    });
  const labels = spec.template?.metadata?.labels;
  if (selects(spec.selector, labels ?? {}) === false)
    errors.invalid(
      'spec.template.metadata.labels',
      shownField(spec.template?.metadata, 'labels'),
      '`selector` does not match template `labels`',
    );
}

const softLimit = 100_000;
const highCompletionsLimit = 10_000;

export function validateJobSpec(errors: ErrorList, spec: JobSpec, field: string): void {
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const)
    nonNegative(errors, spec[name], `${field}.${name}`);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
  if (spec.managedBy !== undefined) {
    checkDomainPath(errors, spec.managedBy, `${field}.managedBy`);
    if (Buffer.byteLength(spec.managedBy) > 63) errors.tooLong(`${field}.managedBy`, 63);
  }
  const mode = spec.completionMode;
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed')
    errors.notSupported(`${field}.completionMode`, mode, ['NonIndexed', 'Indexed']);
  if (mode === 'Indexed') validateIndexed(errors, spec, field);
  if (mode === undefined || mode === 'NonIndexed')
    for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
      if (spec[name] !== undefined) errors.invalid(`${field}.${name}`, spec[name], 'requires indexed completion mode');
  if (spec.podFailurePolicy) validateFailurePolicy(errors, spec, `${field}.podFailurePolicy.rules`);
  if (spec.successPolicy) validateSuccessPolicy(errors, spec, `${field}.successPolicy`);
  const replacement = spec.podReplacementPolicy;
  const replacements = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (replacement !== undefined && !replacements.includes(replacement))
    errors.notSupported(`${field}.podReplacementPolicy`, replacement, replacements);
  validateTemplate(errors, spec.template, `${field}.template`);
  const policy = spec.template?.spec?.restartPolicy;
  const path = `${field}.template.spec.restartPolicy`;
  if (!policy || policy === 'Always') errors.required(path, 'valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.notSupported(path, policy, ['OnFailure', 'Never']);
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified');
}

function validateIndexed(errors: ErrorList, spec: JobSpec, field: string): void {
  const { completions, parallelism, maxFailedIndexes, backoffLimitPerIndex } = spec;
  if (completions === undefined) errors.required(`${field}.completions`, 'when completion mode is Indexed');
  if (parallelism !== undefined && parallelism > softLimit)
    errors.invalid(
      `${field}.parallelism`,
      parallelism,
      `must be less than or equal to ${softLimit} when completion mode is Indexed`,
    );
  const path = `${field}.maxFailedIndexes`;
  if (completions !== undefined && maxFailedIndexes !== undefined && maxFailedIndexes > completions)
    errors.invalid(path, maxFailedIndexes, 'must be less than or equal to completions');
  if (maxFailedIndexes !== undefined && maxFailedIndexes > softLimit)
    errors.invalid(path, maxFailedIndexes, `must be less than or equal to ${softLimit}`);
  if (completions === undefined || completions <= softLimit || backoffLimitPerIndex === undefined) return;
  const tooHigh = `must be less than or equal to ${highCompletionsLimit} when completions are above ${softLimit} and used with backoff limit per index`;
  if (maxFailedIndexes === undefined) errors.required(path, `must be specified when completions is above ${softLimit}`);
  if (parallelism !== undefined && parallelism > highCompletionsLimit)
    errors.invalid(`${field}.parallelism`, parallelism, tooHigh);
  if (maxFailedIndexes !== undefined && maxFailedIndexes > highCompletionsLimit)
    errors.invalid(path, maxFailedIndexes, tooHigh);
}

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];
const validValues = (values: readonly string[]): string =>
  `valid values: [${values.map((v) => JSON.stringify(v)).join(' ')}]`;

function validateFailurePolicy(errors: ErrorList, spec: JobSpec, field: string): void {
  const policies = spec.podFailurePolicy!.rules ?? [];
  if (policies.length > 20) errors.tooMany(field, policies.length, 20);
  const pod = spec.template?.spec;
  const names = new Set([...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].map(({ name }) => name));
  for (const [i, rule] of policies.entries()) validateFailureRule(errors, rule, spec, names, at(field, i));
}

function validateFailureRule(
  errors: ErrorList,
  rule: PodFailurePolicyRule,
  spec: JobSpec,
  containers: ReadonlySet<string>,
  field: string,
): void {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  if (!action) errors.required(`${field}.action`, validValues(actions));
  else if (action === 'FailIndex') {
    if (spec.backoffLimitPerIndex === undefined)
      errors.invalid(`${field}.action`, action, 'requires the backoffLimitPerIndex to be set');
  } else if (!actions.includes(action)) errors.notSupported(`${field}.action`, action, actions);
  if (onExitCodes) validateExitCodes(errors, onExitCodes, containers, `${field}.onExitCodes`);
  if (onPodConditions.length > 20) errors.tooMany(`${field}.onPodConditions`, onPodConditions.length, 20);
  for (const [i, { type, status }] of onPodConditions.entries()) {
    const path = at(`${field}.onPodConditions`, i);
    errors.invalidEach(`${path}.type`, type, checkQualifiedName(type));
    if (!status) errors.required(`${path}.status`, validValues(statuses));
    else if (!statuses.includes(status)) errors.notSupported(`${path}.status`, status, statuses);
  }
  if (onExitCodes && onPodConditions.length > 0)
    omitted(errors, field, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (!onExitCodes && onPodConditions.length === 0)
    omitted(errors, field, 'specifying one of OnExitCodes and OnPodConditions is required');
}

function validateExitCodes(
  errors: ErrorList,
  codes: NonNullable<PodFailurePolicyRule['onExitCodes']>,
  containers: ReadonlySet<string>,
  field: string,
): void {
  const { operator, containerName } = codes;
  const values = codes.values ?? [];
  if (!operator) errors.required(`${field}.operator`, validValues(operators));
  else if (!operators.includes(operator)) errors.notSupported(`${field}.operator`, operator, operators);
  if (containerName !== undefined && !containers.has(containerName))
    errors.invalid(
      `${field}.containerName`,
      containerName,
      'must be one of the container or initContainer names in the pod template',
    );
  const path = `${field}.values`;
  if (values.length === 0) errors.invalid(path, shownField(codes, 'values'), 'at least one value is required');
  else if (values.length > 255) errors.tooMany(path, values.length, 255);
  const seen = new Set<number>();
  for (const [i, code] of values.entries()) {
    if (operator === 'In' && code === 0) errors.invalid(at(path, i), code, 'must not be 0 for the In operator');
    if (seen.has(code)) errors.duplicate(at(path, i), code);
    seen.add(code);
  }
  if (values.some((code, i) => i > 0 && values[i - 1]! > code)) errors.invalid(path, values, 'must be ordered');
}

function validateSuccessPolicy(errors: ErrorList, spec: JobSpec, field: string): void {
  if (spec.completionMode !== 'Indexed') {
    errors.invalid(field, internalForm(spec.successPolicy, 'batch.SuccessPolicy'), 'requires indexed completion mode');
    return;
  }
  const policies = spec.successPolicy!.rules ?? [];
  const path = `${field}.rules`;
  if (policies.length === 0)
    errors.required(path, 'at least one rules must be specified when the successPolicy is specified');
  if (policies.length > 20) errors.tooMany(path, policies.length, 20);
  for (const [i, rule] of policies.entries()) validateSuccessRule(errors, rule, spec.completions ?? 0, at(path, i));
}

function validateSuccessRule(
  errors: ErrorList,
  { succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule,
  completions: number,
  field: string,
): void {
  if (count === undefined && indexes === undefined)
    errors.required(field, 'at least one of succeededCount or succeededIndexes must be specified');
  let total = 0;
  if (indexes !== undefined) {
    if (indexes.length > 65_536) errors.tooLong(`${field}.succeededIndexes`, 65_536);
    const found = indexesOf(indexes, completions);
    if (typeof found === 'string')
      errors.invalid(`${field}.succeededIndexes`, indexes, `error parsing succeededIndexes: ${found}`);
    else total = found;
  }
  if (count === undefined) return;
  const path = `${field}.succeededCount`;
  nonNegative(errors, count, path);
  if (count > completions)
    errors.invalid(path, count, `must be less than or equal to ${completions} (the number of specified completions)`);
  if (indexes !== undefined && count > total)
    errors.invalid(
      path,
      count,
      `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
    );
}

/** Upstream checks the spec twice: once as of a new job, once with the change. */
export function validateJobUpdate(errors: ErrorList, next: Job, previous: Job): void {
  const spec = next.spec!;
  const before = previous.spec!;
  const oldLabels = before.template?.metadata?.labels ?? {};
  const options: JobOptions = {
    prefixedLabels: labelNames.slice(2).every((name) => oldLabels[name] !== undefined),
    allowInvalidSelector: hasInvalidValues(before.selector),
  };
  validateWholeJob(errors, next, options);
  validateSelectedJob(errors, spec, options);
  if (spec.completions !== before.completions) {
    if (spec.completionMode !== 'Indexed') errors.invalid('spec.completions', spec.completions ?? null, immutable);
    else if (spec.completions !== undefined && spec.completions !== spec.parallelism)
      errors.invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism');
  }
  same(errors, spec.selector, before.selector, 'spec.selector');
  validateTemplateUpdate(errors, next, previous);
  same(errors, spec.completionMode, before.completionMode, 'spec.completionMode');
  same(errors, spec.podFailurePolicy, before.podFailurePolicy, 'spec.podFailurePolicy', 'batch.PodFailurePolicy');
  same(errors, spec.backoffLimitPerIndex, before.backoffLimitPerIndex, 'spec.backoffLimitPerIndex');
  same(errors, spec.managedBy, before.managedBy, 'spec.managedBy');
  same(errors, spec.successPolicy, before.successPolicy, 'spec.successPolicy', 'batch.SuccessPolicy');
}

function same(errors: ErrorList, next: unknown, before: unknown, field: string, type?: string): void {
  if (sameJson(next, before)) return;
  errors.invalid(field, next === undefined ? null : type ? internalForm(next, type) : next, immutable);
}

/** Where pods go and what they may use can change while a job is suspended and has none. */
function validateTemplateUpdate(errors: ErrorList, { spec }: Job, previous: Job): void {
  const template = spec!.template;
  const old = previous.spec!.template;
  const status = previous.status ?? {};
  const suspended = previous.spec!.suspend === true;
  const idle =
    suspended &&
    (status.startTime === undefined ||
      status.conditions?.some((c) => c.type === 'Suspended' && c.status === 'True') === true) &&
    (status.active ?? 0) === 0;
  const before = idle ? withDirectives(old, template) : old;
  if (!idle) {
    if (!sameJson(template, before))
      errors.invalid('spec.template', internalForm(template, 'core.PodTemplateSpec'), immutable);
    return;
  }
  if (!sameJson(template?.spec, withResources(before, template)?.spec))
    errors.invalid('spec.template.spec', internalForm(template?.spec, 'core.PodSpec'), immutable);
}

function withDirectives(old: PodTemplateSpec, next: PodTemplateSpec): PodTemplateSpec {
  const spec = next?.spec;
  const { nodeAffinity: _old, ...oldRest } = old.spec?.affinity ?? {};
  const nodeAffinity = spec?.affinity?.nodeAffinity;
  const affinity = { ...oldRest, ...(nodeAffinity ? { nodeAffinity } : {}) };
  const keep = spec?.affinity !== undefined || Object.keys(oldRest).length > 0;
  return {
    ...old,
    spec: {
      ...old.spec!,
      ...(keep ? { affinity } : { affinity: undefined }),
      nodeSelector: spec?.nodeSelector,
      tolerations: spec?.tolerations,
      schedulingGates: spec?.schedulingGates,
    } as never,
  };
}

function withResources(old: PodTemplateSpec, next: PodTemplateSpec): PodTemplateSpec {
  const spec: Record<string, unknown> = { ...old.spec };
  for (const field of ['containers', 'initContainers'] as const) {
    const now = next?.spec?.[field];
    const before = old.spec?.[field];
    if (!now || now.length !== before?.length) continue;
    spec[field] = before.map((container, i) =>
      container.name === now[i]!.name ? { ...container, resources: now[i]!.resources } : container,
    );
  }
  return { ...old, spec: spec as never };
}

export function validateCronJob(errors: ErrorList, cronJob: CronJob): void {
  validateCronJobSpec(errors, cronJob, undefined);
  const name = cronJob.metadata.name ?? '';
  if (name.length > 52) errors.invalid('metadata.name', name, 'must be no more than 52 characters');
}

export function validateCronJobUpdate(errors: ErrorList, next: CronJob, previous: CronJob): void {
  validateCronJobSpec(errors, next, previous);
}

const concurrency = ['Allow', 'Forbid', 'Replace'];

function validateCronJobSpec(errors: ErrorList, { spec }: CronJob, previous: CronJob | undefined): void {
  if (!spec) return;
  const { schedule, timeZone } = spec;
  if (!schedule) errors.required('spec.schedule');
  else {
    const problem = scheduleProblem(schedule);
    if (problem !== undefined) errors.invalid('spec.schedule', schedule, problem);
    const allowed = previous?.spec?.schedule.includes('TZ') === true;
    if (schedule.includes('TZ')) {
      if (!allowed)
        errors.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
      else if (timeZone !== undefined)
        errors.invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
    }
  }
  nonNegative(errors, spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds');
  if (timeZone !== undefined && (!previous || previous.spec?.timeZone !== timeZone))
    validateTimeZone(errors, timeZone, 'spec.timeZone');
  if (!spec.concurrencyPolicy) errors.required('spec.concurrencyPolicy');
  else if (!concurrency.includes(spec.concurrencyPolicy))
    errors.notSupported('spec.concurrencyPolicy', spec.concurrencyPolicy, concurrency);
  validateJobTemplate(errors, spec.jobTemplate);
  nonNegative(errors, spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit');
  nonNegative(errors, spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit');
}

function validateJobTemplate(errors: ErrorList, template: JobTemplateSpec | undefined): void {
  const spec = template?.spec;
  if (!spec) return;
  validateJobSpec(errors, spec, 'spec.jobTemplate.spec');
  if (spec.selector)
    errors.invalid('spec.jobTemplate.spec.selector', spec.selector, '`selector` will be auto-generated');
  if (spec.manualSelector === true) errors.notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false']);
}

function validateTimeZone(errors: ErrorList, zone: string, field: string): void {
  if (zone === '') {
    errors.invalid(field, zone, 'timeZone must be nil or non-empty string');
    return;
  }
  const unknown = `unknown time zone ${zone}`;
  if (
    zone
      .split('/')
      .some((part) => part === '.' || part === '..' || !/^[A-Za-z._0-9+][A-Za-z.\-_0-9+]{0,13}$/.test(part))
  ) {
    errors.invalid(field, zone, unknown);
    return;
  }
  if (zone.toLowerCase() === 'local')
    errors.invalid(field, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  if (zone !== 'Local' && !isTimeZone(zone)) errors.invalid(field, zone, unknown);
}

/** @returns what is wrong with it, in upstream's words; undefined when nothing is. */
function scheduleProblem(schedule: string): string | undefined {
  try {
    parseCronSchedule(schedule);
    return undefined;
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
}
