/** MutatingAdmissionPolicy: changes in expressions, bound to requests. Source: apiserver/pkg/admission/plugin/policy/mutating. */
import { configError } from '../../../api/apply/check-config.ts';
import { mergeConfig } from '../../../api/apply/merge.ts';
import { sameJson } from '../../../api/edit.ts';
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import { type Plan, TypePlans } from '../../../api/managed-fields/type-plan.ts';
import { applyJsonPatch, type JsonPatchOperation } from '../../../api/patch/json-patch.ts';
import type { GroupVersionKind, StructType } from '../../../api/schema/model.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '../../../api/types/admissionregistration-v1.ts';
import { CelError, runtimeBudget, toJson, type Value } from '../../../cel/index.ts';
import type { Structs } from '../../../cel/schema-types.ts';
import { dyn, string } from '../../../cel/types.ts';
import { ListValue, MapValue } from '../../../cel/values.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { BudgetError, type CompiledExpression, Compiler, Evaluation } from './expressions.ts';
import type { PolicyContext } from './index.ts';
import { mutatingPolicyName } from './index.ts';
import { type CompiledCondition, compileConditions, matchConditions } from './match-conditions.ts';
import { collectParams, ParamsError } from './params.ts';
import { configuredPolicies } from './policies.ts';
import { inputOf } from './validating.ts';

interface CompiledPolicy {
  readonly compiler: Compiler;
  readonly conditions: readonly CompiledCondition[];
  readonly mutations: readonly {
    readonly kind: 'JSONPatch' | 'ApplyConfiguration';
    readonly expression: CompiledExpression;
  }[];
}

const structs: Structs = {
  JSONPatch: new Map([
    ['op', string],
    ['path', string],
    ['from', string],
    ['value', dyn],
  ]),
};
const constructible: ReadonlySet<string> = new Set(['JSONPatch', 'Object']);

export function compileMutatingPolicy({ spec = {} }: MutatingAdmissionPolicy): CompiledPolicy {
  const compiler = new Compiler({
    params: spec.paramKind !== undefined,
    authorizer: true,
    variables: spec.variables ?? [],
    types: { structs },
    constructible,
  });
  return {
    compiler,
    conditions: compileConditions(compiler, spec.matchConditions ?? []),
    mutations: (spec.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }) =>
      patchType === 'JSONPatch'
        ? { kind: 'JSONPatch', expression: compiler.compile(jsonPatch?.expression ?? '', 'list') }
        : { kind: 'ApplyConfiguration', expression: compiler.compile(applyConfiguration?.expression ?? '', 'struct') },
    ),
  };
}

export interface MutatingPolicies {
  admit(attributes: AdmissionAttributes, signal: AbortSignal): Promise<JsonObject | undefined>;
}

export function mutatingPolicies(context: PolicyContext): MutatingPolicies {
  const policies = configuredPolicies<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledPolicy>(
    context.reader,
    { policies: 'mutatingadmissionpolicies', bindings: 'mutatingadmissionpolicybindings' },
    compileMutatingPolicy,
  );
  const plans = new TypePlans();
  return {
    async admit(attributes, signal) {
      const state = stateOf(attributes);
      const again = attributes.reinvocation.isReinvoke;
      if (again && !sameJson(state.lastOutput, attributes.object)) state.requireAll();
      let current = attributes;
      const refusals: string[] = [];
      for (const { policy, compiled, matcher, bindings } of policies()) {
        const { spec = {}, metadata } = policy;
        const name = metadata.name ?? '';
        const fail = (binding: string, message: string): void => {
          if (spec.failurePolicy !== 'Ignore')
            refusals.push(`policy '${name}' with binding '${binding}' denied request: ${message}`);
        };
        const found = matcher.match(current, context.matching);
        if (!found) continue;
        for (const { binding, matcher: own } of bindings) {
          const bindingName = binding.metadata.name ?? '';
          if (own && !own.match(current, context.matching)) continue;
          let params: readonly (JsonObject | undefined)[];
          try {
            params = collectParams(
              context.table(),
              context.reader,
              spec.paramKind,
              binding.spec?.paramRef,
              attributes.namespace,
            );
          } catch (error) {
            if (!(error instanceof ParamsError)) throw error;
            fail(bindingName, `failed to configure binding: ${error.message}`);
            continue;
          }
          for (const [i, param] of params.entries()) {
            const key = `${name}/${bindingName}/${i}`;
            if (again && !state.again.has(key)) continue;
            const before = current.object;
            const input = await inputOf(context, current, found, param, signal);
            const { variables } = compiled.compiler;
            if (compiled.conditions.length > 0) {
              const match = matchConditions(compiled.conditions, input, variables, spec.failurePolicy ?? 'Fail');
              if (match.kind === 'error') fail(bindingName, match.message);
              if (match.kind !== 'matches') continue;
            }
            for (const mutation of compiled.mutations) {
              try {
                const next = await mutated(context, plans, current, found.kind, mutation, compiled, param, signal);
                if (next !== undefined) current = { ...current, object: next };
              } catch (error) {
                if (!(error instanceof MutationError)) throw error;
                fail(bindingName, error.message);
              }
            }
            if (!sameJson(before, current.object)) {
              state.requireAll();
              attributes.reinvocation.request();
            }
            if (spec.reinvocationPolicy === 'IfNeeded') state.asked.add(key);
          }
        }
      }
      state.lastOutput = current.object;
      if (refusals.length > 0) throw refusal(attributes, refusals[0]!);
      return current.object;
    },
  };
}

/** What a mutation asks for cannot be done: the failure policy decides. */
class MutationError extends Error {}

async function mutated(
  context: PolicyContext,
  plans: TypePlans,
  attributes: AdmissionAttributes,
  kind: GroupVersionKind,
  mutation: CompiledPolicy['mutations'][number],
  compiled: CompiledPolicy,
  param: JsonObject | undefined,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const object = await context.convert(attributes.object, kind);
  if (object === undefined) return undefined;
  const found = { hook: undefined as never, resource: attributes.resource, kind };
  const input = await inputOf(context, attributes, found, param, signal);
  const value = evaluated(mutation.expression, new Evaluation(input, compiled.compiler.variables, runtimeBudget));
  const patched =
    mutation.kind === 'JSONPatch' ? patchedBy(object, value) : mergedWith(object, value, context.typeOf(kind), plans);
  if (patched === undefined) return undefined;
  const finished = context.finish(patched, kind);
  const own = attributes.kind;
  return context.convert(finished, own.kind === kind.kind ? own : kind);
}

function evaluated(expression: CompiledExpression, evaluation: Evaluation): Value {
  try {
    const result = evaluation.evaluate(expression);
    if ('error' in result) throw new MutationError(result.error);
    return result.value;
  } catch (error) {
    if (error instanceof BudgetError) throw new MutationError(error.message);
    throw error;
  }
}

function jsonOf(value: Value): JsonValue {
  try {
    return toJson(value);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new MutationError(
      `JSONPath valueExpression evaluated to a type that could not marshal to JSON: ${error.message}`,
    );
  }
}

/** @returns undefined when a `test` fails: then nothing is changed. */
function patchedBy(object: JsonObject, value: Value): JsonObject | undefined {
  if (!(value instanceof ListValue))
    throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array');
  const operations: JsonPatchOperation[] = [];
  for (const item of value) {
    if (!(item instanceof MapValue))
      throw new MutationError('type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch');
    const inner = item.get('value');
    if (inner !== undefined) checkTypeNames(inner, 'Object', { anyRoot: true });
    operations.push(jsonOf(item) as unknown as JsonPatchOperation);
  }
  try {
    return applyJsonPatch(object, operations) as JsonObject;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/test/i.test(message)) return undefined;
    throw new MutationError(`JSON Patch: ${message}`);
  }
}

function mergedWith(object: JsonObject, value: Value, type: StructType | undefined, plans: TypePlans): JsonObject {
  if (!(value instanceof MapValue))
    throw new MutationError('unsupported return type from ApplyConfiguration expression');
  if (type === undefined) throw new MutationError('the kind of the object has no schema');
  checkTypeNames(value, 'Object', { anyRoot: false });
  const config = { ...(jsonOf(value) as JsonObject), apiVersion: object.apiVersion, kind: object.kind } as JsonObject;
  const wrong = configError(config, type);
  if (wrong !== undefined)
    throw new MutationError(`error applying patch: failed to convert patch object to typed object: ${wrong}`);
  const plan = plans.whole(type);
  const atomics = atomicsIn(config, plan, '');
  if (atomics.length > 0)
    throw new MutationError(
      `error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`,
    );
  return mergeConfig(object, config, plan) as JsonObject;
}

/** `Object.spec{...}` may only stand in the field `spec` of an `Object`. */
function checkTypeNames(value: Value, expected: string, { anyRoot }: { readonly anyRoot: boolean }): void {
  if (value instanceof ListValue) {
    for (const item of value) checkTypeNames(item, expected, { anyRoot });
    return;
  }
  if (!(value instanceof MapValue) || !/^Object(\.|$)/.test(value.typeName)) return;
  const name = anyRoot ? value.typeName : expected;
  if (value.typeName !== name)
    throw new MutationError(
      `type mismatch: unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(name)}, which matches field name path from root Object type`,
    );
  for (const key of value.keys()) checkTypeNames(value.get(key)!, `${name}.${String(key)}`, { anyRoot: false });
}

/** What would be replaced as a whole: upstream refuses to guess whether that was meant. */
function atomicsIn(value: JsonValue | undefined, plan: Plan, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (plan.kind) {
    case 'leaf':
      return [path];
    case 'struct':
      return plan.names.flatMap((name, i) => atomicsIn((value as JsonObject)[name], plan.plans[i]!, `${path}.${name}`));
    case 'map':
      return Object.keys(value).flatMap((key) => atomicsIn((value as JsonObject)[key], plan.value, `${path}.${key}`));
    case 'keyed':
      return (value as readonly JsonValue[]).flatMap((item, i) => atomicsIn(item, plan.element, `${path}[${i}]`));
    default:
      return [];
  }
}

class State {
  lastOutput: JsonObject | undefined;
  readonly asked = new Set<string>();
  readonly again = new Set<string>();
  requireAll(): void {
    for (const key of this.asked) this.again.add(key);
    this.asked.clear();
  }
}

function stateOf({ reinvocation }: AdmissionAttributes): State {
  let state = reinvocation.state.get(mutatingPolicyName) as State | undefined;
  if (!state) reinvocation.state.set(mutatingPolicyName, (state = new State()));
  return state;
}

function refusal({ object, name, resource }: AdmissionAttributes, message: string): ApiError {
  const metadata = (object?.metadata ?? {}) as { name?: string; generateName?: string };
  const shown = name || metadata.name || (metadata.generateName ? `Unknown/${metadata.generateName}` : '') || 'Unknown';
  const { status } = ApiError.forbidden({ group: resource.group, resource: resource.resource }, shown, message);
  return new ApiError({
    ...status,
    code: 422,
    reason: 'Invalid',
    details: { ...status.details, causes: [{ message }] },
  });
}
