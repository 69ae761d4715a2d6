/** Deployments, replica sets, replication controllers, stateful sets, daemon sets, their revisions. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import { checkDns1123Label, checkPercent } from '../names.ts';
import { labelMatcherFrom, matchLabels } from '../selectors/label-selector.ts';
import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  ReplicaSet,
  StatefulSet,
  StatefulSetSpec,
} from '../types/apps-v1.ts';
import type { PodTemplateSpec, ReplicationController, Volume } from '../types/core-v1.ts';
import type { LabelSelector } from '../types/meta-v1.ts';
import { validateClaimSpec } from './claims.ts';
import { at, ErrorList, immutable, nonNegative } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { isEmptySelector, validateAnnotations, validateLabelSelector, validateLabels } from './metadata.ts';
import { validatePodAnnotations } from './pod-annotations.ts';
import { validateTemplate } from './pods.ts';

const noMatch = '`selector` does not match template `labels`';

/** @returns whether the labels match; undefined when the selector cannot be read, which was reported then. */
export function selects(
  selector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>>,
): boolean | undefined {
  // Nothing is selected by no selector.
  if (!selector) return false;
  try {
    return matchLabels(labelMatcherFrom(selector), labels);
  } catch (error) {
    // What is wrong with it stands among the errors of the selector itself.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/** A selector that says something. */
function validateSelector(errors: ErrorList, selector: LabelSelector | undefined, kind: string): void {
  if (!selector) errors.required('spec.selector');
  else {
    validateLabelSelector(errors, selector, 'spec.selector');
    if (isEmptySelector(selector)) errors.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`);
  }
}

/** A template that the selector matches, of pods that start again. */
function validateSelectedTemplate(
  errors: ErrorList,
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
): void {
  const field = 'spec.template';
  const labels = template?.metadata?.labels;
  const empty = Boolean(selector) && isEmptySelector(selector);
  const matches = empty || selects(selector, labels ?? {});
  if (matches === undefined) {
    errors.invalid('spec.selector', selector, 'invalid label selector');
    return;
  }
  // A missing selector matches nothing, and is not empty either.
  if (!matches) errors.invalid(`${field}.metadata.labels`, shownField(template?.metadata, 'labels'), noMatch);
  validateTemplate(errors, template, field);
  alwaysRestarts(errors, template, 'ReplicaSet');
}

function alwaysRestarts(errors: ErrorList, template: PodTemplateSpec | undefined, kind: string): void {
  const policy = template?.spec?.restartPolicy ?? '';
  if (policy !== 'Always') errors.notSupported('spec.template.spec.restartPolicy', policy, ['Always']);
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kind} is not Supported`);
}

export function validateDeployment(errors: ErrorList, { spec }: Deployment): void {
  if (!spec) return;
  nonNegative(errors, spec.replicas, 'spec.replicas');
  validateSelector(errors, spec.selector, 'deployment');
  validateSelectedTemplate(errors, spec.selector, spec.template);
  const { strategy } = spec;
  switch (strategy?.type) {
    case 'Recreate':
      if (strategy.rollingUpdate)
        errors.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'");
      break;
    case 'RollingUpdate':
      if (strategy.rollingUpdate) validateRollingDeployment(errors, strategy.rollingUpdate);
      else errors.required('spec.strategy.rollingUpdate', 'this should be defaulted and never be nil');
      break;
    default: {
      const { maxUnavailable = 0, maxSurge = 0 } = strategy?.rollingUpdate ?? {};
      errors.notSupported(
        'spec.strategy',
        {
          Type: strategy?.type ?? '',
          RollingUpdate: strategy?.rollingUpdate ? { MaxUnavailable: maxUnavailable, MaxSurge: maxSurge } : null,
        },
        ['Recreate', 'RollingUpdate'],
      );
    }
  }
  nonNegative(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  nonNegative(errors, spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
  const deadline = spec.progressDeadlineSeconds;
  nonNegative(errors, deadline, 'spec.progressDeadlineSeconds');
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0))
    errors.invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
}

type IntOrString = number | string;
interface RollingUpdate {
  readonly maxUnavailable?: IntOrString;
  readonly maxSurge?: IntOrString;
}

function validateRollingDeployment(errors: ErrorList, { maxUnavailable = 0, maxSurge = 0 }: RollingUpdate): void {
  const path = 'spec.strategy.rollingUpdate';
  validateIntOrPercent(errors, maxUnavailable, `${path}.maxUnavailable`);
  validateIntOrPercent(errors, maxSurge, `${path}.maxSurge`);
  if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0)
    errors.invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  validateHundred(errors, maxUnavailable, `${path}.maxUnavailable`);
}

export function validateIntOrPercent(errors: ErrorList, value: IntOrString, field: string): void {
  if (typeof value === 'number') nonNegative(errors, value, field);
  else errors.invalidEach(field, value, checkPercent(value));
}

export function validateHundred(errors: ErrorList, value: IntOrString, field: string): void {
  if (typeof value === 'string' && checkPercent(value).length === 0 && Number.parseInt(value, 10) > 100)
    errors.invalid(field, value, 'must not be greater than 100%');
}

/** As Go reads it: text that is neither a number nor a percentage is 0. */
function amount(value: IntOrString): number {
  if (typeof value === 'number') return value;
  if (checkPercent(value).length === 0) return Number.parseInt(value, 10);
  return /^[-+]?\d+$/.test(value) ? Number(value) : 0;
}

interface Selecting {
  readonly spec?: { readonly selector?: LabelSelector };
}

export function validateSelectorUnchanged(errors: ErrorList, next: Selecting, previous: Selecting): void {
  if (!sameJson(next.spec?.selector, previous.spec?.selector))
    errors.invalid('spec.selector', next.spec?.selector ?? null, immutable);
}

export function validateReplicaSet(errors: ErrorList, { spec }: ReplicaSet): void {
  if (!spec) return;
  nonNegative(errors, spec.replicas, 'spec.replicas');
  nonNegative(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  validateSelector(errors, spec.selector, 'deployment');
  validateSelectedTemplate(errors, spec.selector, spec.template);
}

export function validateReplicationController(errors: ErrorList, { spec }: ReplicationController): void {
  if (!spec) return;
  nonNegative(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  const selector = spec.selector ?? {};
  if (Object.keys(selector).length === 0) errors.required('spec.selector');
  if (spec.replicas === undefined) errors.required('spec.replicas');
  nonNegative(errors, spec.replicas, 'spec.replicas');
  const { template } = spec;
  if (!template) {
    errors.required('spec.template');
    return;
  }
  const labels = template.metadata?.labels;
  if (Object.entries(selector).some(([key, value]) => labels?.[key] !== value))
    errors.invalid('spec.template.metadata.labels', shownField(template.metadata, 'labels'), noMatch);
  validateTemplate(errors, template, 'spec.template');
  alwaysRestarts(errors, template, 'ReplicationController');
}

export function validateStatefulSet(errors: ErrorList, { spec }: StatefulSet): void {
  if (spec) validateStatefulSetSpec(errors, spec, { update: false, skipTemplate: false });
}

const rolling = 'spec.updateStrategy.rollingUpdate';

function validateStatefulSetSpec(
  errors: ErrorList,
  spec: StatefulSetSpec,
  { update, skipTemplate }: { readonly update: boolean; readonly skipTemplate: boolean },
): void {
  const { podManagementPolicy: management, updateStrategy } = spec;
  if (!management) errors.required('spec.podManagementPolicy');
  else if (management !== 'OrderedReady' && management !== 'Parallel')
    errors.invalid('spec.podManagementPolicy', management, "must be 'OrderedReady' or 'Parallel'");
  switch (updateStrategy?.type ?? '') {
    case '':
      errors.required('spec.updateStrategy');
      break;
    case 'OnDelete':
      if (updateStrategy!.rollingUpdate)
        errors.invalid(
          rolling,
          internalForm(updateStrategy!.rollingUpdate, 'apps.RollingUpdateStatefulSetStrategy'),
          "only allowed for updateStrategy 'RollingUpdate'",
        );
      break;
    case 'RollingUpdate': {
      const { partition, maxUnavailable } = updateStrategy!.rollingUpdate ?? {};
      nonNegative(errors, partition, `${rolling}.partition`);
      if (maxUnavailable === undefined) break;
      validateIntOrPercent(errors, maxUnavailable, `${rolling}.maxUnavailable`);
      if (amount(maxUnavailable) === 0) errors.invalid(`${rolling}.maxUnavailable`, maxUnavailable, 'cannot be 0');
      validateHundred(errors, maxUnavailable, `${rolling}.maxUnavailable`);
      break;
    }
    default:
      errors.invalid(
        'spec.updateStrategy',
        internalForm(updateStrategy, 'apps.StatefulSetUpdateStrategy'),
        "must be 'RollingUpdate' or 'OnDelete'",
      );
  }
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  for (const name of ['whenDeleted', 'whenScaled'] as const)
    if (retention && retention[name] !== 'Retain' && retention[name] !== 'Delete')
      errors.notSupported(`spec.persistentVolumeClaimRetentionPolicy.${name}`, retention[name] ?? '', [
        'Retain',
        'Delete',
      ]);
  if (!update)
    for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries())
      validateClaimSpec(errors, claim.spec, `${at('spec.volumeClaimTemplates', i)}.spec`);
  nonNegative(errors, spec.replicas, 'spec.replicas');
  nonNegative(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  nonNegative(errors, spec.ordinals?.start, 'spec.ordinals.start');
  if (!update && spec.serviceName)
    errors.invalidEach('spec.serviceName', spec.serviceName, checkDns1123Label(spec.serviceName));
  validateSelector(errors, spec.selector, 'statefulset');
  validateStatefulSetTemplate(errors, spec, skipTemplate);
  alwaysRestarts(errors, spec.template, 'StatefulSet');
}

function validateStatefulSetTemplate(errors: ErrorList, spec: StatefulSetSpec, skip: boolean): void {
  const field = 'spec.template';
  const labels = spec.template?.metadata?.labels;
  const empty = Boolean(spec.selector) && isEmptySelector(spec.selector);
  const matches = empty || selects(spec.selector, labels ?? {});
  if (matches === undefined) {
    errors.invalid('spec.selector', spec.selector, '');
    return;
  }
  if (!matches) errors.invalid(`${field}.metadata.labels`, shownField(spec.template?.metadata, 'labels'), noMatch);
  const template = asPodsOf(spec);
  if (!skip) validateTemplate(errors, template, field);
  validateLabels(errors, template.metadata?.labels, `${field}.labels`);
  validateAnnotations(errors, template.metadata?.annotations, `${field}.annotations`);
  if (template.spec)
    validatePodAnnotations(errors, template.metadata?.annotations, template.spec, `${field}.annotations`);
}

/** The template as the controller will use it: its own host names, and a volume for each claim template. */
function asPodsOf({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  const pod = template?.spec;
  if (!pod || (!pod.hostname && !pod.subdomain && volumeClaimTemplates.length === 0)) return template;
  const { hostname: _hostname, subdomain: _subdomain, ...rest } = pod;
  const names = new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''));
  const claims: readonly Volume[] = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  const volumes = [...claims, ...(pod.volumes ?? []).filter(({ name }) => !claims.some((c) => c.name === name))];
  return { ...template, spec: { ...rest, ...(volumes.length > 0 ? { volumes } : {}) } };
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
  const spec = next.spec!;
  const before = previous.spec!;
  // A template that was wrong before may stay so: an older server took it.
  const found = new ErrorList();
  validateStatefulSetSpec(found, before, { update: true, skipTemplate: false });
  validateStatefulSetSpec(errors, spec, { update: true, skipTemplate: found.errors.length > 0 });
  const fixed = (of: object): object =>
    Object.fromEntries(Object.entries(of).filter(([name]) => !statefulSetMutable.includes(name)));
  if (!sameJson(fixed(spec), fixed(before)))
    errors.forbidden(
      'spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
}

export function validateDaemonSet(errors: ErrorList, { spec }: DaemonSet): void {
  if (!spec) return;
  const { selector, template, updateStrategy } = spec;
  validateLabelSelector(errors, selector, 'spec.selector');
  const labels = template?.metadata?.labels;
  if (selects(selector, labels ?? {}) === false)
    errors.invalid('spec.template.metadata.labels', shownField(template?.metadata, 'labels'), noMatch);
  if (selector && isEmptySelector(selector))
    errors.invalid('spec.selector', selector, 'empty selector is invalid for daemonset');
  validateTemplate(errors, template, 'spec.template');
  alwaysRestarts(errors, template, 'DaemonSet');
  nonNegative(errors, spec.minReadySeconds, 'spec.minReadySeconds');
  const path = 'spec.updateStrategy.rollingUpdate';
  if (updateStrategy?.type === 'RollingUpdate') {
    if (!updateStrategy.rollingUpdate) errors.required(path);
    else {
      const { maxUnavailable = 0, maxSurge = 0 } = updateStrategy.rollingUpdate;
      validateIntOrPercent(errors, maxUnavailable, `${path}.maxUnavailable`);
      validateHundred(errors, maxUnavailable, `${path}.maxUnavailable`);
      validateIntOrPercent(errors, maxSurge, `${path}.maxSurge`);
      validateHundred(errors, maxSurge, `${path}.maxSurge`);
      if (amount(maxUnavailable) !== 0 && amount(maxSurge) !== 0)
        errors.invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
      if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0)
        errors.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
    }
  } else if (updateStrategy?.type !== 'OnDelete')
    errors.notSupported('spec.updateStrategy', internalForm(updateStrategy, 'apps.DaemonSetUpdateStrategy'), [
      'RollingUpdate',
      'OnDelete',
    ]);
  nonNegative(errors, spec.revisionHistoryLimit, 'spec.revisionHistoryLimit');
}

export function validateControllerRevision(errors: ErrorList, { revision, data }: ControllerRevision): void {
  nonNegative(errors, revision, 'revision');
  if (data === undefined || data === null) errors.required('data', 'data is mandatory');
  else if (typeof data !== 'object' || Array.isArray(data)) errors.required('data', 'data must be a valid JSON object');
}

export function validateControllerRevisionUpdate(
  errors: ErrorList,
  next: ControllerRevision,
  previous: ControllerRevision,
): void {
  nonNegative(errors, next.revision, 'revision');
  if (!sameJson(next.data, previous.data)) errors.invalid('data', next.data ?? null, immutable);
}
