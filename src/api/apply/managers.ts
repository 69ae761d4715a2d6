/** The managers of an object while an apply works on them. */
import { compareObjects } from '../managed-fields/compare.ts';
import { type FieldSet, isEmptySet, leaf } from '../managed-fields/field-set.ts';
import { entriesOf, fieldsOf } from '../managed-fields/managed-fields.ts';
import type { TypePlans } from '../managed-fields/type-plan.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { type ApplyRequest, ownable } from './request.ts';

export interface Managers {
  /** The applier's own entry as it was. */
  readonly own: ManagedFieldsEntry | undefined;
  readonly others: readonly ManagedFieldsEntry[];
}

const beforeFirstApply = 'before-first-apply';

/** Entries of versions that are not served any more do not count. */
export function managersOf(request: ApplyRequest, plans: TypePlans): Managers {
  const { live, manager, subresource, apiVersion, typeOf } = request;
  if (live === undefined) return { own: undefined, others: [] };
  let own: ManagedFieldsEntry | undefined;
  const others: ManagedFieldsEntry[] = [];
  // They were checked when they were written.
  const entries = entriesOf(live);
  if (entries.length === 0) {
    const first = untracked(request, plans);
    return { own, others: first === undefined ? [] : [first] };
  }
  for (const entry of entries) {
    if (entry.apiVersion !== apiVersion && typeOf(entry.apiVersion!) === undefined) continue;
    const isOwn = entry.operation === 'Apply' && entry.manager === manager && (entry.subresource ?? '') === subresource;
    if (isOwn) own = entry;
    else others.push(entry);
  }
  return { own, others };
}

/** An object that nobody has been tracked on: what it holds now belongs to one collective manager. */
function untracked(request: ApplyRequest, plans: TypePlans): ManagedFieldsEntry | undefined {
  const { live, type, apiVersion, subresource, now } = request;
  const { plan, empty } = plans.root(type);
  const { gained } = compareObjects(empty, live!, plan);
  const fields = ownable(request, gained);
  if (isEmptySet(fields)) return undefined;
  return Object.freeze({
    manager: beforeFirstApply,
    operation: 'Update',
    apiVersion,
    time: now,
    fieldsType: 'FieldsV1',
    fieldsV1: fields!,
    ...(subresource === '' ? {} : { subresource }),
  });
}

/** The applier's entry afterwards: the one before when nothing about it changed; none when it owns nothing. */
export function ownEntry(
  { manager, subresource, apiVersion }: ApplyRequest,
  before: ManagedFieldsEntry | undefined,
  fields: FieldSet | undefined,
  time: string | undefined,
): ManagedFieldsEntry | undefined {
  if (isEmptySet(fields)) return undefined;
  if (before !== undefined && before.apiVersion === apiVersion && before.time === time) {
    if (fields === fieldsOf(before)) return before;
  }
  return Object.freeze({
    manager,
    operation: 'Apply',
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields ?? leaf,
    ...(subresource === '' ? {} : { subresource }),
  });
}
