/**
 * The conversion hub (decision 1): every kind has one stored version and served versions. Most versions of a kind have one shape, and then
 * only `apiVersion` changes; the others have a converter here. Objects are canonical and frozen, in and out.
 */
import { withFields } from '../edit.ts';
import type { JsonObject } from '../json.ts';
import { formatApiVersion, parseApiVersion } from '../meta.ts';
import type { GroupVersionKind, ResourceSchema, Schema, StructType } from '../schema/model.ts';
import { convertEvent } from './event.ts';
import { autoscalerToV1, autoscalerToV2 } from './horizontal-pod-autoscaler.ts';
import { resourceFromV1beta1, resourceToV1beta1 } from './resource.ts';

/** What a served version of a resource says about itself. */
export type ServedVersion = Pick<ResourceSchema, 'group' | 'version' | 'kind' | 'storageVersion'>;

export interface ConversionHub {
  /** From any served version to the stored one. */
  toStorage(object: JsonObject, resource: ServedVersion): JsonObject;
  /** From the stored version to the one that `resource` serves. */
  fromStorage(object: JsonObject, resource: ServedVersion): JsonObject;
  /** Between any two versions of a kind. @throws Error when the schema does not know the target */
  convert(object: JsonObject, to: GroupVersionKind): JsonObject;
  /** The version objects of this resource are stored in. */
  storageKind(resource: ServedVersion): GroupVersionKind;
}

/** Makes the target's shape; `type` is the target's, for who needs a canonical form made. `apiVersion` is set by the hub. */
type Converter = (object: JsonObject, type: StructType) => JsonObject;

/** `KIND: FROM -> TO` for kinds whose versions differ in more than their name. */
const converters: ReadonlyMap<string, Converter> = new Map<string, Converter>([
  ['HorizontalPodAutoscaler: autoscaling/v2 -> autoscaling/v1', autoscalerToV1],
  ['HorizontalPodAutoscaler: autoscaling/v1 -> autoscaling/v2', autoscalerToV2],
  ['Event: v1 -> events.k8s.io/v1', convertEvent],
  ['Event: events.k8s.io/v1 -> v1', convertEvent],
  ...['ResourceClaim', 'ResourceClaimTemplate', 'ResourceSlice'].flatMap((kind) =>
    ['resource.k8s.io/v1', 'resource.k8s.io/v1beta2'].flatMap((version): [string, Converter][] => [
      [`${kind}: ${version} -> resource.k8s.io/v1beta1`, resourceToV1beta1],
      [`${kind}: resource.k8s.io/v1beta1 -> ${version}`, resourceFromV1beta1],
    ]),
  ),
]);

export function createConversionHub(schema: Schema): ConversionHub {
  const storageKind = ({ group, version, kind, storageVersion }: ServedVersion): GroupVersionKind => {
    const stored = storageVersion && { ...storageVersion, kind };
    // Upstream stores a few kinds in a version it serves no more; here they are stored as served.
    return stored && schema.byGvk(stored) ? stored : { group, version, kind };
  };
  const convert = (object: JsonObject, to: GroupVersionKind): JsonObject => {
    const from = String(object['apiVersion'] ?? '');
    const target = formatApiVersion(to.group, to.version);
    if (from === target) return object;
    const type = schema.byGvk(to);
    const { group, version } = parseApiVersion(from);
    if (!type || !schema.byGvk({ group, version, kind: to.kind }))
      throw new Error(`Cannot convert ${to.kind} from ${from} to ${target}: the schema does not have both`);
    const converter = converters.get(`${to.kind}: ${from} -> ${target}`);
    return withFields(converter ? converter(object, type) : object, { apiVersion: target });
  };
  return {
    convert,
    storageKind,
    toStorage: (object, resource) => convert(object, storageKind(resource)),
    fromStorage: (object, { group, version, kind }) => convert(object, { group, version, kind }),
  };
}
