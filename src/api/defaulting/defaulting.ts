/**
 * Defaulting: what a field means when nobody said it. Defaults that are plain values stand in the schema; those that depend on other fields
 * are a pure function per type (`rules/`). One walk applies both, parents before children as upstream does, and rebuilds only what changes,
 * in schema order.
 */
import { sameJson } from '../edit.ts';
import { keepMarks } from '../explicit-empty.ts';
import { deepFreeze } from '../freeze.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { canonicalResource } from '../quantity.ts';
import type { FieldSchema, Schema, StructType, TypeName, TypeRef } from '../schema/model.ts';

/**
 * The fields to add or replace in a canonical object of the rule's type; `undefined` as a value removes the field, no result changes nothing.
 * What it adds must be canonical itself; children of what it returns are visited afterwards.
 */
export type DefaultingRule = (object: never) => object | undefined;
export type DefaultingRules = Readonly<Record<TypeName, DefaultingRule>>;

/** @returns the object with every default, deep-frozen; the same object when nothing was missing. */
export type Defaulter = (object: JsonObject, type: StructType) => JsonObject;

interface Plan {
  readonly type: StructType;
  readonly rule: ((object: JsonObject) => JsonObject | undefined) | undefined;
  readonly constants: readonly (readonly [string, JsonValue])[];
  readonly children: readonly (readonly [string, TypeRef])[];
}

export function createDefaulter(schema: Schema, rules: DefaultingRules): Defaulter {
  for (const name of Object.keys(rules))
    if (!schema.type(name)) throw new Error(`Defaulting: no type "${name}" in the schema`);
  const reaching = typesWithDefaults(schema, rules);
  const plans = new Map<StructType, Plan | undefined>();

  const planOf = (type: StructType): Plan | undefined => {
    if (plans.has(type)) return plans.get(type);
    const plan = reaching.has(type.name)
      ? {
          type,
          rule: rules[type.name] as Plan['rule'],
          constants: constantsOf(type),
          children: type.fields
            .filter((f) => roundsUp(type, f.type) || leadsTo(f.type, reaching))
            .map((f) => [f.name, f.type] as const),
        }
      : undefined;
    plans.set(type, plan);
    return plan;
  };

  const walkRef = (value: JsonValue, ref: TypeRef): JsonValue => {
    if (value === null || typeof value !== 'object') return value;
    switch (ref.kind) {
      case 'struct': {
        const plan = planOf(ref.type);
        return plan ? walk(value as JsonObject, plan) : value;
      }
      case 'list': {
        const list = value as readonly JsonValue[];
        let copy: JsonValue[] | undefined;
        for (let i = 0; i < list.length; i++) {
          const next = walkRef(list[i]!, ref.element);
          if (next !== list[i]) (copy ??= list.slice())[i] = next;
        }
        return copy ? Object.freeze(copy) : value;
      }
      case 'map': {
        let copy: Record<string, JsonValue | undefined> | undefined;
        const map = value as JsonObject;
        const quantities = ref.value.kind === 'special' && ref.value.special === 'Quantity';
        for (const key of Object.keys(map)) {
          const next = quantities ? inThousandths(map[key]!) : walkRef(map[key]!, ref.value);
          if (next !== map[key]) (copy ??= { ...map })[key] = next;
        }
        return copy ? Object.freeze(copy) : value;
      }
      default:
        return value;
    }
  };

  // What changes is gathered first, so that an object is rebuilt once.
  const walk = (object: JsonObject, plan: Plan): JsonObject => {
    const { type, constants, rule, children } = plan;
    let changes: Changes | undefined;
    for (let i = 0; i < constants.length; i++) {
      const [name, value] = constants[i]!;
      if (object[name] === undefined || object[name] === '') (changes ??= {})[name] = value;
    }
    const more = rule?.(changes ? ({ ...object, ...changes } as JsonObject) : object);
    if (more) changes = withRule(object, type, changes, more);
    for (let i = 0; i < children.length; i++) {
      const [name, ref] = children[i]!;
      const child = changes && Object.hasOwn(changes, name) ? changes[name] : object[name];
      if (child === undefined || child === null) continue;
      const next = walkRef(child, ref);
      if (next !== child) (changes ??= {})[name] = next;
    }
    return changes ? merged(object, type, changes) : object;
  };

  return (object, type) => {
    const plan = planOf(type);
    return plan ? walk(object, plan) : object;
  };
}

type Changes = Record<string, JsonValue | undefined>;

/** The changes with a rule's among them, in schema order and frozen. A rule may say what is so already; then nothing is changed. */
function withRule(
  object: JsonObject,
  type: StructType,
  changes: Changes | undefined,
  more: JsonObject,
): Changes | undefined {
  let all = changes;
  for (const name in more) {
    const field = type.fieldsByName.get(name);
    if (field === undefined) continue;
    const before = changes && Object.hasOwn(changes, name) ? changes[name] : object[name];
    const value = more[name];
    if (sameJson(before, value)) continue;
    (all ??= {})[name] = value === undefined ? undefined : deepFreeze(inSchemaOrder(value, field.type));
  }
  return all;
}

/** A new frozen object with the changes, its fields in schema order. What `changes` brings is frozen. */
export function rebuild(object: JsonObject, type: StructType, changes: object): JsonObject {
  return merged(object, type, withRule(object, type, undefined, changes as JsonObject) ?? {});
}

/** A new frozen object with the changes, which are frozen and of known fields, in schema order. */
function merged(object: JsonObject, type: StructType, changes: Changes): JsonObject {
  const { fieldsByName } = type;
  const changed: FieldSchema[] = [];
  for (const name in changes) {
    const field = fieldsByName.get(name)!;
    let at = changed.length;
    for (; at > 0 && changed[at - 1]!.index > field.index; at--) changed[at] = changed[at - 1]!;
    changed[at] = field;
  }
  const out: Record<string, JsonValue> = {};
  let due = 0;
  let last = -1;
  for (const name in object) {
    const value = object[name];
    const field = fieldsByName.get(name);
    if (value === undefined || field === undefined) continue;
    if (field.index < last) return sorted(object, type, changes);
    last = field.index;
    for (; due < changed.length && changed[due]!.index < last; due++) put(out, changed[due]!.name, changes);
    if (due < changed.length && changed[due] === field) put(out, changed[due++]!.name, changes);
    else out[name] = value;
  }
  for (; due < changed.length; due++) put(out, changed[due]!.name, changes);
  keepMarks(object, out);
  return Object.freeze(out);
}

/** The same for an object whose fields an edit has left in another order. */
function sorted(object: JsonObject, type: StructType, changes: Changes): JsonObject {
  const out: Record<string, JsonValue> = {};
  for (const { name } of type.fields) put(out, name, Object.hasOwn(changes, name) ? changes : object);
  keepMarks(object, out);
  return Object.freeze(out);
}

function put(out: Record<string, JsonValue>, name: string, from: Readonly<Changes>): void {
  const value = from[name];
  if (value !== undefined) out[name] = value;
}

/** What a rule made anew gets its fields in schema order; what it passed on is frozen, so in order already. */
function inSchemaOrder(value: JsonValue, ref: TypeRef): JsonValue {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value;
  if (ref.kind === 'list') return (value as readonly JsonValue[]).map((element) => inSchemaOrder(element, ref.element));
  if (ref.kind !== 'struct') return value;
  const object = value as JsonObject;
  const out: Record<string, JsonValue> = {};
  for (const field of ref.type.fields) {
    const child = object[field.name];
    if (child !== undefined) out[field.name] = inSchemaOrder(child, field.type);
  }
  keepMarks(object, out);
  return out;
}

function constantsOf(type: StructType): (readonly [string, JsonValue])[] {
  return type.fields.filter((f) => isRealDefault(f.default)).map((f) => [f.name, f.default as JsonValue] as const);
}

/** The zero value published as a default only says that the field is always written. */
function isRealDefault(value: unknown): boolean {
  return (
    value !== undefined &&
    value !== '' &&
    value !== 0 &&
    value !== false &&
    !(typeof value === 'object' && value !== null)
  );
}

/** Types that have defaults themselves or below: found by going backwards until nothing is added, so recursive types are no trouble. */
function typesWithDefaults(schema: Schema, rules: DefaultingRules): ReadonlySet<TypeName> {
  const found = new Set<TypeName>(Object.keys(rules));
  for (const type of schema.types.values())
    if (constantsOf(type).length > 0 || type.fields.some((f) => roundsUp(type, f.type))) found.add(type.name);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const type of schema.types.values())
      if (!found.has(type.name) && type.fields.some((f) => leadsTo(f.type, found))) found.add(type.name);
  }
  return found;
}

/** Core's lists of resources know no less than a thousandth. Source: SetDefaults_ResourceList. */
const roundsUp = (owner: StructType, ref: TypeRef): boolean =>
  ref.kind === 'map' &&
  ref.value.kind === 'special' &&
  ref.value.special === 'Quantity' &&
  owner.name.startsWith('core.v1.');

/** A canonical quantity shows by its suffix that there is something to round. */
const inThousandths = (quantity: JsonValue): JsonValue =>
  typeof quantity === 'string' && /[nu]$|e-/.test(quantity) ? canonicalResource(quantity) : quantity;

function leadsTo(ref: TypeRef, types: ReadonlySet<TypeName>): boolean {
  if (ref.kind === 'struct') return types.has(ref.type.name);
  if (ref.kind === 'list') return leadsTo(ref.element, types);
  return ref.kind === 'map' && leadsTo(ref.value, types);
}
