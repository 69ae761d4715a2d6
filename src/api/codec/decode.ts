/** From bytes or a value to a canonical, deep-frozen API object of a known struct type. */
import type { StructType } from '../schema/model.ts';
import { Canonical } from './canonical.ts';
import { decodeCustom } from './custom.ts';
import { type JsonNode, parseNodes } from './json-nodes.ts';
import { decodeUtf8 } from './json-text.ts';
import { tryPlainJson } from './parse-json.ts';
import { type Decoded, decodeStruct, type FieldValidation, StrictDecodeError } from './struct.ts';
import { fromUnstructured } from './unstructured.ts';
import { valueNodes } from './value-nodes.ts';

export { type Decoded, type FieldValidation, StrictDecodeError } from './struct.ts';

/** `value` is never kept or frozen: decoding always builds a new tree. */
export type DecodeInput = { readonly bytes: Uint8Array } | { readonly value: unknown };

/**
 * @throws JsonSyntaxError, DecodeError, StrictDecodeError; the message is what upstream says after `... cannot be handled as a Pod: `.
 * JSON only: YAML and protobuf are turned into values first (yaml.ts, protobuf/).
 */
export function decodeObject(
  input: DecodeInput,
  type: StructType,
  options: { readonly fieldValidation: FieldValidation },
): Decoded {
  if ('value' in input)
    return decodeParsed({ value: input.value }, type, options.fieldValidation, () => valueNodes(input.value));
  const text = decodeUtf8(input.bytes);
  return decodeParsed(tryPlainJson(text), type, options.fieldValidation, () => parseNodes(text));
}

/** As `decodeObject`, by the rules of upstream's unstructured converter: what a strategic merge patch made. */
export function decodeUnstructured(
  value: unknown,
  type: StructType,
  options: { readonly fieldValidation: FieldValidation },
): Decoded {
  if (type.custom) return decodeCustom({ value }, type, options.fieldValidation, () => valueNodes(value));
  const converted = fromUnstructured(value, type);
  const canonical = new Canonical(false);
  const object = canonical.struct(type, converted.value);
  if (canonical.bad)
    throw new Error(`codec: ${type.name}: the unstructured converter accepted what the canonical form cannot hold`);
  if (options.fieldValidation === 'Strict' && converted.unknown.length > 0)
    throw new StrictDecodeError(converted.unknown);
  return { object, warnings: options.fieldValidation === 'Warn' ? converted.unknown : [] };
}

/**
 * @param parsed the input as a plain value; `members` when it comes fresh from `JSON.parse` and may be frozen; undefined when only the
 * exact way will do. @param nodes the same input for the exact way, made on demand.
 */
export function decodeParsed(
  parsed: { readonly value: unknown; readonly members?: number } | undefined,
  type: StructType,
  fieldValidation: FieldValidation,
  nodes: () => JsonNode,
): Decoded {
  return (type.custom ? decodeCustom : decodeStruct)(parsed, type, fieldValidation, nodes);
}
