/** Objects between a served version and the stored one. The same object when the versions are one. */
import type { JsonObject } from '../../api/json.ts';
import type { Registry } from './registry.ts';
import type { ServedResource, StoredResource } from './resources.ts';

export function toStored(
  registry: Registry,
  object: JsonObject,
  served: ServedResource,
  stored: StoredResource,
): JsonObject {
  if (served.apiVersion === stored.apiVersion) return object;
  return registry.kinds.convert(object, served.gvk, stored.gvk);
}

/** `object` carries kind and apiVersion of the stored version; the result those of the served one. */
export function toServed(
  registry: Registry,
  object: JsonObject,
  served: ServedResource,
  stored: StoredResource,
): JsonObject {
  if (served.apiVersion === stored.apiVersion) return object;
  return registry.kinds.convert(object, stored.gvk, served.gvk);
}
