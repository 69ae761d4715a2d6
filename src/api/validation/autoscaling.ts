/** Autoscalers and disruption budgets. */
import { checkDns1123Label, checkPathSegmentName } from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../types/autoscaling-v2.ts';
import type { PodDisruptionBudget } from '../types/policy-v1.ts';
import { at, type ErrorList, notNegative } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateLabelSelector } from './metadata.ts';
import { validateContainerResourceName } from './resources.ts';
import { validateHundred, validateIntOrPercent } from './workloads.ts';

export function validateHorizontalPodAutoscaler(errors: ErrorList, { spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  const { minReplicas, maxReplicas = 0 } = spec;
  if (minReplicas !== undefined && minReplicas < 1)
    errors.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  if (maxReplicas === 0) errors.required('spec.maxReplicas', 'must be set and greater than 0');
  else if (maxReplicas < 0) errors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1');
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  validateReference(errors, spec.scaleTargetRef, 'spec.scaleTargetRef', { groupRequired: true });
  for (const [i, metric] of (spec.metrics ?? []).entries()) validateMetric(errors, metric, at('spec.metrics', i));
  if (minReplicas === 0 && !spec.metrics?.some(({ type }) => type === 'Object' || type === 'External'))
    errors.forbidden(
      'spec.metrics',
      'must specify at least one Object or External metric to support scaling to zero replicas',
    );
  for (const name of ['scaleUp', 'scaleDown'] as const)
    if (spec.behavior?.[name]) validateScaling(errors, spec.behavior[name], `spec.behavior.${name}`);
}

function validateReference(
  errors: ErrorList,
  reference: CrossVersionObjectReference | undefined,
  field: string,
  { groupRequired }: { readonly groupRequired: boolean },
): void {
  for (const name of ['kind', 'name'] as const) {
    const value = reference?.[name];
    if (!value) errors.required(`${field}.${name}`);
    else errors.invalidEach(`${field}.${name}`, value, checkPathSegmentName(value));
  }
  const version = reference?.apiVersion ?? '';
  const slashes = version.split('/').length - 1;
  if (slashes > 1) errors.invalid(`${field}.apiVersion`, version, `unexpected GroupVersion string: ${version}`);
  else if (groupRequired && (slashes === 0 || version.startsWith('/')))
    errors.invalid(`${field}.apiVersion`, version, 'apiVersion must specify API group');
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const sources = {
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
  External: 'external',
  ContainerResource: 'containerResource',
} as const;
const sourceOrder = ['object', 'external', 'pods', 'resource', 'containerResource'] as const;

function validateMetric(errors: ErrorList, spec: MetricSpec, field: string): void {
  const type = spec.type ?? '';
  if (type === '') errors.required(`${field}.type`, 'must specify a metric source type');
  if (!metricTypes.includes(type)) errors.notSupported(`${field}.type`, type, metricTypes);
  const present = sourceOrder.filter((name) => spec[name] !== undefined);
  if (present[0]) validateSource(errors, spec, present[0], `${field}.${present[0]}`);
  const expected = sources[type as keyof typeof sources];
  if (expected === undefined) errors.notSupported(`${field}.type`, type, metricTypes);
  else if (spec[expected] === undefined)
    errors.required(`${field}.${expected}`, 'must populate information for the given metric source');
  if (present.length === 1) return;
  for (const name of present)
    if (name !== expected) errors.forbidden(`${field}.${name}`, 'must populate the given metric source only');
}

function validateSource(errors: ErrorList, spec: MetricSpec, name: (typeof sourceOrder)[number], field: string): void {
  switch (name) {
    case 'object': {
      const { describedObject, metric, target } = spec.object!;
      validateReference(errors, describedObject, `${field}.describedObject`, { groupRequired: false });
      validateIdentifier(errors, metric, field);
      validateTarget(errors, target, field);
      if (target?.value === undefined && target?.averageValue === undefined)
        errors.required(`${field}.target.averageValue`, 'must set either a target value or averageValue');
      break;
    }
    case 'external': {
      const { metric, target } = spec.external!;
      validateIdentifier(errors, metric, field);
      validateTarget(errors, target, field);
      const { value, averageValue } = target ?? {};
      if (value === undefined && averageValue === undefined)
        errors.required(
          `${field}.target.averageValue`,
          'must set either a target value for metric or a per-pod target',
        );
      if (value !== undefined && averageValue !== undefined)
        errors.forbidden(`${field}.target.value`, 'may not set both a target value for metric and a per-pod target');
      break;
    }
    case 'pods': {
      const { metric, target } = spec.pods!;
      validateIdentifier(errors, metric, field);
      validateTarget(errors, target, field);
      if (target?.averageValue === undefined)
        errors.required(`${field}.target.averageValue`, 'must specify a positive target averageValue');
      break;
    }
    case 'resource':
      if (!spec.resource!.name) errors.required(`${field}.name`, 'must specify a resource name');
      validateUtilization(errors, spec.resource!.target, field);
      break;
    case 'containerResource': {
      const { name: resource, container, target } = spec.containerResource!;
      if (!resource) errors.required(`${field}.name`, 'must specify a resource name');
      else validateContainerResourceName(errors, resource, `${field}.name`);
      if (!container) errors.required(`${field}.container`, 'must specify a container');
      else errors.invalidEach(`${field}.container`, container, checkDns1123Label(container));
      validateUtilization(errors, target, field);
      break;
    }
  }
}

function validateUtilization(errors: ErrorList, target: MetricTarget, field: string): void {
  validateTarget(errors, target, field);
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined)
    errors.required(`${field}.target.averageUtilization`, 'must set either a target raw value or a target utilization');
  if (averageUtilization !== undefined && averageValue !== undefined)
    errors.forbidden(`${field}.target.averageValue`, 'may not set both a target raw value and a target utilization');
}

function validateIdentifier(errors: ErrorList, metric: MetricIdentifier | undefined, field: string): void {
  const name = metric?.name;
  if (!name) errors.required(`${field}.metric.name`, 'must specify a metric name');
  else errors.invalidEach(`${field}.metric.name`, name, checkPathSegmentName(name));
}

const targetTypes = ['Utilization', 'Value', 'AverageValue'];

function validateTarget(errors: ErrorList, target: MetricTarget | undefined, parent: string): void {
  const field = `${parent}.target`;
  const type = target?.type ?? '';
  if (type === '') errors.required(`${field}.type`, 'must specify a metric target type');
  if (!targetTypes.includes(type))
    errors.invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue');
  for (const name of ['value', 'averageValue'] as const) {
    const quantity = target?.[name];
    if (quantity !== undefined && parseQuantity(quantity).digits <= 0n)
      errors.invalid(`${field}.${name}`, quantity, 'must be positive');
  }
  const utilization = target?.averageUtilization;
  if (utilization !== undefined && utilization < 1)
    errors.invalid(`${field}.averageUtilization`, utilization, 'must be greater than 0');
}

const selectPolicies = ['Disabled', 'Max', 'Min'];
const policyTypes = ['Percent', 'Pods'];
const positive = 'must be greater than zero';

function validateScaling(errors: ErrorList, scaling: HPAScalingRules, field: string): void {
  const seconds = scaling.stabilizationWindowSeconds;
  const path = `${field}.stabilizationWindowSeconds`;
  if (seconds !== undefined && seconds < 0) errors.invalid(path, seconds, 'must be greater than or equal to zero');
  if (seconds !== undefined && seconds > 3600) errors.invalid(path, seconds, 'must be less than or equal to 3600');
  if (scaling.selectPolicy !== undefined && !selectPolicies.includes(scaling.selectPolicy))
    errors.notSupported(`${field}.selectPolicy`, scaling.selectPolicy, selectPolicies);
  if (!scaling.policies?.length) errors.required(`${field}.policies`, 'must specify at least one Policy');
  for (const [i, { type, value, periodSeconds }] of (scaling.policies ?? []).entries()) {
    const entry = at(`${field}.policies`, i);
    if (!policyTypes.includes(type)) errors.notSupported(`${entry}.type`, type, policyTypes);
    if (!(value > 0)) errors.invalid(`${entry}.value`, value ?? 0, positive);
    if (!(periodSeconds > 0)) errors.invalid(`${entry}.periodSeconds`, periodSeconds ?? 0, positive);
    if (periodSeconds > 1800)
      errors.invalid(`${entry}.periodSeconds`, periodSeconds, 'must be less than or equal to 1800');
  }
  if (scaling.tolerance !== undefined && parseQuantity(scaling.tolerance).digits < 0n)
    errors.invalid(`${field}.tolerance`, scaling.tolerance, notNegative);
}

const evictionPolicies = ['AlwaysAllow', 'IfHealthyBudget'];

export function validatePodDisruptionBudget(errors: ErrorList, { spec }: PodDisruptionBudget): void {
  if (!spec) return;
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: eviction } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    errors.invalid(
      'spec',
      internalForm(spec, 'policy.PodDisruptionBudgetSpec'),
      'minAvailable and maxUnavailable cannot be both set',
    );
  for (const [name, value] of [
    ['minAvailable', minAvailable],
    ['maxUnavailable', maxUnavailable],
  ] as const) {
    if (value === undefined) continue;
    validateIntOrPercent(errors, value, `spec.${name}`);
    validateHundred(errors, value, `spec.${name}`);
  }
  validateLabelSelector(errors, spec.selector, 'spec.selector');
  if (eviction !== undefined && !evictionPolicies.includes(eviction))
    errors.notSupported('spec.unhealthyPodEvictionPolicy', eviction, evictionPolicies);
}
