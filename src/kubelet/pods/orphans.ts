/**
 * Ends what runs or lies here without a pod in the API: containers of pods that were deleted while the kubelet was away, folders and mounts
 * of pods that are long gone.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { type CriRuntime, isCriNotFound } from '../../runtime/cri.ts';
import { annotations, labels } from '../containers/runtime-status.ts';
import type { PodEnvironment } from '../environment.ts';

export interface OrphanKeeper {
  /** @param present uids the runtime knows. Starts ending those that nobody knows; does not wait for it. */
  look(present: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
}

export interface OrphanKeeperOptions {
  readonly runtime: CriRuntime;
  readonly environment: PodEnvironment;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timeoutMs: number;
  known(uid: string): boolean;
}

/** An orphan must be seen so many times in a row: a pod's informer event may come after its containers' listing. */
const looksBeforeEnd = 3;

export function createOrphanKeeper({
  runtime,
  environment,
  clock,
  log,
  timeoutMs,
  known,
}: OrphanKeeperOptions): OrphanKeeper {
  const seen = new Map<string, number>();
  const ending = new Set<string>();
  let foldersAtMs = Number.NEGATIVE_INFINITY;

  const end = async (uid: string, signal: AbortSignal): Promise<void> => {
    const filter = { labelSelector: { [labels.podUid]: uid } };
    const { containers } = await runtime.listContainers({ filter }, { signal, timeoutMs });
    await Promise.all(
      containers.map(async (container) => {
        const grace = Number(container.annotations[annotations.terminationGracePeriod] ?? 30) || 30;
        try {
          if (container.state === 'CONTAINER_RUNNING')
            await runtime.stopContainer(
              { containerId: container.id, timeout: grace },
              { signal, timeoutMs: timeoutMs + grace * 1000 },
            );
          await runtime.removeContainer({ containerId: container.id }, { signal, timeoutMs });
        } catch (error) {
          if (!isCriNotFound(error)) throw error;
        }
      }),
    );
    const { items } = await runtime.listPodSandbox({ filter }, { signal, timeoutMs });
    for (const sandbox of items) {
      await runtime.stopPodSandbox({ podSandboxId: sandbox.id }, { signal, timeoutMs });
      await runtime.removePodSandbox({ podSandboxId: sandbox.id }, { signal, timeoutMs });
    }
    await environment.release(uid);
    const { name = '', namespace = '' } = items[0]?.metadata ?? {};
    if (name !== '') await environment.removeLogs({ namespace, name, uid });
    log.info('Ended the containers of a pod that is gone', { pod: `${namespace}/${name}`, uid });
  };

  return {
    async look(present, signal) {
      for (const uid of seen.keys()) if (!present.has(uid) || known(uid)) seen.delete(uid);
      for (const uid of present) {
        if (known(uid) || ending.has(uid)) continue;
        const count = (seen.get(uid) ?? 0) + 1;
        seen.set(uid, count);
        if (count < looksBeforeEnd) continue;
        ending.add(uid);
        void end(uid, signal)
          .catch((error) => {
            if (!signal.aborted) log.warn('Cannot end the containers of a pod that is gone', { uid, error });
          })
          .finally(() => ending.delete(uid));
      }
      if (clock.monotonic() - foldersAtMs < 60_000) return;
      foldersAtMs = clock.monotonic();
      for (const uid of await environment.present())
        if (!known(uid) && !present.has(uid)) await environment.release(uid);
      // A kubelet that died between a pod's last container and its logs has left them.
      for (const pod of await environment.withLogs())
        if (!known(pod.uid) && !present.has(pod.uid)) await environment.removeLogs(pod);
    },
  };
}
