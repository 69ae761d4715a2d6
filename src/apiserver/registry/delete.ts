/**
 * DELETE: finalizers, graceful deletion, propagation. Source: registry/generic/registry/store.go (Delete, updateForGracefulDeletionAndFinalizers),
 * registry/rest/delete.go (BeforeDelete).
 */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatTime, parseTime } from '../../api/time.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { type AdmissionSubject, admit, validateAdmission } from './admit.ts';
import type { RequestContext } from './context.ts';
import { toServed, toStorage } from './conversion.ts';
import type { Written } from './create.ts';
import { type Metadata, metadataOf, modified, storedForm, withMeta } from './object-meta.ts';
import type { DeleteRequest } from './options.ts';
import type { Registry } from './registry.ts';
import { objectKey, type ServedResource, type StoredResource } from './resources.ts';
import type { Decision } from './rounds.ts';

export interface Deleted {
  /** False: the object stays for now (finalizers, grace period). */
  readonly gone: boolean;
  readonly object: Written;
}

const orphan = 'orphan';
const foreground = 'foregroundDeletion';

export async function deleteObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  namespace: string,
  name: string,
  options: DeleteRequest,
): Promise<Deleted> {
  const key = objectKey(namespace, name);
  warnOfOrphans(stored, options, context.warnings);
  const subject: AdmissionSubject = {
    context,
    served,
    operation: 'DELETE',
    subresource: '',
    namespace,
    name,
    options: deleteOptionsObject(options),
    dryRun: options.dryRun,
  };
  for (;;) {
    const step = await deleteStep(registry, context, { served, stored, key, name, options, subject });
    if (step !== undefined) return step;
  }
}

/** Who deletes a Job without a word about its pods leaves them behind, which few expect. */
export function warnOfOrphans(stored: StoredResource, options: DeleteRequest, warnings: string[]): void {
  if (stored.group !== 'batch' || stored.resource !== 'jobs') return;
  if (options.orphanDependents !== undefined || options.propagationPolicy !== undefined) return;
  const warning =
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';
  if (!warnings.includes(warning)) warnings.push(warning);
}

interface DeleteTarget {
  readonly served: ServedResource;
  readonly stored: StoredResource;
  readonly key: string;
  readonly name: string;
  readonly options: DeleteRequest;
  readonly subject: AdmissionSubject;
}

/** Marks the object, then removes it when nothing holds it. @returns undefined when it has to be looked at again. */
async function deleteStep(
  registry: Registry,
  context: RequestContext,
  target: DeleteTarget,
): Promise<Deleted | undefined> {
  const { stored, key, options } = target;
  let plan: Plan | undefined;
  let dryRun: JsonObject | undefined;
  let writes = 0;
  const outcome = await registry.rounds.update(
    stored,
    key,
    async (current): Promise<Decision> => {
      if (current === undefined) throw ApiError.notFound(target.served.qualified, target.name);
      const object = registry.cache.valueOf(current);
      checkPreconditions(stored, target.name, object, current, options, writes > 0);
      plan = planDeletion(stored, object, options, registry.clock.now());
      const old = await toServed(registry, object, target.served, stored);
      await admit(registry.admission, target.subject, undefined, old);
      await validateAdmission(registry.admission, target.subject, undefined, old);
      if (plan.kind === 'pending') return { kind: 'keep' };
      if (options.dryRun) {
        dryRun = plan.kind === 'remove' ? object : plan.object;
        return { kind: 'keep' };
      }
      if (plan.kind === 'remove') return { kind: 'delete' };
      writes++;
      return {
        kind: 'write',
        value: storedForm(await toStorage(stored, plan.object), stored.gvk.kind, stored.apiVersion),
      };
    },
    context.signal,
  );
  if (plan === undefined) throw new Error(`Delete of ${key}: nothing was decided`);
  if (options.dryRun)
    return {
      gone: plan.kind === 'remove',
      object: dryRun ? { kind: 'dryRun', value: dryRun } : { kind: 'stored', object: outcome.object },
    };
  if (plan.kind === 'pending') return { gone: false, object: { kind: 'stored', object: outcome.object } };
  if (plan.kind === 'remove') {
    await registry.hooks.deleted(stored, registry.cache.valueOf(outcome.object), context.signal);
    return { gone: true, object: { kind: 'stored', object: outcome.object } };
  }
  if (!plan.thenRemove) return { gone: false, object: { kind: 'stored', object: outcome.object } };
  return removeMarked(registry, context, target, outcome.object);
}

/** The mark is written and nothing holds the object: take it away, unless somebody was faster or added a finalizer. */
async function removeMarked(
  registry: Registry,
  context: RequestContext,
  { stored, key }: DeleteTarget,
  marked: CachedObject,
): Promise<Deleted> {
  let held = false;
  let missing = false;
  const outcome = await registry.rounds.update(
    stored,
    key,
    (current): Decision => {
      const uid = metadataOf(registry.cache.valueOf(marked)).uid;
      missing = current === undefined || metadataOf(registry.cache.valueOf(current)).uid !== uid;
      if (missing) return { kind: 'keep' };
      held = (metadataOf(registry.cache.valueOf(current!)).finalizers ?? []).length > 0;
      return held ? { kind: 'keep' } : { kind: 'delete' };
    },
    context.signal,
  );
  if (!missing && !held) await registry.hooks.deleted(stored, registry.cache.valueOf(marked), context.signal);
  return { gone: !held, object: { kind: 'stored', object: held ? outcome.object : marked } };
}

type Plan =
  /** Nothing holds it: gone with this request. */
  | { readonly kind: 'remove' }
  /** Already on its way and not to be hurried. */
  | { readonly kind: 'pending' }
  /** Write the mark; `thenRemove` when nothing holds it afterwards. */
  | { readonly kind: 'mark'; readonly object: JsonObject; readonly thenRemove: boolean };

/** Pure: what a deletion does to an object in this state. */
export function planDeletion(stored: StoredResource, found: JsonObject, options: DeleteRequest, nowMs: number): Plan {
  if (stored.group === '' && stored.resource === 'namespaces') return planNamespace(found, options, nowMs);
  // The first deletion only marks it: its instances go first. Source: apiextensions registry/customresourcedefinition/etcd.go.
  if (isDefinition(stored) && !metadataOf(found).deletionTimestamp) {
    const now = formatTime(nowMs);
    const marked = stored.strategy.prepareForDelete?.(found, now) ?? found;
    return { kind: 'mark', object: withMeta(marked, { deletionTimestamp: now }), thenRemove: false };
  }
  const object = stored.strategy.prepareForDelete?.(found, formatTime(nowMs)) ?? found;
  const metadata = metadataOf(object);
  const grace = gracefulStep(stored, object, metadata, options, nowMs);
  if (grace.kind === 'pending') return { kind: 'pending' };
  const before = metadata.finalizers ?? [];
  const finalizers = finalizersFor(stored, before, options);
  const changed = finalizers.length !== before.length || finalizers.some((f) => !before.includes(f));
  if (grace.kind === 'no' && before.length === 0 && !changed) return { kind: 'remove' };
  const shown: readonly string[] | undefined = changed
    ? finalizers.length === 0
      ? undefined
      : Object.freeze(finalizers)
    : metadata.finalizers;
  if (grace.kind === 'graceful') {
    const marked = withMeta(object, { ...grace.changes, finalizers: shown });
    return { kind: 'mark', object: marked, thenRemove: finalizers.length === 0 && grace.seconds === 0 };
  }
  if (finalizers.length === 0) return { kind: 'remove' };
  // Held by finalizers only: being deleted from now on, without grace.
  const marked = withMeta(object, {
    finalizers: shown,
    deletionTimestamp: metadata.deletionTimestamp ?? formatTime(nowMs),
    deletionGracePeriodSeconds: 0,
    ...(metadata.deletionTimestamp || !metadata.generation ? {} : { generation: metadata.generation + 1 }),
  });
  return { kind: 'mark', object: marked, thenRemove: false };
}

type Grace =
  | { readonly kind: 'no' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'graceful'; readonly seconds: number; readonly changes: Partial<Metadata> };

function gracefulStep(
  stored: StoredResource,
  object: JsonObject,
  metadata: Metadata,
  options: DeleteRequest,
  nowMs: number,
): Grace {
  if (!stored.strategy.gracePeriodSeconds) return { kind: 'no' };
  // Negative periods count as one second.
  const requested =
    options.gracePeriodSeconds !== undefined && options.gracePeriodSeconds < 0 ? 1 : options.gracePeriodSeconds;
  if (metadata.deletionTimestamp) {
    const present = metadata.deletionGracePeriodSeconds;
    if (present === undefined || present === null) return { kind: 'no' };
    if (requested === undefined || requested >= present) {
      // Zero and nothing left to wait for: an earlier deletion stopped between its mark and its end, or its finalizers went meanwhile.
      return present === 0 && (metadata.finalizers ?? []).length === 0 ? { kind: 'no' } : { kind: 'pending' };
    }
    const start = (parseTime(metadata.deletionTimestamp) ?? nowMs) - present * 1000;
    return {
      kind: 'graceful',
      seconds: requested,
      changes: { deletionTimestamp: formatTime(start + requested * 1000), deletionGracePeriodSeconds: requested },
    };
  }
  const seconds = stored.strategy.gracePeriodSeconds(object, requested);
  if (seconds === undefined) return { kind: 'no' };
  return {
    kind: 'graceful',
    seconds,
    changes: {
      deletionTimestamp: formatTime(nowMs + seconds * 1000),
      deletionGracePeriodSeconds: seconds,
      ...(metadata.generation ? { generation: metadata.generation + 1 } : {}),
    },
  };
}

/** A namespace waits for its content: phase Terminating until its spec.finalizers are gone. Source: registry/core/namespace/storage. */
function planNamespace(object: JsonObject, options: DeleteRequest, nowMs: number): Plan {
  const metadata = metadataOf(object);
  const specFinalizers = ((object.spec as JsonObject | undefined)?.finalizers ?? []) as readonly string[];
  if (metadata.deletionTimestamp) {
    if (specFinalizers.length > 0 || (metadata.finalizers ?? []).length > 0) return { kind: 'pending' };
    return { kind: 'remove' };
  }
  const status = { ...(object.status as JsonObject | undefined), phase: 'Terminating' };
  const finalizers = namespaceFinalizers(metadata.finalizers ?? [], options);
  const marked = withMeta({ ...object, status }, { deletionTimestamp: formatTime(nowMs), finalizers });
  const held = specFinalizers.length > 0 || (finalizers ?? []).length > 0;
  return { kind: 'mark', object: marked, thenRemove: !held };
}

/** Here, unlike everywhere else, not to orphan means to wait for what depends on it. */
function namespaceFinalizers(
  before: readonly string[],
  { orphanDependents, propagationPolicy }: DeleteRequest,
): readonly string[] | undefined {
  const wants = (finalizer: string): boolean => {
    if (orphanDependents !== undefined) return orphanDependents === (finalizer === orphan);
    if (propagationPolicy !== undefined) return propagationPolicy === (finalizer === orphan ? 'Orphan' : 'Foreground');
    return before.includes(finalizer);
  };
  const kept = before.filter((finalizer) => (finalizer !== orphan && finalizer !== foreground) || wants(finalizer));
  for (const finalizer of [orphan, foreground]) if (wants(finalizer) && !kept.includes(finalizer)) kept.push(finalizer);
  return kept.length === 0 ? undefined : Object.freeze(kept);
}

const isDefinition = ({ group, resource }: StoredResource): boolean =>
  group === 'apiextensions.k8s.io' && resource === 'customresourcedefinitions';

/** The garbage collector's finalizers as the options (else the present ones, else the kind) want them. Source: deletionFinalizersForGarbageCollection. */
function finalizersFor(stored: StoredResource, before: readonly string[], options: DeleteRequest): string[] {
  const rest = before.filter((f) => f !== orphan && f !== foreground);
  const wanted = propagation(stored, before, options);
  if (wanted === 'orphan') rest.push(orphan);
  if (wanted === 'foreground') rest.push(foreground);
  return rest;
}

function propagation(
  stored: StoredResource,
  before: readonly string[],
  { orphanDependents, propagationPolicy }: DeleteRequest,
): 'orphan' | 'foreground' | 'background' {
  if (stored.strategy.defaultGarbageCollection === 'none') return 'background';
  if (orphanDependents !== undefined) return orphanDependents ? 'orphan' : 'background';
  if (propagationPolicy === 'Orphan') return 'orphan';
  if (propagationPolicy === 'Foreground') return 'foreground';
  if (propagationPolicy === 'Background') return 'background';
  if (before.includes(orphan)) return 'orphan';
  if (before.includes(foreground)) return 'foreground';
  return stored.strategy.defaultGarbageCollection === 'orphan' ? 'orphan' : 'background';
}

function checkPreconditions(
  stored: StoredResource,
  name: string,
  object: JsonObject,
  current: CachedObject,
  { preconditions }: DeleteRequest,
  marked: boolean,
): void {
  const resource = { group: stored.gvk.group, resource: stored.gvk.kind };
  const { uid, resourceVersion } = preconditions;
  const have = metadataOf(object).uid ?? '';
  // These two kinds have a deletion of their own, and its words.
  if (isDefinition(stored) || (stored.group === '' && stored.resource === 'namespaces')) {
    const refuse = (what: string, wanted: string, found: string): ApiError =>
      ApiError.conflict(
        { group: stored.group, resource: stored.resource },
        name,
        `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`,
      );
    if (uid !== undefined && uid !== have) throw refuse('UID', uid, have);
    if (resourceVersion !== undefined && resourceVersion !== String(current.revision))
      throw refuse('ResourceVersion', resourceVersion, String(current.revision));
    return;
  }
  if (uid !== undefined && uid !== have)
    throw ApiError.conflict(
      resource,
      name,
      `the UID in the precondition (${uid}) does not match the UID in record (${have}). The object might have been deleted and then recreated`,
    );
  if (resourceVersion !== undefined && resourceVersion !== String(current.revision)) {
    if (marked) throw modified(resource, name);
    throw ApiError.conflict(
      resource,
      name,
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${current.revision}). The object might have been modified`,
    );
  }
}

const deleteOptionsObject = (options: DeleteRequest): JsonObject => ({
  kind: 'DeleteOptions',
  apiVersion: 'meta.k8s.io/v1',
  ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
  ...(options.propagationPolicy === undefined ? {} : { propagationPolicy: options.propagationPolicy }),
  ...(options.orphanDependents === undefined ? {} : { orphanDependents: options.orphanDependents }),
  ...(options.dryRun ? { dryRun: ['All'] } : {}),
});
