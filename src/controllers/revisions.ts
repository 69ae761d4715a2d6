/**
 * The history of a workload's template, kept as ControllerRevisions: `kubectl rollout history` and `undo` read them. Shared by DaemonSets and
 * StatefulSets. A revision is found by its content, not by the hash in its name, so a cluster that upstream's controllers ran goes on without
 * a roll-out. Source: pkg/controller/history, pkg/controller/daemon/update.go.
 */
import { sortedKeys } from '../api/codec/own.ts';
import { getIn, sameJson, setIn } from '../api/edit.ts';
import { isAlreadyExists, isNotFound } from '../api/errors.ts';
import { templateHash } from '../api/hash.ts';
import type { JsonObject, JsonValue } from '../api/json.ts';
import { isControlledBy, newControllerRef } from '../api/meta.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import { parseTime } from '../api/time.ts';
import type { ControllerRevision } from '../api/types/apps-v1.ts';
import type { PodTemplateSpec } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Client } from '../client/client.ts';

/** The label of pods (and of DaemonSets' revisions) that says which template they are of. */
export const revisionHashLabel = 'controller-revision-hash';
/** Room for the hash in a name. */
const namePrefixMax = 223;

/**
 * What a revision stores: a strategic merge patch that puts the template back. Its keys are sorted as Go sorts a map's: upstream's controllers
 * and tests compare the bytes.
 */
export const revisionData = (template: PodTemplateSpec): JsonObject => ({
  spec: { template: withSortedKeys({ ...(template as JsonObject), $patch: 'replace' }) },
});
const withSortedKeys = <T extends JsonValue>(value: T): T => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withSortedKeys) as JsonValue as T;
  return Object.fromEntries(
    sortedKeys(value).map((key) => [key, withSortedKeys((value as JsonObject)[key]!)]),
  ) as JsonValue as T;
};
export const isRevisionOf = (revision: ControllerRevision, template: PodTemplateSpec): boolean =>
  sameJson(withoutNullTimestamp(revision.data), revisionData(template));

/** The template that a revision stores. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _directive, ...template } = getIn(revision.data, ['spec', 'template']) as JsonObject;
  return template as PodTemplateSpec;
}

/** Upstream before v1.34 wrote `creationTimestamp: null` into every template. */
function withoutNullTimestamp(data: JsonValue | undefined): JsonValue | undefined {
  const path = ['spec', 'template', 'metadata', 'creationTimestamp'];
  return getIn(data, path) === null ? setIn(data as JsonObject, path, undefined) : data;
}

export interface RevisionOwner<O extends KubeObject> {
  readonly ref: ResourceRef<O>;
  readonly object: O;
  readonly template: PodTemplateSpec;
  readonly collisionCount: number | undefined;
  /** Under which label a revision carries its hash. */
  readonly hashLabel: string;
}

export type CreatedRevision =
  | { readonly kind: 'created'; readonly revision: ControllerRevision }
  /** The name is taken by other content: count it and try again. */
  | { readonly kind: 'collision' };

/** Records the present template. A name that is taken by ourselves (the cache is behind) is a success. */
export async function createRevision<O extends KubeObject>(
  client: Client,
  owner: RevisionOwner<O>,
  revision: number,
  signal: AbortSignal,
): Promise<CreatedRevision> {
  const { metadata } = owner.object;
  const hash = templateHash(owner.template as JsonObject, owner.collisionCount);
  const name = `${metadata.name!.slice(0, namePrefixMax)}-${hash}`;
  const draft: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name,
      namespace: metadata.namespace!,
      labels: { ...owner.template.metadata?.labels, [owner.hashLabel]: hash },
      ...(metadata.annotations ? { annotations: metadata.annotations } : {}),
      ownerReferences: [newControllerRef(owner.object, owner.ref)],
    },
    data: revisionData(owner.template),
    revision,
  };
  const revisions = client.resource(resources.controllerRevisions);
  try {
    return { kind: 'created', revision: await revisions.create(draft, { signal }) };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const taken = await revisions.get(name, { namespace: metadata.namespace!, signal });
    return isControlledBy(taken, owner.object) && isRevisionOf(taken, owner.template)
      ? { kind: 'created', revision: taken }
      : { kind: 'collision' };
  }
}

/** The same content with a higher number: an old template was brought back. */
export function renumberRevision(
  client: Client,
  revision: ControllerRevision,
  number: number,
  signal: AbortSignal,
): Promise<ControllerRevision> {
  return client.resource(resources.controllerRevisions).update({ ...revision, revision: number }, { signal });
}

export async function deleteRevision(client: Client, { metadata }: ControllerRevision, signal: AbortSignal) {
  try {
    await client.resource(resources.controllerRevisions).delete(metadata.name!, {
      namespace: metadata.namespace!,
      body: { preconditions: { uid: metadata.uid! } },
      signal,
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Oldest first: by number, then age, then name. */
export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  if (a.revision !== b.revision) return a.revision - b.revision;
  const age = createdMs(a) - createdMs(b);
  if (age !== 0) return age;
  return a.metadata.name! < b.metadata.name! ? -1 : 1;
}
const createdMs = ({ metadata }: ControllerRevision): number =>
  metadata.creationTimestamp ? (parseTime(metadata.creationTimestamp) ?? 0) : 0;

/** The oldest revisions beyond the limit that nobody uses. */
export function revisionsToDelete(
  old: readonly ControllerRevision[],
  limit: number,
  isLive: (revision: ControllerRevision) => boolean,
): readonly ControllerRevision[] {
  const surplus = old.length - limit;
  if (surplus <= 0) return [];
  return [...old]
    .sort(byRevision)
    .filter((revision) => !isLive(revision))
    .slice(0, surplus);
}
