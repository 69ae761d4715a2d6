/**
 * PUT, and the second half of PATCH: a change of one object in compare-and-swap rounds.
 * Source: endpoints/handlers/update.go, registry/generic/registry/store.go (Update), registry/rest/update.go (BeforeUpdate).
 */
import { sameJson } from '../../api/edit.ts';
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { formatTime } from '../../api/time.ts';
import type { UpdateStrategy } from '../strategies/strategy.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { type AdmissionSubject, admit, validateAdmission } from './admit.ts';
import type { RequestContext } from './context.ts';
import { toServed, toStorage, toStored } from './conversion.ts';
import { createOptions, settle, storeNew, type Written, wantsQualifiedFinalizers, withManager } from './create.ts';
import { withSettledTimes } from './managed-fields-times.ts';
import { withoutDuplicateOwners } from './managers.ts';
import {
  inNamespace,
  keptOnUpdate,
  type Metadata,
  metadataOf,
  modified,
  plainServerError,
  storedForm,
  withMeta,
} from './object-meta.ts';
import type { WriteRequest } from './options.ts';
import type { Registry, Reservation } from './registry.ts';
import { objectKey, type ServedResource, type StoredResource, strategyOf } from './resources.ts';
import type { Decision } from './rounds.ts';

export interface UpdateRequest {
  readonly served: ServedResource;
  readonly stored: StoredResource;
  readonly namespace: string;
  readonly name: string;
  /** Empty for the main resource. */
  readonly subresource: string;
  readonly options: WriteRequest;
  readonly optionsKind: 'UpdateOptions' | 'PatchOptions';
  /** The strategy of the endpoint: the kind's own, or that of a subresource. */
  readonly strategy: UpdateStrategy;
  /** `next` has settled the managers itself. */
  readonly settlesManagers?: boolean;
  /** What does not exist is created, whatever the kind says: server-side apply. */
  readonly createsMissing?: boolean;
  /** Authorizes a create in its place; throws 403. */
  readonly authorizeCreate?: () => void | Promise<void>;
  /**
   * The object as the caller wants it, from the present one (absent: it does not exist). Both in the served version. Called in every round.
   */
  next(current: JsonObject | undefined): JsonObject | Promise<JsonObject>;
}

export interface Updated {
  readonly written: Written;
  readonly created: boolean;
  /** The last finalizer went: the object is gone. */
  readonly deleted: boolean;
}

export async function updateObject(
  registry: Registry,
  context: RequestContext,
  request: UpdateRequest,
): Promise<Updated> {
  const { stored, namespace, name } = request;
  const key = objectKey(namespace, name);
  let creation: Written | undefined;
  let step: Step | undefined;
  // Warnings of a round that has to be repeated do not count.
  const warningsBefore = context.warnings.length;
  const decide = async (current: CachedObject | undefined): Promise<Decision> => {
    await settle(step?.reservation, false);
    step = undefined;
    context.warnings.length = warningsBefore;
    if (current === undefined) {
      creation = await createInstead(registry, context, request);
      return { kind: 'keep' };
    }
    step = await prepare(registry, context, request, current);
    if (request.options.dryRun) return { kind: 'keep' };
    return step.remove ? { kind: 'delete' } : { kind: 'write', value: step.value };
  };
  let changed = false;
  try {
    const outcome = await registry.rounds.update(stored, key, decide, context.signal);
    changed = outcome.changed;
    if (creation) return { written: creation, created: true, deleted: false };
    const { value, remove } = step!;
    if (remove && changed) await registry.hooks.deleted(stored, value, context.signal);
    if (request.options.dryRun || remove)
      return {
        written: { kind: 'dryRun', value: withRevision(value, outcome.object, step!.selfLink) },
        created: false,
        deleted: remove,
      };
    return { written: { kind: 'stored', object: outcome.object }, created: false, deleted: false };
  } finally {
    await settle(step?.reservation, changed);
  }
}

/** What one round came to. */
interface Step {
  /** In stored form. */
  readonly value: JsonObject;
  /** The last finalizer went: delete instead of writing. */
  readonly remove: boolean;
  readonly reservation: Reservation | undefined;
  /** Given by the client; only a dry run's answer still has it. */
  readonly selfLink: string | undefined;
}

const withRevision = (value: JsonObject, object: CachedObject, selfLink?: string): JsonObject =>
  withMeta(value, { resourceVersion: String(object.revision), ...(selfLink ? { selfLink } : {}) });

async function createInstead(registry: Registry, context: RequestContext, request: UpdateRequest): Promise<Written> {
  const { served, stored, namespace, name, options, subresource, createsMissing = false } = request;
  if (!(strategyOf(served, stored).allowCreateOnUpdate || createsMissing) || subresource !== '')
    throw ApiError.notFound(served.qualified, name);
  await request.authorizeCreate?.();
  const now = formatTime(registry.clock.now());
  let next = inNamespace(await request.next(undefined), namespace, stored.namespaced);
  // An applied revision is no precondition of a create.
  if (createsMissing) next = withMeta(next, { resourceVersion: undefined });
  next = managed(registry, context, request, undefined, next, now);
  const subject: AdmissionSubject = {
    ...subjectOf(context, request),
    operation: 'CREATE',
    options: createOptions(options),
  };
  next = (await admit(registry.admission, subject, next, undefined)) ?? next;
  return storeNew(
    registry,
    context,
    served,
    stored,
    namespace,
    withoutDuplicateOwners(next, context.warnings),
    subject,
    now,
  );
}

function subjectOf(context: RequestContext, request: UpdateRequest): AdmissionSubject {
  const { served, namespace, name, options, subresource, optionsKind } = request;
  return {
    context,
    served,
    operation: 'UPDATE',
    subresource,
    namespace,
    name,
    options: {
      kind: optionsKind,
      apiVersion: 'meta.k8s.io/v1',
      ...(options.dryRun ? { dryRun: ['All'] } : {}),
      ...(options.fieldManager === '' ? {} : { fieldManager: options.fieldManager }),
    },
    dryRun: options.dryRun,
  };
}

function managed(
  registry: Registry,
  context: RequestContext,
  { served, options, subresource, settlesManagers = false }: UpdateRequest,
  live: JsonObject | undefined,
  next: JsonObject,
  now: string,
): JsonObject {
  const deduplicated = withoutDuplicateOwners(next, context.warnings);
  if (settlesManagers) return deduplicated;
  return withManager(registry, context, served, subresource, options, live, deduplicated, now);
}

/** One round: from the present state to what would be stored. */
async function prepare(
  registry: Registry,
  context: RequestContext,
  request: UpdateRequest,
  current: CachedObject,
): Promise<Step> {
  const { served, stored, namespace, subresource, options } = request;
  const strategy = strategyOf(served, stored);
  if (strategy.load) await strategy.load();
  const inStore = registry.cache.valueOf(current);
  const live = await toServed(registry, inStore, served, stored);
  const previous = stored.custom ? live : inStore;
  const now = formatTime(registry.clock.now());
  const subject = subjectOf(context, request);
  let next = inNamespace(await request.next(live), namespace, stored.namespaced);
  checkUid(request, next, previous, current);
  next = managed(registry, context, request, live, next, now);
  next = (await admit(registry.admission, subject, next, live)) ?? next;
  next = toStored(registry, withoutDuplicateOwners(next, context.warnings), served, stored);
  next = keptOnUpdate(checkRevision(request, next, current), previous);
  next = request.strategy.prepareForUpdate?.(next, previous, { now, user: context.user }) ?? next;
  const { signal } = context;
  const reservation =
    subresource === ''
      ? await registry.hooks.reserve(stored, next, previous, { dryRun: options.dryRun, signal })
      : undefined;
  try {
    if (reservation) next = reservation.object;
    next = withSettledTimes(next, previous);
    validate(registry, context, request, next, previous);
    await validateAdmission(registry.admission, subject, await toServed(registry, next, served, stored), live);
  } catch (error) {
    await settle(reservation, false);
    throw error;
  }
  const { kind } = stored.gvk;
  const value = storedForm(await toStorage(stored, next), kind, stored.apiVersion);
  const before = storedForm(inStore, kind, stored.custom ? String(inStore.apiVersion) : stored.apiVersion);
  return {
    // Admission and strategies may have put fields in another order than decoding does: that is no change.
    value: sameJson(value, before) ? before : value,
    remove: subresource !== 'status' && emptied(stored, metadataOf(next), metadataOf(previous), next),
    reservation,
    selfLink: metadataOf(next).selfLink,
  };
}

function checkUid(request: UpdateRequest, next: JsonObject, previous: JsonObject, current: CachedObject): void {
  const wanted = metadataOf(next).uid ?? '';
  const uid = metadataOf(previous).uid ?? '';
  // A patch that changes the uid is refused as an invalid change of an immutable field, not as a failed precondition.
  if (request.optionsKind !== 'UpdateOptions' || wanted === '' || wanted === uid) return;
  // A dry run's storage knows nothing of etcd's prefix.
  const key = `${request.options.dryRun ? '' : '/registry'}/${request.stored.prefix}/${current.key}`;
  throw ApiError.conflict(
    request.served.qualified,
    request.name,
    `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${uid}`,
  );
}

/** Optimistic locking: a given resourceVersion must be the present one; without one the update is unconditional where the kind allows it. */
function checkRevision(request: UpdateRequest, next: JsonObject, current: CachedObject): JsonObject {
  const { stored, served, name } = request;
  const given = metadataOf(next).resourceVersion ?? '';
  if (given !== '' && !/^[0-9]+$/.test(given))
    throw plainServerError(`strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`);
  const revision = given === '' ? 0 : Number(given);
  if (revision === 0) {
    if (stored.strategy.allowUnconditionalUpdate === false)
      throw ApiError.invalid({ group: served.qualified.group, kind: served.qualified.resource }, name, [
        {
          type: 'FieldValueInvalid',
          field: 'metadata.resourceVersion',
          message: 'Invalid value: 0: must be specified for an update',
        },
      ]);
    return withMeta(next, { resourceVersion: String(current.revision) });
  }
  if (revision !== current.revision) throw modified(served.qualified, name);
  return next;
}

/** Kinds whose own validation of an update looks at the whole metadata once more, so that its errors come twice. */
const wholeTwice: ReadonlySet<string> = new Set([
  '/configmaps',
  '/secrets',
  '/serviceaccounts',
  '/endpoints',
  '/namespaces',
  '/nodes',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/pods',
  'apps/controllerrevisions',
  'batch/jobs',
  'certificates.k8s.io/certificatesigningrequests',
  'networking.k8s.io/ingresses',
  'networking.k8s.io/ingressclasses',
  'networking.k8s.io/ipaddresses',
  'node.k8s.io/runtimeclasses',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'resource.k8s.io/deviceclasses',
  'resource.k8s.io/resourceclaims',
  'resource.k8s.io/resourceclaimtemplates',
  'storage.k8s.io/csistoragecapacities',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattributesclasses',
]);
/** And kinds whose validation of an update leaves the metadata alone. */
const changeOnce: ReadonlySet<string> = new Set(['/events', 'policy/poddisruptionbudgets']);

function validate(
  registry: Registry,
  context: RequestContext,
  { served, stored, strategy }: UpdateRequest,
  next: JsonObject,
  previous: JsonObject,
): void {
  const id = `${stored.group}/${stored.resource}`;
  const errors = [
    ...registry.kinds.validateMetaUpdate(next, previous, {
      namespaced: stored.namespaced,
      validateName: stored.strategy.validateName,
      qualifiedFinalizers: wantsQualifiedFinalizers(stored),
      wholeTwice: wholeTwice.has(id),
      changeOnce: changeOnce.has(id),
    }),
    ...(strategy.validateUpdate?.(next, previous, { apiVersion: served.apiVersion }) ?? []),
  ];
  if (errors.length > 0) throw ApiError.invalid(stored.gvk, metadataOf(next).name ?? '', errors);
  for (const warning of strategy.warningsOnUpdate?.(next, previous) ?? []) context.warnings.push(warning);
}

/** A terminating object whose last finalizer goes is deleted by the update that takes it. Source: ShouldDeleteDuringUpdate. */
function emptied(stored: StoredResource, next: Metadata, previous: Metadata, object: JsonObject): boolean {
  if (next.finalizers !== undefined && next.finalizers.length > 0) return false;
  if (!previous.deletionTimestamp) return false;
  if (stored.group === '' && stored.resource === 'namespaces') {
    const finalizers = (object.spec as JsonObject | undefined)?.finalizers as readonly string[] | undefined;
    return finalizers === undefined || finalizers.length === 0;
  }
  if (previous.finalizers === undefined || previous.finalizers.length === 0) return false;
  return (previous.deletionGracePeriodSeconds ?? 0) === 0;
}
