/** Where a document can be changed: every field of every struct in it, those it has and those it lacks. */
import type { JsonValue } from '../../src/api/json.ts';
import type { FieldSchema, StructType, TypeRef } from '../../src/api/schema/model.ts';
import type { Edit } from './case.ts';
import type { Pick } from './pick.ts';
import { hostile } from './values.ts';

interface Place {
  readonly path: readonly (string | number)[];
  readonly type: StructType;
  readonly value: Record<string, JsonValue>;
}

/** Structs of the document, the document itself first. */
function structs(document: JsonValue, type: StructType, path: readonly (string | number)[], found: Place[]): Place[] {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return found;
  const value = document as Record<string, JsonValue>;
  found.push({ path, type, value });
  for (const field of type.fields) {
    const child = value[field.name];
    if (child !== undefined) inside(child, field.type, [...path, field.name], found);
  }
  return found;
}

function inside(value: JsonValue, type: TypeRef, path: readonly (string | number)[], found: Place[]): void {
  if (type.kind === 'struct') structs(value, type.type, path, found);
  else if (type.kind === 'list' && Array.isArray(value))
    value.forEach((item, i) => {
      inside(item, type.element, [...path, i], found);
    });
  else if (type.kind === 'map' && typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value as Record<string, JsonValue>))
      inside(item, type.value, [...path, key], found);
}

export interface EditOptions {
  /** Only below this field: `status`, `metadata`. */
  readonly within?: string;
  /** Not below these fields. */
  readonly except?: readonly string[];
}

/** One change somewhere in the document. */
export function randomEdit(pick: Pick, document: JsonValue, type: StructType, options: EditOptions = {}): Edit {
  const all = structs(document, type, [], []);
  const allowed = all.filter(({ path }) => {
    const top = path[0];
    if (options.within !== undefined) return top === options.within;
    return top === undefined || !(options.except ?? []).includes(String(top));
  });
  const places = allowed.length > 0 ? allowed : all;
  // The object's own fields and metadata are few among many; they are drawn now and then.
  const place = pick.weighted(
    places.map(
      (p) =>
        [
          p,
          p.path.length === 0 ? 0.4 : p.path[0] === 'metadata' ? 0.5 : 1 + Math.min(p.type.fields.length, 12) / 12,
        ] as const,
    ),
  );
  const candidates =
    place.path.length === 0
      ? place.type.fields.filter(({ name }) => !(options.except ?? []).includes(name))
      : place.type.fields;
  const present = candidates.filter(({ name }) => Object.hasOwn(place.value, name));
  const field: FieldSchema | undefined =
    present.length > 0 && pick.chance(0.5)
      ? pick.one(present)
      : candidates.length > 0
        ? pick.one(candidates)
        : undefined;
  if (field === undefined || pick.chance(0.015)) return { path: [...place.path, 'zzz'], value: 1 };
  // A new name that happens to be fine would leave an object behind that no case removes.
  if (place.path.length === 1 && place.path[0] === 'metadata' && field.name === 'name')
    return {
      path: ['metadata', 'name'],
      value: pick.one([
        `Bad_${pick.below(1e9)}`,
        '',
        `${'x'.repeat(250)}${pick.below(1e9)}`,
        `a ${pick.below(1e9)}`,
        `-${pick.below(1e9)}`,
        'a/b',
        `é${pick.below(1e9)}`,
        '..',
      ]),
    };
  const had = place.value[field.name];
  if (had !== undefined && pick.chance(0.2)) return { path: [...place.path, field.name] };
  if (
    Array.isArray(had) &&
    had.length > 0 &&
    field.type.kind === 'list' &&
    field.type.element.kind !== 'struct' &&
    pick.chance(0.4)
  )
    return {
      path: [...place.path, field.name, 0],
      value: hostile(pick, field.type.element, field.name.replace(/s$/, ''), field.enum, had[0]),
    };
  return { path: [...place.path, field.name], value: hostile(pick, field.type, field.name, field.enum, had) };
}
