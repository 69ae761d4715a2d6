/** A case: a few requests to one server, the last ones of which are compared. Bodies are text, made once, so that both servers get the same bytes. */
import type { JsonValue } from '../../src/api/json.ts';

export interface Step {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
  /** A body that is no text. */
  readonly base64?: string;
  /** Without the caller's credentials and the headers that other steps have. */
  readonly bare?: boolean;
  /** The answer has no end: reads this long after the steps in `during`, then closes. */
  readonly readMs?: number;
  /** Sent, one after the other, while the answer is read; their answers are not compared. */
  readonly during?: readonly Step[];
  /** The body is what a GET of this path answers, edited: an update as a controller does it. */
  readonly live?: { readonly path: string; readonly edits: readonly Edit[] };
  /** Waits first, for controllers of the other server that write the object too. */
  readonly pauseMs?: number;
  /** Makes or removes what the case needs; its answer is not compared unless it fails on one server only. */
  readonly quiet?: boolean;
}

/** A change at a path of a document; `value` absent means the field goes away. */
export interface Edit {
  readonly path: readonly (string | number)[];
  readonly value?: JsonValue;
}

export interface Case {
  readonly index: number;
  /** `Pod create spec.containers.0.name`, for people. */
  readonly name: string;
  readonly kind: string;
  /** What is tried: create, update, status, patch, apply, list, ... */
  readonly cause: string;
  readonly steps: readonly Step[];
}

/** JSON with raw pieces: a string `@raw:TEXT@` stands for TEXT itself, for numbers and duplicates that a JavaScript value cannot hold. */
export const toText = (value: unknown): string =>
  JSON.stringify(value).replace(/"@raw:((?:[^"\\]|\\.)*)@"/g, (_, raw: string) => JSON.parse(`"${raw}"`) as string);

/** A copy of the document with the edits made; lists and objects on the way are created. */
export function edited(document: JsonValue, edits: readonly Edit[]): JsonValue {
  let copy = structuredClone(document);
  for (const edit of edits) copy = withEdit(copy, edit.path, edit.value);
  return copy;
}

function withEdit(node: JsonValue | undefined, path: Edit['path'], value: JsonValue | undefined): JsonValue {
  const [key, ...rest] = path;
  if (key === undefined) return value ?? null;
  if (typeof key === 'number') {
    const list = Array.isArray(node) ? [...node] : [];
    if (rest.length === 0 && value === undefined) list.splice(key, 1);
    else list[key] = withEdit(list[key], rest, value);
    return list.map((item) => item ?? null);
  }
  const object: Record<string, JsonValue> =
    typeof node === 'object' && node !== null && !Array.isArray(node) ? { ...(node as Record<string, JsonValue>) } : {};
  if (rest.length === 0 && value === undefined) delete object[key];
  else object[key] = withEdit(object[key], rest, value);
  return object;
}
