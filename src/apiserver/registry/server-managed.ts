/** Writes of the server's own parts, owned as those of upstream's loopback client are. */

import type { JsonObject } from '../../api/json.ts';
import type { FieldManager } from '../../api/managed-fields/managed-fields.ts';
import { resetFields } from '../../api/managed-fields/reset-fields.ts';
import { formatTime } from '../../api/time.ts';
import type { Clock } from '../../base/clock.ts';
import type { ResourceTable, StoredResource } from './resources.ts';

export interface Ownership {
  readonly fieldManager: FieldManager;
  readonly clock: Clock;
  readonly table: ResourceTable;
  /** Whose the fields are. */
  readonly manager: string;
}

/** @returns `next` with the change of its status owned by the server. Both as they are stored. */
export function statusOwned(
  { fieldManager, clock, table, manager }: Ownership,
  stored: StoredResource,
  previous: JsonObject,
  next: JsonObject,
): JsonObject {
  const served = table.served.find((one) => one.stored === stored && one.apiVersion === stored.apiVersion);
  if (served === undefined) return next;
  return fieldManager.update({
    previous,
    next,
    type: served.schema.type,
    manager,
    subresource: 'status',
    apiVersion: stored.apiVersion,
    now: formatTime(clock.now()),
    ignored: resetFields(stored.group, stored.resource, 'status'),
  });
}
