/**
 * Makes the ResourceClaims that pods get from templates, and takes reservations and allocations back when their pods are done.
 * Source: pkg/controller/resourceclaim.
 */
import { setIn, withoutFinalizer } from '../api/edit.ts';
import { isNotFound } from '../api/errors.ts';
import { controllerOf, hasFinalizer, isBeingDeleted } from '../api/meta.ts';
import { isPodTerminal } from '../api/pod/conditions.ts';
import type { Pod } from '../api/types/core-v1.ts';
import type { ResourceClaim } from '../api/types/resource-v1.ts';
import { resources } from '../api/types/resources.ts';
import { createWorkQueue } from '../client/create-work-queue.ts';
import { keyOf } from '../client/informer.ts';
import { runWorkers } from '../client/run-workers.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { observe, untilSynced } from './observe.ts';

const finalizer = 'resource.kubernetes.io/delete-protection';
const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name';
const fieldManager = 'ResourceClaimController';
const reservedForMax = 256;
const podPrefix = 'pod:';
const claimPrefix = 'claim:';
const ownerIndex = 'resource-claim/owner';
const templateIndex = 'resource-claim/template';
const nameIndex = 'resource-claim/name';

export function resourceClaimController(): Controller {
  return {
    name: 'resourceclaim-controller',
    run: (context, signal) => new Run(context, signal).run(),
  };
}

class Run {
  private readonly context: ControllerContext;
  private readonly signal: AbortSignal;
  private readonly pods;
  private readonly claims;
  private readonly templates;
  private readonly queue;

  constructor(context: ControllerContext, signal: AbortSignal) {
    this.context = context;
    this.signal = signal;
    const { informers, clock, metrics } = context;
    this.pods = informers.informer(resources.pods);
    this.claims = informers.informer(resources.resourceClaims);
    this.templates = informers.informer(resources.resourceClaimTemplates);
    this.queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'resource_claim' } });
    this.claims.addIndex(ownerIndex, (claim) => {
      const owner = controllerOf(claim);
      return owner?.kind === 'Pod' ? [owner.uid] : [];
    });
    this.pods.addIndex(templateIndex, templatesOf);
    this.pods.addIndex(nameIndex, claimsOf);
  }

  async run(): Promise<void> {
    const { clock, log } = this.context;
    const { pods, claims, templates, queue, signal } = this;
    const addPod = (pod: Pod): void => queue.add(`${podPrefix}${keyOf(pod)}`);
    const addClaims = (pod: Pod): void => {
      for (const key of claimsOf(pod)) queue.add(`${claimPrefix}${key}`);
    };
    const podChanged = (pod: Pod): void => {
      if (!pod.spec?.resourceClaims?.length) return;
      if (!isBeingDeleted(pod)) addPod(pod);
      if (isDone(pod)) addClaims(pod);
    };
    observe(pods, { onAdd: podChanged, onUpdate: (_, pod) => podChanged(pod), onDelete: addClaims }, signal);
    observe(
      claims,
      {
        onAdd: (claim) => queue.add(`${claimPrefix}${keyOf(claim)}`),
        onUpdate: (_, claim) => queue.add(`${claimPrefix}${keyOf(claim)}`),
        // Made again for a pod that still needs it.
        onDelete: (claim) => {
          for (const pod of pods.byIndex(nameIndex, keyOf(claim))) addPod(pod);
        },
      },
      signal,
    );
    observe(
      templates,
      {
        onAdd: (template) => {
          for (const pod of pods.byIndex(templateIndex, keyOf(template))) addPod(pod);
        },
      },
      signal,
    );
    if (!(await untilSynced([pods, claims, templates], signal))) return;
    await runWorkers(
      queue,
      10,
      (key) =>
        key.startsWith(podPrefix)
          ? this.syncPod(key.slice(podPrefix.length))
          : this.syncClaim(key.slice(claimPrefix.length)),
      { clock, log, kind: 'object' },
      signal,
    );
  }

  private async syncPod(key: string): Promise<void> {
    const { client, events } = this.context;
    const pod = this.pods.get(key);
    if (!pod || isBeingDeleted(pod) || isDone(pod)) return;
    const made = new Map<string, string>();
    for (const { name, resourceClaimTemplateName } of pod.spec?.resourceClaims ?? []) {
      if (resourceClaimTemplateName === undefined) continue;
      try {
        const claim = await this.claimFor(pod, name, resourceClaimTemplateName);
        if (claim !== undefined) made.set(name, claim);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const message = `PodResourceClaim ${name}: ${why}`;
        events.event(pod, { type: 'Warning', reason: 'FailedResourceClaimCreation', message });
        throw error;
      }
    }
    if (made.size > 0) {
      const known = (pod.status?.resourceClaimStatuses ?? []).filter(({ name }) => !made.has(name));
      const added = [...made].map(([name, resourceClaimName]) => ({ name, resourceClaimName }));
      const patch = { status: { resourceClaimStatuses: [...known, ...added] } };
      const { namespace = '', name = '' } = pod.metadata;
      await client
        .resource(resources.pods)
        .patch(
          name,
          { type: 'strategic', patch: patch as never },
          { namespace, subresource: 'status', fieldManager, signal: this.signal },
        );
    }
    // The scheduler reserves; a pod that was placed without it is made up for.
    if (pod.spec?.nodeName) for (const claimKey of claimsOf(pod)) await this.reserve(pod, claimKey);
  }

  /** @returns the name of a claim that the pod's status does not know yet. */
  private async claimFor(pod: Pod, podClaim: string, templateName: string): Promise<string | undefined> {
    const { client } = this.context;
    const namespace = pod.metadata.namespace!;
    const status = pod.status?.resourceClaimStatuses?.find(({ name }) => name === podClaim);
    if (status && status.resourceClaimName === undefined) return undefined;
    if (status?.resourceClaimName) {
      const known = this.claims.get(`${namespace}/${status.resourceClaimName}`);
      if (known && controllerOf(known)?.uid === pod.metadata.uid) return undefined;
    }
    const orphan = this.claims
      .byIndex(ownerIndex, pod.metadata.uid!)
      .find((claim) => claim.metadata.annotations?.[podClaimAnnotation] === podClaim);
    if (orphan) return orphan.metadata.name;
    const template = this.templates.get(`${namespace}/${templateName}`);
    if (!template)
      throw new Error(
        `resource claim template ${JSON.stringify(templateName)}: resourceclaimtemplate.resource.k8s.io ${JSON.stringify(templateName)} not found`,
      );
    const { labels, annotations } = template.spec.metadata ?? {};
    const claim = await client.resource(resources.resourceClaims).create(
      {
        metadata: {
          generateName: baseName(pod.metadata.name!, podClaim),
          namespace,
          ownerReferences: [
            { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name!, uid: pod.metadata.uid!, controller: true },
          ],
          annotations: { ...annotations, [podClaimAnnotation]: podClaim },
          ...(labels ? { labels } : {}),
        },
        spec: template.spec.spec,
      },
      { signal: this.signal },
    );
    return claim.metadata.name;
  }

  private async reserve(pod: Pod, claimKey: string): Promise<void> {
    const claim = this.claims.get(claimKey);
    if (!claim?.status?.allocation) return;
    const reserved = claim.status.reservedFor ?? [];
    if (reserved.length >= reservedForMax || reserved.some(({ uid }) => uid === pod.metadata.uid)) return;
    const consumer = { resource: 'pods', name: pod.metadata.name!, uid: pod.metadata.uid! };
    await this.context.client
      .resource(resources.resourceClaims)
      .updateStatus(
        { ...claim, status: { ...claim.status, reservedFor: [...reserved, consumer] } },
        { signal: this.signal },
      );
  }

  private async syncClaim(key: string): Promise<void> {
    const { signal } = this;
    const api = this.context.client.resource(resources.resourceClaims);
    let claim = this.claims.get(key);
    if (!claim) return;
    try {
      const reserved = claim.status?.reservedFor ?? [];
      const remaining = [];
      for (const consumer of reserved) if (await this.isInUse(claim, consumer)) remaining.push(consumer);
      const ours = hasFinalizer(claim, finalizer);
      if (remaining.length < reserved.length) {
        // The last user is gone: what was chosen for it is free for a better choice.
        const status = { ...claim.status, reservedFor: remaining };
        const next = setIn(
          { ...claim, status },
          ['status', 'reservedFor'],
          remaining.length > 0 ? remaining : undefined,
        );
        const freed = remaining.length === 0 && ours ? setIn(next, ['status', 'allocation'], undefined) : next;
        claim = await api.updateStatus(freed, { signal });
        if (hasFinalizer(claim, finalizer) && claim.status?.allocation === undefined)
          claim = await api.update(withoutFinalizer(claim, finalizer), { signal });
      } else if (ours && isBeingDeleted(claim) && remaining.length === 0) {
        if (claim.status?.allocation)
          claim = await api.updateStatus(setIn(claim, ['status', 'allocation'], undefined), { signal });
        claim = await api.update(withoutFinalizer(claim, finalizer), { signal });
      }
      if (remaining.length > 0 || isBeingDeleted(claim)) return;
      const owner = controllerOf(claim);
      if (owner?.kind !== 'Pod') return;
      const pod = this.pods.get(`${claim.metadata.namespace}/${owner.name}`);
      // Made for a pod that will not need it any more, though the pod is still there.
      if (pod && (pod.metadata.uid !== owner.uid || isDone(pod)))
        await api.delete(claim.metadata.name!, { namespace: claim.metadata.namespace!, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** A consumer of a kind we do not know is believed. */
  private async isInUse(
    claim: ResourceClaim,
    { apiGroup = '', resource, name, uid }: { apiGroup?: string; resource: string; name: string; uid: string },
  ): Promise<boolean> {
    if (apiGroup !== '' || resource !== 'pods') return true;
    const namespace = claim.metadata.namespace!;
    const cached = this.pods.get(`${namespace}/${name}`);
    if (cached) return cached.metadata.uid === uid && !isDone(cached);
    try {
      const live = await this.context.client.resource(resources.pods).get(name, { namespace, signal: this.signal });
      return live.metadata.uid === uid;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

/** It has ended, or it is being deleted and never was placed. */
const isDone = (pod: Pod): boolean => isPodTerminal(pod) || (isBeingDeleted(pod) && !pod.spec?.nodeName);

const templatesOf = (pod: Pod): string[] =>
  (pod.spec?.resourceClaims ?? []).flatMap(({ resourceClaimTemplateName: name }) =>
    name === undefined ? [] : [`${pod.metadata.namespace}/${name}`],
  );
function claimsOf(pod: Pod): string[] {
  const keys: string[] = [];
  for (const { name, resourceClaimName } of pod.spec?.resourceClaims ?? []) {
    const found =
      resourceClaimName ?? pod.status?.resourceClaimStatuses?.find((each) => each.name === name)?.resourceClaimName;
    if (found !== undefined) keys.push(`${pod.metadata.namespace}/${found}`);
  }
  return keys;
}

/** Both names are shortened alike, so that something of each is left. */
function baseName(pod: string, podClaim: string): string {
  const full = `${pod}-${podClaim}-`;
  const max = 57;
  if (full.length <= max) return full;
  const part = (text: string): string => text.slice(0, Math.floor((text.length * max) / full.length));
  return `${part(pod)}-${part(podClaim)}`;
}
