/** Resource quotas and limit ranges. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import { checkQualifiedName } from '../names.ts';
import { compareQuantities, milliValue, parseQuantity, type Quantity, value } from '../quantity.ts';
import type { LimitRange, LimitRangeItem, ResourceQuota, ResourceQuotaSpec } from '../types/core-v1.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import {
  isOvercommitAllowed,
  isQuotaHugePages,
  validateContainerResourceName,
  validateQuantity,
  validateResourceName,
} from './resources.ts';

const quotaResources: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'persistentvolumeclaims',
  'configmaps',
  'services.nodeports',
  'services.loadbalancers',
]);
const podCounts: ReadonlySet<string> = new Set(['pods']);
const podAmounts: ReadonlySet<string> = new Set([
  'pods',
  'cpu',
  'memory',
  'limits.cpu',
  'limits.memory',
  'requests.cpu',
  'requests.memory',
]);
const claimAmounts: ReadonlySet<string> = new Set(['persistentvolumeclaims', 'requests.storage']);
/** Scope -> the standard resources it can narrow. */
const scopes: Readonly<Record<string, ReadonlySet<string>>> = {
  Terminating: podAmounts,
  NotTerminating: podAmounts,
  BestEffort: podCounts,
  NotBestEffort: podAmounts,
  PriorityClass: podAmounts,
  CrossNamespacePodAffinity: podAmounts,
  VolumeAttributesClass: claimAmounts,
};
const contraries = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

export function validateResourceQuota(errors: ErrorList, { spec = {}, status }: ResourceQuota): void {
  validateQuotaSpec(errors, spec);
  validateAmounts(errors, status?.hard, 'status.hard');
  validateAmounts(errors, status?.used, 'status.used');
}

export function validateResourceQuotaUpdate(errors: ErrorList, next: ResourceQuota, previous: ResourceQuota): void {
  validateQuotaSpec(errors, next.spec ?? {});
  const set = (quota: ResourceQuota): readonly string[] => [...new Set(quota.spec?.scopes ?? [])].sort();
  if (!sameJson(set(next), set(previous))) errors.invalid('spec.scopes', shownField(next.spec, 'scopes'), immutable);
}

export function validateResourceQuotaStatus(errors: ErrorList, { status }: ResourceQuota): void {
  validateAmounts(errors, status?.hard, 'status.hard');
  validateAmounts(errors, status?.used, 'status.used');
}

function validateAmounts(
  errors: ErrorList,
  amounts: Readonly<Record<string, string>> | undefined,
  field: string,
): void {
  for (const [name, quantity] of Object.entries(amounts ?? {})) {
    const path = at(field, name);
    validateResourceName(errors, name, path);
    if (!name.includes('/') && !quotaResources.has(name) && !isQuotaHugePages(name))
      errors.invalid(path, name, 'must be a standard resource for quota');
    validateQuantity(errors, name, quantity, path);
  }
}

const countable = (name: string): boolean => quotaResources.has(name) || isQuotaHugePages(name);

function validateQuotaSpec(errors: ErrorList, spec: ResourceQuotaSpec): void {
  validateAmounts(errors, spec.hard, 'spec.hard');
  const hard = Object.keys(spec.hard ?? {}).sort();
  const given = spec.scopes ?? [];
  for (const scope of given) {
    if (!scopes[scope]) errors.invalid('spec.scopes', given, 'unsupported scope');
    else
      for (const name of hard)
        if (countable(name) && !scopes[scope].has(name))
          errors.invalid('spec.scopes', given, 'unsupported scope applied to resource');
  }
  for (const pair of contraries)
    if (pair.every((scope) => given.includes(scope))) errors.invalid('spec.scopes', given, 'conflicting scopes');
  if (spec.scopeSelector) validateScopeSelector(errors, spec, hard);
}

const existsOnly = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
]);

function validateScopeSelector(errors: ErrorList, spec: ResourceQuotaSpec, hard: readonly string[]): void {
  const field = 'spec.scopeSelector.matchExpressions';
  const expressions = spec.scopeSelector!.matchExpressions ?? [];
  for (const { scopeName, operator, values } of expressions) {
    if (!scopes[scopeName]) errors.invalid(`${field}.scopeName`, scopeName, 'unsupported scope');
    else
      for (const name of hard)
        if (countable(name) && !scopes[scopeName].has(name))
          errors.invalid(
            field,
            internalForm(spec.scopeSelector, 'core.ScopeSelector'),
            'unsupported scope applied to resource',
          );
    if (existsOnly.has(scopeName) && operator !== 'Exists')
      errors.invalid(
        `${field}.operator`,
        operator,
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
      );
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (!values?.length)
          errors.required(
            `${field}.values`,
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
          );
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values?.length)
          errors.invalid(
            `${field}.values`,
            values,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
          );
        break;
      default:
        errors.invalid(`${field}.operator`, operator, 'not a valid selector operator');
    }
  }
  for (const pair of contraries)
    if (pair.every((scope) => expressions.some(({ scopeName }) => scopeName === scope)))
      errors.invalid(field, shownField(spec, 'scopes'), 'conflicting scopes');
}

const limitTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];

export function validateLimitRange(errors: ErrorList, { spec }: LimitRange): void {
  const types = new Set<string>();
  for (const [i, limit] of (spec?.limits ?? []).entries()) {
    const path = at('spec.limits', i);
    const { type } = limit;
    const messages = checkQualifiedName(type);
    errors.invalidEach(`${path}.type`, type, messages);
    if (messages.length === 0 && !type.includes('/') && !limitTypes.includes(type))
      errors.invalid(`${path}.type`, type, 'must be a standard limit type or fully qualified');
    if (types.has(type)) errors.duplicate(`${path}.type`, type);
    types.add(type);
    validateLimit(errors, limit, path);
  }
}

type Amounts = Readonly<Record<string, string>>;

function validateLimit(errors: ErrorList, limit: LimitRangeItem, path: string): void {
  const { type, max = {}, min = {}, maxLimitRequestRatio = {} } = limit;
  const keys = new Set<string>();
  const names = (amounts: Amounts, field: string): void => {
    for (const name of Object.keys(amounts)) {
      if (type === 'Pod' || type === 'Container')
        validateContainerResourceName(errors, name, at(`${path}.${field}`, name));
      else validateResourceName(errors, name, at(`${path}.${field}`, name));
      keys.add(name);
    }
  };
  names(max, 'max');
  names(min, 'min');
  const inPod = type === 'Pod';
  const defaults = inPod ? {} : (limit.default ?? {});
  const defaultRequests = inPod ? {} : (limit.defaultRequest ?? {});
  if (inPod) {
    for (const name of ['default', 'defaultRequest'] as const)
      if (Object.keys(limit[name] ?? {}).length > 0)
        errors.forbidden(`${path}.${name}`, "may not be specified when `type` is 'Pod'");
  } else {
    names(defaults, 'default');
    names(defaultRequests, 'defaultRequest');
  }
  if (type === 'PersistentVolumeClaim' && min.storage === undefined && max.storage === undefined)
    errors.required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided');
  names(maxLimitRequestRatio, 'maxLimitRequestRatio');
  for (const name of [...keys].sort())
    validateOrder(
      errors,
      name,
      path,
      min[name],
      max[name],
      defaults[name],
      defaultRequests[name],
      maxLimitRequestRatio[name],
    );
}

/** min <= defaultRequest <= default <= max, and a ratio that can be kept. */
function validateOrder(
  errors: ErrorList,
  name: string,
  path: string,
  min: string | undefined,
  max: string | undefined,
  limit: string | undefined,
  request: string | undefined,
  ratio: string | undefined,
): void {
  const above = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && compareQuantities(parseQuantity(a), parseQuantity(b)) > 0;
  const refuse = (field: string, shown: string | undefined, why: string): void =>
    errors.invalid(at(`${path}.${field}`, name), shown, why);
  if (above(min, max)) refuse('min', min, `min value ${min} is greater than max value ${max}`);
  if (above(min, request))
    refuse('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
  if (above(request, max))
    refuse('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
  if (above(request, limit))
    refuse('defaultRequest', request, `default request value ${request} is greater than default limit value ${limit}`);
  if (above(min, limit)) refuse('default', min, `min value ${min} is greater than default value ${limit}`);
  if (above(limit, max)) refuse('default', max, `default value ${limit} is greater than max value ${max}`);
  if (ratio !== undefined) {
    const given = parseQuantity(ratio);
    if (above('1', ratio)) refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`);
    if (min !== undefined && max !== undefined) {
      const [have, most] = ratios(given, parseQuantity(min), parseQuantity(max));
      if (have > most)
        refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is greater than max/min = ${goFloat(most)}`);
    }
  }
  if (
    !isOvercommitAllowed(name) &&
    limit !== undefined &&
    request !== undefined &&
    (above(limit, request) || above(request, limit))
  )
    refuse(
      'defaultRequest',
      request,
      `default value ${limit} must equal to defaultRequest value ${request} in ${name}`,
    );
}

const maxMilli = Number.MAX_SAFE_INTEGER / 1000;

function ratios(ratio: Quantity, min: Quantity, max: Quantity): readonly [have: number, most: number] {
  const small = [ratio, min, max].every((quantity) => value(quantity) < maxMilli);
  return small
    ? [milliValue(ratio) / 1000, milliValue(max) / milliValue(min)]
    : [value(ratio), value(max) / value(min)];
}

const goFloat = (n: number): string => (Number.isFinite(n) ? n.toFixed(6) : n > 0 ? '+Inf' : 'NaN');
