/**
 * Who owns a workload's `spec.replicas`, seen through its Scale: entries of the one turned into entries of the other and back.
 * Source: k8s.io/apimachinery/pkg/util/managedfields/scalehandler.go.
 */
import { managerIdentifier } from '../../../api/apply/conflicts.ts';
import { getIn } from '../../../api/edit.ts';
import { differenceOf, type FieldSet, isEmptySet, isMember, leaf } from '../../../api/managed-fields/field-set.ts';
import { compareEntries, fieldsOf } from '../../../api/managed-fields/managed-fields.ts';
import type { ManagedFieldsEntry } from '../../../api/types/meta-v1.ts';

type Entries = readonly ManagedFieldsEntry[];

const scaleVersion = 'autoscaling/v1';
/** The same path in a Scale and in every kind that has one. */
const replicasPath = ['f:spec', 'f:replicas'] as const;
const replicas: FieldSet = Object.freeze({ 'f:spec': Object.freeze({ 'f:replicas': leaf }) });

function ownsReplicas(entry: ManagedFieldsEntry): boolean {
  const node = getIn(fieldsOf(entry), replicasPath) as FieldSet | undefined;
  return node !== undefined && isMember(node);
}

/** @param isServed whether the workload's kind is there in a version; entries of others do not count. */
export function toScaleEntries(entries: Entries, isServed: (apiVersion: string) => boolean): Entries {
  const found: ManagedFieldsEntry[] = [];
  for (const entry of entries)
    if (isServed(entry.apiVersion!) && ownsReplicas(entry))
      found.push({ ...entry, apiVersion: scaleVersion, fieldsV1: replicas });
  return found;
}

/**
 * The workload's entries once its Scale has these. An updater's entry is known by its version, too, so that one that stays in the Scale comes
 * back beside what was left of it, as upstream has it; entries that come from the Scale have no time.
 */
export function toWorkloadEntries(
  entries: Entries,
  scaleEntries: Entries,
  apiVersion: string,
  isServed: (apiVersion: string) => boolean,
): Entries {
  const scale = new Map(scaleEntries.map((entry) => [managerIdentifier(entry), entry]));
  const times = new Map(entries.map((entry) => [managerIdentifier(entry), entry.time]));
  const kept: ManagedFieldsEntry[] = [];
  for (const entry of entries) {
    if (!isServed(entry.apiVersion!)) continue;
    if (!ownsReplicas(entry) || scale.delete(managerIdentifier(entry))) kept.push(entry);
    else {
      const fields = differenceOf(fieldsOf(entry), replicas);
      if (!isEmptySet(fields)) kept.push({ ...entry, fieldsV1: fields! });
    }
  }
  for (const [identifier, entry] of scale) {
    if (!ownsReplicas(entry)) continue;
    const { time: _time, ...rest } = entry;
    const time = times.get(identifier);
    kept.push({ ...rest, apiVersion, ...(time === undefined ? {} : { time }), fieldsV1: replicas });
  }
  return kept.sort(compareEntries);
}
