/** `pods/NAME/eviction`: a deletion that respects disruption budgets. Source: registry/core/pod/storage/eviction.go. */
import { ApiError, isConflict } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import { labelMatcherFrom, matchLabels } from '../../../api/selectors/label-selector.ts';
import { formatTime } from '../../../api/time.ts';
import type { Pod } from '../../../api/types/core-v1.ts';
import type { PodDisruptionBudget } from '../../../api/types/policy-v1.ts';
import { negotiateAccept } from '../../negotiation/negotiation.ts';
import { type AdmissionSubject, admit, validateAdmission } from '../admit.ts';
import type { RequestContext } from '../context.ts';
import { deleteObject } from '../delete.ts';
import { metadataOf, storedForm } from '../object-meta.ts';
import { type DeleteRequest, parseDeleteOptions, parseWriteOptions } from '../options.ts';
import type { Registry } from '../registry.ts';
import { endpoint, methodNotAllowed } from '../resource-handler.ts';
import { objectKey, type StoredResource } from '../resources.ts';
import type { SubresourceHandler } from '../subresources.ts';

const gvk = { group: 'policy', version: 'v1', kind: 'Eviction' } as const;
/** Clients from before v1.22 evict in it. */
const earlierVersions = ['v1beta1'];
/** Upstream: MaxDisruptedPodSize. */
const disruptedPodsMax = 2000;
const attempts = 5;

export const evictionHandler: SubresourceHandler = async ({ context, handler, served, namespace, name }) => {
  if (context.request.method !== 'POST') throw methodNotAllowed();
  const { registry } = handler;
  const stored = served.stored;
  const type = registry.schema.byGvk(gvk);
  if (!type || !stored) throw new Error('The schema has no Eviction');
  const negotiated = negotiateAccept(context.request, endpoint);
  const write = parseWriteOptions(context.query, 'CreateOptions');
  let eviction = await handler.decode(context, gvk, type, write.fieldValidation, earlierVersions);
  const given = metadataOf(eviction).name ?? '';
  if (given !== name) throw ApiError.badRequest('name in URL does not match name in Eviction object');
  const wanted = eviction.deleteOptions as JsonObject | undefined;
  const options = parseDeleteOptions(context.query, wanted ?? {});
  const dryRun = write.dryRun || options.dryRun;
  const subject: AdmissionSubject = {
    context,
    served,
    operation: 'CREATE',
    subresource: 'eviction',
    namespace,
    name,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    dryRun,
    kind: gvk,
  };
  eviction = (await admit(registry.admission, subject, eviction, undefined)) ?? eviction;
  await validateAdmission(registry.admission, subject, eviction, undefined);
  const pod = await registry.rounds.fresh(stored, objectKey(namespace, name), context.signal);
  if (pod === undefined) throw ApiError.notFound(served.qualified, name);
  const value = registry.cache.valueOf(pod) as unknown as Pod;
  if (!mayIgnoreBudgets(value)) await spendBudget(registry, context, namespace, value, dryRun);
  const revision = dryRun ? undefined : await markDisrupted(registry, context, stored, namespace, name, options);
  const { preconditions } = options;
  await deleteObject(registry, context, served, stored, namespace, name, {
    ...options,
    dryRun,
    // The mark itself changed the object that the caller named by its version.
    ...(preconditions.resourceVersion && revision !== undefined
      ? { preconditions: { ...preconditions, resourceVersion: revision } }
      : {}),
  });
  return handler.value(
    201,
    context,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    negotiated,
  );
};

/**
 * The condition that tells a disruption from a failure (a Job's podFailurePolicy asks for it), set before the pod goes.
 * @returns the pod's resource version afterwards.
 */
async function markDisrupted(
  registry: Registry,
  context: RequestContext,
  pods: StoredResource,
  namespace: string,
  name: string,
  { preconditions }: DeleteRequest,
): Promise<string | undefined> {
  const outcome = await registry.rounds.update(
    pods,
    objectKey(namespace, name),
    (current) => {
      if (current === undefined) return { kind: 'keep' };
      const pod = registry.cache.valueOf(current);
      const { uid, resourceVersion } = preconditions;
      if (uid && uid !== metadataOf(pod).uid)
        throw ApiError.conflict(
          { group: '', resource: 'Pod' },
          name,
          `the UID in the precondition (${uid}) does not match the UID in record (${metadataOf(pod).uid}). The object might have been deleted and then recreated`,
        );
      if (resourceVersion && resourceVersion !== String(current.revision))
        throw ApiError.conflict(
          { group: '', resource: 'Pod' },
          name,
          `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${current.revision}). The object might have been modified`,
        );
      const status = withDisruptionTarget((pod.status ?? {}) as JsonObject, formatTime(registry.clock.now()));
      const marked = Object.freeze({ ...pod, status });
      return { kind: 'write', value: storedForm(marked, pods.gvk.kind, pods.apiVersion) };
    },
    context.signal,
  );
  return outcome && String(outcome.object.revision);
}

function withDisruptionTarget(status: JsonObject, now: string): JsonObject {
  const conditions = (status.conditions ?? []) as readonly JsonObject[];
  const before = conditions.find(({ type }) => type === 'DisruptionTarget');
  const condition = Object.freeze({
    type: 'DisruptionTarget',
    status: 'True',
    lastProbeTime: before?.lastProbeTime ?? null,
    lastTransitionTime: before?.status === 'True' ? (before.lastTransitionTime ?? now) : now,
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  });
  const next = before ? conditions.map((c) => (c === before ? condition : c)) : [...conditions, condition];
  return Object.freeze({ ...status, conditions: Object.freeze(next) });
}

/** Pods that are over, not begun or on their way out disturb nobody. */
function mayIgnoreBudgets({ metadata, status }: Pod): boolean {
  const phase = status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || metadata.deletionTimestamp !== undefined;
}

async function spendBudget(
  registry: Registry,
  context: RequestContext,
  namespace: string,
  pod: Pod,
  dryRun: boolean,
): Promise<void> {
  const budgets = registry.table.storedResource('policy', 'poddisruptionbudgets');
  if (!budgets) throw new Error('No stored resource poddisruptionbudgets');
  const matching = registry.rounds
    .cacheOf(budgets)
    .select({ namespace })
    .map((object) => registry.cache.valueOf(object) as unknown as PodDisruptionBudget)
    .filter(({ spec }) => spec?.selector && matchLabels(labelMatcherFrom(spec.selector), pod.metadata.labels));
  if (matching.length === 0) return;
  if (matching.length > 1)
    throw new ApiError({
      code: 500,
      message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    });
  const budget = matching[0]!;
  const policy = budget.spec?.unhealthyPodEvictionPolicy;
  const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  if (!ready) {
    const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
    if (policy === 'AlwaysAllow' || (currentHealthy >= desiredHealthy && desiredHealthy > 0)) return;
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await decrement(registry, context, budgets, budget, pod.metadata.name!, dryRun);
    } catch (error) {
      if (attempt === attempts || !isConflict(error)) throw error;
    }
  }
}

async function decrement(
  registry: Registry,
  context: RequestContext,
  budgets: StoredResource,
  { metadata }: PodDisruptionBudget,
  podName: string,
  dryRun: boolean,
): Promise<void> {
  const name = metadata.name!;
  await registry.rounds.update(
    budgets,
    objectKey(metadata.namespace!, name),
    (current) => {
      if (current === undefined) return { kind: 'keep' };
      const object = registry.cache.valueOf(current);
      const status = ((object as unknown as PodDisruptionBudget).status ?? {}) as NonNullable<
        PodDisruptionBudget['status']
      >;
      if ((status.observedGeneration ?? 0) < (metadataOf(object).generation ?? 0))
        throw blocked(`The disruption budget ${name} is still being processed by the server.`, 10);
      const allowed = status.disruptionsAllowed ?? 0;
      if (allowed < 0)
        throw ApiError.forbidden(
          { group: 'policy', resource: 'poddisruptionbudget' },
          name,
          'pdb disruptions allowed is negative',
        );
      if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax)
        throw ApiError.forbidden(
          { group: 'policy', resource: 'poddisruptionbudget' },
          name,
          'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
        );
      if (allowed === 0)
        throw blocked(
          `The disruption budget ${name} needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`,
        );
      if (dryRun) return { kind: 'keep' };
      const next = Object.freeze({
        ...status,
        disruptionsAllowed: allowed - 1,
        disruptedPods: Object.freeze({ ...status.disruptedPods, [podName]: formatTime(registry.clock.now()) }),
      });
      return {
        kind: 'write',
        value: storedForm(
          Object.freeze({ ...object, status: next as unknown as JsonObject }),
          budgets.gvk.kind,
          budgets.apiVersion,
        ),
      };
    },
    context.signal,
  );
}

const blocked = (message: string, retryAfterSeconds?: number): ApiError =>
  new ApiError({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: 'DisruptionBudget', message }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  });
