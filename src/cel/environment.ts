/** What an expression may name: variables, functions, types of objects. */
import { dyn, parseType, struct, type Type } from './types.ts';
import type { Value } from './values.ts';

export interface Overload {
  readonly id: string;
  /** Called on a receiver, which is the first argument. */
  readonly member: boolean;
  readonly args: readonly Type[];
  readonly result: Type;
  /** Names of its type variables. */
  readonly variables: readonly string[];
}

/** How a function came to its value, for those whose cost depends on it. */
export type Implementation = (args: readonly Value[]) => Value;

export interface Library {
  /** Function -> overloads as text: `id: string.(int) -> string`, `id: (list(A), A) -> bool`. */
  readonly functions: Readonly<Record<string, readonly string[]>>;
  /** Function -> what it does; it tells its overloads apart by their arguments. */
  readonly implementations: Readonly<Record<string, Implementation>>;
  /** Names of types and constants. */
  readonly variables?: Readonly<Record<string, { readonly type: Type; readonly value: Value }>>;
}

export interface EnvironmentOptions {
  readonly libraries: readonly Library[];
  readonly variables: Readonly<Record<string, Type>>;
  /** Fields of objects by type: `Pod` -> `spec` -> type. */
  readonly structs?: Readonly<Record<string, ReadonlyMap<string, Type>>>;
  /** Types that may be constructed: `Foo{a: 1}`. */
  readonly constructible?: ReadonlySet<string>;
  /** Elements of a literal must have one type. Default true. */
  readonly homogeneousLiterals?: boolean;
}

export class Environment {
  readonly functions = new Map<string, Overload[]>();
  readonly implementations = new Map<string, Implementation>();
  readonly homogeneousLiterals: boolean;
  readonly constants = new Map<string, Value>();
  readonly #variables = new Map<string, Type>();
  readonly #structs: Readonly<Record<string, ReadonlyMap<string, Type>>>;
  readonly #constructible: ReadonlySet<string>;

  constructor(options: EnvironmentOptions) {
    this.homogeneousLiterals = options.homogeneousLiterals ?? true;
    this.#structs = options.structs ?? {};
    this.#constructible = options.constructible ?? new Set();
    for (const library of options.libraries) {
      for (const [name, overloads] of Object.entries(library.functions)) {
        const known = this.functions.get(name) ?? [];
        known.push(...overloads.map(overloadOf));
        this.functions.set(name, known);
      }
      for (const [name, run] of Object.entries(library.implementations)) {
        const before = this.implementations.get(name);
        if (before === undefined) this.implementations.set(name, run);
        else this.implementations.set(name, firstOf(before, run));
      }
      for (const [name, { type, value }] of Object.entries(library.variables ?? {})) {
        this.#variables.set(name, type);
        this.constants.set(name, value);
      }
    }
    for (const [name, type] of Object.entries(options.variables)) this.#variables.set(name, type);
  }

  variable(name: string): Type | undefined {
    return this.#variables.get(name);
  }
  field(type: string, field: string): Type | undefined {
    if (Object.hasOwn(this.#structs, type)) return this.#structs[type]!.get(field);
    return this.#isOpen(type) ? dyn : undefined;
  }
  /** A type that may be made by its name. */
  structType(name: string): Type | undefined {
    return this.#constructible.has(name) || this.#isOpen(name) ? struct(name) : undefined;
  }
  /** `Object`, `Object.spec` ...: whatever fields are written are there. */
  #isOpen(name: string): boolean {
    return this.#constructible.has('Object') && /^Object(\.|$)/.test(name);
  }
}

/** Overloads of one function from two libraries. */
function firstOf(one: Implementation, other: Implementation): Implementation {
  return (args) => {
    try {
      return one(args);
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'no such overload') throw error;
      return other(args);
    }
  };
}

function overloadOf(text: string): Overload {
  const parts = /^([^:]+):\s*(?:(\S.*?)\.)?\((.*)\)\s*->\s*(.+)$/.exec(text);
  if (!parts) throw new Error(`cel: "${text}" is no overload`);
  const [, id, receiver, given, result] = parts;
  const args = [...(receiver === undefined ? [] : [receiver]), ...splitArgs(given!)].map(parseType);
  const variables = new Set<string>();
  const collect = (type: Type): void => {
    if (type.kind === 'param') variables.add(type.name);
    if ('params' in type) type.params.forEach(collect);
  };
  const resultType = parseType(result!);
  [...args, resultType].forEach(collect);
  return { id: id!.trim(), member: receiver !== undefined, args, result: resultType, variables: [...variables] };
}

function splitArgs(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === ',' && depth === 0) {
      out.push(text.slice(start, i));
      start = i + 1;
    }
  }
  if (text.slice(start).trim() !== '') out.push(text.slice(start));
  return out;
}
