/** How a workload controller hears of its pods: keys of owners are woken, expectations met. */
import { sameJson } from '../api/edit.ts';
import { controllerOf } from '../api/meta.ts';
import type { Pod } from '../api/types/core-v1.ts';
import type { Informer } from '../client/informer.ts';
import type { Expectations } from './expectations.ts';
import { observe } from './observe.ts';

export interface PodOwnerWatch {
  /** Pods whose controller is of this kind are the controller's. */
  readonly kind: string;
  /** Empty for core. */
  readonly group: string;
  readonly expectations: Expectations;
  /** `removed`: the pod is gone or on its way out. */
  wake(key: string, pod: Pod, event: { readonly removed: boolean }): void;
  /** An orphan appeared or changed: whose selector matches it? */
  wakeAdopters(pod: Pod): void;
}

export function observeOwnedPods(pods: Informer<Pod>, watch: PodOwnerWatch, signal: AbortSignal): void {
  const { expectations } = watch;
  const apiGroup = watch.group === '' ? '' : `${watch.group}/`;
  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod);
    if (owner?.kind !== watch.kind) return undefined;
    if (apiGroup === '' ? owner.apiVersion.includes('/') : !owner.apiVersion.startsWith(apiGroup)) return undefined;
    return `${pod.metadata.namespace}/${owner.name}`;
  };
  const gone = (pod: Pod): void => {
    const key = ownerKey(pod);
    if (key === undefined) return;
    expectations.observedDeletion(key, pod.metadata.uid!);
    watch.wake(key, pod, { removed: true });
  };
  observe(
    pods,
    {
      onAdd: (pod) => {
        // After a restart a pod may show up that is already on its way out.
        if (pod.metadata.deletionTimestamp) return gone(pod);
        const key = ownerKey(pod);
        if (key !== undefined) {
          expectations.observedCreation(key, pod.metadata.uid!);
          watch.wake(key, pod, { removed: false });
        } else if (!controllerOf(pod)) watch.wakeAdopters(pod);
      },
      onUpdate: (previous, pod) => {
        const replaced = previous.metadata.uid !== pod.metadata.uid;
        // Its labels may have changed in the same moment: the old owner must hear of it, too.
        if (replaced) gone(previous);
        if (pod.metadata.deletionTimestamp && (replaced || previous.metadata.deletionTimestamp === undefined))
          return gone(pod);
        const [before, key] = [ownerKey(previous), ownerKey(pod)];
        if (before !== undefined && before !== key) watch.wake(before, previous, { removed: true });
        if (key !== undefined) {
          if (replaced || before !== key) expectations.observedCreation(key, pod.metadata.uid!);
          watch.wake(key, pod, { removed: false });
        } else if (
          !controllerOf(pod) &&
          (before !== undefined || !sameJson(previous.metadata.labels, pod.metadata.labels))
        )
          watch.wakeAdopters(pod);
      },
      onDelete: gone,
    },
    signal,
  );
}
