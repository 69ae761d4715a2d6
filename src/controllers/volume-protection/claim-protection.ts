/** Keeps a claim that is being deleted until no pod uses it. Source: pkg/controller/volume/pvcprotection. */
import { withFinalizer, withoutFinalizer } from '../../api/edit.ts';
import { isNotFound } from '../../api/errors.ts';
import { hasFinalizer, isBeingDeleted } from '../../api/meta.ts';
import { isPodTerminal } from '../../api/pod/conditions.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { claimBelongsTo, claimKeysOf, claimNameOf } from '../../api/volume/claims.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

const finalizer = 'kubernetes.io/pvc-protection';
const claimIndex = 'claims';

export function claimProtectionController(): Controller {
  return {
    name: 'persistentvolumeclaim-protection-controller',
    async run({ client, informers, clock, log, metrics }, signal) {
      const claims = informers.informer(resources.persistentVolumeClaims);
      const pods = informers.informer(resources.pods);
      pods.addIndex(claimIndex, claimKeysOf);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'pvcprotection' } });
      const consider = (claim: PersistentVolumeClaim): void => {
        if (isBeingDeleted(claim) === hasFinalizer(claim, finalizer)) queue.add(keyOf(claim));
      };
      const podChanged = (pod: Pod): void => {
        for (const key of claimKeysOf(pod)) {
          const claim = claims.get(key);
          if (claim && isBeingDeleted(claim)) queue.add(key);
        }
      };
      observe(claims, { onAdd: consider, onUpdate: (_, claim) => consider(claim) }, signal);
      // Only a pod that is gone, or replaced by another of its name, or that never got a node frees a claim.
      observe(pods, { onUpdate: (_, pod) => isPodTerminal(pod) && podChanged(pod), onDelete: podChanged }, signal);
      if (!(await untilSynced([claims, pods], signal))) return;

      const api = client.resource(resources.persistentVolumeClaims);
      const reconcile = async (key: string): Promise<void> => {
        const claim = claims.get(key);
        if (!claim) return;
        try {
          if (!isBeingDeleted(claim)) {
            if (!hasFinalizer(claim, finalizer)) await api.update(withFinalizer(claim, finalizer), { signal });
            return;
          }
          if (!hasFinalizer(claim, finalizer)) return;
          if (pods.byIndex(claimIndex, key).some((pod) => usesClaim(pod, claim))) return;
          // The cache may be behind: a pod that was just bound would lose its volume.
          const live = await client.resource(resources.pods).list({ namespace: claim.metadata.namespace!, signal });
          if (live.items.some((pod) => usesClaim(pod, claim))) return;
          await api.update(withoutFinalizer(claim, finalizer), { signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      };
      await runWorkers(queue, 1, reconcile, { clock, log, kind: 'claim' }, signal);
    },
  };
}

/** A pod without a node has not touched the volume, and the kubelet refuses it once the claim is being deleted. */
function usesClaim(pod: Pod, claim: PersistentVolumeClaim): boolean {
  if (!pod.spec?.nodeName) return false;
  for (const volume of pod.spec.volumes ?? []) {
    if (claimNameOf(pod, volume) !== claim.metadata.name) continue;
    if (!volume.ephemeral) return true;
    if (!isShutDown(pod) && claimBelongsTo(claim, pod)) return true;
  }
  return false;
}

/** Its containers have ended and it is on its way out. */
const isShutDown = (pod: Pod): boolean => isPodTerminal(pod) && isBeingDeleted(pod);
