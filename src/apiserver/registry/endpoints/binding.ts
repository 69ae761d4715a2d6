/** `pods/NAME/binding` and the `bindings` collection: the scheduler gives a pod its node. Source: registry/core/pod/storage (BindingREST). */
import { setOwn, sortedKeys } from '../../../api/codec/own.ts';
import { ApiError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import { formatTime } from '../../../api/time.ts';
import { negotiateAccept } from '../../negotiation/negotiation.ts';
import { type AdmissionSubject, admit, validateAdmission } from '../admit.ts';
import { type Metadata, metadataOf, plainServerError, storedForm, withMeta } from '../object-meta.ts';
import { parseWriteOptions } from '../options.ts';
import { endpoint, methodNotAllowed } from '../resource-handler.ts';
import { objectKey } from '../resources.ts';
import type { SubresourceHandler } from '../subresources.ts';

const gvk = { group: '', version: 'v1', kind: 'Binding' } as const;
const conflictOf = { group: '', resource: 'pods/binding' } as const;

export const bindingHandler: SubresourceHandler = async ({
  context,
  handler,
  served,
  namespace,
  name: urlName,
  subresource,
}) => {
  if (context.request.method !== 'POST') throw methodNotAllowed();
  const { registry } = handler;
  const type = registry.schema.byGvk(gvk);
  const pods = registry.table.storedResource('', 'pods');
  if (!type || !pods) throw new Error('The schema has no Binding or no pods');
  const negotiated = negotiateAccept(context.request, endpoint);
  const options = parseWriteOptions(context.query, 'CreateOptions');
  let binding = await handler.decode(context, gvk, type, options.fieldValidation);
  const name = subresource === '' ? (metadataOf(binding).name ?? '') : urlName;
  if ((metadataOf(binding).name ?? name) !== name)
    throw ApiError.badRequest(`name in URL does not match name in Binding object`);
  binding = withMeta(binding, { name, namespace });
  const subject: AdmissionSubject = {
    context,
    served,
    operation: 'CREATE',
    subresource,
    namespace,
    name,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    dryRun: options.dryRun,
    kind: gvk,
  };
  binding = (await admit(registry.admission, subject, binding, undefined)) ?? binding;
  await validateAdmission(registry.admission, subject, binding, undefined);
  const target = (binding.target ?? {}) as { readonly kind?: string; readonly name?: string };
  checkTarget(target);
  const { uid, resourceVersion } = metadataOf(binding);
  await registry.rounds.update(
    pods,
    objectKey(namespace, name),
    (current) => {
      if (current === undefined) throw ApiError.notFound({ group: '', resource: 'pods' }, name);
      const pod = registry.cache.valueOf(current);
      checkPreconditions(name, metadataOf(pod).uid ?? '', current.revision, uid ?? '', resourceVersion ?? '');
      const bound = bind(pod, name, target.name!, metadataOf(binding), formatTime(registry.clock.now()));
      return options.dryRun ? { kind: 'keep' } : { kind: 'write', value: storedForm(bound, 'Pod', 'v1') };
    },
    context.signal,
  );
  return handler.value(
    201,
    context,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    negotiated,
  );
};

function checkTarget(target: { readonly kind?: string; readonly name?: string }): void {
  const errors = [];
  if (target.kind !== undefined && target.kind !== '' && target.kind !== 'Node')
    errors.push({
      type: 'FieldValueNotSupported' as const,
      field: 'target.kind',
      message: `Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`,
    });
  if ((target.name ?? '') === '')
    errors.push({ type: 'FieldValueRequired' as const, field: 'target.name', message: 'Required value' });
  // Upstream hands these over as a plain error, so they come without reason and details.
  const said = errors.map(({ field, message }) => `${field}: ${message}`);
  if (said.length > 0) throw plainServerError(said.length === 1 ? said[0]! : `[${said.join(', ')}]`);
}

function checkPreconditions(
  name: string,
  uid: string,
  revision: number,
  wantedUid: string,
  wantedRevision: string,
): void {
  if (wantedUid !== '' && wantedUid !== uid)
    throw ApiError.conflict(
      conflictOf,
      name,
      `Precondition failed: UID in precondition: ${wantedUid}, UID in object meta: ${uid}`,
    );
  if (wantedRevision !== '' && wantedRevision !== String(revision))
    throw ApiError.conflict(
      conflictOf,
      name,
      `Precondition failed: ResourceVersion in precondition: ${wantedRevision}, ResourceVersion in object meta: ${revision}`,
    );
}

function bind(pod: JsonObject, name: string, node: string, { annotations, labels }: Metadata, now: string): JsonObject {
  const refuse = (why: string): ApiError => ApiError.conflict(conflictOf, name, why);
  const meta = metadataOf(pod);
  const spec = (pod.spec ?? {}) as JsonObject;
  if (meta.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (typeof spec.nodeName === 'string' && spec.nodeName !== '')
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`);
  if (Array.isArray(spec.schedulingGates) && spec.schedulingGates.length > 0)
    throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  // The hint has served its purpose, and would mislead who still reads it.
  const { nominatedNodeName: _, ...status } = (pod.status ?? {}) as JsonObject;
  const scheduled = Object.freeze({
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: now,
  });
  const bound = {
    ...pod,
    spec: Object.freeze({ ...spec, nodeName: node }),
    status: Object.freeze({
      ...status,
      conditions: withCondition(status.conditions as readonly JsonObject[] | undefined, scheduled),
    }),
  };
  if (annotations === undefined && labels === undefined) return Object.freeze(bound);
  return withMeta(bound, {
    ...(annotations ? { annotations: merged(meta.annotations, annotations) } : {}),
    ...(labels ? { labels: merged(meta.labels, labels) } : {}),
  });
}

type Strings = Readonly<Record<string, string>>;

/** In the store's order of keys. */
function merged(own: Strings | undefined, given: Strings): Strings {
  const all = { ...own, ...given };
  const ordered: Record<string, string> = {};
  for (const key of sortedKeys(all)) setOwn(ordered, key, all[key]!);
  return Object.freeze(ordered);
}

/** Source: podutil.UpdatePodCondition: the time of transition stays when the status does. */
function withCondition(conditions: readonly JsonObject[] | undefined, next: JsonObject): readonly JsonObject[] {
  const present = conditions ?? [];
  const at = present.findIndex(({ type }) => type === next.type);
  if (at < 0) return Object.freeze([...present, next]);
  const same = present[at]!.status === next.status;
  const merged = same ? { ...next, lastTransitionTime: present[at]!.lastTransitionTime } : next;
  return Object.freeze(
    present.map((condition, i) => (i === at ? Object.freeze(merged) : condition)),
  ) as readonly JsonObject[];
}
