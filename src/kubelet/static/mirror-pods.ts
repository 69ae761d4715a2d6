/**
 * Shows static pods in the API: one mirror for each, made again when somebody deletes it, taken away with its pod. And the source that the pod
 * workers read: the API's pods without mirrors, and the static ones. Source: pkg/kubelet/pod/mirror_client.go, kubelet.go (handleMirrorPod ...).
 */
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts';
import type { Node, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { PodSource } from '../pod-source.ts';
import { podRef, podUid } from '../pods/pod-info.ts';
import { annotations, isMirrorPod, type StaticPodFeed } from './static-pods.ts';

/** The API's pods without mirrors, then the static ones; a static pod is found with its mirror's status. */
export function withStaticPods(api: PodSource, feed: StaticPodFeed): PodSource {
  const shown = (pod: Pod): Pod => {
    const mirror = api.get(pod.metadata.namespace ?? '', pod.metadata.name ?? '');
    return mirror && isMirrorPod(mirror) && mirror.status ? { ...pod, status: mirror.status } : pod;
  };
  return {
    waitForSync: (signal) => api.waitForSync(signal),
    list: () => [...api.list().filter((pod) => !isMirrorPod(pod)), ...feed.list().map(shown)],
    get(namespace, name) {
      const own = feed.get(namespace, name);
      if (own) return shown(own);
      const pod = api.get(namespace, name);
      return pod && isMirrorPod(pod) ? undefined : pod;
    },
    subscribe(handler) {
      const stopApi = api.subscribe({
        onPod: (pod) => void (isMirrorPod(pod) || handler.onPod(pod)),
        onGone: (pod) => void (isMirrorPod(pod) || handler.onGone(pod)),
      });
      const stopFeed = feed.subscribe(handler);
      return () => {
        stopApi();
        stopFeed();
      };
    },
  };
}

export interface MirrorPodsOptions {
  readonly client: Client;
  /** With mirrors. */
  readonly api: PodSource;
  readonly feed: StaticPodFeed;
  readonly clock: Clock;
  readonly log: Logger;
  node(): Node | undefined;
  /** A mirror as the API has it now; `gone` when it was removed: the static pod's status is written to the next one. */
  onMirror(staticUid: string, mirror: Pod, gone: boolean): void;
}

/** Keeps mirrors right until the signal aborts. */
export async function keepMirrorPods(options: MirrorPodsOptions, signal: AbortSignal): Promise<void> {
  const { api, feed, clock, log } = options;
  const pods = options.client.resource(resources.pods);
  let wake = (): void => undefined;
  let dirty = true;
  const kick = (): void => {
    dirty = true;
    wake();
  };
  const staticOf = (mirror: Pod): Pod | undefined =>
    feed.get(mirror.metadata.namespace ?? '', mirror.metadata.name ?? '');
  const unsubscribe = [
    api.subscribe({
      onPod(pod) {
        if (!isMirrorPod(pod)) return;
        const own = staticOf(pod);
        if (own && matches(own, pod)) options.onMirror(podUid(own), pod, false);
        kick();
      },
      onGone(pod) {
        if (!isMirrorPod(pod)) return;
        const own = staticOf(pod);
        if (own) options.onMirror(podUid(own), pod, true);
        kick();
      },
    }),
    feed.subscribe({ onPod: kick, onGone: kick }),
  ];

  const remove = async (mirror: Pod): Promise<void> => {
    try {
      await pods.delete(mirror.metadata.name!, {
        namespace: mirror.metadata.namespace,
        signal,
        body: { gracePeriodSeconds: 0, preconditions: { uid: podUid(mirror) } },
      });
      log.info('Deleted a mirror pod', { pod: podRef(mirror) });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  };
  const create = async (own: Pod, node: Node): Promise<void> => {
    const { uid: _, resourceVersion: __, ...metadata } = own.metadata;
    const mirror: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, [annotations.mirror]: metadata.annotations![annotations.hash]! },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Node', name: node.metadata.name!, uid: node.metadata.uid!, controller: true },
        ],
      },
      spec: own.spec!,
    };
    try {
      await pods.create(mirror, { namespace: metadata.namespace, signal });
      log.info('Created a mirror pod', { pod: podRef(own) });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };

  try {
    let failures = 0;
    while (!signal.aborted) {
      dirty = false;
      try {
        const node = options.node();
        const mirrors = api.list().filter(isMirrorPod);
        for (const mirror of mirrors) {
          const own = staticOf(mirror);
          if (!own || !matches(own, mirror) || mirror.metadata.deletionTimestamp) await remove(mirror);
        }
        for (const own of feed.list()) {
          const there = api.get(own.metadata.namespace ?? '', own.metadata.name ?? '');
          if (!there && node) await create(own, node);
        }
        failures = 0;
        // Nothing tells of the node's registration.
        if (!node && feed.list().length > 0) await clock.sleep(500, signal);
        else if (!dirty) await pause((resolve) => (wake = resolve), signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn('Cannot keep mirror pods, will try again', { error });
        await clock.sleep(Math.min(1000 * 2 ** failures++, 30_000), signal);
      }
    }
  } finally {
    for (const stop of unsubscribe) stop();
  }
}

const matches = (own: Pod, mirror: Pod): boolean =>
  mirror.metadata.annotations?.[annotations.mirror] === own.metadata.annotations?.[annotations.hash];

/** Until somebody wakes it, or the signal aborts. */
const pause = (set: (wake: () => void) => void, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    set(done);
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', done);
  });
