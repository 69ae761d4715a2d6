/**
 * Objects between a served version and the stored one. The same object when the versions are one.
 *
 * Built-in kinds are prepared and validated in their stored version. Custom kinds, whose versions may have schemas of their own, are so in the request's
 * version; what is written is converted last. Where a webhook converts, these functions answer with a promise.
 */
import { asStored } from '../../api/codec/index.ts';
import type { JsonObject } from '../../api/json.ts';
import type { Registry } from './registry.ts';
import type { ServedResource, StoredResource } from './resources.ts';

/** Into the version in which the object is prepared and validated. */
export function toStored(
  registry: Registry,
  object: JsonObject,
  served: ServedResource,
  stored: StoredResource,
): JsonObject {
  if (served.apiVersion === stored.apiVersion || stored.custom) return object;
  return registry.kinds.convert(object, served.gvk, stored.gvk);
}

/** `object` carries kind and apiVersion of the version it is in; the result those of the served one. */
export function toServed(
  registry: Registry,
  object: JsonObject,
  served: ServedResource,
  stored: StoredResource,
): JsonObject | Promise<JsonObject> {
  if (stored.custom) return converted(stored, object, served.apiVersion);
  if (served.apiVersion === stored.apiVersion) return object;
  return registry.kinds.convert(object, stored.gvk, served.gvk);
}

/** Into the version that is written. @param base an object already in the store's form, of which `object` may have parts */
export function toStorage(
  stored: StoredResource,
  object: JsonObject,
  base?: JsonObject,
): JsonObject | Promise<JsonObject> {
  return stored.custom ? converted(stored, object, stored.apiVersion) : asStored(object, stored.type, base);
}

function converted(stored: StoredResource, object: JsonObject, apiVersion: string): JsonObject | Promise<JsonObject> {
  if (object.apiVersion === apiVersion) return object;
  const result = stored.custom!.convert([object], apiVersion);
  return result instanceof Promise ? result.then((objects) => objects[0]!) : result[0]!;
}
