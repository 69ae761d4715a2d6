/**
 * What comparing needs to know about a type, worked out once per type: fields in the order of a set, path elements ready-made, and the tree
 * of an empty object. Plans belong to a field manager instance (decision 9).
 */
import type { JsonObject, JsonValue } from '../json.ts';
import type { FieldSchema, StructType, TypeRef } from '../schema/model.ts';

export type Plan =
  /** Scalars, atomic structs, maps and lists: owned as one. */
  | { readonly kind: 'leaf' }
  /** Owned by what the value is: objects by their members, the rest as one. */
  | { readonly kind: 'deduced' }
  | StructPlan
  | { readonly kind: 'map'; readonly value: Plan }
  | { readonly kind: 'set' }
  | { readonly kind: 'keyed'; readonly keys: readonly KeyPlan[]; readonly element: Plan };

export interface StructPlan {
  readonly kind: 'struct';
  /** Sorted by name. */
  readonly names: readonly string[];
  /** `f:NAME` */
  readonly elements: readonly string[];
  readonly plans: readonly Plan[];
  /** Members without a name here; absent: there are none. */
  readonly rest?: Plan;
  /** Of an open struct: members that are not tracked, although any name is one of its. */
  readonly hidden?: ReadonlySet<string>;
}

export interface KeyPlan {
  readonly name: string;
  /** Of an element that leaves the key out. */
  readonly default?: JsonValue;
}

const leafPlan: Plan = { kind: 'leaf' };
const deducedPlan: Plan = { kind: 'deduced' };
const deducedMap = { kind: 'map', value: deducedPlan } as const;
const setPlan: Plan = { kind: 'set' };

/** How two values of one place are compared; one may be absent. */
export function deduced(a: JsonValue | undefined, b?: JsonValue): Exclude<Plan, { readonly kind: 'deduced' }> {
  const members = (value: JsonValue | undefined): boolean =>
    value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value));
  return members(a) && members(b) ? deducedMap : { kind: 'leaf' };
}

/** The plan of a member of a struct that has members without names. */
export function memberPlan(plan: StructPlan | Extract<Plan, { readonly kind: 'map' }>, key: string): Plan {
  if (plan.kind === 'map') return plan.value;
  const at = plan.names.indexOf(key);
  return at < 0 ? (plan.rest ?? deducedPlan) : plan.plans[at]!;
}

/** Never tracked. Source: managedfields.stripMetaManager. */
const strippedRoot = new Set(['apiVersion', 'kind']);
const strippedMetadata = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
]);

export class TypePlans {
  readonly #structs = new Map<StructType, StructPlan>();
  readonly #roots = new Map<StructType, { readonly plan: StructPlan; readonly empty: JsonObject }>();

  /** The plan of a kind, without what is never tracked, and the tree an empty object of it has. */
  root(type: StructType): { readonly plan: StructPlan; readonly empty: JsonObject } {
    let root = this.#roots.get(type);
    if (!root) {
      root = { plan: this.#rootPlan(type), empty: emptyTree(type) };
      this.#roots.set(type, root);
    }
    return root;
  }

  /** The plan of a type with every field. */
  whole(type: StructType): StructPlan {
    return this.#struct(type);
  }

  #rootPlan(type: StructType): StructPlan {
    const whole = this.#struct(type);
    const metadataType = type.fieldsByName.get('metadata')?.type;
    const metadata =
      metadataType?.kind === 'struct' ? without(this.#struct(metadataType.type), strippedMetadata) : undefined;
    const plan = without(whole, strippedRoot);
    return metadata
      ? { ...plan, plans: plan.plans.map((p, i) => (plan.names[i] === 'metadata' ? metadata : p)) }
      : plan;
  }

  #struct(type: StructType): StructPlan {
    const known = this.#structs.get(type);
    if (known) return known;
    const fields = [...type.fields].sort((a, b) => (a.name < b.name ? -1 : 1));
    const plans: Plan[] = [];
    const plan: StructPlan = {
      kind: 'struct',
      names: fields.map((field) => field.name),
      elements: fields.map((field) => `f:${field.name}`),
      plans,
      ...(type.open ? { rest: deducedPlan } : {}),
    };
    // Known before its fields are planned: types are recursive.
    this.#structs.set(type, plan);
    for (const field of fields) plans.push(this.#field(field));
    return plan;
  }

  #field(field: FieldSchema): Plan {
    if (field.mapType === 'atomic') return leafPlan;
    // A field may take apart what its type keeps whole: a volume's claimRef.
    if (field.mapType === 'granular' && field.type.kind === 'struct') return this.#struct(field.type.type);
    return this.#plan(field.type);
  }

  #plan(type: TypeRef): Plan {
    switch (type.kind) {
      case 'scalar':
        return leafPlan;
      case 'special':
        return type.special === 'Any' ? deducedPlan : leafPlan;
      case 'struct':
        return type.type.mapType === 'atomic' ? leafPlan : this.#struct(type.type);
      case 'map':
        return type.mapType === 'atomic' ? leafPlan : { kind: 'map', value: this.#plan(type.value) };
      case 'list':
        if (type.listType === 'set') return setPlan;
        if (type.listType !== 'map') return leafPlan;
        return {
          kind: 'keyed',
          keys: [...(type.mapKeys ?? [])].sort().map((name) => keyPlan(name, type.element)),
          element: this.#plan(type.element),
        };
    }
  }
}

function keyPlan(name: string, element: TypeRef): KeyPlan {
  const value = element.kind === 'struct' ? element.type.fieldsByName.get(name)?.default : undefined;
  return value === undefined ? { name } : { name, default: value as JsonValue };
}

function without(plan: StructPlan, stripped: ReadonlySet<string>): StructPlan {
  const kept = plan.names.map((_, i) => i).filter((i) => !stripped.has(plan.names[i]!));
  return {
    kind: 'struct',
    names: kept.map((i) => plan.names[i]!),
    elements: kept.map((i) => plan.elements[i]!),
    plans: kept.map((i) => plan.plans[i]!),
    ...(plan.rest ? { rest: plan.rest, hidden: stripped } : {}),
  };
}

/**
 * What Go writes for a zero value of the type: structs that are no pointers are there, and so are zeros without `omitempty`. A new object is
 * compared with this, which is why no creator owns `spec` itself.
 */
function emptyTree(type: StructType): JsonObject {
  const tree: Record<string, JsonValue> = {};
  for (const field of type.fields) {
    const value = emptyField(field);
    if (value !== undefined) tree[field.name] = value;
  }
  return Object.freeze(tree);
}

function emptyField(field: FieldSchema): JsonValue | undefined {
  if (field.omitZero) return undefined;
  const { type } = field;
  if (field.pointer) return field.omitEmpty ? undefined : null;
  switch (type.kind) {
    case 'struct':
      return emptyTree(type.type);
    case 'special':
      return emptySpecial(field);
    case 'list':
    case 'map':
      return field.omitEmpty ? undefined : null;
    case 'scalar':
      if (field.omitEmpty) return undefined;
      switch (type.scalar) {
        case 'string':
          return '';
        case 'boolean':
          return false;
        case 'bytes':
          return null;
        default:
          return 0;
      }
  }
}

/** These are Go structs, which `omitempty` does not omit. */
function emptySpecial(field: FieldSchema): JsonValue | undefined {
  switch (field.type.kind === 'special' ? field.type.special : undefined) {
    case 'Quantity':
      return '0';
    case 'IntOrString':
      return 0;
    case 'Duration':
      return '0s';
    default:
      return null;
  }
}
