/** Types of all parts of an expression, or what is wrong with it, in upstream's words. Source: cel-go/checker/checker.go. */
import { type Comprehension, type Expr, operators } from './ast.ts';
import type { Environment, Overload } from './environment.ts';
import { CelCompileError, type CelIssue } from './source.ts';
import {
  assignable,
  bool,
  bytes,
  double,
  dyn,
  errorType,
  int,
  isDyn,
  listOf,
  Mapping,
  mapOf,
  mostGeneral,
  nullType,
  optionalOf,
  param,
  sameType,
  string,
  substitute,
  type Type,
  typeText,
  uint,
  unwrapOptional,
} from './types.ts';
import { Uint } from './values.ts';

export interface Checked {
  readonly expr: Expr;
  readonly type: Type;
  /** By node. */
  readonly types: ReadonlyMap<number, Type>;
  /** What a chain of selects or an identifier turned out to name, by node. */
  readonly names: ReadonlyMap<number, string>;
  /** Calls that have no receiver after all: `optional.of(x)`, by node, with the function's whole name. */
  readonly functions: ReadonlyMap<number, string>;
  /** The overloads that fit, by node. */
  readonly overloads: ReadonlyMap<number, readonly string[]>;
}

/** @throws CelCompileError */
export function check(text: string, expr: Expr, environment: Environment): Checked {
  const checker = new Checker(environment);
  checker.check(expr);
  if (checker.issues.length > 0) throw new CelCompileError(text, checker.issues);
  const types = new Map<number, Type>();
  for (const [id, type] of checker.types) types.set(id, substitute(checker.mapping, type, true));
  return {
    expr,
    type: types.get(expr.id)!,
    types,
    names: checker.names,
    functions: checker.functions,
    overloads: checker.overloads,
  };
}

class Checker {
  readonly issues: CelIssue[] = [];
  readonly types = new Map<number, Type>();
  readonly names = new Map<number, string>();
  readonly functions = new Map<number, string>();
  readonly overloads = new Map<number, readonly string[]>();
  mapping = new Mapping();
  readonly #environment: Environment;
  readonly #scopes: Map<string, Type>[] = [];
  #variables = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  #issue(offset: number, message: string): void {
    this.issues.push({ offset, message });
  }
  #typeOf(expr: Expr): Type {
    return this.types.get(expr.id) ?? errorType;
  }
  #set(expr: Expr, type: Type): void {
    this.types.set(expr.id, type);
  }
  #fresh(): Type {
    return param(`_var${this.#variables++}`);
  }
  #assign(from: Type, to: Type): boolean {
    const mapping = assignable(this.mapping, [from], [to]);
    if (mapping) this.mapping = mapping;
    return mapping !== undefined;
  }
  #undeclared(expr: Expr, name: string): void {
    this.#issue(expr.offset, `undeclared reference to '${name}' (in container '')`);
    this.#set(expr, errorType);
  }

  check(expr: Expr): void {
    switch (expr.kind) {
      case 'literal':
        this.#set(expr, literalType(expr.value));
        return;
      case 'ident': {
        const type = this.#lookup(expr.name);
        if (type === undefined) this.#undeclared(expr, expr.name);
        else {
          this.names.set(expr.id, expr.name.replace(/^\./, ''));
          this.#set(expr, type);
        }
        return;
      }
      case 'select':
        this.#select(expr);
        return;
      case 'call':
        this.#call(expr);
        return;
      case 'list': {
        let element: Type | undefined;
        for (const [i, item] of expr.elements.entries()) {
          this.check(item);
          element = this.#join(item, element, this.#given(item, expr.optionals.has(i)));
        }
        this.#set(expr, listOf(element ?? this.#fresh()));
        return;
      }
      case 'map': {
        let key: Type | undefined;
        let value: Type | undefined;
        for (const entry of expr.entries) {
          this.check(entry.key);
          key = this.#join(entry.key, key, this.#typeOf(entry.key));
          this.check(entry.value);
          value = this.#join(entry.value, value, this.#given(entry.value, entry.optional));
        }
        this.#set(expr, mapOf(key ?? this.#fresh(), value ?? this.#fresh()));
        return;
      }
      case 'struct':
        this.#struct(expr);
        return;
      case 'comprehension':
        this.#comprehension(expr);
    }
  }

  #lookup(name: string): Type | undefined {
    if (!name.startsWith('.'))
      for (let i = this.#scopes.length - 1; i >= 0; i--) {
        const type = this.#scopes[i]!.get(name);
        if (type !== undefined) return type;
      }
    return this.#environment.variable(name.replace(/^\./, ''));
  }

  /** The type of an item, without the optional around it where one was announced. */
  #given(expr: Expr, optional: boolean): Type {
    const type = this.#typeOf(expr);
    if (!optional) return type;
    const [inner, wrapped] = unwrapOptional(type);
    if (!wrapped && !isDyn(inner)) this.#mismatch(expr, optionalOf(inner), inner);
    return inner;
  }

  #mismatch(expr: { readonly offset: number }, expected: Type, actual: Type): void {
    this.#issue(
      expr.offset,
      `expected type '${typeText(substitute(this.mapping, expected, false))}' but found '${typeText(substitute(this.mapping, actual, false))}'`,
    );
  }

  #join(expr: Expr, previous: Type | undefined, current: Type): Type {
    if (previous === undefined) return current;
    if (this.#assign(previous, current)) return mostGeneral(previous, current);
    if (!this.#environment.homogeneousLiterals) return dyn;
    this.#mismatch(expr, previous, current);
    return errorType;
  }

  #select(expr: Expr & { readonly kind: 'select' }): void {
    const qualified = expr.testOnly ? undefined : qualifiedName(expr);
    if (qualified !== undefined && this.#scoped(qualified) === undefined) {
      const type = this.#environment.variable(qualified);
      if (type !== undefined) {
        this.names.set(expr.id, qualified);
        this.#set(expr, type);
        return;
      }
    }
    const type = this.#field(expr, expr.operand, expr.field, false);
    this.#set(expr, expr.testOnly ? bool : substitute(this.mapping, type, false));
  }

  /** A local variable at the start of a qualified name hides the name. */
  #scoped(name: string): Type | undefined {
    const [first = ''] = name.split('.');
    for (const scope of this.#scopes) if (scope.has(first)) return scope.get(first);
    return undefined;
  }

  #field(expr: Expr, operand: Expr, field: string, optional: boolean): Type {
    this.check(operand);
    const [target, wrapped] = unwrapOptional(substitute(this.mapping, this.#typeOf(operand), false));
    let result: Type = errorType;
    switch (target.kind) {
      case 'map':
        result = target.params[1];
        break;
      case 'struct': {
        const found = this.#environment.field(target.name, field);
        if (found === undefined) this.#issue(expr.offset, `undefined field '${field}'`);
        else result = found;
        break;
      }
      case 'param':
        this.#assign(dyn, target);
        result = dyn;
        break;
      default:
        if (!isDyn(target) && target.kind !== 'error')
          this.#issue(expr.offset, `type '${typeText(target)}' does not support field selection`);
        result = dyn;
    }
    return wrapped || optional ? optionalOf(result) : result;
  }

  #call(expr: Expr & { readonly kind: 'call' }): void {
    const { name, target, args } = expr;
    if (name === operators['.?']) {
      const [operand, field] = args;
      const key = field!.kind === 'literal' ? String(field!.value) : '';
      this.#set(field!, string);
      this.#set(expr, substitute(this.mapping, this.#field(expr, operand!, key, true), false));
      return;
    }
    for (const arg of args) this.check(arg);
    if (target === undefined) {
      const overloads = this.#environment.functions.get(name.replace(/^\./, ''));
      if (overloads === undefined) this.#undeclared(expr, name);
      else this.#resolve(expr, name, overloads, undefined, args);
      return;
    }
    const prefix = qualifiedName(target);
    const whole = prefix === undefined ? undefined : `${prefix}.${name}`;
    const spaced = whole === undefined ? undefined : this.#environment.functions.get(whole);
    if (spaced !== undefined) {
      this.functions.set(expr.id, whole!);
      this.#resolve(expr, whole!, spaced, undefined, args);
      return;
    }
    this.check(target);
    const overloads = this.#environment.functions.get(name);
    if (overloads === undefined) this.#undeclared(expr, name);
    else this.#resolve(expr, name, overloads, target, args);
  }

  #resolve(
    expr: Expr,
    name: string,
    overloads: readonly Overload[],
    target: Expr | undefined,
    args: readonly Expr[],
  ): void {
    const given = [...(target ? [target] : []), ...args].map((arg) => this.#typeOf(arg));
    if (name === operators['&&'] || name === operators['||']) {
      let fine = true;
      for (const [i, type] of given.entries())
        if (!this.#assign(type, bool)) {
          this.#mismatch(args[i]!, bool, type);
          fine = false;
        }
      this.#set(expr, fine ? bool : errorType);
      return;
    }
    let result: Type | undefined;
    const fitting: string[] = [];
    for (const overload of overloads) {
      if (overload.member !== (target !== undefined)) continue;
      const fresh = new Mapping();
      for (const variable of overload.variables) fresh.add(param(variable), this.#fresh());
      const wanted = overload.args.map((type) => substitute(fresh, type, false));
      const mapping = assignable(this.mapping, given, wanted);
      if (mapping === undefined) continue;
      this.mapping = mapping;
      fitting.push(overload.id);
      const type = substitute(mapping, substitute(fresh, overload.result, false), false);
      if (result === undefined) result = type;
      else if (!isDyn(result) && !sameType(type, result)) result = dyn;
    }
    if (result === undefined) {
      const shown = given.map((type) => typeText(substitute(this.mapping, type, true)));
      const signature = target ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`;
      this.#issue(expr.offset, `found no matching overload for '${name}' applied to '${signature}'`);
      this.#set(expr, errorType);
      return;
    }
    this.overloads.set(expr.id, fitting);
    this.#set(expr, result);
  }

  #struct(expr: Expr & { readonly kind: 'struct' }): void {
    const name = expr.type.replace(/^\./, '');
    const type = this.#environment.structType(name);
    for (const field of expr.fields) this.check(field.value);
    if (type === undefined) {
      this.#undeclared(expr, expr.type);
      return;
    }
    this.#set(expr, type);
    for (const field of expr.fields) {
      const wanted = this.#environment.field(name, field.name);
      const given = this.#given(field.value, field.optional);
      if (wanted === undefined) this.#issue(field.offset, `undefined field '${field.name}'`);
      else if (!this.#assign(wanted, given))
        this.#issue(
          field.offset,
          `expected type of field '${field.name}' is '${typeText(wanted)}' but provided type is '${typeText(given)}'`,
        );
    }
  }

  #comprehension(expr: Comprehension): void {
    this.check(expr.range);
    this.check(expr.accuInit);
    const range = substitute(this.mapping, this.#typeOf(expr.range), false);
    const accu = this.#typeOf(expr.accuInit);
    const double2 = expr.iterVar2 !== undefined;
    let first: Type = errorType;
    let second: Type = errorType;
    switch (range.kind) {
      case 'list':
        first = double2 ? int : range.params[0];
        second = range.params[0];
        break;
      case 'map':
        first = range.params[0];
        second = range.params[1];
        break;
      case 'dyn':
      case 'any':
      case 'error':
      case 'param':
        this.#assign(dyn, range);
        first = dyn;
        second = dyn;
        break;
      default:
        this.#issue(
          expr.range.offset,
          `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
    }
    this.#scopes.push(new Map([[expr.accuVar, accu]]));
    const inner = new Map([[expr.iterVar, first]]);
    if (expr.iterVar2 !== undefined) inner.set(expr.iterVar2, second);
    this.#scopes.push(inner);
    this.check(expr.condition);
    this.#mustBe(expr.condition, bool);
    this.check(expr.step);
    this.#mustBe(expr.step, accu);
    this.#scopes.pop();
    this.check(expr.result);
    this.#scopes.pop();
    this.#set(expr, substitute(this.mapping, this.#typeOf(expr.result), false));
  }

  #mustBe(expr: Expr, type: Type): void {
    if (!this.#assign(type, this.#typeOf(expr))) this.#mismatch(expr, type, this.#typeOf(expr));
  }
}

function literalType(value: unknown): Type {
  if (value === null) return nullType;
  switch (typeof value) {
    case 'boolean':
      return bool;
    case 'string':
      return string;
    case 'bigint':
      return int;
    case 'number':
      return double;
    default:
      return value instanceof Uint ? uint : bytes;
  }
}

/** `a.b.c`; undefined for anything else. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name.replace(/^\./, '');
  if (expr.kind !== 'select' || expr.testOnly) return undefined;
  const prefix = qualifiedName(expr.operand);
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`;
}
