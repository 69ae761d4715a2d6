/** Owner references without repetition. */
import type { JsonObject } from '../../api/json.ts';
import { metadataOf, withMeta } from './object-meta.ts';

/** The same owner (all fields equal) stands only once; the second goes with a warning. Source: dedupOwnerReferencesAndAddWarning. */
export function withoutDuplicateOwners(object: JsonObject, warnings: string[]): JsonObject {
  const owners = metadataOf(object).ownerReferences;
  if (owners === undefined || owners.length < 2) return object;
  const seen = new Map<string, JsonObject>();
  const duplicates: string[] = [];
  for (const owner of owners) {
    const id = JSON.stringify(owner);
    if (seen.has(id)) duplicates.push(String(owner.uid ?? ''));
    else seen.set(id, owner);
  }
  if (duplicates.length === 0) return object;
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${duplicates.join(', ')}`,
  );
  return withMeta(object, { ownerReferences: Object.freeze([...seen.values()]) });
}
