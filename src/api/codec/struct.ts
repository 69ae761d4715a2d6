/** Parsed input to the canonical, deep-frozen tree of a struct: the fast half where it can, the exact one where it must. */
import type { JsonObject } from '../json.ts';
import type { StructType } from '../schema/model.ts';
import { Canonical } from './canonical.ts';
import { decodeExact } from './exact.ts';
import type { JsonNode } from './json-nodes.ts';

/** What happens to unknown and duplicate fields: nothing, a warning each, or a refusal. Upstream's default for writes is Warn. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface Decoded {
  /** Canonical (what upstream would write), deep-frozen. */
  readonly object: JsonObject;
  /** With `Warn`: `unknown field "spec.foo"`, `duplicate field "metadata.name"`, in text order; each becomes a Warning header. Else empty. */
  readonly warnings: readonly string[];
  /** Whether `asStored` would change nothing. */
  readonly asStored?: boolean;
}

/** With `Strict`: unknown or duplicate fields. The message is upstream's, all of them in one line. */
export class StrictDecodeError extends Error {
  override readonly name = 'StrictDecodeError';
  readonly errors: readonly string[];
  constructor(errors: readonly string[]) {
    super(`strict decoding error: ${errors.join(', ')}`);
    this.errors = errors;
  }
}

/**
 * @param parsed the input as a plain value; `members` when it comes fresh from `JSON.parse` and may be frozen; undefined when only the
 * exact way will do. @param nodes the same input for the exact way, made on demand.
 */
export function decodeStruct(
  parsed: { readonly value: unknown; readonly members?: number } | undefined,
  type: StructType,
  fieldValidation: FieldValidation,
  nodes: () => JsonNode,
): Decoded {
  if (parsed) {
    const canonical = new Canonical(parsed.members !== undefined);
    const object = canonical.struct(type, parsed.value);
    const unique = parsed.members === undefined || parsed.members === canonical.members;
    if (!canonical.bad && unique && (!canonical.unknown || fieldValidation === 'Ignore'))
      return { object, warnings: [], asStored: !canonical.hollow };
  }
  const exact = decodeExact(nodes(), type);
  const canonical = new Canonical(false);
  const object = canonical.struct(type, exact.value);
  if (canonical.bad)
    throw new Error(`codec: ${type.name}: the exact decoder accepted what the canonical form cannot hold`);
  if (fieldValidation === 'Strict' && exact.strictErrors.length > 0) throw new StrictDecodeError(exact.strictErrors);
  return { object, warnings: fieldValidation === 'Warn' ? exact.strictErrors : [] };
}
