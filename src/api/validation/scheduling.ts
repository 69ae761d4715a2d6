/** Tolerations, scheduling gates, spread over the topology. */
import { checkLabelValue, checkQualifiedName } from '../names.ts';
import type { PodSchedulingGate, Toleration, TopologySpreadConstraint } from '../types/core-v1.ts';
import type { LabelSelector } from '../types/meta-v1.ts';
import { at, type ErrorList, positive } from './error-list.ts';
import { validateLabelSelector } from './metadata.ts';

const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateTaintEffect(errors: ErrorList, effect: string, field: string): void {
  if (!taintEffects.includes(effect)) errors.notSupported(field, effect, taintEffects);
}

export function validateTolerations(errors: ErrorList, tolerations: readonly Toleration[], field: string): void {
  for (let i = 0; i < tolerations.length; i++) {
    const path = at(field, i);
    const toleration = tolerations[i]!;
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    if (key !== '') errors.invalidEach(`${path}.key`, key, checkQualifiedName(key));
    else if (operator !== 'Exists')
      errors.invalid(
        `${path}.operator`,
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.invalid(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    switch (operator) {
      case '':
      case 'Equal': {
        const messages = checkLabelValue(value);
        if (messages.length > 0) errors.invalid(`${path}.operator`, value, messages.join(';'));
        break;
      }
      case 'Exists':
        if (value !== '') errors.invalid(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'");
        break;
      case 'Lt':
      case 'Gt':
        errors.notSupported(`${path}.operator`, operator, ['Equal', 'Exists', 'Lt', 'Gt']);
        break;
      default:
        errors.notSupported(`${path}.operator`, operator, ['Equal', 'Exists']);
    }
    if (effect !== '') validateTaintEffect(errors, effect, `${path}.effect`);
  }
}

export function validateSchedulingGates(errors: ErrorList, gates: readonly PodSchedulingGate[], field: string): void {
  const seen = new Set<string>();
  for (const [i, { name }] of gates.entries()) {
    errors.invalidEach(at(field, i), name, checkQualifiedName(name));
    if (seen.has(name)) errors.duplicate(at(field, i), name);
    seen.add(name);
  }
}

const actions = ['DoNotSchedule', 'ScheduleAnyway'];
const inclusions = ['Honor', 'Ignore'];

export function validateSpread(
  errors: ErrorList,
  constraints: readonly TopologySpreadConstraint[],
  field: string,
): void {
  for (const [i, constraint] of constraints.entries()) {
    const path = at(field, i);
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    if (!(maxSkew > 0)) errors.invalid(`${path}.maxSkew`, maxSkew ?? 0, positive);
    if (!topologyKey) errors.required(`${path}.topologyKey`, 'can not be empty');
    if (!actions.includes(whenUnsatisfiable))
      errors.notSupported(`${path}.whenUnsatisfiable`, whenUnsatisfiable, actions);
    // The first of two alike is reported, not the second.
    if (
      constraints.slice(i + 1).some((c) => c.topologyKey === topologyKey && c.whenUnsatisfiable === whenUnsatisfiable)
    )
      errors.duplicate(`${path}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`);
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.invalid(`${path}.minDomains`, minDomains, positive);
      if (whenUnsatisfiable !== 'DoNotSchedule')
        errors.invalid(
          `${path}.minDomains`,
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        );
    }
    for (const name of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[name];
      if (policy !== undefined && !inclusions.includes(policy))
        errors.notSupported(`${path}.${name}`, policy, inclusions);
    }
    validateLabelKeys(errors, constraint.matchLabelKeys, undefined, constraint.labelSelector, path);
    validateLabelSelector(errors, constraint.labelSelector, `${path}.labelSelector`);
  }
}

/** Keys whose values come from the pod itself (KEP-3633). By now they stand in the selector too, once. */
export function validateLabelKeys(
  errors: ErrorList,
  match: readonly string[] | undefined,
  mismatch: readonly string[] | undefined,
  selector: LabelSelector | undefined,
  field: string,
): void {
  if (!match?.length && !mismatch?.length) return;
  for (const [name, keys] of [
    ['matchLabelKeys', match ?? []],
    ['mismatchLabelKeys', mismatch ?? []],
  ] as const) {
    if (keys.length === 0) continue;
    const path = `${field}.${name}`;
    if (!selector) errors.forbidden(path, 'must not be specified when labelSelector is not set');
    else for (const [i, key] of keys.entries()) errors.invalidEach(at(path, i), key, checkQualifiedName(key));
  }
  if (selector) {
    const seen = new Set(Object.keys(selector.matchLabels ?? {}));
    for (const { key } of selector.matchExpressions ?? []) {
      const i = match?.lastIndexOf(key) ?? -1;
      if (i >= 0 && seen.has(key)) errors.invalid(at(field, i), key, 'exists in both matchLabelKeys and labelSelector');
      seen.add(key);
    }
  }
  for (const [i, key] of (match ?? []).entries())
    if (mismatch?.includes(key))
      errors.invalid(at(`${field}.matchLabelKeys`, i), key, 'exists in both matchLabelKeys and mismatchLabelKeys');
}
