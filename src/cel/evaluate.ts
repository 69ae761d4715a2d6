/**
 * A checked expression as a program. Each step counts what it costs; beyond the limit the evaluation ends (decision 11).
 * Source: cel-go/interpreter (planner, attributes, runtimecost).
 */
import { type Expr, operators } from './ast.ts';
import type { Checked } from './checker.ts';
import { callCost } from './cost.ts';
import type { Environment } from './environment.ts';
import {
  ArrayList,
  CelError,
  CostLimitError,
  EntryMap,
  GrowingList,
  GrowingMap,
  ListValue,
  MapValue,
  noOptional,
  noOverload,
  Optional,
  typeName,
  type Value,
} from './values.ts';

export type Variables = (name: string) => Value | undefined;

export interface Outcome {
  readonly value: Value;
  readonly cost: number;
}

export interface Program {
  /** @param limit of cost. @throws CelError, CostLimitError */
  run(variables: Variables, limit?: number): Outcome;
}

interface State {
  readonly variables: Variables;
  readonly limit: number;
  cost: number;
}

/** Variables of comprehensions, innermost first. */
interface Scope {
  readonly name: string;
  /** What is accumulated may have failed. */
  value: Value | CelError;
  readonly outer: Scope | undefined;
}

type Step = (state: State, scope: Scope | undefined) => Value;

export function program(checked: Checked, environment: Environment): Program {
  const step = new Planner(checked, environment).plan(checked.expr);
  return {
    run(variables, limit = Number.POSITIVE_INFINITY) {
      const state: State = { variables, limit, cost: 0 };
      const value = step(state, undefined);
      return { value, cost: state.cost };
    },
  };
}

function spend(state: State, cost: number): void {
  state.cost += cost;
  if (state.cost > state.limit) throw new CostLimitError();
}

const listCost = 10;
const mapCost = 30;
const structCost = 40;

class Planner {
  readonly #checked: Checked;
  readonly #environment: Environment;

  constructor(checked: Checked, environment: Environment) {
    this.#checked = checked;
    this.#environment = environment;
  }

  plan(expr: Expr): Step {
    switch (expr.kind) {
      case 'literal': {
        const { value } = expr;
        return () => value;
      }
      case 'ident':
        return this.#ident(this.#checked.names.get(expr.id) ?? expr.name);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return this.#struct(expr);
      case 'comprehension':
        return this.#comprehension(expr);
    }
  }

  #ident(name: string): Step {
    const constant = this.#environment.constants.get(name);
    return (state, scope) => {
      spend(state, 1);
      for (let at = scope; at !== undefined; at = at.outer) {
        if (at.name !== name) continue;
        if (at.value instanceof CelError) throw at.value;
        return at.value;
      }
      const value = state.variables(name);
      if (value !== undefined) return value;
      if (constant !== undefined) return constant;
      throw new CelError(`no such attribute(s): ${name}`);
    };
  }

  #select(expr: Expr & { readonly kind: 'select' }): Step {
    const qualified = this.#checked.names.get(expr.id);
    if (qualified !== undefined) return this.#ident(qualified);
    const operand = this.plan(expr.operand);
    const { field } = expr;
    if (expr.testOnly)
      return (state, scope) => {
        const value = operand(state, scope);
        if (value instanceof Optional) return value.value !== undefined && member(value.value, field) !== undefined;
        if (!(value instanceof MapValue)) throw noOverload();
        return value.get(field) !== undefined;
      };
    return (state, scope) => {
      const value = operand(state, scope);
      spend(state, 1);
      if (value instanceof Optional) {
        if (value.value === undefined) return noOptional;
        const found = member(value.value, field);
        return found === undefined ? noOptional : new Optional(found);
      }
      const found = member(value, field);
      if (found === undefined) throw new CelError(`no such key: ${field}`);
      return found;
    };
  }

  #call(expr: Expr & { readonly kind: 'call' }): Step {
    const { args, target } = expr;
    const spaced = this.#checked.functions.get(expr.id);
    const name = spaced ?? expr.name.replace(/^\./, '');
    switch (name) {
      case operators['&&']:
        return logical(this.plan(args[0]!), this.plan(args[1]!), false);
      case operators['||']:
        return logical(this.plan(args[0]!), this.plan(args[1]!), true);
      case operators['?']:
        return ternary(this.plan(args[0]!), this.plan(args[1]!), this.plan(args[2]!));
      case operators['[]']:
        return index(this.plan(args[0]!), this.plan(args[1]!));
      case operators['[?]']:
        return optionalIndex(this.plan(args[0]!), this.plan(args[1]!));
      case operators['.?']: {
        const field = args[1]!;
        const key = field.kind === 'literal' ? String(field.value) : '';
        return optionalIndex(this.plan(args[0]!), () => key);
      }
      case '@not_strictly_false': {
        const inner = this.plan(args[0]!);
        return (state, scope) => {
          spend(state, 1);
          try {
            return inner(state, scope) !== false;
          } catch (error) {
            if (error instanceof CostLimitError || !(error instanceof CelError)) throw error;
            return true;
          }
        };
      }
      case 'orValue':
      case 'or':
        if (target !== undefined) return orElse(this.plan(target), this.plan(args[0]!), name === 'orValue');
    }
    const steps = (target !== undefined && spaced === undefined ? [target, ...args] : args).map((arg) =>
      this.plan(arg),
    );
    const run = this.#environment.implementations.get(name);
    if (run === undefined) throw new Error(`cel: function "${name}" is declared but does nothing`);
    const overloads = this.#checked.overloads.get(expr.id) ?? [];
    return (state, scope) => {
      const values = new Array<Value>(steps.length);
      for (let i = 0; i < steps.length; i++) values[i] = steps[i]!(state, scope);
      const value = run(values);
      spend(state, callCost(name, overloads, values, value));
      return value;
    };
  }

  #list(expr: Expr & { readonly kind: 'list' }): Step {
    const steps = expr.elements.map((element) => this.plan(element));
    const { optionals } = expr;
    return (state, scope) => {
      const items: Value[] = [];
      for (let i = 0; i < steps.length; i++) {
        const value = steps[i]!(state, scope);
        if (!optionals.has(i)) items.push(value);
        else if (!(value instanceof Optional))
          throw new CelError(`cannot initialize optional list element from non-optional value ${typeName(value)}`);
        else if (value.value !== undefined) items.push(value.value);
      }
      spend(state, listCost);
      return new ArrayList(items);
    };
  }

  #map(expr: Expr & { readonly kind: 'map' }): Step {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      optional,
    }));
    return (state, scope) => {
      const pairs: (readonly [Value, Value])[] = [];
      for (const { key, value, optional } of entries) {
        const k = key(state, scope);
        const v = value(state, scope);
        if (!optional) pairs.push([k, v]);
        else if (!(v instanceof Optional))
          throw new CelError(`cannot initialize optional entry '${String(k)}' from non-optional value`);
        else if (v.value !== undefined) pairs.push([k, v.value]);
      }
      spend(state, mapCost);
      return new EntryMap(pairs);
    };
  }

  /** Objects made in expressions: what a mutating policy applies. */
  #struct(expr: Expr & { readonly kind: 'struct' }): Step {
    const fields = expr.fields.map(({ name, value, optional }) => ({ name, value: this.plan(value), optional }));
    const type = expr.type.replace(/^\./, '');
    return (state, scope) => {
      const pairs: (readonly [Value, Value])[] = [];
      for (const { name, value, optional } of fields) {
        const v = value(state, scope);
        if (!optional) pairs.push([name, v]);
        else if (v instanceof Optional && v.value !== undefined) pairs.push([name, v.value]);
      }
      spend(state, structCost);
      return new StructMap(type, pairs);
    };
  }

  #comprehension(expr: Expr & { readonly kind: 'comprehension' }): Step {
    const range = this.plan(expr.range);
    const init = this.plan(expr.accuInit);
    const condition = this.plan(expr.condition);
    const step = this.plan(expr.step);
    const result = this.plan(expr.result);
    const { iterVar, iterVar2, accuVar } = expr;
    // Nobody can name what is being built, so it may grow in place.
    const growsList = expr.accuInit.kind === 'list' && expr.accuInit.elements.length === 0 && accuVar.startsWith('@');
    const growsMap = expr.accuInit.kind === 'map' && accuVar.startsWith('@');
    return (state, scope) => {
      const over = range(state, scope);
      let first = init(state, scope);
      if (growsList) first = new GrowingList();
      else if (growsMap) first = new GrowingMap();
      const accu: Scope = { name: accuVar, value: first, outer: scope };
      const iterate = (key: Value, value: Value | undefined): boolean => {
        let inner: Scope = { name: iterVar, value: key, outer: accu };
        if (iterVar2 !== undefined) inner = { name: iterVar2, value: value!, outer: inner };
        if (condition(state, inner) !== true) return false;
        try {
          accu.value = step(state, inner);
        } catch (error) {
          if (error instanceof CostLimitError || !(error instanceof CelError)) throw error;
          // Carried along: a later item may decide without it.
          accu.value = error;
        }
        return true;
      };
      if (over instanceof ListValue) {
        for (let i = 0; i < over.size; i++) {
          const item = over.at(i);
          if (!(iterVar2 === undefined ? iterate(item, undefined) : iterate(BigInt(i), item))) break;
        }
      } else if (over instanceof MapValue) {
        for (const key of over.keys()) if (!iterate(key, iterVar2 === undefined ? undefined : over.get(key))) break;
      } else throw noOverload();
      return result(state, accu);
    };
  }
}

/** An object made in an expression. */
export class StructMap extends EntryMap {
  readonly #type: string;
  constructor(type: string, entries: Iterable<readonly [Value, Value]>) {
    super(entries);
    this.#type = type;
  }
  override get typeName(): string {
    return this.#type;
  }
}

function member(value: Value, key: Value): Value | undefined {
  if (value instanceof MapValue) return value.get(key);
  if (value instanceof ListValue && typeof key === 'bigint') {
    if (key < 0n || key >= BigInt(value.size)) return undefined;
    return value.at(Number(key));
  }
  if (value instanceof ListValue) throw new CelError(`unsupported index type '${typeName(key)}' in list`);
  throw noOverload();
}

/** `&&` and `||`: one deciding side is enough, whatever the other does. */
function logical(left: Step, right: Step, decisive: boolean): Step {
  return (state, scope) => {
    let failure: CelError | undefined;
    for (const side of [left, right]) {
      try {
        const value = side(state, scope);
        if (value === decisive) return decisive;
        if (typeof value !== 'boolean') failure ??= noOverload();
      } catch (error) {
        if (error instanceof CostLimitError || !(error instanceof CelError)) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !decisive;
  };
}

function ternary(condition: Step, yes: Step, no: Step): Step {
  return (state, scope) => {
    const value = condition(state, scope);
    if (typeof value !== 'boolean') throw noOverload();
    return value ? yes(state, scope) : no(state, scope);
  };
}

function index(operand: Step, key: Step): Step {
  return (state, scope) => {
    const value = operand(state, scope);
    const at = key(state, scope);
    spend(state, 1);
    if (value instanceof Optional) {
      if (value.value === undefined) return noOptional;
      const found = member(value.value, at);
      return found === undefined ? noOptional : new Optional(found);
    }
    const place = typeof at === 'number' && Number.isInteger(at) && value instanceof ListValue ? BigInt(at) : at;
    const found = member(value, place);
    if (found !== undefined) return found;
    throw new CelError(
      value instanceof ListValue ? `index out of bounds: ${String(at)}` : `no such key: ${keyText(at)}`,
    );
  };
}

const keyText = (key: Value): string =>
  typeof key === 'object' && key !== null && 'value' in key ? String(key.value) : String(key);

function optionalIndex(operand: Step, key: Step): Step {
  return (state, scope) => {
    const value = operand(state, scope);
    const at = key(state, scope);
    spend(state, 1);
    const inner = value instanceof Optional ? value.value : value;
    if (inner === undefined) return noOptional;
    const found = member(inner, at);
    return found === undefined ? noOptional : new Optional(found);
  };
}

/** `a.or(b)`, `a.orValue(b)`: b is looked at only when there is no a. */
function orElse(target: Step, other: Step, unwrap: boolean): Step {
  return (state, scope) => {
    const value = target(state, scope);
    if (!(value instanceof Optional)) throw noOverload();
    if (value.value !== undefined) return unwrap ? value.value : value;
    return other(state, scope);
  };
}
