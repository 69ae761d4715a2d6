/** POST. Source: endpoints/handlers/create.go, registry/generic/registry/store.go (Create), registry/rest/create.go. */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import { managerName } from '../../api/managed-fields/manager-name.ts';
import { ownableFields, resetFields } from '../../api/managed-fields/reset-fields.ts';
import { generateName as generatedName } from '../../api/names.ts';
import { formatTime } from '../../api/time.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { type AdmissionSubject, admit, validateAdmission } from './admit.ts';
import type { RequestContext } from './context.ts';
import { toServed, toStorage, toStored } from './conversion.ts';
import { clearsManagers } from './managed-fields-reset.ts';
import { withoutDuplicateOwners } from './managers.ts';
import {
  filledForCreate,
  inNamespace,
  metadataOf,
  plainServerError,
  storedForm,
  withMeta,
  withoutSystemFields,
} from './object-meta.ts';
import type { WriteRequest } from './options.ts';
import type { Registry, Reservation } from './registry.ts';
import { objectKey, type ServedResource, type StoredResource, strategyOf } from './resources.ts';

/** Upstream: maxNameGenerationCreateAttempts. */
const generateAttempts = 8;

/** A write's outcome before it is encoded: cached bytes, or for a dry run only a value in the stored version. */
export type Written =
  | { readonly kind: 'stored'; readonly object: CachedObject }
  | { readonly kind: 'dryRun'; readonly value: JsonObject };

/** @param object decoded, in the served version. */
export async function createObject(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  namespace: string,
  object: JsonObject,
  options: WriteRequest,
): Promise<Written> {
  const now = formatTime(registry.clock.now());
  const defaulted = registry.kinds.applyDefaults(withoutSystemFields(object), served.gvk);
  // Defaults come in schema order and leave no list empty.
  if (context.arranged === object) context.arranged = served.apiVersion === stored.apiVersion ? defaulted : undefined;
  let next = inNamespace(defaulted, namespace, stored.namespaced);
  next = withoutDuplicateOwners(next, context.warnings);
  next = withManager(registry, context, served, '', options, undefined, next, now);
  const subject: AdmissionSubject = {
    context,
    served,
    operation: 'CREATE',
    subresource: '',
    namespace,
    name: metadataOf(next).name ?? '',
    options: createOptions(options),
    dryRun: options.dryRun,
  };
  next = (await admit(registry.admission, subject, next, undefined)) ?? next;
  next = withoutDuplicateOwners(next, context.warnings);
  return storeNew(registry, context, served, stored, namespace, next, subject, now);
}

/** The object with managedFields as they are after this request. Both objects in the served version. */
export function withManager(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  subresource: string,
  options: WriteRequest,
  live: JsonObject | undefined,
  next: JsonObject,
  now: string,
): JsonObject {
  const { kinds, table } = registry;
  const { stored } = served;
  const { group, resource } = stored ?? served.schema;
  return registry.fieldManager.update({
    ...(live === undefined ? {} : { previous: live }),
    next,
    type: served.schema.type,
    manager: managerName(options.fieldManager, context.request.headers['user-agent'] ?? ''),
    subresource,
    apiVersion: served.apiVersion,
    now,
    ignored: served.strategy?.resetFields?.(subresource) ?? resetFields(group, resource, subresource),
    only: ownableFields(group, resource, subresource),
    reset: live !== undefined && clearsManagers(context.request.body),
    convert: (object, apiVersion) => {
      const other = table.served.find((s) => s.stored === stored && s.apiVersion === apiVersion);
      if (other === undefined) return undefined;
      return { object: kinds.convert(object, served.gvk, other.gvk), type: other.schema.type };
    },
  });
}

/** As admission sees them, also of a create by update or apply. */
export const createOptions = (options: WriteRequest): JsonObject => ({
  kind: 'CreateOptions',
  apiVersion: 'meta.k8s.io/v1',
  ...(options.dryRun ? { dryRun: ['All'] } : {}),
  ...(options.fieldManager === '' ? {} : { fieldManager: options.fieldManager }),
});

/** The part after admission: also how an update creates (AllowCreateOnUpdate). @param object in the served version. */
export async function storeNew(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  namespace: string,
  object: JsonObject,
  subject: AdmissionSubject,
  now: string,
): Promise<Written> {
  if (served.schema.custom?.terminating)
    throw ApiError.forbidden(
      served.qualified,
      subject.name,
      'create not allowed while custom resource definition is terminating',
    );
  const generateName = metadataOf(object).generateName ?? '';
  const generates = generateName !== '' && (metadataOf(object).name ?? '') === '';
  for (let attempt = 1; ; attempt++) {
    const named = generates ? withMeta(object, { name: generatedName(generateName, registry.random) }) : object;
    const written = await tryCreate(registry, context, served, stored, namespace, named, subject, now);
    if (written !== undefined) return written;
    const name = metadataOf(named).name!;
    if (!generates) throw await existsAlready(registry, context, served, stored, objectKey(namespace, name), name);
    if (attempt === generateAttempts) {
      const error = ApiError.alreadyExists(served.qualified, name);
      throw new ApiError({
        ...error.status,
        details: { ...error.status.details, retryAfterSeconds: 1 },
        message: `${error.message}, the server was not able to generate a unique name for the object`,
      });
    }
  }
}

async function tryCreate(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  namespace: string,
  object: JsonObject,
  subject: AdmissionSubject,
  now: string,
): Promise<Written | undefined> {
  const { kinds, rounds, hooks } = registry;
  const strategy = strategyOf(served, stored);
  if (strategy.load) await strategy.load();
  let next = toStored(registry, filledForCreate(object, registry.random.uuid(), now), served, stored);
  next =
    strategy.prepareForCreate?.(next, { now, user: context.user, warn: (text) => context.warnings.push(text) }) ?? next;
  const { dryRun } = subject;
  const reservation = await hooks.reserve(stored, next, undefined, { dryRun, signal: context.signal });
  let committed = false;
  try {
    if (reservation) next = reservation.object;
    const name = metadataOf(next).name ?? '';
    const errors = [
      ...kinds.validateMeta(next, {
        namespaced: stored.namespaced,
        validateName: strategy.validateName,
        qualifiedFinalizers: wantsQualifiedFinalizers(stored),
      }),
      ...(strategy.validate?.(next, { apiVersion: served.apiVersion }) ?? []),
    ];
    if (errors.length > 0) throw ApiError.invalid(stored.gvk, name, errors);
    for (const warning of strategy.warningsOnCreate?.(next) ?? []) context.warnings.push(warning);
    await validateAdmission(
      registry.admission,
      { ...subject, name },
      await toServed(registry, next, served, stored),
      undefined,
    );
    // What is no number is no version: upstream looks at it as one and lets the rest pass.
    if (!dryRun && /^0*[1-9][0-9]*$/.test(metadataOf(next).resourceVersion ?? ''))
      throw plainServerError('resourceVersion should not be set on objects to be created');
    const key = objectKey(namespace, name);
    const arranged = toStorage(stored, next, context.arranged);
    const value = storedForm(
      arranged instanceof Promise ? await arranged : arranged,
      stored.gvk.kind,
      stored.apiVersion,
    );
    // What is not stored keeps the version it came with.
    if (dryRun)
      return rounds.cacheOf(stored).get(key)
        ? undefined
        : { kind: 'dryRun', value: withMeta(value, { resourceVersion: metadataOf(next).resourceVersion }) };
    const created = await rounds.create(stored, key, value, context.signal);
    if (created === undefined) return undefined;
    committed = true;
    return { kind: 'stored', object: created };
  } finally {
    await settle(reservation, committed);
  }
}

export async function settle(reservation: Reservation | undefined, committed: boolean): Promise<void> {
  if (reservation === undefined) return;
  await (committed ? reservation.commit() : reservation.release());
}

async function existsAlready(
  registry: Registry,
  context: RequestContext,
  served: ServedResource,
  stored: StoredResource,
  key: string,
  name: string,
): Promise<ApiError> {
  const error = ApiError.alreadyExists(served.qualified, name);
  const existing = await registry.rounds.fresh(stored, key, context.signal);
  if (existing === undefined || !metadataOf(registry.cache.valueOf(existing)).deletionTimestamp) return error;
  return new ApiError({ ...error.status, message: `object is being deleted: ${error.message}` });
}

/** The kinds of the API's own machinery, and a few more, do not look at it. */
export const wantsQualifiedFinalizers = ({ group, resource, custom }: StoredResource): boolean =>
  custom === undefined &&
  !/^(admissionregistration|apiextensions|apiregistration)\./.test(group) &&
  !['events', 'leases', 'poddisruptionbudgets', 'runtimeclasses'].includes(resource);
