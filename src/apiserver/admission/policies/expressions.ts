/**
 * Expressions about requests: what they may name, how they are compiled, how a row of them is evaluated within one budget.
 * Source: apiserver/pkg/admission/plugin/cel (compile.go, condition.go, composition.go).
 */
import type { JsonObject } from '../../../api/json.ts';
import {
  CelCompileError,
  CelError,
  type Compiled,
  CostLimitError,
  compile,
  createEnvironment,
  type Environment,
  fromJson,
  perCallLimit,
  type Type,
  typeText,
  type Value,
} from '../../../cel/index.ts';
import { type Authorize, AuthorizerValue } from '../../../cel/libraries/authorizer.ts';
import type { Structs } from '../../../cel/schema-types.ts';
import { bool, dyn, listOf, mapOf, opaque, string, struct, timestamp } from '../../../cel/types.ts';
import { MapValue } from '../../../cel/values.ts';

/** What a request looks like to an expression. */
export interface ExpressionInput {
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
  readonly request: JsonObject;
  readonly params?: JsonObject | null | undefined;
  readonly namespaceObject?: JsonObject | null | undefined;
  /** Absent: the expressions may not ask. */
  readonly authorizer?: { readonly authorize: Authorize; readonly resource: AuthorizerValue['question'] } | undefined;
}

export interface ExpressionScope {
  readonly params: boolean;
  readonly authorizer: boolean;
  /** By name, in the order they are declared; each sees those before it. */
  readonly variables?: readonly { readonly name: string; readonly expression: string }[];
  /** Types to check by instead of any: of `object` and `oldObject`, of `params`. */
  readonly types?: { readonly object?: Type; readonly params?: Type; readonly structs: Structs };
  /** Types that expressions may make: what mutations apply. */
  readonly constructible?: ReadonlySet<string>;
}

export type CompiledExpression =
  | { readonly expression: string; readonly compiled: Compiled }
  | { readonly expression: string; readonly error: string };

const text = string;
const requestStructs: Structs = {
  'kubernetes.GroupVersionKind': new Map([
    ['group', text],
    ['version', text],
    ['kind', text],
  ]),
  'kubernetes.GroupVersionResource': new Map([
    ['group', text],
    ['version', text],
    ['resource', text],
  ]),
  'kubernetes.UserInfo': new Map([
    ['username', text],
    ['uid', text],
    ['groups', listOf(text)],
    ['extra', mapOf(text, listOf(text))],
  ]),
  'kubernetes.AdmissionRequest': new Map([
    ['kind', struct('kubernetes.GroupVersionKind')],
    ['resource', struct('kubernetes.GroupVersionResource')],
    ['subResource', text],
    ['requestKind', struct('kubernetes.GroupVersionKind')],
    ['requestResource', struct('kubernetes.GroupVersionResource')],
    ['requestSubResource', text],
    ['name', text],
    ['namespace', text],
    ['operation', text],
    ['userInfo', struct('kubernetes.UserInfo')],
    ['dryRun', bool],
    ['options', dyn],
  ]),
  'kubernetes.NamespaceMetadata': new Map([
    ['name', text],
    ['generateName', text],
    ['namespace', text],
    ['labels', mapOf(text, text)],
    ['annotations', mapOf(text, text)],
    ['UID', text],
    ['creationTimestamp', timestamp],
    ['deletionGracePeriodSeconds', dyn],
    ['deletionTimestamp', timestamp],
    ['generation', dyn],
    ['resourceVersion', text],
    ['finalizers', listOf(text)],
  ]),
  'kubernetes.NamespaceSpec': new Map([['finalizers', listOf(text)]]),
  'kubernetes.NamespaceStatus': new Map([['phase', text]]),
  'kubernetes.Namespace': new Map([
    ['metadata', struct('kubernetes.NamespaceMetadata')],
    ['spec', struct('kubernetes.NamespaceSpec')],
    ['status', struct('kubernetes.NamespaceStatus')],
  ]),
};

/** Compiles the expressions of one policy or webhook. */
export class Compiler {
  readonly #scope: ExpressionScope;
  readonly #variables = new Map<string, CompiledExpression>();
  readonly #inOrder: CompiledExpression[] = [];
  readonly #variableTypes = new Map<string, Type>();
  #environment: Environment | undefined;

  constructor(scope: ExpressionScope) {
    this.#scope = scope;
    for (const { name, expression } of scope.variables ?? []) {
      const compiled = this.compile(expression);
      this.#variables.set(name, compiled);
      this.#inOrder.push(compiled);
      this.#variableTypes.set(name, 'compiled' in compiled ? compiled.compiled.type : dyn);
      this.#environment = undefined;
    }
  }

  /** Also those whose name a later one has too. */
  get variablesInOrder(): readonly CompiledExpression[] {
    return this.#inOrder;
  }

  get variables(): ReadonlyMap<string, CompiledExpression> {
    return this.#variables;
  }

  /** @param wanted kinds of type the expression may have; none: any. */
  compile(expression: string, ...wanted: readonly Type['kind'][]): CompiledExpression {
    try {
      const compiled = compile(expression, (this.#environment ??= this.#create()));
      const { kind } = compiled.type;
      if (wanted.length === 0 || wanted.includes(kind) || kind === 'dyn' || kind === 'any') {
        // Only yes-or-no questions may turn out to be something else when they run.
        if (wanted.length === 1 && wanted[0] === 'bool' && kind !== 'bool')
          return { expression, error: wrongType(wanted, compiled.type) };
        return { expression, compiled };
      }
      return { expression, error: wrongType(wanted, compiled.type) };
    } catch (error) {
      if (!(error instanceof CelCompileError)) throw error;
      return { expression, error: `compilation failed: ${error.message}` };
    }
  }

  #create(): Environment {
    const { params, authorizer, types, constructible } = this.#scope;
    const object = types?.object ?? dyn;
    return createEnvironment({
      variables: {
        object,
        oldObject: object,
        request: struct('kubernetes.AdmissionRequest'),
        namespaceObject: struct('kubernetes.Namespace'),
        ...(params ? { params: types?.params ?? dyn } : {}),
        ...(authorizer
          ? {
              authorizer: opaque('kubernetes.authorization.Authorizer'),
              'authorizer.requestResource': opaque('kubernetes.authorization.ResourceCheck'),
            }
          : {}),
        ...(this.#scope.variables?.length ? { variables: struct('kubernetes.variables') } : {}),
      },
      structs: { ...requestStructs, ...types?.structs, 'kubernetes.variables': new Map(this.#variableTypes) },
      ...(constructible ? { constructible } : {}),
    });
  }
}

export type Result =
  | { readonly expression: string; readonly value: Value }
  | { readonly expression: string; readonly error: string };

/** The budget is spent: nothing more is evaluated. */
export class BudgetError extends Error {
  override readonly name = 'BudgetError';
  constructor(
    message = 'validation failed due to running out of cost budget, no further validation rules will be run',
  ) {
    super(message);
  }
}

/** One request's evaluation: variables are worked out when somebody asks, once. */
export class Evaluation {
  readonly #input: ExpressionInput;
  readonly #variables: LazyVariables;
  budget: number;

  constructor(input: ExpressionInput, variables: ReadonlyMap<string, CompiledExpression>, budget: number) {
    this.#input = input;
    this.budget = budget;
    this.#variables = new LazyVariables(variables, (compiled) => this.#run(compiled));
  }

  /** @throws BudgetError */
  evaluate(one: CompiledExpression): Result {
    const { expression } = one;
    if ('error' in one) return { expression, error: `compilation error: ${one.error}` };
    try {
      return { expression, value: this.#run(one.compiled) };
    } catch (error) {
      if (error instanceof CostLimitError) return { expression, error: error.message };
      if (!(error instanceof CelError)) throw error;
      return { expression, error: `expression '${expression}' resulted in error: ${error.message}` };
    }
  }

  #run({ program }: Compiled): Value {
    const before = this.budget;
    const { value, cost } = program.run((name) => this.#variable(name), perCallLimit);
    this.budget = Math.min(this.budget, before) - cost;
    if (this.budget < 0) throw new BudgetError();
    return value;
  }

  #variable(name: string): Value | undefined {
    const { object, oldObject, request, params, namespaceObject, authorizer } = this.#input;
    switch (name) {
      case 'object':
        return fromJson(object);
      case 'oldObject':
        return fromJson(oldObject);
      case 'request':
        return fromJson(request);
      case 'params':
        return fromJson(params ?? null);
      case 'namespaceObject':
        return fromJson(namespaceObject ?? null);
      case 'variables':
        return this.#variables;
      case 'authorizer':
        return authorizer && new AuthorizerValue(authorizer.authorize);
      case 'authorizer.requestResource':
        return authorizer && AuthorizerValue.resourceCheck(authorizer.authorize, authorizer.resource);
      default:
        return undefined;
    }
  }
}

class LazyVariables extends MapValue {
  readonly #expressions: ReadonlyMap<string, CompiledExpression>;
  readonly #run: (compiled: Compiled) => Value;
  readonly #known = new Map<string, Value | CelError>();

  constructor(expressions: ReadonlyMap<string, CompiledExpression>, run: (compiled: Compiled) => Value) {
    super();
    this.#expressions = expressions;
    this.#run = run;
  }
  get size(): number {
    return this.#expressions.size;
  }
  keys(): Iterable<Value> {
    return this.#expressions.keys();
  }
  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const one = this.#expressions.get(key);
    if (one === undefined) return undefined;
    let value = this.#known.get(key);
    if (value === undefined) {
      value = this.#evaluate(key, one);
      this.#known.set(key, value);
    }
    if (value instanceof CelError) throw value;
    return value;
  }
  #evaluate(name: string, one: CompiledExpression): Value | CelError {
    const failed = (why: string): CelError =>
      new CelError(`composited variable ${JSON.stringify(name)} fails to evaluate: ${why}`);
    if ('error' in one)
      return new CelError(`composited variable ${JSON.stringify(name)} fails to compile: ${one.error}`);
    try {
      return this.#run(one.compiled);
    } catch (error) {
      if (error instanceof CostLimitError || !(error instanceof CelError)) throw error;
      return failed(error.message);
    }
  }
  override get typeName(): string {
    return 'kubernetes.variables';
  }
}

/** How upstream calls what an expression may come to. */
const wantedTypes: Readonly<Partial<Record<Type['kind'], string>>> = {
  list: 'list(JSONPatch)',
  struct: 'Object',
  null: 'null_type',
};

function wrongType(wanted: readonly Type['kind'][], got: Type): string {
  const names = wanted.map((kind) => wantedTypes[kind] ?? kind);
  return `must evaluate to ${names.length === 1 ? names[0]! : `one of [${names.join(' ')}]`} but got ${typeText(got)}`;
}
