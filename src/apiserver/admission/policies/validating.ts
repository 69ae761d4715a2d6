/** ValidatingAdmissionPolicy: rules in expressions, bound to requests. Source: apiserver/pkg/admission/plugin/policy/validating. */
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../api/types/admissionregistration-v1.ts';
import { runtimeBudget } from '../../../cel/index.ts';
import type { AdmissionAttributes } from '../admission.ts';
import type { Invocation } from '../webhooks/match.ts';
import { namespaceOf } from '../webhooks/match.ts';
import { admissionRequest } from '../webhooks/review.ts';
import { authorizerFor } from './authorize.ts';
import {
  BudgetError,
  type CompiledExpression,
  Compiler,
  Evaluation,
  type ExpressionInput,
  type Result,
} from './expressions.ts';
import type { PolicyContext } from './index.ts';
import { type CompiledCondition, compileConditions, matchConditions } from './match-conditions.ts';
import { collectParams, ParamsError } from './params.ts';
import { type Bound, configuredPolicies } from './policies.ts';

interface CompiledPolicy {
  readonly compiler: Compiler;
  readonly conditions: readonly CompiledCondition[];
  readonly validations: readonly {
    readonly validation: Validation;
    readonly expression: CompiledExpression;
    readonly message: CompiledExpression | undefined;
  }[];
  readonly annotations: readonly { readonly key: string; readonly expression: CompiledExpression }[];
}

type Policy = Bound<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledPolicy>;

export function compilePolicy({ spec = {} }: ValidatingAdmissionPolicy): CompiledPolicy {
  const compiler = new Compiler({
    params: spec.paramKind !== undefined,
    authorizer: true,
    variables: spec.variables ?? [],
  });
  const conditions = compileConditions(compiler, spec.matchConditions ?? []);
  return {
    compiler,
    conditions,
    validations: (spec.validations ?? []).map((validation) => ({
      validation,
      expression: compiler.compile(validation.expression, 'bool'),
      message: validation.messageExpression ? compiler.compile(validation.messageExpression, 'string') : undefined,
    })),
    annotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => ({
      key,
      expression: compiler.compile(valueExpression, 'string', 'null'),
    })),
  };
}

interface Denial {
  readonly policy: string;
  readonly binding: string | undefined;
  readonly message: string;
  readonly reason: string;
}

export interface ValidatingPolicies {
  validate(attributes: AdmissionAttributes, signal: AbortSignal): Promise<void>;
}

export function validatingPolicies(context: PolicyContext): ValidatingPolicies {
  const policies = configuredPolicies<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledPolicy>(
    context.reader,
    { policies: 'validatingadmissionpolicies', bindings: 'validatingadmissionpolicybindings' },
    compilePolicy,
  );
  return {
    async validate(attributes, signal) {
      const denials: Denial[] = [];
      for (const policy of policies()) await judge(context, policy, attributes, signal, denials);
      if (denials.length > 0) throw refusal(attributes, denials[0]!);
    },
  };
}

async function judge(
  context: PolicyContext,
  { policy, compiled, matcher, bindings }: Policy,
  attributes: AdmissionAttributes,
  signal: AbortSignal,
  denials: Denial[],
): Promise<void> {
  const { reader, table } = context;
  const { spec = {}, metadata } = policy;
  const name = metadata.name ?? '';
  const fails = spec.failurePolicy !== 'Ignore';
  const misconfigured = (error: unknown, binding?: string): void => {
    if (!fails) return;
    const message = error instanceof Error ? error.message : String(error);
    denials.push({
      policy: name,
      binding,
      message: `failed to configure ${binding === undefined ? 'policy' : 'binding'}: ${message}`,
      reason: 'Invalid',
    });
  };
  const found = attempt(() => matcher.match(attributes, context.matching));
  if (found instanceof Error) {
    misconfigured(found);
    return;
  }
  if (!found) return;
  const annotations = new Map<string, string[]>();
  for (const { binding, matcher: own } of bindings) {
    const bindingName = binding.metadata.name ?? '';
    if (own) {
      const bound = attempt(() => own.match(attributes, context.matching));
      if (bound instanceof Error) misconfigured(bound, bindingName);
      if (!bound || bound instanceof Error) continue;
    }
    let params: readonly (JsonObject | undefined)[];
    try {
      params = collectParams(table(), reader, spec.paramKind, binding.spec.paramRef, attributes.namespace);
    } catch (error) {
      if (!(error instanceof ParamsError)) throw error;
      misconfigured(error, bindingName);
      continue;
    }
    for (const param of params) {
      const input = await inputOf(context, attributes, found, param, signal);
      const outcome = evaluate(compiled, input, spec.failurePolicy ?? 'Fail');
      for (const [i, decision] of outcome.decisions.entries()) {
        if (!decision) continue;
        for (const action of binding.spec.validationActions) {
          if (action === 'Deny') denials.push({ policy: name, binding: bindingName, ...decision });
          else if (action === 'Warn')
            attributes.warn(
              `Validation failed for ValidatingAdmissionPolicy '${name}' with binding '${bindingName}': ${decision.message}`,
            );
          else if (action === 'Audit')
            attributes.annotate(
              'validation.policy.admission.k8s.io/validation_failure',
              JSON.stringify([
                {
                  message: decision.message,
                  policy: name,
                  binding: bindingName,
                  expressionIndex: i,
                  validationActions: binding.spec.validationActions,
                },
              ]),
            );
        }
      }
      for (const { key, value, error } of outcome.annotations) {
        if (error !== undefined)
          denials.push({ policy: name, binding: bindingName, message: error, reason: 'Invalid' });
        else if (value !== undefined) {
          const known = annotations.get(key) ?? [];
          const short = value.slice(0, maxAnnotation);
          if (!known.includes(short)) annotations.set(key, [...known, short]);
        }
      }
    }
  }
  for (const [key, values] of annotations) attributes.annotate(`${name}/${key}`, values.join(', '));
}

const maxAnnotation = 10 * 1024;
const maxMessage = 5 * 1024;

function attempt<T>(run: () => T): T | Error {
  try {
    return run();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The request as expressions see it, in the version the policy asked for. */
export async function inputOf(
  context: PolicyContext,
  attributes: AdmissionAttributes,
  invocation: Invocation,
  params: JsonObject | undefined,
  signal: AbortSignal,
): Promise<ExpressionInput> {
  const { authorizer, reader, convert } = context;
  const namespace =
    attributes.resource.group === '' && attributes.resource.resource === 'namespaces' ? '' : namespaceOf(attributes);
  return {
    object: (await convert(attributes.object, invocation.kind)) ?? null,
    oldObject: (await convert(attributes.oldObject, invocation.kind)) ?? null,
    request: { ...admissionRequest('', attributes, invocation), options: attributes.options },
    params: params ?? null,
    namespaceObject: namespace === '' ? null : (reader.get('', 'namespaces', '', namespace) ?? null),
    authorizer: authorizer && authorizerFor(authorizer, attributes, signal),
  };
}

interface Outcome {
  /** In the order of the validations; undefined where one holds. */
  readonly decisions: readonly ({ readonly message: string; readonly reason: string } | undefined)[];
  readonly annotations: readonly { readonly key: string; readonly value?: string; readonly error?: string }[];
}

function evaluate(policy: CompiledPolicy, input: ExpressionInput, failurePolicy: string): Outcome {
  const fails = failurePolicy !== 'Ignore';
  const failed = (message: string): Outcome => ({
    decisions: fails ? [{ message, reason: 'Invalid' }] : [],
    annotations: [],
  });
  const { variables } = policy.compiler;
  if (policy.conditions.length > 0) {
    const match = matchConditions(policy.conditions, input, variables, failurePolicy);
    if (match.kind === 'error') return failed(match.message);
    if (match.kind === 'excluded') return { decisions: [], annotations: [] };
  }
  const evaluation = new Evaluation(input, variables, runtimeBudget);
  try {
    const results = policy.validations.map(({ expression }) => evaluation.evaluate(expression));
    const decisions = policy.validations.map((one, i) => decide(one, results[i]!, evaluation, fails));
    const annotating = new Evaluation(input, variables, runtimeBudget);
    const annotations = policy.annotations.flatMap(({ key, expression }): Outcome['annotations'] => {
      const result = annotating.evaluate(expression);
      if ('error' in result) return fails ? [{ key, error: result.error }] : [];
      if (typeof result.value !== 'string') return [];
      const value = result.value.trim();
      return value === '' ? [] : [{ key, value }];
    });
    return { decisions, annotations };
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
    return failed(error.message);
  }
}

function decide(
  { validation, message }: CompiledPolicy['validations'][number],
  result: Result,
  evaluation: Evaluation,
  fails: boolean,
): Outcome['decisions'][number] {
  if ('error' in result) return fails ? { message: result.error, reason: 'Invalid' } : undefined;
  if (result.value === true) return undefined;
  const reason = validation.reason ?? 'Invalid';
  if (message) {
    const told = evaluation.evaluate(message);
    if (!('error' in told) && typeof told.value === 'string') {
      const text = told.value.trim();
      if (text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= maxMessage)
        return { message: text, reason };
    }
  }
  if (validation.message) return { message: validation.message.trim(), reason };
  return { message: `failed expression: ${validation.expression.trim()}`, reason };
}

const codes: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Unauthorized: 401,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

function refusal(attributes: AdmissionAttributes, { policy, binding, message, reason }: Denial): ApiError {
  const by = `ValidatingAdmissionPolicy '${policy}'${binding === undefined ? '' : ` with binding '${binding}'`}`;
  const text = `${by} denied request: ${message}`;
  const { group, resource } = attributes.resource;
  const metadata = (attributes.object?.metadata ?? {}) as { name?: string; generateName?: string };
  const name =
    attributes.name || metadata.name || (metadata.generateName ? `Unknown/${metadata.generateName}` : '') || 'Unknown';
  const { status } = ApiError.forbidden({ group, resource }, name, text);
  return new ApiError({
    ...status,
    reason,
    code: codes[reason] ?? 422,
    details: { ...status.details, causes: [{ message: text }] },
  });
}
