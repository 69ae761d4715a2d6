/**
 * Un-apply: what the applier owned and does not ask for any more goes, unless somebody else owns it.
 * Source: structured-merge-diff/merge/update.go (prune).
 */
import type { JsonObject, JsonValue } from '../json.ts';
import { differenceOf, type FieldSet, intersectionOf, leaf, unionOf } from '../managed-fields/field-set.ts';
import { fieldsOf } from '../managed-fields/managed-fields.ts';
import type { StructPlan, TypePlans } from '../managed-fields/type-plan.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { fieldSetOf, withNamedFields } from './config-set.ts';
import { removeFields } from './remove.ts';
import type { ApplyRequest } from './request.ts';

/**
 * @param merged in the request's version, not decoded. @param last the applier's entry before. @param fields what it asks for now, name and all.
 * @returns a tree in the request's version.
 */
export function prune(
  request: ApplyRequest,
  plans: TypePlans,
  merged: JsonObject,
  last: ManagedFieldsEntry,
  fields: FieldSet | undefined,
  others: readonly ManagedFieldsEntry[],
): JsonObject {
  const version = last.apiVersion!;
  const views = new Views(request, plans);
  const whole = views.convert(merged, request.apiVersion, version);
  const plan = views.plan(version);
  const owned = withNamedFields(fieldsOf(last), plan);
  let at = version;
  let pruned = removeFields(whole, owned, plan) as JsonObject;
  for (const [other, managed] of managedByVersion(version, request.apiVersion, fields, others)) {
    const there = views.convert(whole, version, other);
    const left = views.convert(pruned, at, other);
    const planThere = views.plan(other);
    const kept = unionOf(views.named(left, planThere), withNamedFields(managed, planThere));
    pruned = removeFields(there, differenceOf(views.named(there, planThere), kept), planThere) as JsonObject;
    at = other;
  }
  pruned = views.convert(pruned, at, version);
  // Only what the applier owned may go, not what hung below it.
  const gone = differenceOf(views.named(whole, plan), views.named(pruned, plan));
  const result = removeFields(whole, gone === undefined ? undefined : intersectionOf(gone, owned), plan) as JsonObject;
  return views.convert(result, version, request.apiVersion);
}

/** Everybody's fields, the version of the last apply first. */
function managedByVersion(
  first: string,
  own: string,
  fields: FieldSet | undefined,
  others: readonly ManagedFieldsEntry[],
): Map<string, FieldSet> {
  const managed = new Map<string, FieldSet>();
  const add = (version: string, set: FieldSet): void => {
    const known = managed.get(version);
    managed.set(version, known === undefined ? set : unionOf(known, set));
  };
  for (const entry of others) if (entry.apiVersion === first) add(first, fieldsOf(entry));
  if (fields !== undefined && own === first) add(first, fields);
  for (const entry of others) if (entry.apiVersion !== first) add(entry.apiVersion!, fieldsOf(entry));
  if (fields !== undefined && own !== first) add(own, fields);
  return managed;
}

class Views {
  readonly #request: ApplyRequest;
  readonly #plans: TypePlans;

  constructor(request: ApplyRequest, plans: TypePlans) {
    this.#request = request;
    this.#plans = plans;
  }

  plan(version: string): StructPlan {
    const type = version === this.#request.apiVersion ? this.#request.type : this.#request.typeOf(version);
    if (type === undefined) throw new Error(`apply: version ${version} is not served`);
    return this.#plans.whole(type);
  }

  convert(tree: JsonObject, from: string, to: string): JsonObject {
    return from === to ? tree : this.#request.convert(this.#request.decode(tree as JsonValue, from), to);
  }

  named(tree: JsonObject, plan: StructPlan): FieldSet {
    const set = fieldSetOf(tree, plan);
    return set === undefined ? leaf : withNamedFields(set, plan);
  }
}
