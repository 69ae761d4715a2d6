/**
 * Server-side apply: a configuration says which fields its manager wants and how; the server merges it into the live object, takes away what
 * the manager no longer asks for, and refuses to take what others own. Source: structured-merge-diff/merge/update.go (Apply),
 * k8s.io/apimachinery/pkg/util/managedfields.
 */
import { sameJson } from '../edit.ts';
import { ApiError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compareObjects } from '../managed-fields/compare.ts';
import { differenceOf, type FieldSet, intersectionOf, isEmptySet, leaf } from '../managed-fields/field-set.ts';
import { compareEntries, entriesOf, fieldsOf, withEntries } from '../managed-fields/managed-fields.ts';
import { type StructPlan, TypePlans } from '../managed-fields/type-plan.ts';
import type { StructType } from '../schema/model.ts';
import type { ManagedFieldsEntry } from '../types/meta-v1.ts';
import { configError } from './check-config.ts';
import { fieldSetOf } from './config-set.ts';
import { type Conflict, conflictError } from './conflicts.ts';
import { foreignConflicts, kubectlManager, withLastApplied } from './last-applied.ts';
import { managersOf, ownEntry } from './managers.ts';
import { mergeConfig } from './merge.ts';
import { prune } from './prune.ts';
import { type ApplyRequest, ownable } from './request.ts';

export type { ApplyRequest } from './request.ts';

export interface Applier {
  /** @returns the object as it is to be, defaulted, with its managedFields. @throws ApiError 400, 409, 500 */
  apply(request: ApplyRequest): JsonObject;
}

/** An instance keeps what it worked out about types; it holds nothing else. */
export function createApplier(): Applier {
  const plans = new TypePlans();
  return { apply: (request) => apply(request, plans) };
}

function apply(request: ApplyRequest, plans: TypePlans): JsonObject {
  const { config, kind, apiVersion, manager } = request;
  if (config.kind !== kind || config.apiVersion !== apiVersion)
    throw ApiError.badRequest(`invalid object type: ${typeText(config)}`);
  checkConfig(request);
  let outcome = attempt(request, plans, request.force);
  if ('conflicts' in outcome) {
    const rest = manager === kubectlManager ? foreignConflicts(request, plans, outcome.conflicts) : outcome.conflicts;
    if (rest.length > 0) throw conflictError(rest);
    outcome = attempt(request, plans, true);
    if ('conflicts' in outcome) throw new Error('apply: a forced apply found conflicts');
  }
  const { object } = outcome;
  return manager === kubectlManager ? withLastApplied(object, config) : object;
}

function checkConfig({ config, type }: ApplyRequest): void {
  const metadata = config.metadata as JsonObject | null | undefined;
  if (Array.isArray(metadata?.managedFields)) throw ApiError.badRequest('metadata.managedFields must be nil');
  const problem = configError(config, type);
  if (problem === undefined) return;
  const { namespace, name } = (typeof metadata === 'object' && metadata !== null ? metadata : {}) as JsonObject;
  const text = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');
  throw new ApiError({
    code: 500,
    message: `failed to create typed patch object (${text(namespace)}/${text(name)}; ${typeText(config)}): ${problem}`,
  });
}

/** `apps/v1, Kind=Deployment`; an apiVersion that is none counts as empty. */
export function typeText({ apiVersion, kind }: JsonObject): string {
  const parts = typeof apiVersion === 'string' ? apiVersion.split('/') : [];
  const [group, version] = parts.length === 1 ? ['', parts[0]!] : parts.length === 2 ? parts : ['', ''];
  return `${group}/${version}, Kind=${typeof kind === 'string' && parts.length <= 2 ? kind : ''}`;
}

type Attempt = { readonly conflicts: readonly Conflict[] } | { readonly object: JsonObject };

function attempt(request: ApplyRequest, plans: TypePlans, force: boolean): Attempt {
  const { live, config, type, apiVersion, now } = request;
  const { own, others } = managersOf(request, plans);
  let next = mergeConfig(live, config, plans.whole(type)) as JsonObject;
  const set = asked(request, plans.root(type).plan);
  // What kept the applier's last set keeps the object; the name is part of what is asked for here, though nobody owns it.
  if (own !== undefined && !isEmptySet(fieldsOf(own)) && !covers(set, own, apiVersion))
    next = prune(request, plans, next, own, asked(request, plans.whole(type)), others);
  const unchanged = live !== undefined && (next === live || sameJson(live, next));
  const losses = unchanged ? { kept: others } : lossesOfOthers(request, plans, next, others, force);
  if ('conflicts' in losses) return losses;
  const mine = own !== undefined && sameJson(fieldsOf(own), set ?? leaf) ? fieldsOf(own) : set;
  const entry = ownEntry(request, own, mine, unchanged ? own?.time : now);
  const entries = [...losses.kept];
  if (entry !== undefined) entries.push(entry);
  entries.sort(compareEntries);
  if (unchanged && sameEntries(entries, live)) return { object: live };
  const object = unchanged ? live : request.applyDefaults(request.decode(next, request.apiVersion));
  return { object: withEntries(object, Object.freeze(entries)) };
}

const asked = (request: ApplyRequest, plan: StructPlan): FieldSet | undefined =>
  ownable(request, fieldSetOf(request.config, plan));

/** Whether everything is still asked for: then nothing can go, not even what stands below what the applier owned. */
const covers = (set: FieldSet | undefined, own: ManagedFieldsEntry, apiVersion: string): boolean =>
  own.apiVersion === apiVersion && differenceOf(fieldsOf(own), set ?? leaf) === undefined;

function sameEntries(entries: readonly ManagedFieldsEntry[], live: JsonObject): boolean {
  const before = entriesOf(live);
  if (entries.length !== before.length) return false;
  for (let i = 0; i < entries.length; i++) if (entries[i] !== before[i]) return false;
  return true;
}

/** What others still own once the object is `next`, or what they would have to give up. */
function lossesOfOthers(
  request: ApplyRequest,
  plans: TypePlans,
  next: JsonObject,
  others: readonly ManagedFieldsEntry[],
  force: boolean,
): { readonly conflicts: readonly Conflict[] } | { readonly kept: readonly ManagedFieldsEntry[] } {
  const changes = new Changes(request, plans, next);
  const conflicts: Conflict[] = [];
  const kept: ManagedFieldsEntry[] = [];
  for (const entry of others) {
    const { gained, removed } = changes.in(entry.apiVersion!);
    const before = fieldsOf(entry);
    let fields: FieldSet | undefined = before;
    const taken = gained === undefined ? undefined : intersectionOf(fields, gained);
    if (taken !== undefined) {
      conflicts.push({ entry, fields: taken });
      fields = differenceOf(fields, taken);
    }
    if (fields !== undefined && removed !== undefined) fields = differenceOf(fields, removed);
    if (isEmptySet(fields)) continue;
    kept.push(fields === before ? entry : Object.freeze({ ...entry, fieldsV1: fields! }));
  }
  return conflicts.length > 0 && !force ? { conflicts } : { kept };
}

interface Change {
  readonly gained: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

/** What the apply changes, as each version shows it. */
class Changes {
  readonly #request: ApplyRequest;
  readonly #plans: TypePlans;
  readonly #next: JsonObject;
  #decoded: JsonObject | undefined;
  readonly #byVersion = new Map<string, Change>();

  constructor(request: ApplyRequest, plans: TypePlans, next: JsonObject) {
    this.#request = request;
    this.#plans = plans;
    this.#next = next;
  }

  in(version: string): Change {
    let change = this.#byVersion.get(version);
    if (change === undefined) {
      change = this.#compare(version);
      this.#byVersion.set(version, change);
    }
    return change;
  }

  #compare(version: string): Change {
    const { live, type, apiVersion, typeOf, convert, decode } = this.#request;
    let [before, after, shown] = [live!, this.#next, type];
    if (version !== apiVersion) {
      this.#decoded ??= decode(this.#next, apiVersion);
      before = convert(live!, version);
      after = convert(this.#decoded, version);
      shown = typeOf(version)!;
    }
    const { gained, removed } = compareObjects(before, after, this.#plans.root(shown).plan);
    return { gained: ownable(this.#request, gained), removed: ownable(this.#request, removed) };
  }
}
