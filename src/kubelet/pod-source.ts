/**
 * Which pods are bound to a node. A node of its own process watches with `spec.nodeName=`; many hollow nodes in one process share one
 * informer over all pods through a dispatcher, so that an event costs one look-up and not one handler call per node.
 */
import type { Pod } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';

export interface PodHandler {
  /** Added or changed. */
  onPod(pod: Pod): void;
  onGone(pod: Pod): void;
}

export interface PodSource {
  waitForSync(signal: AbortSignal): Promise<void>;
  list(): readonly Pod[];
  get(namespace: string, name: string): Pod | undefined;
  /** The handler is told about each pod already there first. @returns stops it. */
  subscribe(handler: PodHandler): () => void;
}

/** One informer that lists and watches the pods of this node only. */
export function createNodePodSource(informers: InformerFactory, nodeName: string): PodSource {
  const informer = informers.informer(resources.pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  return {
    waitForSync: (signal) => informer.waitForSync(signal),
    list: () => informer.list(),
    get: (namespace, name) => informer.get(`${namespace}/${name}`),
    subscribe: (handler) =>
      informer.addHandler({
        onAdd: (pod) => handler.onPod(pod),
        onUpdate: (before, pod) => {
          // Another pod of the same name came between two lists.
          if (before.metadata.uid !== pod.metadata.uid) handler.onGone(before);
          handler.onPod(pod);
        },
        onDelete: (pod) => handler.onGone(pod),
      }),
  };
}

export interface PodDispatcher {
  /** The pods of one node, from the shared informer. */
  source(nodeName: string): PodSource;
}

const byNode = 'kubelet-node';

/** Shares one informer over all pods between any number of nodes in this process. */
export function createPodDispatcher(informers: InformerFactory): PodDispatcher {
  const informer: Informer<Pod> = informers.informer(resources.pods);
  informer.addIndex(byNode, (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []));
  const handlers = new Map<string, Set<PodHandler>>();
  const tell = (nodeName: string | undefined, call: (handler: PodHandler) => void): void => {
    if (!nodeName) return;
    const set = handlers.get(nodeName);
    if (set) for (const handler of set) call(handler);
  };
  informer.addHandler({
    onAdd: (pod) => tell(pod.spec?.nodeName, (handler) => handler.onPod(pod)),
    onUpdate: (before, pod) => {
      if (before.metadata.uid !== pod.metadata.uid) tell(before.spec?.nodeName, (handler) => handler.onGone(before));
      tell(pod.spec?.nodeName, (handler) => handler.onPod(pod));
    },
    onDelete: (pod) => tell(pod.spec?.nodeName, (handler) => handler.onGone(pod)),
  });
  return {
    source: (nodeName) => ({
      waitForSync: (signal) => informer.waitForSync(signal),
      list: () => informer.byIndex(byNode, nodeName),
      get: (namespace, name) => {
        const pod = informer.get(`${namespace}/${name}`);
        return pod?.spec?.nodeName === nodeName ? pod : undefined;
      },
      subscribe(handler) {
        let set = handlers.get(nodeName);
        if (!set) handlers.set(nodeName, (set = new Set()));
        set.add(handler);
        for (const pod of informer.byIndex(byNode, nodeName)) handler.onPod(pod);
        return () => {
          set.delete(handler);
          if (set.size === 0) handlers.delete(nodeName);
        };
      },
    }),
  };
}
