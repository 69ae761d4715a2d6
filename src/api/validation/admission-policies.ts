/** Admission policies and their bindings: everything but the expressions' own grammar and types. */
import { checkDns1035Label, checkDns1123Subdomain, checkPathSegmentName, checkQualifiedName } from '../names.ts';
import type {
  AuditAnnotation,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
  Variable,
} from '../types/admissionregistration-v1.ts';
import {
  failurePolicies,
  reinvocationPolicies,
  validateChoice,
  validateMatchConditions,
  validateMatchResources,
  validateMutatedOperations,
} from './admission-rules.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateLabelSelector } from './metadata.ts';

const atLeastOne = 'validations or auditAnnotations must contain at least one item';
const actions = ['Audit', 'Deny', 'Warn'];
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const patchTypes = ['ApplyConfiguration', 'JSONPatch'];
const exclusive = 'name and selector are mutually exclusive';
const maxAnnotations = 20;
const maxAnnotationBytes = 5 * 1024;

export function validateValidatingPolicy(errors: ErrorList, policy: ValidatingAdmissionPolicy): void {
  const { spec = {}, metadata } = policy;
  validateScope(errors, spec);
  const { validations = [], auditAnnotations = [] } = spec;
  if (validations.length === 0 && auditAnnotations.length === 0) {
    errors.required('spec.validations', atLeastOne);
    errors.required('spec.auditAnnotations', atLeastOne);
    return;
  }
  for (const [i, validation] of validations.entries())
    validateValidation(errors, validation, at('spec.validations', i));
  if (auditAnnotations.length > maxAnnotations)
    errors.invalid(
      'spec.auditAnnotations',
      auditAnnotations,
      `must not have more than ${maxAnnotations} auditAnnotations`,
    );
  const keys = new Set<string>();
  for (const [i, annotation] of auditAnnotations.entries()) {
    const field = at('spec.auditAnnotations', i);
    validateAnnotation(errors, annotation, metadata?.name ?? '', field);
    if (keys.has(annotation.key)) errors.duplicate(`${field}.key`, annotation.key);
    keys.add(annotation.key);
  }
}

export function validateMutatingPolicy(errors: ErrorList, { spec }: MutatingAdmissionPolicy): void {
  const { mutations = [], reinvocationPolicy } = spec ?? {};
  validateScope(errors, spec ?? {}, (match) => validateMutatedOperations(errors, match, 'spec.matchConstraints'));
  if (mutations.length === 0) errors.required('spec.mutations', 'mutations must contain at least one item');
  for (const [i, mutation] of mutations.entries()) validateMutation(errors, mutation, at('spec.mutations', i));
  if (!reinvocationPolicy) errors.required('spec.reinvocationPolicy');
  else validateChoice(errors, reinvocationPolicy, reinvocationPolicies, 'spec.reinvocationPolicy');
}

type Scoped = Pick<
  NonNullable<ValidatingAdmissionPolicy['spec']>,
  'failurePolicy' | 'paramKind' | 'matchConstraints' | 'matchConditions' | 'variables'
>;

/** What both kinds of policy say of the requests they see. */
function validateScope(
  errors: ErrorList,
  spec: Scoped,
  more?: (match: NonNullable<Scoped['matchConstraints']>) => void,
): void {
  const { failurePolicy, paramKind, matchConstraints } = spec;
  if ((failurePolicy ?? null) === null) errors.required('spec.failurePolicy');
  else validateChoice(errors, failurePolicy, failurePolicies, 'spec.failurePolicy');
  if (paramKind) validateParamKind(errors, paramKind, 'spec.paramKind');
  if (!matchConstraints) errors.required('spec.matchConstraints');
  else {
    validateMatchResources(errors, matchConstraints, 'spec.matchConstraints');
    if (!matchConstraints.resourceRules?.length) errors.required('spec.matchConstraints.resourceRules');
    more?.(matchConstraints);
  }
  validateMatchConditions(errors, spec.matchConditions, 'spec.matchConditions');
  for (const [i, variable] of (spec.variables ?? []).entries())
    validateVariable(errors, variable, at('spec.variables', i));
}

function validateParamKind(errors: ErrorList, { apiVersion, kind }: ParamKind, field: string): void {
  if (!apiVersion) errors.required(`${field}.apiVersion`);
  else validateGroupVersion(errors, apiVersion, `${field}.apiVersion`);
  if (!kind) {
    errors.required(`${field}.kind`);
    return;
  }
  const wrong = checkDns1035Label(kind.toLowerCase());
  if (wrong.length > 0)
    errors.invalid(`${field}.kind`, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`);
}

function validateGroupVersion(errors: ErrorList, text: string, field: string): void {
  const parts = text === '/' ? [''] : text.split('/');
  if (parts.length > 2) {
    errors.invalid(field, text, `unexpected GroupVersion string: ${text}`);
    return;
  }
  const [group, version] = parts.length === 2 ? (parts as [string, string]) : ['', parts[0]!];
  const wrongGroup = group ? checkDns1123Subdomain(group) : [];
  if (wrongGroup.length > 0) errors.invalid(field, group, wrongGroup.join(','));
  const wrong = version ? checkDns1035Label(version) : [];
  if (!version) errors.invalid(field, text, 'version must be specified');
  else if (wrong.length > 0) errors.invalid(field, version, wrong.join(','));
}

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

function validateVariable(errors: ErrorList, { name, expression }: Variable, field: string): void {
  if (!name?.trim()) errors.required(`${field}.name`, 'name is not specified');
  else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || reserved.has(name))
    errors.invalid(`${field}.name`, name, 'must be a valid CEL identifier');
  if (!expression?.trim()) errors.required(`${field}.expression`, 'expression is not specified');
}

function validateValidation(errors: ErrorList, validation: Validation, field: string): void {
  const { expression, message = '', messageExpression = '', reason } = validation;
  const blank = 'must be non-empty if specified';
  if (!expression?.trim()) errors.required(`${field}.expression`, 'expression is not specified');
  if (messageExpression && !messageExpression.trim())
    errors.invalid(`${field}.messageExpression`, messageExpression, blank);
  if (message && !message.trim()) errors.invalid(`${field}.message`, message, blank);
  else if (/[\n\r]/.test(message.trim())) errors.invalid(`${field}.message`, message, 'must not contain line breaks');
  validateChoice(errors, reason, reasons, `${field}.reason`);
}

function validateAnnotation(errors: ErrorList, annotation: AuditAnnotation, policy: string, field: string): void {
  const { key = '', valueExpression = '' } = annotation;
  if (!policy) errors.invalid(`${field}.key`, key, 'requires metadata.name be non-empty');
  else errors.invalidEach(`${field}.key`, `${policy}/${key}`, checkQualifiedName(`${policy}/${key}`));
  const expression = valueExpression.trim();
  if (!expression) errors.required(`${field}.valueExpression`, 'valueExpression is not specified');
  else if (Buffer.byteLength(expression) > maxAnnotationBytes)
    errors.required(`${field}.valueExpression`, `must not exceed ${maxAnnotationBytes} bytes in length`);
}

function validateMutation(errors: ErrorList, mutation: Mutation, field: string): void {
  const { patchType } = mutation;
  if (!patchType) {
    errors.required(`${field}.patchType`);
    return;
  }
  if (!patchTypes.includes(patchType)) {
    errors.notSupported(`${field}.patchType`, patchType, patchTypes);
    return;
  }
  const [asked, other] =
    patchType === 'JSONPatch'
      ? (['jsonPatch', 'applyConfiguration'] as const)
      : (['applyConfiguration', 'jsonPatch'] as const);
  const given = mutation[asked];
  if (!given) errors.required(`${field}.${asked}`, `must be specified when patchType is ${patchType}`);
  else if (!given.expression?.trim()) errors.required(`${field}.${asked}.expression`);
  if (mutation[other])
    errors.invalid(`${field}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`);
}

export function validateValidatingBinding(errors: ErrorList, { spec }: ValidatingAdmissionPolicyBinding): void {
  validateBound(errors, spec ?? {});
  const given = spec?.validationActions ?? [];
  const field = 'spec.validationActions';
  for (const [i, action] of given.entries()) {
    if (!actions.includes(action)) errors.notSupported(at(field, i), action, actions);
    if (given.indexOf(action) < i) errors.duplicate(at(field, i), action);
  }
  if (given.includes('Deny') && given.includes('Warn'))
    errors.invalid(
      field,
      given,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    );
  if (given.length === 0) errors.required(field, 'at least one validation action is required');
}

export function validateMutatingBinding(errors: ErrorList, { spec = {} }: MutatingAdmissionPolicyBinding): void {
  validateBound(errors, spec);
  if (spec.matchResources) validateMutatedOperations(errors, spec.matchResources, 'spec.matchResources');
}

function validateBound(errors: ErrorList, spec: NonNullable<MutatingAdmissionPolicyBinding['spec']>): void {
  const { policyName, paramRef, matchResources } = spec;
  if (!policyName) errors.required('spec.policyName');
  else errors.invalidEach('spec.policyName', policyName, checkDns1123Subdomain(policyName));
  if (paramRef) validateParamRef(errors, paramRef, 'spec.paramRef');
  if (matchResources) validateMatchResources(errors, matchResources, 'spec.matchResources');
}

function validateParamRef(errors: ErrorList, reference: ParamRef, field: string): void {
  const { name, selector, parameterNotFoundAction } = reference;
  if (name) {
    errors.invalidEach(`${field}.name`, name, checkPathSegmentName(name));
    if (selector) errors.forbidden(`${field}.name`, exclusive);
  }
  if (selector) {
    validateLabelSelector(errors, selector, `${field}.selector`);
    if (name) errors.forbidden(`${field}.selector`, exclusive);
  }
  if (!name && !selector) errors.required(field, 'one of name or selector must be specified');
  if (!parameterNotFoundAction) errors.required(`${field}.parameterNotFoundAction`);
  else validateChoice(errors, parameterNotFoundAction, ['Deny', 'Allow'], `${field}.parameterNotFoundAction`);
}
