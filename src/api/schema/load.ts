/**
 * Builds the in-memory model from the data in `schema/`. Pure: the JSON comes in as values. The format of those files is described in
 * `schema/README.md`.
 */
import type {
  FieldSchema,
  GroupVersionKind,
  ResourceSchema,
  ScalarType,
  Schema,
  SpecialType,
  StructType,
  SubresourceSchema,
  TypeRef,
  UnionSchema,
} from './model.ts';

export interface FieldData {
  readonly type: string;
  readonly proto?: number | readonly number[];
  readonly required?: boolean;
  readonly omit?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly list?: string;
  readonly map?: string;
  readonly patch?: string;
  readonly protoType?: string;
  readonly protoName?: string;
  readonly go?: string;
}
export interface TypeData {
  readonly openapi?: string;
  readonly proto?: string;
  readonly kinds?: readonly string[];
  readonly special?: string;
  readonly map?: string;
  readonly unions?: readonly UnionSchema[];
  readonly inlined?: readonly { readonly path: readonly number[]; readonly proto: string; readonly name: string }[];
  readonly fields?: Readonly<Record<string, FieldData>>;
}
export type TypeFile = Readonly<Record<string, TypeData>>;
export interface ResourcesFile {
  readonly groups: readonly {
    readonly name: string;
    readonly preferred: string;
    readonly versions: readonly string[];
  }[];
  readonly offByDefaultVersions: Readonly<Record<string, readonly string[]>>;
  readonly fieldSelectorAliases: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly resources: readonly ResourceData[];
}
interface ResourceData {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources?: Readonly<
    Record<string, { readonly verbs: readonly string[]; readonly kind: string; readonly gv: readonly string[] }>
  >;
  readonly storageVersion?: string;
  readonly storageVersionHash?: string;
  readonly level: string;
  readonly on: boolean;
  readonly columns?: readonly (readonly (string | number)[])[];
  readonly fieldSelectors?: readonly string[];
}

const scalars: Readonly<Record<string, ScalarType>> = {
  string: 'string',
  bool: 'boolean',
  int32: 'int32',
  int64: 'int64',
  double: 'double',
  bytes: 'bytes',
};

/** A mutable StructType while it is being filled: the fields of recursive types point at structs that are not complete yet. */
interface Draft {
  name: string;
  openapiName: string;
  gvks: GroupVersionKind[];
  protoMessage: string;
  mapType?: 'atomic' | 'granular';
  unions: readonly UnionSchema[];
  fields: FieldSchema[];
  fieldsByName: Map<string, FieldSchema>;
  alwaysWritten: FieldSchema[];
}

/** @param files package name (`core.v1`) -> its types. @throws Error naming the type and field when a reference is dangling. */
export function buildSchema(files: Readonly<Record<string, TypeFile>>, resourcesFile: ResourcesFile): Schema {
  const structs = new Map<string, Draft>();
  const specials = new Map<string, SpecialType>();
  for (const [pkg, types] of Object.entries(files)) {
    for (const [short, data] of Object.entries(types)) {
      if (data.special !== undefined) specials.set(short, data.special as SpecialType);
      else structs.set(`${pkg}.${short}`, draft(pkg, short, data));
    }
  }
  for (const [pkg, types] of Object.entries(files)) {
    for (const [short, data] of Object.entries(types)) {
      const struct = structs.get(`${pkg}.${short}`);
      if (!struct) continue;
      for (const name in data.fields) {
        const field = data.fields[name]!;
        const schema = fieldSchema(name, struct.fields.length, field, embeddedIn(data, field), (expression) => {
          const ref = parseType(expression, field, pkg, structs, specials);
          if (!ref) throw new Error(`Schema: unknown type "${expression}" of field ${pkg}.${short}.${name}`);
          return ref;
        });
        struct.fields.push(schema);
        struct.fieldsByName.set(name, schema);
        if (isAlwaysWritten(schema)) struct.alwaysWritten.push(schema);
      }
    }
  }
  const byGvk = new Map<string, StructType>();
  for (const struct of structs.values()) {
    for (const gvk of struct.gvks) {
      const key = gvkKey(gvk);
      if (!byGvk.has(key) || struct.name.endsWith(`.${gvk.kind}`)) byGvk.set(key, struct);
    }
  }
  const find = (gvk: GroupVersionKind): StructType | undefined => byGvk.get(gvkKey(gvk));
  const resources = resourcesFile.resources.map((data) => resourceSchema(data, find));
  const byResource = new Map(resources.map((r) => [`${r.group}/${r.version}/${r.resource}`, r]));
  return {
    type: (name) => structs.get(name),
    byGvk: find,
    types: structs,
    groups: resourcesFile.groups,
    resources,
    resource: (group, version, resource) => byResource.get(`${group}/${version}/${resource}`),
  };
}

const gvkKey = ({ group, version, kind }: GroupVersionKind): string => `${group}/${version}/${kind}`;

function draft(pkg: string, short: string, data: TypeData): Draft {
  return {
    name: `${pkg}.${short}`,
    openapiName: data.openapi ?? `io.k8s.api.${pkg}.${short}`,
    gvks: (data.kinds ?? []).map(parseGvk),
    protoMessage: data.proto ?? `k8s.io.api.${pkg}.${short}`,
    ...(data.map ? { mapType: data.map as 'atomic' | 'granular' } : {}),
    unions: data.unions ?? [],
    fields: [],
    fieldsByName: new Map(),
    alwaysWritten: [],
  };
}

/** `apps/v1/Deployment`, `/v1/Pod` */
function parseGvk(text: string): GroupVersionKind {
  const first = text.indexOf('/');
  const last = text.lastIndexOf('/');
  return { group: text.slice(0, first), version: text.slice(first + 1, last), kind: text.slice(last + 1) };
}

function fieldSchema(
  name: string,
  index: number,
  data: FieldData,
  embedded: readonly string[] | undefined,
  parse: (expression: string) => TypeRef,
): FieldSchema {
  const pointer = data.type.startsWith('*');
  const [strategies = '', mergeKey] = (data.patch ?? '').split(':');
  // Every field has the same shape, absent members as undefined: the codec reads these objects for each member of each object it meets.
  return {
    name,
    index,
    type: parse(pointer ? data.type.slice(1) : data.type),
    required: data.required ?? false,
    omitEmpty: data.omit?.includes('empty') ?? false,
    omitZero: data.omit?.includes('zero') ?? false,
    pointer,
    default: data.default,
    enum: data.enum,
    patchStrategy: strategies ? strategies.split(',') : undefined,
    patchMergeKey: mergeKey || undefined,
    mapType: data.map as FieldSchema['mapType'],
    protoPath: typeof data.proto === 'number' ? [data.proto] : data.proto,
    protoType: data.protoType,
    protoName: data.protoName,
    goType: data.go,
    embedded,
  };
}

/** Protobuf nests what Go embeds: the messages on the way to a field are the embedded structs. */
function embeddedIn({ inlined }: TypeData, { proto }: FieldData): readonly string[] | undefined {
  if (inlined === undefined || typeof proto === 'number' || proto === undefined || proto.length < 2) return undefined;
  const names = inlined
    .filter(({ path }) => path.length < proto.length && path.every((number, i) => proto[i] === number))
    .map(({ proto: message }) => message.slice(message.lastIndexOf('.') + 1));
  return names.length > 0 ? names : undefined;
}

/** Go's `omitempty` does nothing for structs that are no pointers (nor for times and the like, which are structs). */
export function isAlwaysWritten({ type, pointer, omitEmpty, omitZero }: FieldSchema): boolean {
  if (omitZero) return false;
  return !omitEmpty || (!pointer && (type.kind === 'struct' || type.kind === 'special'));
}

function parseType(
  expression: string,
  field: FieldData,
  pkg: string,
  structs: ReadonlyMap<string, StructType>,
  specials: ReadonlyMap<string, SpecialType>,
): TypeRef | undefined {
  if (expression.startsWith('[]')) {
    const element = parseType(expression.slice(2), field, pkg, structs, specials);
    const [listType, keys] = (field.list ?? '').split(':');
    return (
      element && {
        kind: 'list',
        element,
        ...(listType ? { listType: listType as 'atomic' | 'set' | 'map' } : {}),
        ...(keys ? { mapKeys: keys.split(',') } : {}),
      }
    );
  }
  if (expression.startsWith('map[string]')) {
    const value = parseType(expression.slice('map[string]'.length), field, pkg, structs, specials);
    return value && { kind: 'map', value, ...(field.map ? { mapType: field.map as 'atomic' | 'granular' } : {}) };
  }
  const scalar = scalars[expression];
  if (scalar) return { kind: 'scalar', scalar };
  const special = specials.get(expression);
  if (special) return { kind: 'special', special };
  const struct = structs.get(expression.includes('.') ? expression : `${pkg}.${expression}`);
  return struct && { kind: 'struct', type: struct };
}

function resourceSchema(data: ResourceData, find: (gvk: GroupVersionKind) => StructType | undefined): ResourceSchema {
  const { group, version, kind } = data;
  const type =
    find({ group, version, kind }) ??
    (kind === 'Scale' ? find({ group: 'autoscaling', version: 'v1', kind }) : undefined);
  if (!type)
    throw new Error(`Schema: resource ${group}/${version}/${data.resource} has kind ${kind}, which no type declares`);
  const [storageGroup = '', storageVersion] = data.storageVersion?.includes('/')
    ? data.storageVersion.split('/')
    : ['', data.storageVersion];
  const subresources: Record<string, SubresourceSchema> = {};
  for (const [name, sub] of Object.entries(data.subresources ?? {})) {
    subresources[name] = { verbs: sub.verbs, kind: sub.kind, group: sub.gv[0] ?? '', version: sub.gv[1] ?? '' };
  }
  return {
    group,
    version,
    resource: data.resource,
    kind,
    singular: data.singular,
    shortNames: data.shortNames,
    categories: data.categories,
    namespaced: data.namespaced,
    verbs: data.verbs,
    subresources,
    ...(storageVersion ? { storageVersion: { group: storageGroup, version: storageVersion } } : {}),
    ...(data.storageVersionHash ? { storageVersionHash: data.storageVersionHash } : {}),
    level: data.level as ResourceSchema['level'],
    servedByDefault: data.on,
    columns: (data.columns ?? []).map(([name, columnType, format, priority]) => ({
      name: String(name),
      type: String(columnType),
      format: String(format),
      priority: Number(priority),
    })),
    fieldSelectors: data.fieldSelectors ?? [],
    type,
  };
}
