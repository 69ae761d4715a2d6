/** Expressions of policies and webhooks that do not compile, as their writer is told. Source: pkg/apis/admissionregistration/validation. */
import { sameJson } from '../../../api/edit.ts';
import type { FieldError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type {
  MatchCondition,
  MutatingAdmissionPolicy,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
} from '../../../api/types/admissionregistration-v1.ts';
import { at, ErrorList } from '../../../api/validation/error-list.ts';
import { type CompiledExpression, Compiler } from './expressions.ts';
import type { ExpressionKind } from './late-strategies.ts';
import { compileMutatingPolicy } from './mutating.ts';
import { compilePolicy } from './validating.ts';

/** @param previous what was accepted once stays accepted while it does not change. */
export function expressionErrors(
  kind: ExpressionKind,
  next: JsonObject,
  previous: JsonObject | undefined,
): readonly FieldError[] {
  const errors = new ErrorList();
  switch (kind) {
    case 'validatingadmissionpolicies':
      if (!sameJson(next.spec, previous?.spec)) validatingErrors(errors, next as unknown as ValidatingAdmissionPolicy);
      break;
    case 'mutatingadmissionpolicies':
      if (!sameJson(next.spec, previous?.spec)) mutatingErrors(errors, next as unknown as MutatingAdmissionPolicy);
      break;
    default:
      if (!sameJson(next.webhooks, previous?.webhooks))
        webhookErrors(errors, next as unknown as MutatingWebhookConfiguration);
  }
  return errors.errors;
}

function report(errors: ErrorList, expression: CompiledExpression, field: string): void {
  // An empty one was refused already.
  if ('error' in expression && expression.expression.trim() !== '')
    errors.invalid(field, expression.expression, expression.error);
}

function validatingErrors(errors: ErrorList, policy: ValidatingAdmissionPolicy): void {
  const { compiler, conditions, validations, annotations } = compilePolicy(policy);
  for (const [i, { expression }] of conditions.entries())
    report(errors, expression, `${at('spec.matchConditions', i)}.expression`);
  variableErrors(errors, compiler);
  for (const [i, { expression, message }] of validations.entries()) {
    report(errors, expression, `${at('spec.validations', i)}.expression`);
    if (message) report(errors, message, `${at('spec.validations', i)}.messageExpression`);
  }
  for (const [i, { expression }] of annotations.entries())
    report(errors, expression, `${at('spec.auditAnnotations', i)}.valueExpression`);
}

function mutatingErrors(errors: ErrorList, policy: MutatingAdmissionPolicy): void {
  const { compiler, conditions, mutations } = compileMutatingPolicy(policy);
  for (const [i, { expression }] of conditions.entries())
    report(errors, expression, `${at('spec.matchConditions', i)}.expression`);
  variableErrors(errors, compiler);
  for (const [i, { kind, expression }] of mutations.entries()) {
    const field = `${at('spec.mutations', i)}.${kind === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration'}.expression`;
    // Operations are only had from a list of them: something that may come to one is not enough.
    if (kind === 'JSONPatch' && 'compiled' in expression && expression.compiled.type.kind === 'dyn')
      errors.invalid(field, expression.expression, 'must evaluate to list(JSONPatch) but got dyn');
    else report(errors, expression, field);
  }
}

function variableErrors(errors: ErrorList, compiler: Compiler): void {
  for (const [i, expression] of compiler.variablesInOrder.entries())
    report(errors, expression, `${at('spec.variables', i)}.expression`);
}

function webhookErrors(errors: ErrorList, { webhooks = [] }: MutatingWebhookConfiguration): void {
  const compiler = new Compiler({ params: false, authorizer: true });
  for (const [i, webhook] of webhooks.entries())
    for (const [j, { expression }] of ((webhook.matchConditions ?? []) as readonly MatchCondition[]).entries())
      report(
        errors,
        compiler.compile(expression, 'bool'),
        `${at(`${at('webhooks', i)}.matchConditions`, j)}.expression`,
      );
}
