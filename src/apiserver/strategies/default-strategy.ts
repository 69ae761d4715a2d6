/** What a kind without a strategy of its own gets: spec and status written through their own endpoints. */
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import type { Strategy, UpdateStrategy } from './strategy.ts';

/** The status endpoint writes status and nothing else; metadata goes with it, as in most of upstream's strategies. */
export const statusOnly: UpdateStrategy = {
  prepareForUpdate: (next, previous) => (sameField(next, previous, 'spec') ? next : withField(next, 'spec', previous.spec)),
};

/** The main endpoint writes everything but status. */
export const keepStatus: UpdateStrategy = {
  prepareForUpdate: (next, previous) =>
    sameField(next, previous, 'status') ? next : withField(next, 'status', previous.status),
};

export function defaultStrategy(resource: ResourceSchema): Strategy {
  if (!resource.subresources.status) return {};
  return { ...keepStatus, subresources: { status: statusOnly } };
}

const sameField = (a: JsonObject, b: JsonObject, field: string): boolean => a[field] === b[field];

export function withField(object: JsonObject, field: string, value: JsonObject[string]): JsonObject {
  if (value === undefined) {
    const { [field]: _gone, ...rest } = object;
    return Object.freeze(rest);
  }
  return Object.freeze({ ...object, [field]: value });
}
