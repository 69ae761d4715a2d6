/**
 * The most an expression can cost, told before it runs: sizes come from the schema of what it looks at. A size that nothing bounds is infinite.
 * Source: cel-go/checker/cost.go, apiserver/pkg/cel/library/cost.go (EstimateCallCost).
 */
import { additionalOf, itemsOf, type Structural } from '../api/structural/schema.ts';
import { type Expr, operators } from './ast.ts';
import type { Checked } from './checker.ts';
import { unescapeField } from './names.ts';
import { maxElements } from './schema-sizes.ts';
import type { Type } from './types.ts';

/** What is known of a value. */
interface Known {
  /** Greatest length; undefined: unknown. */
  readonly size: number | undefined;
  /** Of values that come from the object. */
  readonly schema?: Structural | undefined;
  /** Of a list's items, a map's values. */
  readonly element?: Known | undefined;
}

interface Estimate extends Known {
  readonly cost: number;
}

const traversal = 0.1;
const regexLength = 0.25;
const unknown: Known = { size: undefined };

/** @param roots schemas of the variables. */
export function estimateCost(checked: Checked, roots: Readonly<Record<string, Structural>>): number {
  return new Estimator(checked, roots).estimate(checked.expr, new Map()).cost;
}

class Estimator {
  readonly #checked: Checked;
  readonly #roots: Readonly<Record<string, Structural>>;

  constructor(checked: Checked, roots: Readonly<Record<string, Structural>>) {
    this.#checked = checked;
    this.#roots = roots;
  }

  estimate(expr: Expr, locals: ReadonlyMap<string, Known>): Estimate {
    switch (expr.kind) {
      case 'literal':
        return {
          cost: 0,
          size:
            typeof expr.value === 'string'
              ? [...expr.value].length
              : expr.value instanceof Uint8Array
                ? expr.value.length
                : 1,
        };
      case 'ident':
        return { cost: 1, ...this.#variable(expr.name, locals) };
      case 'select': {
        const operand = this.estimate(expr.operand, locals);
        if (expr.testOnly) return { cost: operand.cost, size: 1 };
        return { cost: operand.cost + 1, ...this.#member(operand, expr.field) };
      }
      case 'call':
        return this.#call(expr, locals);
      case 'list': {
        const parts = expr.elements.map((element) => this.estimate(element, locals));
        return { cost: 10 + total(parts), size: parts.length, element: union(parts) };
      }
      case 'map': {
        const keys = expr.entries.map(({ key }) => this.estimate(key, locals));
        const values = expr.entries.map(({ value }) => this.estimate(value, locals));
        return { cost: 30 + total(keys) + total(values), size: values.length, element: union(values) };
      }
      case 'struct':
        return { cost: 40 + total(expr.fields.map(({ value }) => this.estimate(value, locals))), size: undefined };
      case 'comprehension': {
        const range = this.estimate(expr.range, locals);
        const init = this.estimate(expr.accuInit, locals);
        const inner = new Map(locals);
        inner.set(expr.accuVar, { size: init.size, element: init.element });
        const item = this.#element(range);
        const isMap = this.#checked.types.get(expr.range.id)?.kind === 'map';
        if (expr.iterVar2 === undefined) inner.set(expr.iterVar, isMap ? { size: 0 } : item);
        else {
          inner.set(expr.iterVar, { size: isMap ? 0 : 1 });
          inner.set(expr.iterVar2, item);
        }
        const condition = this.estimate(expr.condition, inner);
        const step = this.estimate(expr.step, inner);
        const result = this.estimate(expr.result, inner);
        const builds = expr.accuInit.kind === 'list' || expr.accuInit.kind === 'map';
        const bound = isBinding(expr);
        const rounds = bound ? 0 : (range.size ?? Number.POSITIVE_INFINITY);
        return {
          cost: range.cost + init.cost + result.cost + times(rounds, condition.cost + step.cost),
          size: builds ? range.size : bound ? result.size : init.size,
          element: builds ? step.element : result.element,
          ...(bound ? { schema: result.schema } : {}),
        };
      }
    }
  }

  #variable(name: string, locals: ReadonlyMap<string, Known>): Known {
    const local = locals.get(name);
    if (local) return local;
    const schema = Object.hasOwn(this.#roots, name) ? this.#roots[name] : undefined;
    return schema ? ofSchema(schema) : unknown;
  }

  #member({ schema, element }: Known, field: string): Known {
    if (schema === undefined) return element ?? unknown;
    const name = unescapeField(field);
    const named = schema.properties;
    if (named !== undefined && Object.hasOwn(named, name)) return ofSchema(named[name]!);
    const additional = additionalOf(schema);
    return additional !== undefined && additional !== true ? ofSchema(additional) : unknown;
  }

  #element({ schema, element }: Known): Known {
    if (element !== undefined) return element;
    const items = itemsOf(schema);
    if (items) return ofSchema(items);
    const additional = additionalOf(schema);
    return additional !== undefined && additional !== true ? ofSchema(additional) : unknown;
  }

  /** The size of a part: what is known of it, else what its type says. */
  #size(expr: Expr, known: Known): number {
    if (known.size !== undefined) return known.size;
    return isScalar(this.#checked.types.get(expr.id)) ? 1 : Number.POSITIVE_INFINITY;
  }

  #call(expr: Expr & { readonly kind: 'call' }, locals: ReadonlyMap<string, Known>): Estimate {
    const spaced = this.#checked.functions.get(expr.id);
    const name = spaced ?? expr.name.replace(/^\./, '');
    const hasTarget = expr.target !== undefined && spaced === undefined;
    const exprs = [...(hasTarget ? [expr.target!] : []), ...expr.args];
    const args = exprs.map((arg) => this.estimate(arg, locals));
    const sum = total(args);
    const size = (i: number): number => (exprs[i] ? this.#size(exprs[i], args[i]!) : 0);
    const scan = (i: number, factor = 1): number => traverse(size(i) * factor);
    const done = (cost: number, more: Partial<Known> = {}): Estimate => ({
      cost: sum + cost,
      size: isScalar(this.#checked.types.get(expr.id)) ? 1 : undefined,
      ...more,
    });
    switch (name) {
      case operators['&&']:
      case operators['||']:
        return { cost: sum, size: 1 };
      case operators['?']:
        return {
          cost: args[0]!.cost + Math.max(args[1]!.cost, args[2]!.cost),
          size: Math.max(size(1), size(2)),
          element: union([args[1]!.element, args[2]!.element].filter((one) => one !== undefined)),
        };
      case operators['[]']:
      case operators['[?]']:
      case operators['.?']: {
        const [, field] = expr.args;
        const inner =
          name === operators['.?'] && field?.kind === 'literal'
            ? this.#member(args[0]!, String(field.value))
            : this.#element(args[0]!);
        return { cost: sum + 1, ...inner };
      }
      case operators['==']:
      case operators['!=']:
        return done(this.#isOpaque(exprs[0]!) ? 1 : traverse(Math.min(size(0), size(1))), { size: 1 });
      case operators['<']:
      case operators['<=']:
      case operators['>']:
      case operators['>=']:
        return done(isScalar(this.#checked.types.get(exprs[0]!.id)) ? 1 : traverse(Math.min(size(0), size(1))), {
          size: 1,
        });
      case operators['+']: {
        const both = size(0) + size(1);
        const isList = this.#checked.types.get(expr.id)?.kind === 'list';
        if (isScalar(this.#checked.types.get(expr.id))) return done(1, { size: 1 });
        return done(isList ? 1 : traverse(both), {
          size: both,
          element: union([args[0]!.element, args[1]!.element].filter((one) => one !== undefined)),
        });
      }
      case operators.in:
        return done(this.#checked.types.get(exprs[1]!.id)?.kind === 'map' ? 1 : size(1), { size: 1 });
      case 'startsWith':
      case 'endsWith':
        return done(scan(1));
      case 'contains':
        return done(times(scan(0), scan(1)));
      case 'matches':
      case 'find':
      case 'findAll': {
        const cost = times(traverse(size(0) + 1), Math.ceil(size(1) * regexLength));
        return name === 'matches'
          ? done(cost)
          : done(cost, { size: size(0), ...(name === 'findAll' ? { element: { size: size(0) } } : {}) });
      }
      case 'check':
        return done(350_000);
      case 'isSorted':
      case 'sum':
      case 'max':
      case 'min':
      case 'indexOf':
      case 'lastIndexOf': {
        if (this.#checked.types.get(exprs[0]!.id)?.kind !== 'list') return done(scan(0));
        const element = this.#element(args[0]!);
        const texts = ['string', 'bytes'].includes(listElement(this.#checked.types.get(exprs[0]!.id))?.kind ?? '');
        return done(times(size(0), 1 + (texts ? traverse(element.size ?? Number.POSITIVE_INFINITY) : 0)), {
          size: element.size,
        });
      }
      case 'url':
      case 'lowerAscii':
      case 'upperAscii':
      case 'substring':
      case 'trim':
      case 'quantity':
      case 'isQuantity':
      case 'semver':
      case 'isSemver':
      case 'ip':
      case 'isIP':
      case 'cidr':
      case 'isCIDR':
        return done(scan(0), { size: size(0) });
      case 'ip.isCanonical':
        return done(scan(0, 2));
      case 'replace': {
        const most = (size(0) + 1) * Math.max(1, size(2));
        return done(traverse(size(0)) + traverse(most), { size: most });
      }
      case 'split':
        return done(scan(0, 2), { size: size(0), element: { size: size(0) } });
      case 'join': {
        const each = this.#element(args[0]!).size ?? Number.POSITIVE_INFINITY;
        const most = times(size(0), each + (exprs.length > 1 ? size(1) : 0));
        return done(traverse(most) * 2, { size: most });
      }
      case 'format':
        return done(scan(0), { size: undefined });
      case 'string':
      case 'bytes':
        return done(
          this.#checked.types.get(exprs[0]!.id)?.kind === 'string' && name === 'string'
            ? 1
            : isScalar(this.#checked.types.get(exprs[0]!.id))
              ? 1
              : scan(0),
          {
            size:
              args[0]!.size === undefined || isScalar(this.#checked.types.get(exprs[0]!.id))
                ? undefined
                : args[0]!.size * (name === 'bytes' ? 4 : 1),
          },
        );
      case 'dyn':
        return { ...args[0]!, cost: sum + 1 };
      case 'sets.contains':
      case 'sets.intersects':
        return done(times(size(0), size(1)) + 1);
      case 'sets.equivalent':
        return done(times(times(size(0), size(1)), 2) + 1);
      case 'validate':
        return done(times(traverse(size(1) + 1), 250));
      case 'value':
      case 'orValue':
      case 'or':
      case 'optional.of':
        return { ...args[0]!, cost: sum + 1 };
      default:
        return done(1);
    }
  }

  #isOpaque(expr: Expr): boolean {
    const type = this.#checked.types.get(expr.id);
    return type?.kind === 'opaque' && type.name !== 'optional_type';
  }
}

const ofSchema = (schema: Structural): Known => ({ size: maxElements(schema), schema });

const total = (parts: readonly Estimate[]): number => parts.reduce((sum, { cost }) => sum + cost, 0);
const traverse = (size: number): number => (Number.isFinite(size) ? Math.ceil(size * traversal) : size);
/** Nothing many times is nothing. */
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

function union(parts: readonly Known[]): Known | undefined {
  if (parts.length === 0) return undefined;
  const sizes = parts.map(({ size }) => size);
  return { size: sizes.some((size) => size === undefined) ? undefined : Math.max(...(sizes as number[])) };
}

function isBinding({ range, condition }: Expr & { readonly kind: 'comprehension' }): boolean {
  return (
    range.kind === 'list' && range.elements.length === 0 && condition.kind === 'literal' && condition.value === false
  );
}

const listElement = (type: Type | undefined): Type | undefined => (type?.kind === 'list' ? type.params[0] : undefined);

function isScalar(type: Type | undefined): boolean {
  if (type === undefined) return false;
  if (type.kind === 'opaque' && type.name === 'optional_type') return isScalar(type.params[0]);
  return ['bool', 'int', 'uint', 'double', 'duration', 'timestamp'].includes(type.kind);
}
