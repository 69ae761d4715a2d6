/** Does what the plan of a StatefulSet says, and tells the user about each. Source: pkg/controller/statefulset/stateful_pod_control.go. */
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts';
import { isBeingDeleted } from '../../api/meta.ts';
import type { StatefulSet } from '../../api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import type { Expectations } from '../expectations.ts';
import { isNamespaceTerminating, messageOf } from '../pod-writer.ts';
import { judgeClaimOwners } from './claim-owners.ts';
import { claimsOf, ordinalOf, podName, statefulPod, withIdentity } from './identity.ts';
import type { StatefulStep } from './plan.ts';

export interface StepContext {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly expectations: Expectations;
  readonly set: StatefulSet;
  readonly key: string;
  readonly revisions: Readonly<
    Record<'current' | 'update', { readonly name: string; readonly template: PodTemplateSpec }>
  >;
  readonly signal: AbortSignal;
}

export async function takeStep(context: StepContext, step: StatefulStep): Promise<void> {
  switch (step.kind) {
    case 'create':
      return createPod(context, step.ordinal, step.revision);
    case 'delete':
      return deletePod(context, step.pod);
    case 'createClaims':
      await createClaims(context, podName(context.set, step.ordinal), step.ordinal);
      return ownClaims(context, step.pod);
    case 'claimOwners':
      return ownClaims(context, step.pod);
    case 'repair':
      return repair(context, step.pod, step.ordinal);
  }
}

async function createPod(context: StepContext, ordinal: number, which: 'current' | 'update'): Promise<void> {
  const { client, expectations, key, set, signal } = context;
  const { name, template } = context.revisions[which];
  const pod = statefulPod(set, template, name, ordinal);
  try {
    await createClaims(context, pod.metadata.name!, ordinal);
    const created = await client.resource(resources.pods).create(pod, { signal });
    expectations.created(key, created.metadata.uid!);
    tellOfPod(context, 'Create', pod);
  } catch (error) {
    if (!isAlreadyExists(error) && !isNamespaceTerminating(error) && !signal.aborted)
      tellOfPod(context, 'Create', pod, error);
    throw error;
  }
}

async function deletePod(context: StepContext, pod: Pod): Promise<void> {
  const { client, expectations, key, signal } = context;
  const { name, namespace, uid } = pod.metadata;
  expectations.deleting(key, uid!);
  try {
    const body = { preconditions: { uid: uid! } };
    await client.resource(resources.pods).delete(name!, { namespace: namespace!, body, signal });
  } catch (error) {
    expectations.notDeleted(key, uid!);
    // Gone, or another pod under its name.
    if (!isNotFound(error) && !isConflict(error)) {
      if (!signal.aborted) tellOfPod(context, 'Delete', pod, error);
      throw error;
    }
  }
  tellOfPod(context, 'Delete', pod);
}

/** Those that are missing. @throws Error when one is on its way out: its pod would start on data that vanishes. */
async function createClaims({ client, claims, events, set, signal }: StepContext, pod: string, ordinal: number) {
  for (const claim of claimsOf(set, ordinal)) {
    const { name, namespace } = claim.metadata;
    const present = claims.get(`${namespace}/${name}`);
    if (present && isBeingDeleted(present)) throw new Error(`pvc ${name} is being deleted`);
    if (present) continue;
    const text = (outcome: string) => `Create Claim ${name} ${outcome}`;
    try {
      await client.resource(resources.persistentVolumeClaims).create(claim, { signal });
      const message = text(`Pod ${pod} in StatefulSet ${set.metadata.name} success`);
      events.event(set, { type: 'Normal', reason: 'SuccessfulCreate', message });
    } catch (error) {
      // Made by us a moment ago: the cache is behind.
      if (isAlreadyExists(error)) continue;
      const message = text(`for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${messageOf(error)}`);
      if (!signal.aborted) events.event(set, { type: 'Warning', reason: 'FailedCreate', message });
      throw new Error(`failed to create PVC ${name}: ${messageOf(error)}`, { cause: error });
    }
  }
}

async function ownClaims({ client, claims, events, set, signal }: StepContext, pod: Pod): Promise<void> {
  for (const { metadata } of claimsOf(set, ordinalOf(set, pod))) {
    const claim = claims.get(`${metadata.namespace}/${metadata.name}`);
    if (!claim) continue;
    const { upToDate, conflict, references } = judgeClaimOwners(claim, set, pod);
    if (conflict)
      events.event(set, {
        type: 'Warning',
        reason: 'ConflictingController',
        message: `PersistentVolumeClaim ${metadata.name} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`,
      });
    if (upToDate) continue;
    const next = { ...claim, metadata: { ...claim.metadata, ownerReferences: references } };
    await client.resource(resources.persistentVolumeClaims).update(next, { signal });
  }
}

async function repair(context: StepContext, pod: Pod, ordinal: number): Promise<void> {
  const { client, set, signal } = context;
  try {
    await createClaims(context, pod.metadata.name!, ordinal);
    await ownClaims(context, pod);
    await client.resource(resources.pods).update(withIdentity(set, pod, ordinal), { signal });
  } catch (error) {
    if (!isConflict(error) && !signal.aborted) tellOfPod(context, 'Update', pod, error);
    throw error;
  }
  tellOfPod(context, 'Update', pod);
}

function tellOfPod(
  { events, set }: StepContext,
  verb: 'Create' | 'Delete' | 'Update',
  pod: Pod,
  error?: unknown,
): void {
  const what = `${verb} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  events.event(
    set,
    error === undefined
      ? { type: 'Normal', reason: `Successful${verb}`, message: `${what} successful` }
      : { type: 'Warning', reason: `Failed${verb}`, message: `${what} failed error: ${messageOf(error)}` },
  );
}
