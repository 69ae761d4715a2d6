/** Small questions every plugin asks of a request. */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { AdmissionAttributes } from './admission.ts';

export function isFor(attributes: AdmissionAttributes, group: string, resource: string, subresource = ''): boolean {
  return (
    attributes.resource.resource === resource &&
    attributes.resource.group === group &&
    attributes.subresource === subresource
  );
}

interface Named {
  readonly name?: string;
  readonly generateName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
export const metadataOf = (object: JsonObject | undefined): Named => (object?.metadata ?? {}) as Named;

/** A plugin's refusal. A pod by generateName has no name yet, and goes by its prefix. */
export function refusal(attributes: AdmissionAttributes, why: string): ApiError {
  const { name, generateName } = metadataOf(attributes.object);
  return ApiError.forbidden(attributes.resource, attributes.name || name || generateName || 'Unknown', why);
}

/** The object with these fields of its spec set. */
export function withSpec(object: JsonObject, fields: JsonObject): JsonObject {
  return Object.freeze({ ...object, spec: Object.freeze({ ...(object.spec as JsonObject | undefined), ...fields }) });
}

/** Annotated `true` as the default of its kind; of several the newest, then the first by name. */
export function defaultClass(
  classes: readonly JsonObject[],
  ...annotations: readonly string[]
): JsonObject | undefined {
  let best: JsonObject | undefined;
  for (const each of classes) {
    const own = metadataOf(each).annotations;
    if (!annotations.some((annotation) => own?.[annotation] === 'true')) continue;
    if (best === undefined || newer(each, best)) best = each;
  }
  return best;
}

function newer(a: JsonObject, b: JsonObject): boolean {
  const [left, right] = [a, b].map((each) => each.metadata as { name: string; creationTimestamp?: string });
  const [at, bt] = [left!.creationTimestamp ?? '', right!.creationTimestamp ?? ''];
  return at === bt ? left!.name < right!.name : at > bt;
}
