/**
 * Upstream validates its internal types and prints them in messages as Go encodes them: Go's field names, every field, null and zero values where
 * nothing was given. This turns a served value into that form. Only error paths come here.
 */
import internalTypes from '../../../schema/internal-types.json' with { type: 'json' };
import { givenEmpty } from '../explicit-empty.ts';
import type { JsonObject, JsonValue } from '../json.ts';

type Field = readonly [name: string, type: string, servedName?: string];
const types = internalTypes as unknown as Readonly<Record<string, readonly Field[]>>;

/** @param type a name in `schema/internal-types.json`, such as `core.ServicePort`. @throws Error when it is not there. */
export function internalForm(value: unknown, type: string): JsonObject {
  const out: Record<string, JsonValue> = {};
  fill(out, (value ?? {}) as JsonObject, type);
  return out;
}

export const internalList = (values: readonly unknown[] | undefined, type: string): JsonValue =>
  values === undefined ? null : values.map((value) => internalForm(value, type));

function fill(out: Record<string, JsonValue>, served: JsonObject, type: string): void {
  const fields = types[type];
  if (!fields) throw new Error(`No internal form of "${type}"`);
  const value = type === 'core.PodSpec' ? withHostFields(served) : served;
  const byName = new Map<string, JsonValue>();
  for (const name of Object.keys(value)) {
    const given = value[name];
    if (given !== undefined) byName.set(name.toLowerCase(), given);
  }
  for (const [name, kind, servedName] of fields) {
    if (kind === 'none') continue;
    if (kind === 'meta') Object.assign(out, value.metadata ?? {});
    else if (name === '') fill(out, value, kind);
    else {
      const member = servedName ?? name;
      const given = byName.get(member.toLowerCase());
      out[name] =
        given === undefined && (kind[0] === '[' || kind[0] === '{')
          ? (givenEmpty(value, `${member[0]!.toLowerCase()}${member.slice(1)}`) ?? null)
          : convert(given, kind);
    }
  }
}

/** Inside upstream these five belong to the pod's security context. */
function withHostFields(spec: JsonObject): JsonObject {
  const { hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace } = spec;
  const given = Object.entries({ hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length === 0) return spec;
  return { ...spec, securityContext: { ...(spec.securityContext as JsonObject), ...Object.fromEntries(given) } };
}

function convert(value: JsonValue | undefined, kind: string): JsonValue {
  const absent = value === undefined || value === null;
  switch (kind) {
    case 's':
      return absent ? '' : value;
    case 'n':
    case 'i':
      return absent ? 0 : value;
    case 'b':
      return absent ? false : value;
    case 'q':
      return absent ? '0' : value;
    case 't':
    case 'B':
      return absent ? null : value;
    case 'v':
      return absent ? null : value;
    default:
      break;
  }
  const rest = kind.slice(1);
  switch (kind[0]) {
    case '*':
      return absent ? null : convert(value, rest);
    case '[':
      return absent ? null : (value as readonly JsonValue[]).map((element) => convert(element, rest));
    case '{': {
      if (absent) return null;
      const map = value as JsonObject;
      return Object.fromEntries(
        Object.keys(map)
          .sort()
          .map((key) => [key, convert(map[key], rest)]),
      );
    }
    default:
      return internalForm(value, kind);
  }
}
