/**
 * Who owns what: a controller takes orphans that match its selector and lets go of what no longer does. Deciding is pure; `claim` writes.
 * Source: pkg/controller/controller_ref_manager.go.
 */
import { isApiError, isNotFound } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import { controllerOf, isBeingDeleted, newControllerRef } from '../api/meta.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import { type LabelMatcher, matchLabels } from '../api/selectors/label-selector.ts';
import type { Client } from '../client/client.ts';

export type Claim = 'keep' | 'adopt' | 'release' | 'ignore';

export function judgeClaim(owner: KubeObject, selector: LabelMatcher, object: KubeObject): Claim {
  const reference = controllerOf(object);
  const matches = matchLabels(selector, object.metadata.labels);
  if (reference) {
    if (reference.uid !== owner.metadata.uid) return 'ignore';
    if (matches) return 'keep';
    return isBeingDeleted(owner) ? 'ignore' : 'release';
  }
  return matches && !isBeingDeleted(owner) && !isBeingDeleted(object) ? 'adopt' : 'ignore';
}

/**
 * Adopts and releases, and returns what is the owner's afterwards. Before the first adoption the owner is read from the server: one that was
 * deleted and created again under its name must not take what belongs to its successor.
 */
export async function claim<O extends KubeObject, T extends KubeObject>(
  client: Client,
  owner: { readonly ref: ResourceRef<O>; readonly object: O; readonly selector: LabelMatcher },
  objects: { readonly ref: ResourceRef<T>; readonly candidates: readonly T[] },
  signal: AbortSignal,
): Promise<T[]> {
  const owned: T[] = [];
  let mayAdopt = false;
  for (const object of objects.candidates) {
    switch (judgeClaim(owner.object, owner.selector, object)) {
      case 'keep':
        owned.push(object);
        break;
      case 'release':
        await release(client, objects.ref, object, owner.object, signal);
        break;
      case 'adopt': {
        if (!mayAdopt) {
          await assertOwnerIsCurrent(client, owner.ref, owner.object, signal);
          mayAdopt = true;
        }
        const adopted = await adopt(client, objects.ref, object, owner, signal);
        if (adopted) owned.push(adopted);
        break;
      }
      case 'ignore':
        break;
    }
  }
  return owned;
}

async function assertOwnerIsCurrent<O extends KubeObject>(
  client: Client,
  ref: ResourceRef<O>,
  owner: O,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace, uid } = owner.metadata;
  const current = await client.resource(ref).get(name!, { ...(namespace ? { namespace } : {}), signal });
  if (current.metadata.uid !== uid)
    throw new Error(
      `Original ${ref.kind} ${namespace}/${name} is gone: got uid ${current.metadata.uid}, wanted ${uid}`,
    );
  if (isBeingDeleted(current)) throw new Error(`${ref.kind} ${namespace}/${name} has just been deleted`);
}

async function adopt<O extends KubeObject, T extends KubeObject>(
  client: Client,
  ref: ResourceRef<T>,
  object: T,
  owner: { readonly ref: ResourceRef<O>; readonly object: O },
  signal: AbortSignal,
): Promise<T | undefined> {
  const reference = newControllerRef(owner.object, owner.ref) as unknown as JsonObject;
  const patch = { metadata: { ownerReferences: [reference], uid: object.metadata.uid } };
  return patchMetadata(client, ref, object, patch, signal);
}

async function release<T extends KubeObject>(
  client: Client,
  ref: ResourceRef<T>,
  object: T,
  owner: KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const patch = {
    metadata: { ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }], uid: object.metadata.uid },
  };
  try {
    await patchMetadata(client, ref, object, patch, signal);
  } catch (error) {
    // The owner reference was removed already, or the object was made anew: either way it is not ours.
    if (!isApiError(error, 'Invalid')) throw error;
  }
}

async function patchMetadata<T extends KubeObject>(
  client: Client,
  ref: ResourceRef<T>,
  object: T,
  patch: JsonObject,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { name, namespace } = object.metadata;
  try {
    return await client
      .resource(ref)
      .patch(name!, { type: 'strategic', patch }, { ...(namespace ? { namespace } : {}), signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
