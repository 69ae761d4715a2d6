/** Priority and runtime classes, leases. */
import { checkDns1123Label, checkQualifiedName } from '../names.ts';
import type { Lease, LeaseSpec } from '../types/coordination-v1.ts';
import type { LeaseCandidate } from '../types/coordination-v1beta1.ts';
import type { RuntimeClass } from '../types/node-v1.ts';
import type { PriorityClass } from '../types/scheduling-v1.ts';
import { at, type ErrorList, immutable } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateLabels } from './metadata.ts';
import { validateResourceRequirements } from './resources.ts';
import { validateTolerations } from './scheduling.ts';

const highestUserPriority = 1_000_000_000;
const systemClasses: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000,
};
const preemptionPolicies = ['PreemptLowerPriority', 'Never'];

export function validatePriorityClass(errors: ErrorList, priorityClass: PriorityClass): void {
  const { value = 0, preemptionPolicy: policy } = priorityClass;
  const problem = systemProblem(priorityClass);
  if (problem !== undefined)
    errors.forbidden(
      'metadata.name',
      `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`,
    );
  else if (!priorityClass.metadata.name?.startsWith('system-') && value > highestUserPriority)
    errors.forbidden('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`);
  if (policy === '') errors.required('preemptionPolicy');
  else if (policy !== undefined && !preemptionPolicies.includes(policy))
    errors.notSupported('preemptionPolicy', policy, preemptionPolicies);
}

function systemProblem({ metadata, value, globalDefault }: PriorityClass): string | undefined {
  const name = metadata.name ?? '';
  if (!name.startsWith('system-')) return undefined;
  const fixed = systemClasses[name];
  if (fixed === undefined) return `${name} is not a known system priority class`;
  if (value !== fixed) return `value of ${name} PriorityClass must be ${fixed}`;
  return globalDefault === true ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

export function validatePriorityClassUpdate(errors: ErrorList, next: PriorityClass, previous: PriorityClass): void {
  if (next.value !== previous.value) errors.forbidden('value', 'may not be changed in an update.');
  if (next.preemptionPolicy !== previous.preemptionPolicy)
    errors.invalid('preemptionPolicy', next.preemptionPolicy ?? null, immutable);
}

export function validateRuntimeClass(errors: ErrorList, { handler, overhead, scheduling }: RuntimeClass): void {
  if (!handler) errors.required('handler');
  else errors.invalidEach('handler', handler, checkDns1123Label(handler));
  if (overhead?.podFixed) validateResourceRequirements(errors, { limits: overhead.podFixed }, 'overhead');
  if (!scheduling) return;
  if (scheduling.nodeSelector) validateLabels(errors, scheduling.nodeSelector, 'scheduling.nodeSelector');
  const tolerations = scheduling.tolerations ?? [];
  validateTolerations(errors, tolerations, 'scheduling.tolerations');
  const seen = new Set<string>();
  for (const [i, toleration] of tolerations.entries()) {
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    const id = JSON.stringify([key, operator, value, effect]);
    if (seen.has(id)) errors.duplicate(at('scheduling.tolerations', i), internalForm(toleration, 'core.Toleration'));
    seen.add(id);
  }
}

export function validateRuntimeClassUpdate(errors: ErrorList, next: RuntimeClass, previous: RuntimeClass): void {
  if (next.handler !== previous.handler) errors.invalid('handler', next.handler ?? '', immutable);
}

const leaseStrategies = ['OldestEmulationVersion'];

export function validateLease(errors: ErrorList, { spec = {} }: Lease): void {
  const { leaseDurationSeconds, leaseTransitions, strategy, preferredHolder } = spec as LeaseSpec;
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0)
    errors.invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0');
  if (leaseTransitions !== undefined && leaseTransitions < 0)
    errors.invalid('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0');
  if (strategy !== undefined) validateStrategy(errors, strategy, 'spec.strategy');
  if (preferredHolder && !strategy)
    errors.forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined');
}

function validateStrategy(errors: ErrorList, strategy: string, field: string): void {
  // Upstream names the field twice.
  const path = `${field}.strategy`;
  if (strategy.includes('/')) errors.invalidEach(path, strategy, checkQualifiedName(strategy));
  else if (!leaseStrategies.includes(strategy)) errors.notSupported(path, strategy, leaseStrategies);
}

const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

export function validateLeaseCandidate(errors: ErrorList, { spec }: LeaseCandidate): void {
  if (!spec?.leaseName) errors.required('spec.leaseName');
  const { emulationVersion = '', binaryVersion = '', strategy = '' } = spec ?? {};
  const notSemantic = 'must be a valid semantic version';
  const emulation = versionOf(emulationVersion);
  if (emulationVersion !== '' && !semantic.test(emulationVersion))
    errors.invalid('spec.emulationVersion', emulationVersion, notSemantic);
  if (binaryVersion === '') errors.required('spec.binaryVersion');
  else if (!semantic.test(binaryVersion)) errors.invalid('spec.binaryVersion', binaryVersion, notSemantic);
  if (binaryVersion !== '' && emulationVersion !== '' && isOlder(versionOf(binaryVersion), emulation))
    errors.invalid('spec.binaryVersion', binaryVersion, 'must be greater than or equal to `emulationVersion`');
  if (strategy === '') errors.required('spec.strategy');
  else {
    if (strategy === 'OldestEmulationVersion' && emulation.every((part) => part === 0))
      errors.required('spec.emulationVersion', "must be specified when `strategy` is 'OldestEmulationVersion'");
    validateStrategy(errors, strategy, 'spec.strategy');
  }
}

const versionOf = (text: string): readonly number[] =>
  (semantic.exec(text)?.slice(1, 4) ?? ['0', '0', '0']).map(Number);
function isOlder(a: readonly number[], b: readonly number[]): boolean {
  const i = a.findIndex((part, j) => part !== b[j]);
  return i >= 0 && a[i]! < b[i]!;
}

export function validateLeaseCandidateUpdate(errors: ErrorList, next: LeaseCandidate, previous: LeaseCandidate): void {
  if (next.spec?.leaseName !== previous.spec?.leaseName)
    errors.invalid('spec.leaseName', next.spec?.leaseName ?? '', immutable);
}
