/**
 * Who owns which field: `metadata.managedFields`, kept for every create, update and patch (operation Update). Server-side apply comes with
 * its own entry (operation Apply) and uses the same sets.
 *
 * Call it as upstream does: after decoding and defaulting, before admission, with the objects in the request's version. Only what the
 * request itself brought is then owned by its manager. Source: k8s.io/apimachinery/pkg/util/managedfields.
 */
import { getIn, type JsonPath, sameJson, setIn } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StructType } from '../schema/model.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { type Comparison, compareObjects, UnkeyedItemError } from './compare.ts';
import { differenceOf, type FieldSet, isEmptySet, isFieldSet, leaf, onlyFields, unionOf } from './field-set.ts';
import { TypePlans } from './type-plan.ts';

export interface ManagedFieldsUpdate {
  /** The live object; absent for a create. */
  readonly previous?: JsonObject;
  /** The object as the request wants it, defaulted, canonical. */
  readonly next: JsonObject;
  readonly type: StructType;
  /** `fieldManager` of the request, or `managerFromUserAgent`. Empty becomes `unknown`. */
  readonly manager: string;
  /** `status`, `scale`, ...; empty for the object itself. */
  readonly subresource?: string;
  /** Of the request: `apps/v1`. */
  readonly apiVersion: string;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  /** Parts the endpoint ignores: `[['status']]` on the main resource. Their differences belong to nobody. Upstream's reset fields. */
  readonly ignored?: readonly JsonPath[];
  /** The only parts that the endpoint gives to its callers, where it is not everything. */
  readonly only?: readonly JsonPath[] | undefined;
  /** The client sent an empty list, which asks to forget all managers. (`[{}]` is recognised by itself.) */
  readonly reset?: boolean;
  /** For entries written in another version: the object in it, `undefined` when it is not served any more (the entry is dropped). */
  readonly convert?: (
    object: JsonObject,
    apiVersion: string,
  ) => { readonly object: JsonObject; readonly type: StructType } | undefined;
}

export interface FieldManager {
  /** @returns `next` with its managedFields, by path copy. Entries that did not change are the live object's own. */
  update(update: ManagedFieldsUpdate): JsonObject;
}

/** Update entries kept; older ones are merged per version. */
const updateEntriesMax = 10;
const bucketManager = 'ancient-changes';
const managedFieldsPath = ['metadata', 'managedFields'] as const;

/** An instance keeps what it worked out about types; it holds nothing else. */
export function createFieldManager(): FieldManager {
  const plans = new TypePlans();
  return {
    update(update) {
      try {
        return updateManagedFields(update, plans);
      } catch (error) {
        // Whose is what cannot be told, so nobody is said to own anything.
        if (error instanceof UnkeyedItemError) return withEntries(update.next, noEntries);
        throw error;
      }
    },
  };
}

function updateManagedFields(update: ManagedFieldsUpdate, plans: TypePlans): JsonObject {
  const { previous, next } = update;
  const entries = startingEntries(update);
  // An object that is not tracked stays so until it is applied.
  if (previous !== undefined && entries.length === 0) return withEntries(next, entries);
  const { plan, empty } = plans.root(update.type);
  const comparison = ownable(compareObjects(previous ?? empty, masked(update, previous ?? empty), plan), update.only);
  const managers = afterLosses(entries, comparison, update, plans);
  if (comparison.gained !== undefined) addGains(managers, comparison.gained, update);
  else if (managers.every((entry, i) => entry === entries[i]) && managers.length === entries.length)
    return withEntries(next, entries);
  return withEntries(next, capped(managers).sort(compareEntries));
}

function ownable({ gained, removed }: Comparison, only: ManagedFieldsUpdate['only']): Comparison {
  if (only === undefined) return { gained, removed };
  return {
    gained: gained === undefined ? undefined : onlyFields(gained, only),
    removed: removed === undefined ? undefined : onlyFields(removed, only),
  };
}

/** `next` with the ignored parts as they were. */
function masked({ next, ignored = [] }: ManagedFieldsUpdate, previous: JsonObject): JsonObject {
  let object = next;
  for (const path of ignored) {
    const before = getIn(previous, path);
    if (getIn(object, path) !== before) object = setIn(object, path, before);
  }
  return object;
}

/** The client's entries if it sent usable ones, else the live object's: who does not know managedFields cannot lose them. */
function startingEntries(update: ManagedFieldsUpdate): readonly ManagedFieldsEntry[] {
  const { previous, next, subresource = '', reset = false } = update;
  // The live object's entries were checked when they were written.
  const live = entriesOf(previous);
  if (subresource !== '') return live;
  if (reset) return [];
  const sent = entriesOf(next);
  if (sent.length === 1 && Object.keys(sent[0]!).length === 0) return [];
  return sent.length === 0 || sameJson(sent, live) || !sent.every(isUsable) ? live : sent;
}

const noEntries: readonly ManagedFieldsEntry[] = Object.freeze([]);

export function entriesOf(object: JsonObject | undefined): readonly ManagedFieldsEntry[] {
  const entries = object === undefined ? undefined : getIn(object, managedFieldsPath);
  return Array.isArray(entries) ? (entries as readonly ManagedFieldsEntry[]) : noEntries;
}

const isUsable = (entry: ManagedFieldsEntry): boolean =>
  (entry.operation === 'Apply' || entry.operation === 'Update') &&
  entry.apiVersion !== undefined &&
  entry.apiVersion !== '' &&
  entry.fieldsType === 'FieldsV1' &&
  (entry.fieldsV1 === undefined || isFieldSet(entry.fieldsV1 as JsonValue));

/** Every entry without the fields that changed or went, in its own version. Entries left with nothing are dropped. */
function afterLosses(
  entries: readonly ManagedFieldsEntry[],
  comparison: Comparison,
  update: ManagedFieldsUpdate,
  plans: TypePlans,
): ManagedFieldsEntry[] {
  if (entries.length === 0) return [];
  const byVersion = new Map<string, FieldSet | undefined>([[update.apiVersion, lossesOf(comparison)]]);
  const kept: ManagedFieldsEntry[] = [];
  for (const entry of entries) {
    const version = entry.apiVersion!;
    if (update.convert && !byVersion.has(version)) {
      const losses = lossesInVersion(version, update, plans);
      if (losses === undefined) continue;
      byVersion.set(version, losses);
    }
    const losses = byVersion.has(version) ? byVersion.get(version) : byVersion.get(update.apiVersion);
    const fields = fieldsOf(entry);
    const rest = losses === undefined ? fields : differenceOf(fields, losses);
    if (rest === fields && !isEmptySet(rest)) kept.push(entry);
    else if (rest !== undefined && !isEmptySet(rest)) kept.push({ ...entry, fieldsV1: rest });
  }
  return kept;
}

export const fieldsOf = (entry: ManagedFieldsEntry): FieldSet => (entry.fieldsV1 as FieldSet | undefined) ?? leaf;

function lossesOf({ gained, removed }: Comparison): FieldSet | undefined {
  return gained === undefined ? removed : removed === undefined ? gained : unionOf(gained, removed);
}

/** `undefined`: the version is gone. */
function lossesInVersion(version: string, update: ManagedFieldsUpdate, plans: TypePlans): FieldSet | undefined {
  const { previous, convert } = update;
  if (convert === undefined || previous === undefined) return leaf;
  const before = convert(previous, version);
  const after = convert(masked(update, previous), version);
  if (!before || !after) return undefined;
  return lossesOf(compareObjects(before.object, after.object, plans.root(after.type).plan)) ?? leaf;
}

/** Adds what was gained to the manager's entry, or makes one. Changes `managers`. */
function addGains(managers: ManagedFieldsEntry[], gained: FieldSet, update: ManagedFieldsUpdate): void {
  const manager = update.manager === '' ? 'unknown' : update.manager;
  const subresource = update.subresource ?? '';
  const index = managers.findIndex(
    (entry) =>
      entry.manager === manager &&
      entry.operation === 'Update' &&
      entry.apiVersion === update.apiVersion &&
      (entry.subresource ?? '') === subresource,
  );
  const entry: ManagedFieldsEntry = Object.freeze({
    manager,
    operation: 'Update',
    apiVersion: update.apiVersion,
    time: update.now,
    fieldsType: 'FieldsV1',
    fieldsV1: index < 0 ? gained : unionOf(fieldsOf(managers[index]!), gained),
    ...(subresource === '' ? {} : { subresource }),
  });
  if (index < 0) managers.push(entry);
  else managers[index] = entry;
}

/** At most ten Update entries: the oldest of each version are merged into one. */
function capped(managers: ManagedFieldsEntry[]): ManagedFieldsEntry[] {
  const updaters = managers.filter((entry) => entry.operation === 'Update');
  let surplus = updaters.length - updateEntriesMax;
  if (surplus <= 0) return managers;
  updaters.sort(compareAges);
  const gone = new Set<ManagedFieldsEntry>();
  const buckets = new Map<string, ManagedFieldsEntry>();
  const firsts = new Map<string, ManagedFieldsEntry>();
  // A bucket made earlier takes part like any other entry, and is the bucket that the others go into.
  for (const entry of updaters)
    if (entry.manager === bucketManager && (entry.subresource ?? '') === '') buckets.set(entry.apiVersion!, entry);
  const before = new Map(buckets);
  for (const entry of updaters) {
    if (surplus <= 0) break;
    const version = entry.apiVersion!;
    const first = firsts.get(version);
    if (first === undefined) {
      firsts.set(version, entry);
      continue;
    }
    if (entry === before.get(version)) continue;
    const bucket = buckets.get(version) ?? first;
    if (bucket === first) gone.add(first);
    gone.add(entry);
    const { subresource: _none, ...rest } = bucket;
    buckets.set(version, {
      ...rest,
      manager: bucketManager,
      operation: 'Update',
      apiVersion: version,
      ...(entry.time === undefined ? {} : { time: entry.time }),
      fieldsV1: unionOf(fieldsOf(bucket), fieldsOf(entry)),
    });
    surplus--;
  }
  const kept = managers.filter((entry) => !gone.has(entry) && before.get(entry.apiVersion!) !== entry);
  return [...kept, ...buckets.values()];
}

function compareAges(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  return compareText(a.time, b.time) || compareText(a.manager, b.manager) || compareText(a.subresource, b.subresource);
}

/** Apply before Update, then oldest first. Times are RFC 3339 in UTC, so text order is time order. */
export function compareEntries(a: ManagedFieldsEntry, b: ManagedFieldsEntry): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time, b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function withEntries(object: JsonObject, entries: readonly ManagedFieldsEntry[]): JsonObject {
  return setIn(object, managedFieldsPath, entries.length === 0 ? undefined : entries);
}
