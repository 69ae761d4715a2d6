/** Who a write is by, for managedFields, and owner references without repetition. */
import type { JsonObject } from '../../api/json.ts';
import { metadataOf, withMeta } from './object-meta.ts';

const managerMax = 128;

/** The named field manager, else the user agent up to its first slash. Source: managerOrUserAgent, prefixFromUserAgent. */
export function managerOf(fieldManager: string, userAgent: string | undefined): string {
  if (fieldManager !== '') return fieldManager;
  const prefix = (userAgent ?? '').split('/', 1)[0]!;
  let printable = '';
  for (const char of prefix) {
    if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/u.test(char)) continue;
    if (Buffer.byteLength(printable) + Buffer.byteLength(char) > managerMax) break;
    printable += char;
  }
  return printable;
}

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
