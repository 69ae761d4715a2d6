/** Source: apiserver/pkg/endpoints/handlers/fieldmanager/equality.go (IgnoreManagedFieldsTimestampsTransformer). */
import { sameJson } from '../../api/edit.ts';
import type { JsonObject } from '../../api/json.ts';
import { metadataOf, withMeta } from './object-meta.ts';

/** Who wrote last is worth a new revision only if anything else is new: else the times stay as they were. */
export function withSettledTimes(next: JsonObject, previous: JsonObject): JsonObject {
  const after = metadataOf(next).managedFields ?? [];
  const before = metadataOf(previous).managedFields ?? [];
  if (after.length === 0 || after.length !== before.length) return next;
  let timesDiffer = false;
  for (let i = 0; i < after.length; i++) {
    if (after[i] === before[i]) continue;
    const [{ time, ...fields }, { time: timeBefore, ...fieldsBefore }] = [after[i]!, before[i]!];
    if (!sameJson(fields, fieldsBefore)) return next;
    if (time !== timeBefore) timesDiffer = true;
  }
  if (!timesDiffer) return next;
  const settled = withMeta(next, { managedFields: before });
  const bare = { resourceVersion: undefined, selfLink: undefined };
  return sameJson(withMeta(settled, bare), withMeta(previous, bare)) ? settled : next;
}
