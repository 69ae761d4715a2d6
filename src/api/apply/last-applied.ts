/**
 * kubectl's own record of what it applied on the client's side, which lets it change over to server-side apply.
 * Source: managedfields/internal/{lastapplied,lastappliedmanager,lastappliedupdater}.go.
 */
import { encodeText, parseJson, sortedKeys } from '../codec/index.ts';
import { JsonSyntaxError } from '../codec/json-nodes.ts';
import { getIn, setIn } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compareObjects } from '../managed-fields/compare.ts';
import { differenceOf, type FieldSet } from '../managed-fields/field-set.ts';
import type { TypePlans } from '../managed-fields/type-plan.ts';
import { configError } from './check-config.ts';
import { fieldSetOf } from './config-set.ts';
import type { Conflict } from './conflicts.ts';
import type { ApplyRequest } from './request.ts';

/** The only manager that the annotation means something to. */
export const kubectlManager = 'kubectl';
const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
const annotationPath = ['metadata', 'annotations', annotation];

/** Bytes of all annotations together. Source: apimachinery/pkg/api/validation (TotalAnnotationSizeLimitB). */
const annotationsBytesMax = 256 * 1024;

/** Without the conflicts about fields that kubectl had applied itself and nobody changed since. */
export function foreignConflicts(
  request: ApplyRequest,
  plans: TypePlans,
  conflicts: readonly Conflict[],
): readonly Conflict[] {
  const allowed = unchangedSinceApplied(request, plans);
  if (allowed === undefined) return conflicts;
  const rest: Conflict[] = [];
  for (const { entry, fields } of conflicts) {
    const foreign = differenceOf(fields, allowed);
    if (foreign !== undefined) rest.push({ entry, fields: foreign });
  }
  return rest;
}

function unchangedSinceApplied({ live, type, apiVersion }: ApplyRequest, plans: TypePlans): FieldSet | undefined {
  const text = live === undefined ? undefined : getIn(live, annotationPath);
  if (live === undefined || typeof text !== 'string' || text === '') return undefined;
  const applied = parsed(text);
  if (applied === undefined || applied.apiVersion !== apiVersion) return undefined;
  if (configError(applied, type) !== undefined) return undefined;
  const { plan } = plans.root(type);
  let set = fieldSetOf(applied, plan);
  const { gained, removed } = compareObjects(applied, live, plan);
  if (set !== undefined && gained !== undefined) set = differenceOf(set, gained);
  if (set !== undefined && removed !== undefined) set = differenceOf(set, removed);
  return set;
}

function parsed(text: string): JsonObject | undefined {
  let value: JsonValue;
  try {
    ({ value } = parseJson(text));
  } catch (error) {
    // Anybody may have written the annotation; then it allows nothing.
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** Keeps the annotation of an object that has one in step, so that going back to client-side apply works. */
export function withLastApplied(object: JsonObject, config: JsonObject): JsonObject {
  const present = getIn(object, annotationPath);
  if (typeof present !== 'string' || present === '') return object;
  const text = `${encodeText(sorted(withoutAnnotation(config)))}\n`;
  const annotations = getIn(object, ['metadata', 'annotations']) as Readonly<Record<string, string>>;
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations))
    bytes += Buffer.byteLength(key) + Buffer.byteLength(key === annotation ? text : value);
  return setIn(object, annotationPath, bytes > annotationsBytesMax ? undefined : text);
}

const withoutAnnotation = (config: JsonObject): JsonObject =>
  getIn(config, annotationPath) === undefined ? config : setIn(config, annotationPath, undefined);

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as JsonObject;
  const out: Record<string, JsonValue> = {};
  for (const key of sortedKeys(object)) out[key] = sorted(object[key]!);
  return out;
}
