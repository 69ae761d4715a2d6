/**
 * Strategic merge patch: a merge patch that knows the type, so that lists with a merge key are merged by it. Directives in the patch:
 *
 *   $patch: replace | delete                       of the map it stands in; in a list element also of that element
 *   $retainKeys: [...]                             only these keys of the map stay
 *   $setElementOrder/LIST: [...]                   order of the merged list, by merge key or value
 *   $deleteFromPrimitiveList/LIST: [...]           values to take out of a list of scalars
 *
 * Source: k8s.io/apimachinery/pkg/util/strategicpatch and KEP "preserve order in strategic merge patch".
 */
import type { JsonObject, JsonValue } from '../json.ts';
import type { FieldSchema, StructType, TypeRef } from '../schema/model.ts';
import { type MergeListType, mergeList, orderList } from './strategic-lists.ts';
import {
  kindOf,
  StrategicPatchError,
  setOrDrop,
  setOwn,
  unknownDirective,
  withoutDirectives,
  withoutNulls,
  wrongType,
} from './strategic-values.ts';

const orderPrefix = '$setElementOrder';
const deletePrefix = '$deleteFromPrimitiveList';

/** Neither argument is changed; unchanged parts are shared. @throws StrategicPatchError */
export function applyStrategicPatch(object: JsonObject, patch: JsonObject, type: StructType): JsonObject {
  return mergeMap(object, patch, { kind: 'struct', type });
}

/** Merges one map. `type` may be anything Go would find there; only looking up a key in a type that has none fails. */
function mergeMap(original: JsonObject, patch: JsonObject, type: TypeRef): JsonObject {
  if (Object.hasOwn(patch, '$patch')) return mergeByDirective(patch);
  const result: Record<string, JsonValue | undefined> = { ...original };
  retainKeys(result, patch);
  const ordered = mergeOrderedLists(result, patch, type);
  for (const patchKey of Object.keys(patch)) {
    if (patchKey === '$retainKeys' || patchKey.startsWith(orderPrefix) || ordered.has(patchKey)) continue;
    const value = patch[patchKey];
    const isDeletion = patchKey.startsWith(deletePrefix);
    const key = isDeletion ? listOf(patchKey, deletePrefix) : patchKey;
    if (value === null || value === undefined) {
      delete result[key];
      continue;
    }
    const current = Object.hasOwn(result, key) ? result[key] : undefined;
    if (current === undefined || kindOf(current) !== kindOf(value)) {
      if (!isDeletion) setOrDrop(result, key, withoutDirectives(withoutNulls(value)));
    } else if (Array.isArray(value)) {
      const list = lookUpList(type, key);
      const items = current as readonly JsonValue[];
      if (list.merges || isDeletion)
        setOwn(result, key, mergeList(items, value as readonly JsonValue[], list, isDeletion));
      else setOwn(result, key, value);
    } else if (typeof value === 'object') {
      const field = lookUp(type, key);
      const replaces = strategyOf(field.schema) === 'replace';
      setOwn(result, key, replaces ? value : mergeMap(current as JsonObject, value as JsonObject, field.type));
    } else setOwn(result, key, value);
  }
  return result;
}

function mergeByDirective(patch: JsonObject): JsonObject {
  const { $patch: directive, ...rest } = patch;
  if (directive === 'replace') return rest;
  if (directive === 'delete') return {};
  throw unknownDirective(directive, patch);
}

/** Drops keys of `result` that `$retainKeys` does not name. */
function retainKeys(result: Record<string, JsonValue | undefined>, patch: JsonObject): void {
  if (!Object.hasOwn(patch, '$retainKeys')) return;
  const listed = patch['$retainKeys'];
  const bad = (): StrategicPatchError => new StrategicPatchError('badRequest', 'invalid patch format of retainKeys');
  if (!Array.isArray(listed)) throw bad();
  const retained = new Set<unknown>(listed);
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$retainKeys' || value === null || key.startsWith(deletePrefix) || key.startsWith(orderPrefix))
      continue;
    if (!retained.has(key)) throw bad();
  }
  for (const key of Object.keys(result)) if (!retained.has(key)) delete result[key];
}

/** Handles every list with a `$setElementOrder`. @returns the keys of the patch that are done with */
function mergeOrderedLists(
  result: Record<string, JsonValue | undefined>,
  patch: JsonObject,
  type: TypeRef,
): ReadonlySet<string> {
  const done = new Set<string>();
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(orderPrefix)) continue;
    const order = asList(patch[directive]);
    const key = listOf(directive, orderPrefix);
    const current = Object.hasOwn(result, key) ? asList(result[key]) : undefined;
    const change = Object.hasOwn(patch, key) ? asList(patch[key]) : undefined;
    const list = lookUpList(type, key);
    done.add(key);
    const merged = orderList(current, change, order, list);
    if (merged !== undefined) setOwn(result, key, merged);
  }
  return done;
}

function asList(value: JsonValue | undefined): readonly JsonValue[] {
  if (Array.isArray(value)) return value;
  throw wrongType('[]interface {}', value);
}

/** `containers` of `$setElementOrder/containers`. */
function listOf(directive: string, prefix: string): string {
  if (directive.startsWith(`${prefix}/`)) return directive.slice(prefix.length + 1);
  throw new StrategicPatchError(
    'badRequest',
    prefix === deletePrefix ? 'invalid patch format of primitive list' : 'invalid patch format of setElementOrder list',
  );
}

function lookUpList(type: TypeRef, key: string): MergeListType {
  const { schema, type: found } = lookUp(type, key);
  if (found.kind !== 'list')
    throw new StrategicPatchError('internal', `expected slice or array type, but got: ${goKindOf(type)}`);
  return {
    merges: strategyOf(schema) === 'merge',
    mergeKey: schema?.patchMergeKey ?? '',
    mergeElement: (element, change) => mergeMap(element, change, found.element),
  };
}

function lookUp(type: TypeRef, key: string): { readonly schema?: FieldSchema; readonly type: TypeRef } {
  switch (type.kind) {
    case 'struct': {
      const schema = type.type.fieldsByName.get(key);
      if (schema) return { schema, type: schema.type };
      throw missingField(type.type.name.split('.').pop()!, key);
    }
    case 'map':
      return { type: type.value };
    case 'special':
      throw missingField(type.special, key);
    default:
      throw new StrategicPatchError(
        'internal',
        `merging an object in json but data type is not struct, instead is: ${goKindOf(type)}`,
      );
  }
}

const missingField = (struct: string, key: string): StrategicPatchError =>
  new StrategicPatchError(
    'internal',
    `unable to find api field in struct ${struct} for the json field ${JSON.stringify(key)}`,
  );

function goKindOf(type: TypeRef): string {
  switch (type.kind) {
    case 'list':
      return 'slice';
    case 'map':
      return 'map';
    case 'scalar':
      return type.scalar === 'boolean'
        ? 'bool'
        : type.scalar === 'double'
          ? 'float64'
          : type.scalar === 'bytes'
            ? 'slice'
            : type.scalar;
    default:
      return 'struct';
  }
}

/** The strategy beside `retainKeys`, which is only a hint to whoever makes patches. */
const strategyOf = (schema: FieldSchema | undefined): string | undefined =>
  schema?.patchStrategy?.find((strategy) => strategy !== 'retainKeys');
