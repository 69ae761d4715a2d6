/**
 * What the API says of a kubelet's own node, as it changes: labels, taints and resources that others give it. A node of its own process watches
 * with `metadata.name=`; many hollow nodes in one process share one informer.
 */
import type { Node } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';

/** Tells the node there is first, then every change. @returns stops it. */
export type NodeSource = (listener: (node: Node) => void) => () => void;

/** One informer that watches this node only. */
export function createOwnNodeSource(informers: InformerFactory, nodeName: string): NodeSource {
  return createNodeDispatcher(informers, `metadata.name=${nodeName}`).source(nodeName);
}

export interface NodeDispatcher {
  source(nodeName: string): NodeSource;
}

/** Shares one informer over nodes between any number of kubelets in this process. */
export function createNodeDispatcher(informers: InformerFactory, fieldSelector?: string): NodeDispatcher {
  const informer: Informer<Node> = informers.informer(
    resources.nodes,
    fieldSelector === undefined ? undefined : { fieldSelector },
  );
  const listeners = new Map<string, (node: Node) => void>();
  const tell = (node: Node): void => listeners.get(node.metadata.name ?? '')?.(node);
  informer.addHandler({ onAdd: tell, onUpdate: (_, node) => tell(node), onDelete: () => undefined });
  return {
    source: (nodeName) => (listener) => {
      listeners.set(nodeName, listener);
      const known = informer.get(nodeName);
      if (known) listener(known);
      return () => {
        if (listeners.get(nodeName) === listener) listeners.delete(nodeName);
      };
    },
  };
}
