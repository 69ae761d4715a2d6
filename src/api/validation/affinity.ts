/** Node selectors and affinities. */
import { checkDns1123Label, checkDns1123Subdomain, checkLabelValue, checkQualifiedName } from '../names.ts';
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
} from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { type SelectorOptions, validateLabelSelector } from './metadata.ts';
import { validateLabelKeys } from './scheduling.ts';

const required = 'requiredDuringSchedulingIgnoredDuringExecution';
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
const badWeight = 'must be in the range 1-100';

export function validateAffinity(errors: ErrorList, affinity: Affinity, field: string): void {
  const node = affinity.nodeAffinity;
  if (node) {
    const path = `${field}.nodeAffinity`;
    if (node[required]) validateNodeSelector(errors, node[required], `${path}.${required}`);
    for (const [i, term] of (node[preferred] ?? []).entries()) {
      const entry = at(`${path}.${preferred}`, i);
      if (!(term.weight > 0 && term.weight <= 100)) errors.invalid(`${entry}.weight`, term.weight ?? 0, badWeight);
      // A preference no node can have does no harm.
      validateTerm(errors, term.preference, `${entry}.preference`, { allowInvalidValues: true });
    }
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const pod = affinity[kind];
    if (!pod) continue;
    for (const [i, term] of (pod[required] ?? []).entries())
      validatePodTerm(errors, term, at(`${field}.${kind}.${required}`, i));
    for (const [i, term] of (pod[preferred] ?? []).entries()) {
      const entry = at(`${field}.${kind}.${preferred}`, i);
      if (!(term.weight > 0 && term.weight <= 100)) errors.invalid(`${entry}.weight`, term.weight ?? 0, badWeight);
      validatePodTerm(errors, term.podAffinityTerm, `${entry}.podAffinityTerm`);
    }
  }
}

export function validateNodeSelector(
  errors: ErrorList,
  selector: NodeSelector,
  field: string,
  options: SelectorOptions = {},
): void {
  const path = `${field}.nodeSelectorTerms`;
  if (!selector.nodeSelectorTerms?.length) {
    errors.required(path, 'must have at least one node selector term');
    return;
  }
  for (const [i, term] of selector.nodeSelectorTerms.entries()) validateTerm(errors, term, at(path, i), options);
}

function validateTerm(errors: ErrorList, term: NodeSelectorTerm, field: string, options: SelectorOptions): void {
  for (const [i, requirement] of (term?.matchExpressions ?? []).entries())
    validateRequirement(errors, requirement, at(`${field}.matchExpressions`, i), options);
  for (const [i, requirement] of (term?.matchFields ?? []).entries())
    validateFieldRequirement(errors, requirement, at(`${field}.matchFields`, i));
}

const notAnOperator = 'not a valid selector operator';

function validateRequirement(
  errors: ErrorList,
  { key, operator, values = [] }: NodeSelectorRequirement,
  field: string,
  { allowInvalidValues }: SelectorOptions,
): void {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        errors.required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
      break;
    default:
      errors.invalid(`${field}.operator`, operator, notAnOperator);
  }
  errors.invalidEach(`${field}.key`, key, checkQualifiedName(key));
  if (allowInvalidValues) return;
  for (const [i, value] of values.entries())
    errors.invalidEach(at(`${field}.values`, i), value, checkLabelValue(value));
}

function validateFieldRequirement(
  errors: ErrorList,
  { key, operator, values = [] }: NodeSelectorRequirement,
  field: string,
): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length !== 1)
      errors.required(
        `${field}.values`,
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      );
  } else errors.invalid(`${field}.operator`, operator, notAnOperator);
  if (key !== 'metadata.name') errors.invalid(`${field}.key`, key, 'not a valid field selector key');
  else
    for (const [i, value] of values.entries())
      errors.invalidEach(at(`${field}.values`, i), value, checkDns1123Subdomain(value));
}

function validatePodTerm(errors: ErrorList, term: PodAffinityTerm, field: string): void {
  validateLabelSelector(errors, term.labelSelector, `${field}.labelSelector`);
  validateLabelSelector(errors, term.namespaceSelector, `${field}.namespaceSelector`);
  for (const namespace of term.namespaces ?? [])
    errors.invalidEach(`${field}.namespace`, namespace, checkDns1123Label(namespace));
  validateLabelKeys(errors, term.matchLabelKeys, term.mismatchLabelKeys, term.labelSelector, field);
  const key = term.topologyKey ?? '';
  if (key === '') errors.required(`${field}.topologyKey`, 'can not be empty');
  errors.invalidEach(`${field}.topologyKey`, key, checkQualifiedName(key));
}
