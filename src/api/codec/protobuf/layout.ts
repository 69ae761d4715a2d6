/** Where a struct's fields stand in its protobuf message. */
import type { FieldSchema, StructType } from '../../schema/model.ts';

/** A field, or a message that JSON inlines (a Volume's VolumeSource) with fields of its own. */
export type Place =
  | { readonly number: number; readonly field: FieldSchema }
  | { readonly number: number; readonly inlined: Layout };

export interface Layout {
  /** By field number, the order of upstream's encoder. */
  readonly places: readonly Place[];
  readonly byNumber: ReadonlyMap<number, Place>;
}

/** A memo of a pure function: types are immutable, and so is what is derived from them. */
const layouts = new WeakMap<StructType, Layout>();

export function layoutOf(type: StructType): Layout {
  let layout = layouts.get(type);
  if (!layout) {
    layout = buildLayout(type.fields.map((field) => ({ field, path: field.protoPath ?? [] })));
    layouts.set(type, layout);
  }
  return layout;
}

/** Fields without a path (kind, apiVersion) travel in the envelope. */
function buildLayout(fields: readonly { readonly field: FieldSchema; readonly path: readonly number[] }[]): Layout {
  const places: Place[] = [];
  const inlined = new Map<number, { field: FieldSchema; path: readonly number[] }[]>();
  for (const { field, path } of fields) {
    const [number, ...rest] = path;
    if (number === undefined) continue;
    if (rest.length === 0) places.push({ number, field });
    else if (inlined.has(number)) inlined.get(number)!.push({ field, path: rest });
    else inlined.set(number, [{ field, path: rest }]);
  }
  for (const [number, members] of inlined) places.push({ number, inlined: buildLayout(members) });
  places.sort((a, b) => a.number - b.number);
  return { places, byNumber: new Map(places.map((place) => [place.number, place])) };
}

/** `ExtraValue` and `Verbs` are lists in JSON and messages with one repeated field here. */
export const isListMessage = (field: FieldSchema): boolean => /\.(ExtraValue|Verbs)>?$/.test(field.protoType ?? '');
