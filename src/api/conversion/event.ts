/** core/v1 and events.k8s.io/v1 Events are one object with other names for some fields. Source: pkg/apis/events/v1/conversion.go. */
import type { JsonObject, JsonValue } from '../json.ts';
import type { FieldSchema, StructType } from '../schema/model.ts';

/** core/v1 -> events.k8s.io/v1 */
const renamed: readonly (readonly [core: string, events: string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
];
const otherName: ReadonlyMap<string, string> = new Map(renamed.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]));

/** Either way; the target's type tells which. */
export function convertEvent(event: JsonObject, type: StructType): JsonObject {
  return reshape(event, type, (name) => otherName.get(name) ?? name);
}

/** The fields of `type` in its order, zeros written or left out as it has them. */
function reshape(source: JsonObject, type: StructType, sourceName: (name: string) => string): JsonObject {
  const target: Record<string, JsonValue> = {};
  for (const field of type.fields) {
    const value = convertField(source[sourceName(field.name)], field);
    if (value !== undefined) target[field.name] = value;
  }
  return Object.freeze(target);
}

function convertField(value: JsonValue | undefined, field: FieldSchema): JsonValue | undefined {
  if (field.name === 'series' && field.type.kind === 'struct' && typeof value === 'object' && value !== null)
    return reshape(value as JsonObject, field.type.type, (name) => name);
  const { type } = field;
  if (type.kind === 'scalar' && type.scalar === 'string')
    return value === undefined || value === '' ? (field.omitEmpty ? undefined : '') : value;
  if (type.kind === 'scalar') return value === undefined || value === 0 ? (field.omitEmpty ? undefined : 0) : value;
  if (type.kind === 'special') return value ?? null;
  return value;
}
