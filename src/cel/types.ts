/** Types of expressions: how they are written, which fits which. Source: the CEL specification, cel-go/common/types, cel-go/checker/types.go. */

export type Type =
  | { readonly kind: Simple }
  | { readonly kind: 'list' | 'type'; readonly params: readonly [Type] }
  | { readonly kind: 'map'; readonly params: readonly [Type, Type] }
  | { readonly kind: 'opaque'; readonly name: string; readonly params: readonly Type[] }
  /** An object with declared fields; who declares them is found by name. */
  | { readonly kind: 'struct'; readonly name: string }
  /** A variable of a generic function. */
  | { readonly kind: 'param'; readonly name: string };

type Simple =
  | 'dyn'
  | 'any'
  | 'error'
  | 'null'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'duration'
  | 'timestamp';

const simple = (kind: Simple): Type => Object.freeze({ kind });
export const dyn = simple('dyn');
export const errorType = simple('error');
export const nullType = simple('null');
export const bool = simple('bool');
export const int = simple('int');
export const uint = simple('uint');
export const double = simple('double');
export const string = simple('string');
export const bytes = simple('bytes');
export const duration = simple('duration');
export const timestamp = simple('timestamp');
export const listOf = (element: Type): Type => ({ kind: 'list', params: [element] });
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'map', params: [key, value] });
export const typeOf = (type: Type): Type => ({ kind: 'type', params: [type] });
export const opaque = (name: string, ...params: readonly Type[]): Type => ({ kind: 'opaque', name, params });
export const struct = (name: string): Type => ({ kind: 'struct', name });
export const param = (name: string): Type => ({ kind: 'param', name });
export const optionalOf = (type: Type): Type => opaque('optional_type', type);

const paramsOf = (type: Type): readonly Type[] => ('params' in type ? type.params : []);

/** As error messages show it. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case 'error':
      return '!error!';
    case 'param':
    case 'struct':
      return type.name;
    case 'opaque':
      return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(typeText).join(', ')})`;
    case 'list':
    case 'map':
    case 'type':
      return `${type.kind}(${type.params.map(typeText).join(', ')})`;
    default:
      return type.kind;
  }
}

/** Reads `list(A)`, `map(string, dyn)`, `kubernetes.Quantity`; one capital letter is a variable. */
export function parseType(text: string): Type {
  const { type, rest } = readType(text.trim());
  if (rest.trim() !== '') throw new Error(`cel: "${text}" is no type`);
  return type;
}

const simples: Readonly<Record<string, Type>> = {
  dyn,
  any: simple('any'),
  null: nullType,
  bool,
  int,
  uint,
  double,
  string,
  bytes,
  duration,
  timestamp,
};

function readType(text: string): { readonly type: Type; readonly rest: string } {
  const name = /^[A-Za-z_][\w.]*/.exec(text)?.[0];
  if (name === undefined) throw new Error(`cel: no type at "${text}"`);
  let rest = text.slice(name.length);
  const params: Type[] = [];
  if (rest.startsWith('(')) {
    do {
      const inner = readType(rest.slice(1).trimStart());
      params.push(inner.type);
      rest = inner.rest.trimStart();
    } while (rest.startsWith(','));
    rest = rest.slice(1);
  }
  if (name === 'list') return { type: listOf(params[0]!), rest };
  if (name === 'map') return { type: mapOf(params[0]!, params[1]!), rest };
  if (name === 'type') return { type: typeOf(params[0] ?? dyn), rest };
  if (name === 'optional') return { type: optionalOf(params[0]!), rest };
  if (simples[name]) return { type: simples[name], rest };
  if (/^[A-Z]$/.test(name)) return { type: param(name), rest };
  return { type: opaque(name, ...params), rest };
}

/** What stands for each type variable. Copied before each attempt. */
export class Mapping {
  readonly #bound: Map<string, Type>;
  constructor(bound: ReadonlyMap<string, Type> = new Map()) {
    this.#bound = new Map(bound);
  }
  copy(): Mapping {
    return new Mapping(this.#bound);
  }
  find(type: Type): Type | undefined {
    return type.kind === 'param' ? this.#bound.get(type.name) : undefined;
  }
  add(type: Type, to: Type): void {
    if (type.kind === 'param') this.#bound.set(type.name, to);
  }
}

export const isDyn = (type: Type): boolean => type.kind === 'dyn' || type.kind === 'any';
const isDynOrError = (type: Type): boolean => isDyn(type) || type.kind === 'error';

export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if ('name' in a && 'name' in b && a.name !== b.name) return false;
  const x = paramsOf(a);
  const y = paramsOf(b);
  return x.length === y.length && x.every((one, i) => sameType(one, y[i]!));
}

export function unwrapOptional(type: Type): readonly [Type, boolean] {
  return type.kind === 'opaque' && type.name === 'optional_type' ? [type.params[0]!, true] : [type, false];
}

/** Replaces bound variables; unbound ones become dyn where asked. */
export function substitute(mapping: Mapping, type: Type, unboundToDyn: boolean): Type {
  const bound = mapping.find(type);
  if (bound !== undefined) return substitute(mapping, bound, unboundToDyn);
  if (type.kind === 'param') return unboundToDyn ? dyn : type;
  if (!('params' in type) || type.params.length === 0) return type;
  const params = type.params.map((one) => substitute(mapping, one, unboundToDyn));
  return { ...type, params } as Type;
}

/** @returns the mapping under which values of `from` go where `to` is wanted, for each pair; undefined when there is none. */
export function assignable(mapping: Mapping, from: readonly Type[], to: readonly Type[]): Mapping | undefined {
  if (from.length !== to.length) return undefined;
  const copy = mapping.copy();
  return from.every((one, i) => fits(copy, one, to[i]!)) ? copy : undefined;
}

function fits(mapping: Mapping, a: Type, b: Type): boolean {
  if (b.kind === 'param') {
    const found = substitutes(mapping, a, b);
    if (found.valid) return true;
    if (found.bound) return false;
  }
  if (a.kind === 'param') return substitutes(mapping, b, a).valid;
  if (isDynOrError(a) || isDynOrError(b)) return true;
  if (a.kind === 'null') return nullable(b);
  if (b.kind === 'null') return nullable(a);
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'type':
      return true;
    case 'list':
    case 'map':
    case 'opaque': {
      if (a.kind === 'opaque' && b.kind === 'opaque' && a.name !== b.name) return false;
      const x = paramsOf(a);
      const y = paramsOf(b);
      return x.length === y.length && x.every((one, i) => fits(mapping, one, y[i]!));
    }
    default:
      return sameType(a, b);
  }
}

const nullable = (type: Type): boolean =>
  ['null', 'opaque', 'struct', 'any', 'duration', 'timestamp'].includes(type.kind);

function substitutes(
  mapping: Mapping,
  type: Type,
  variable: Type,
): { readonly valid: boolean; readonly bound: boolean } {
  if (sameType(type, variable)) return { valid: true, bound: true };
  const bound = mapping.find(variable);
  if (bound !== undefined) {
    if (sameType(type, bound)) return { valid: true, bound: true };
    if (!fits(mapping, type, bound)) return { valid: false, bound: true };
    const general = mostGeneral(type, bound);
    if (!occurs(mapping, variable, general)) mapping.add(variable, general);
    return { valid: true, bound: true };
  }
  if (occurs(mapping, variable, type)) return { valid: false, bound: false };
  mapping.add(variable, type);
  return { valid: true, bound: false };
}

function occurs(mapping: Mapping, variable: Type, within: Type): boolean {
  if (sameType(variable, within)) return true;
  if (within.kind === 'param') {
    const bound = mapping.find(within);
    return bound !== undefined && occurs(mapping, variable, bound);
  }
  return paramsOf(within).some((one) => occurs(mapping, variable, one));
}

export const mostGeneral = (a: Type, b: Type): Type => (lessSpecific(a, b) ? a : b);

function lessSpecific(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true;
  if (isDyn(b) || b.kind === 'param') return false;
  if (a.kind !== b.kind) return false;
  if (a.kind === 'type') return true;
  if ('params' in a && 'params' in b) {
    if (a.kind === 'opaque' && b.kind === 'opaque' && a.name !== b.name) return false;
    const x = paramsOf(a);
    const y = paramsOf(b);
    return x.length === y.length && x.every((one, i) => lessSpecific(one, y[i]!));
  }
  return sameType(a, b);
}
