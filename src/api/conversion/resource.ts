/**
 * resource.k8s.io/v1beta1, which wrapped a device's data in `basic` and had a request's fields where v1 has `exactly`. All else is alike.
 * Source: pkg/apis/resource/v1beta1/conversion.go.
 */
import { decodeObject } from '../codec/index.ts';
import { getIn, setIn } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StructType } from '../schema/model.ts';

const requestFields = [
  'deviceClassName',
  'selectors',
  'allocationMode',
  'count',
  'adminAccess',
  'tolerations',
  'capacity',
] as const;

export function resourceFromV1beta1(object: JsonObject, type: StructType): JsonObject {
  const devices = mapItems(object, devicesPath(object), deviceFromV1beta1);
  return canonical(type, mapItems(devices, requestsPath(object), requestFromV1beta1));
}

export function resourceToV1beta1(object: JsonObject, type: StructType): JsonObject {
  const devices = mapItems(object, devicesPath(object), deviceToV1beta1);
  return canonical(type, mapItems(devices, requestsPath(object), requestToV1beta1));
}

/** The codec puts fields in order and writes the zeros that the target's struct has. */
const canonical = (type: StructType, object: JsonObject): JsonObject =>
  decodeObject({ value: object }, type, { fieldValidation: 'Ignore' }).object;

const devicesPath = (object: JsonObject): readonly string[] | undefined =>
  object['kind'] === 'ResourceSlice' ? ['spec', 'devices'] : undefined;

function requestsPath(object: JsonObject): readonly string[] | undefined {
  switch (object['kind']) {
    case 'ResourceClaim':
      return ['spec', 'devices', 'requests'];
    case 'ResourceClaimTemplate':
      return ['spec', 'spec', 'devices', 'requests'];
    default:
      return undefined;
  }
}

function mapItems(
  object: JsonObject,
  path: readonly string[] | undefined,
  convert: (item: JsonObject) => JsonObject,
): JsonObject {
  const items = path && getIn(object, path);
  if (!path || !Array.isArray(items)) return object;
  return setIn(
    object,
    path,
    (items as readonly JsonValue[]).map((item) => convert(item as JsonObject)),
  );
}

function deviceFromV1beta1({ basic, ...rest }: JsonObject): JsonObject {
  return { ...rest, ...(basic as JsonObject | undefined) };
}

function deviceToV1beta1({ name, ...rest }: JsonObject): JsonObject {
  return { name, basic: rest };
}

/** A request with `firstAvailable` has none of the fields. */
function requestFromV1beta1(request: JsonObject): JsonObject {
  const exactly: Record<string, JsonValue> = {};
  for (const field of requestFields) {
    const value = request[field];
    if (value !== undefined && value !== '') exactly[field] = value;
  }
  const { name, firstAvailable } = request;
  return {
    name,
    ...(Object.keys(exactly).length === 0 ? {} : { exactly }),
    ...(firstAvailable === undefined ? {} : { firstAvailable }),
  };
}

function requestToV1beta1({ name, exactly, firstAvailable }: JsonObject): JsonObject {
  return {
    name,
    ...(exactly as JsonObject | undefined),
    ...(firstAvailable === undefined ? {} : { firstAvailable }),
  };
}
