/**
 * Values of expressions. JavaScript's own where they fit: null, booleans, strings, bigint for int, number for double, Uint8Array for bytes. Lists and maps
 * are behind interfaces, so that JSON objects are read where they stand.
 */

export type Value =
  | null
  | boolean
  | string
  | bigint
  | number
  | Uint
  | Uint8Array
  | ListValue
  | MapValue
  | Duration
  | Timestamp
  | TypeValue
  | Optional
  | Opaque;

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** In nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** Nanoseconds since 1970, UTC. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Optional {
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
}
export const noOptional = Object.freeze(new Optional(undefined));

/** A value of a library's own type: quantities, addresses, URLs. */
export abstract class Opaque {
  abstract readonly typeName: string;
  equals(other: Opaque): boolean {
    return this === other;
  }
}

export abstract class ListValue {
  abstract readonly size: number;
  abstract at(index: number): Value;
  /** Order does not count when lists are compared. */
  get unordered(): boolean {
    return false;
  }
  /** This list with another behind it. */
  concat(other: ListValue): ListValue {
    if (this.size === 0) return other;
    if (other.size === 0) return this;
    return new ArrayList([...this, ...other]);
  }
  *[Symbol.iterator](): Iterator<Value> {
    for (let i = 0; i < this.size; i++) yield this.at(i);
  }
}

export class ArrayList extends ListValue {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }
  get size(): number {
    return this.items.length;
  }
  at(index: number): Value {
    return this.items[index]!;
  }
}

/** What a comprehension is building: nobody else has it yet, so it grows in place. */
export class GrowingList extends ListValue {
  readonly #items: Value[] = [];
  get size(): number {
    return this.#items.length;
  }
  at(index: number): Value {
    return this.#items[index]!;
  }
  push(item: Value): void {
    this.#items.push(item);
  }
}

export abstract class MapValue {
  abstract readonly size: number;
  abstract get(key: Value): Value | undefined;
  abstract keys(): Iterable<Value>;
  /** Of an object with declared fields; maps have none. */
  get typeName(): string {
    return 'map';
  }
}

/** What a comprehension is building. */
export class GrowingMap extends MapValue {
  readonly #entries = new Map<string, readonly [Value, Value]>();
  get size(): number {
    return this.#entries.size;
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }
  *keys(): Iterable<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }
  /** @throws CelError when the key is there already. */
  insert(key: Value, value: Value): void {
    const at = keyOf(key);
    if (this.#entries.has(at)) throw new CelError(`insert failed: key ${String(key)} already exists`);
    this.#entries.set(at, [key, value]);
  }
}

/** Keys are told apart by `keyOf`. */
export class EntryMap extends MapValue {
  readonly #entries: ReadonlyMap<string, readonly [Value, Value]>;
  constructor(entries: Iterable<readonly [Value, Value]>) {
    super();
    const map = new Map<string, readonly [Value, Value]>();
    for (const entry of entries) map.set(keyOf(entry[0]), entry);
    this.#entries = map;
  }
  get size(): number {
    return this.#entries.size;
  }
  get(key: Value): Value | undefined {
    return this.#entries.get(keyOf(key))?.[1];
  }
  *keys(): Iterable<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }
}

/** Numbers of one value are one key, whatever their type. */
export function keyOf(key: Value): string {
  if (typeof key === 'string') return `s${key}`;
  if (typeof key === 'boolean') return `b${key}`;
  if (typeof key === 'bigint') return `n${key}`;
  if (key instanceof Uint) return `n${key.value}`;
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `d${key}`;
  throw new CelError(`unsupported key type: ${typeName(key)}`);
}

/** An evaluation that came to no value: `no such key: x`, `division by zero`. */
export class CelError extends Error {
  override readonly name: string = 'CelError';
}

/** The evaluation took more than it may. */
export class CostLimitError extends CelError {
  override readonly name = 'CostLimitError';
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

export const noOverload = (): CelError => new CelError('no such overload');

export function typeName(value: Value): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
  }
  if (value instanceof Uint) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof ListValue) return 'list';
  if (value instanceof MapValue) return value.typeName;
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof TypeValue) return 'type';
  if (value instanceof Optional) return 'optional_type';
  return (value as Opaque).typeName;
}

const isNumber = (value: Value): value is bigint | number | Uint =>
  typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint;

const plainNumber = (value: bigint | number | Uint): bigint | number => (value instanceof Uint ? value.value : value);

/** Values of different types are not equal, numbers excepted. */
export function equal(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) {
    const x = plainNumber(a);
    const y = plainNumber(b);
    return typeof x === typeof y
      ? x === y
      : !(x < y) && !(x > y) && !Number.isNaN(Number(x)) && !Number.isNaN(Number(y));
  }
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (a instanceof ListValue) return b instanceof ListValue && equalLists(a, b);
  if (a instanceof MapValue) {
    if (!(b instanceof MapValue) || a.size !== b.size) return false;
    for (const key of a.keys()) {
      const other = b.get(key);
      if (other === undefined || !equal(a.get(key)!, other)) return false;
    }
    return true;
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return equal(a.value, b.value);
  }
  return a instanceof Opaque && b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
}

function equalLists(a: ListValue, b: ListValue): boolean {
  if (a.size !== b.size) return false;
  if (!a.unordered && !b.unordered) {
    for (let i = 0; i < a.size; i++) if (!equal(a.at(i), b.at(i))) return false;
    return true;
  }
  const left = [...b];
  for (const item of a) {
    const at = left.findIndex((other) => equal(item, other));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return true;
}

/** Negative, zero, positive. @throws CelError for values that have no order. */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) {
    const x = plainNumber(a);
    const y = plainNumber(b);
    if (Number.isNaN(Number(x)) || Number.isNaN(Number(y))) throw new CelError('NaN values cannot be ordered');
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (a instanceof Duration && b instanceof Duration) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Timestamp && b instanceof Timestamp) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  throw noOverload();
}
