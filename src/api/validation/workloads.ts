/** Deployments, replica sets, stateful sets, daemon sets, jobs, cron jobs, replication controllers, disruption budgets, autoscalers. */
import { sameJson } from '../edit.ts';
import { checkPercent } from '../names.ts';
import { labelMatcherFrom, matchLabels } from '../selectors/label-selector.ts';
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../types/apps-v1.ts';
import type { HorizontalPodAutoscaler } from '../types/autoscaling-v2.ts';
import type { CronJob, Job, JobSpec } from '../types/batch-v1.ts';
import type { PodTemplateSpec, ReplicationController } from '../types/core-v1.ts';
import type { LabelSelector } from '../types/meta-v1.ts';
import type { PodDisruptionBudget } from '../types/policy-v1.ts';
import { type ErrorList, immutable, notNegative } from './error-list.ts';
import { isEmptySelector, validateLabelSelector, validateLabels } from './metadata.ts';
import { validatePodSpec } from './pods.ts';

export function validateTemplate(errors: ErrorList, template: PodTemplateSpec | undefined, field: string): void {
  validateLabels(errors, template?.metadata?.labels, `${field}.labels`);
  if (template?.spec) {
    validatePodSpec(errors, template.spec, `${field}.spec`);
    if (template.spec.ephemeralContainers?.length)
      errors.forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
  } else errors.required(`${field}.spec.containers`);
}

/** A selector that says something, and a template it matches. */
function validateSelection(
  errors: ErrorList,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): void {
  if (!selector) errors.required('spec.selector');
  else {
    validateLabelSelector(errors, selector, 'spec.selector');
    if (isEmptySelector(selector)) errors.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`);
  }
  const labels = template?.metadata?.labels ?? {};
  if (selector && isEmptySelector(selector)) return;
  let matches = false;
  try {
    matches = selector !== undefined && matchLabels(labelMatcherFrom(selector), labels);
  } catch (error) {
    // A selector that cannot be read was reported above.
    if (!(error instanceof Error)) throw error;
    return;
  }
  if (!matches) errors.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
}

function count(errors: ErrorList, value: number | undefined, field: string): void {
  if (value !== undefined && value < 0) errors.invalid(field, value, notNegative);
}

function alwaysRestarts(errors: ErrorList, template: PodTemplateSpec | undefined): void {
  const policy = template?.spec?.restartPolicy;
  if (policy && policy !== 'Always') errors.notSupported('spec.template.spec.restartPolicy', policy, ['Always']);
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.forbidden(
      'spec.template.spec.activeDeadlineSeconds',
      'activeDeadlineSeconds in ReplicaSet is not Supported',
    );
}

export function validateDeployment(errors: ErrorList, { spec }: Deployment): void {
  if (!spec) return;
  count(errors, spec.replicas, 'spec.replicas');
  validateSelection(errors, spec.selector, spec.template, 'deployment');
  validateTemplate(errors, spec.template, 'spec.template');
  alwaysRestarts(errors, spec.template);
  const { strategy } = spec;
  if (strategy?.type === 'Recreate') {
    if (strategy.rollingUpdate)
      errors.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'");
  } else if (strategy?.type === 'RollingUpdate') {
    if (!strategy.rollingUpdate)
      errors.required('spec.strategy.rollingUpdate', 'this should be defaulted and never be nil');
    else {
      const { maxUnavailable = 0, maxSurge = 0 } = strategy.rollingUpdate;
      const path = 'spec.strategy.rollingUpdate';
      const fine = [
        intOrPercent(errors, maxUnavailable, `${path}.maxUnavailable`),
        intOrPercent(errors, maxSurge, `${path}.maxSurge`),
      ].every(Boolean);
      if (fine && percentOrInt(maxUnavailable) === 0 && percentOrInt(maxSurge) === 0)
        errors.invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
      if (fine && typeof maxUnavailable === 'string' && percentOrInt(maxUnavailable) > 100)
        errors.invalid(`${path}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%');
    }
  } else errors.notSupported('spec.strategy.type', strategy?.type ?? '', ['Recreate', 'RollingUpdate']);
  count(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  count(errors, spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  if (spec.progressDeadlineSeconds !== undefined) {
    count(errors, spec.progressDeadlineSeconds, 'spec.progressDeadlineSeconds');
    if (spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0))
      errors.invalid(
        'spec.progressDeadlineSeconds',
        spec.progressDeadlineSeconds,
        'must be greater than minReadySeconds',
      );
  }
}

export function validateSelectorUnchanged(
  errors: ErrorList,
  next: { readonly spec?: { readonly selector?: unknown } },
  previous: { readonly spec?: { readonly selector?: unknown } },
): void {
  if (!sameJson(next.spec?.selector, previous.spec?.selector))
    errors.invalid('spec.selector', next.spec?.selector ?? null, immutable);
}

/** @returns whether it is a number or a percentage at all. */
function intOrPercent(errors: ErrorList, value: number | string, field: string): boolean {
  if (typeof value === 'number') {
    if (value < 0) errors.invalid(field, value, notNegative);
    return value >= 0;
  }
  const messages = checkPercent(value);
  errors.invalidEach(field, value, messages);
  return messages.length === 0;
}
const percentOrInt = (value: number | string): number =>
  typeof value === 'number' ? value : Number.parseInt(value, 10);

export function validateReplicaSet(errors: ErrorList, { spec }: ReplicaSet): void {
  if (!spec) return;
  count(errors, spec.replicas, 'spec.replicas');
  count(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  validateSelection(errors, spec.selector, spec.template, 'replica set');
  validateTemplate(errors, spec.template, 'spec.template');
  alwaysRestarts(errors, spec.template);
}

export function validateReplicationController(errors: ErrorList, { spec }: ReplicationController): void {
  if (!spec) return;
  count(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  const selector = spec.selector ?? {};
  if (Object.keys(selector).length === 0) errors.required('spec.selector');
  count(errors, spec.replicas, 'spec.replicas');
  if (!spec.template) {
    errors.required('spec.template');
    return;
  }
  const labels = spec.template.metadata?.labels ?? {};
  if (Object.keys(selector).length > 0 && !Object.entries(selector).every(([key, value]) => labels[key] === value))
    errors.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  validateTemplate(errors, spec.template, 'spec.template');
  alwaysRestarts(errors, spec.template);
}

export function validateStatefulSet(errors: ErrorList, { spec }: StatefulSet): void {
  if (!spec) return;
  if (!spec.podManagementPolicy) errors.required('spec.podManagementPolicy');
  else if (spec.podManagementPolicy !== 'OrderedReady' && spec.podManagementPolicy !== 'Parallel')
    errors.invalid('spec.podManagementPolicy', spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'");
  const { updateStrategy } = spec;
  if (!updateStrategy?.type) errors.required('spec.updateStrategy');
  else if (updateStrategy.type === 'OnDelete') {
    if (updateStrategy.rollingUpdate)
      errors.invalid(
        'spec.updateStrategy.rollingUpdate',
        updateStrategy.rollingUpdate,
        "only allowed for updateStrategy 'RollingUpdate'",
      );
  } else if (updateStrategy.type === 'RollingUpdate')
    count(errors, updateStrategy.rollingUpdate?.partition, 'spec.updateStrategy.rollingUpdate.partition');
  else errors.invalid('spec.updateStrategy', updateStrategy, "must be 'RollingUpdate' or 'OnDelete'");
  count(errors, spec.replicas, 'spec.replicas');
  count(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  count(errors, spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  validateSelection(errors, spec.selector, spec.template, 'statefulset');
  validateTemplate(errors, spec.template, 'spec.template');
  alwaysRestarts(errors, spec.template);
}

const statefulSetMutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
];

export function validateStatefulSetUpdate(errors: ErrorList, next: StatefulSet, previous: StatefulSet): void {
  const fixed = (spec: object | undefined): object =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([name]) => !statefulSetMutable.includes(name)));
  if (!sameJson(fixed(next.spec), fixed(previous.spec)))
    errors.forbidden(
      'spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
}

export function validateDaemonSet(errors: ErrorList, { spec }: DaemonSet): void {
  if (!spec) return;
  validateSelection(errors, spec.selector, spec.template, 'daemonset');
  validateTemplate(errors, spec.template, 'spec.template');
  alwaysRestarts(errors, spec.template);
  count(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  const { updateStrategy } = spec;
  if (updateStrategy?.type === 'RollingUpdate') {
    const { maxUnavailable = 0, maxSurge = 0 } = updateStrategy.rollingUpdate ?? {};
    const path = 'spec.updateStrategy.rollingUpdate';
    const fine = [
      intOrPercent(errors, maxUnavailable, `${path}.maxUnavailable`),
      intOrPercent(errors, maxSurge, `${path}.maxSurge`),
    ].every(Boolean);
    if (fine && percentOrInt(maxUnavailable) !== 0 && percentOrInt(maxSurge) !== 0)
      errors.invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
    if (fine && percentOrInt(maxUnavailable) === 0 && percentOrInt(maxSurge) === 0)
      errors.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
  } else if (updateStrategy?.type !== 'OnDelete')
    errors.notSupported(
      'spec.updateStrategy',
      { Type: updateStrategy?.type ?? '', RollingUpdate: updateStrategy?.rollingUpdate ?? null },
      ['RollingUpdate', 'OnDelete'],
    );
  count(errors, spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
}

export function validateJob(errors: ErrorList, job: Job): void {
  const { spec } = job;
  if (!spec) return;
  if (!spec.selector) errors.required('spec.selector');
  else validateLabelSelector(errors, spec.selector, 'spec.selector');
  const labels = spec.template?.metadata?.labels ?? {};
  if (spec.selector && !matchLabels(labelMatcherFrom(spec.selector), labels))
    errors.invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  validateJobSpec(errors, spec, 'spec');
}

export function validateJobSpec(errors: ErrorList, spec: JobSpec, field: string): void {
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
  ] as const)
    count(errors, spec[name], `${field}.${name}`);
  if (spec.completionMode !== undefined && spec.completionMode !== 'NonIndexed' && spec.completionMode !== 'Indexed')
    errors.notSupported(`${field}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed']);
  if (spec.completionMode === 'Indexed' && spec.completions === undefined)
    errors.required(`${field}.completions`, 'when completion mode is Indexed');
  validateTemplate(errors, spec.template, `${field}.template`);
  const policy = spec.template?.spec?.restartPolicy;
  if (!policy || policy === 'Always')
    errors.required(`${field}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.notSupported(`${field}.template.spec.restartPolicy`, policy, ['OnFailure', 'Never']);
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.invalid(
      `${field}.template.spec.restartPolicy`,
      policy,
      'only "Never" is supported when podFailurePolicy is specified',
    );
}

export function validateJobUpdate(errors: ErrorList, next: Job, previous: Job): void {
  const spec = next.spec!;
  const before = previous.spec!;
  if (!sameJson(spec.selector, before.selector)) errors.invalid('spec.selector', spec.selector ?? null, immutable);
  if (spec.completionMode !== before.completionMode)
    errors.invalid('spec.completionMode', spec.completionMode ?? null, immutable);
  if (before.completionMode !== 'Indexed' && spec.completions !== before.completions)
    errors.invalid('spec.completions', spec.completions ?? null, immutable);
  const suspended = before.suspend === true && spec.suspend === true;
  if (!suspended && before.suspend !== true && !sameJson(spec.template, before.template))
    errors.invalid('spec.template', spec.template, immutable);
}

const concurrency = ['Allow', 'Forbid', 'Replace'];

export function validateCronJob(errors: ErrorList, { metadata, spec }: CronJob): void {
  if (!spec) return;
  if (!spec.schedule) errors.required('spec.schedule');
  count(errors, spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds');
  if (!spec.concurrencyPolicy) errors.required('spec.concurrencyPolicy');
  else if (!concurrency.includes(spec.concurrencyPolicy))
    errors.notSupported('spec.concurrencyPolicy', spec.concurrencyPolicy, concurrency);
  count(errors, spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit');
  count(errors, spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit');
  if (spec.jobTemplate?.spec) validateJobSpec(errors, spec.jobTemplate.spec, 'spec.jobTemplate.spec');
  if ((metadata.name ?? '').length > 52)
    errors.invalid('metadata.name', metadata.name, 'must be no more than 52 characters');
}

export function validatePodDisruptionBudget(errors: ErrorList, { spec }: PodDisruptionBudget): void {
  if (!spec) return;
  const { minAvailable, maxUnavailable } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    errors.invalid(
      'spec',
      {
        MinAvailable: minAvailable,
        Selector: spec.selector ?? null,
        MaxUnavailable: maxUnavailable,
        UnhealthyPodEvictionPolicy: spec.unhealthyPodEvictionPolicy ?? null,
      },
      'minAvailable and maxUnavailable cannot be both set',
    );
  if (minAvailable !== undefined) intOrPercent(errors, minAvailable, 'spec.minAvailable');
  if (maxUnavailable !== undefined) intOrPercent(errors, maxUnavailable, 'spec.maxUnavailable');
  validateLabelSelector(errors, spec.selector, 'spec.selector');
}

export function validateHorizontalPodAutoscaler(errors: ErrorList, { spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  if (spec.minReplicas !== undefined && spec.minReplicas < 1)
    errors.invalid('spec.minReplicas', spec.minReplicas, 'must be greater than or equal to 1');
  if (spec.maxReplicas < 1) errors.invalid('spec.maxReplicas', spec.maxReplicas, 'must be greater than 0');
  if (spec.minReplicas !== undefined && spec.maxReplicas < spec.minReplicas)
    errors.invalid('spec.maxReplicas', spec.maxReplicas, 'must be greater than or equal to `minReplicas`');
  const target = spec.scaleTargetRef;
  if (!target?.kind) errors.required('spec.scaleTargetRef.kind');
  if (!target?.name) errors.required('spec.scaleTargetRef.name');
  if (target && target.kind !== 'ReplicationController' && !(target.apiVersion ?? '').includes('/'))
    errors.invalid('spec.scaleTargetRef.apiVersion', target.apiVersion ?? '', 'apiVersion must specify API group');
}
