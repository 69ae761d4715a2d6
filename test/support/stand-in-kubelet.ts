/** Does to pods what a kubelet without containers would: they run and are ready at once, and end when they are deleted. */
import { isConflict, isNotFound } from '../../src/api/errors.ts';
import { formatTime } from '../../src/api/time.ts';
import type { Pod } from '../../src/api/types/core-v1.ts';
import { resources } from '../../src/api/types/resources.ts';
import type { Controller } from '../../src/controllers/controller.ts';

export interface StandInKubeletOptions {
  /** Whether the pod becomes ready; default always. */
  readonly isReady?: (pod: Pod) => boolean;
  /** Pods end this long after they were deleted. */
  readonly endsAfterMs?: number;
}

export function standInKubelet({ isReady = () => true, endsAfterMs = 0 }: StandInKubeletOptions = {}): Controller {
  // Goes on after a restart: an address is never given twice.
  let addresses = 0;
  return {
    name: 'kubelet',
    async run({ client, informers, clock }, signal) {
      const pods = client.resource(resources.pods);
      const under = new Set<Promise<void>>();
      const act = (work: Promise<unknown>): void => {
        const task: Promise<void> = work
          .then(
            () => undefined,
            (error: unknown) => {
              if (!signal.aborted && !isNotFound(error) && !isConflict(error)) throw error;
            },
          )
          .finally(() => under.delete(task));
        under.add(task);
      };
      const start = (pod: Pod): Promise<unknown> => {
        const ip = `10.244.${addresses >> 8}.${addresses++ & 255}`;
        const ready = isReady(pod) ? 'True' : 'False';
        const at = formatTime(clock.now());
        const condition = (type: string, status: string) => ({ type, status, lastTransitionTime: at });
        return pods.patch(
          pod.metadata.name!,
          {
            type: 'strategic',
            patch: {
              status: {
                phase: 'Running',
                podIP: ip,
                podIPs: [{ ip }],
                startTime: at,
                conditions: [condition('Ready', ready), condition('ContainersReady', ready)],
              },
            },
          },
          { namespace: pod.metadata.namespace!, subresource: 'status', signal },
        );
      };
      const end = async (pod: Pod): Promise<void> => {
        if (endsAfterMs > 0) await clock.sleep(endsAfterMs, signal);
        await pods.delete(pod.metadata.name!, {
          namespace: pod.metadata.namespace!,
          body: { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid! } },
          signal,
        });
      };
      const off = informers.informer(resources.pods).addHandler({
        onAdd(pod) {
          if (!pod.spec?.nodeName) return;
          if (pod.metadata.deletionTimestamp) act(end(pod));
          else if (pod.status?.phase !== 'Running') act(start(pod));
        },
        onUpdate(previous, pod) {
          if (!pod.spec?.nodeName) return;
          if (pod.metadata.deletionTimestamp && !previous.metadata.deletionTimestamp) act(end(pod));
          else if (!previous.spec?.nodeName) act(start(pod));
        },
      });
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve());
      });
      off();
      await Promise.all(under);
    },
  };
}
