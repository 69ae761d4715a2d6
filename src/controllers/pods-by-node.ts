import type { Pod } from '../api/types/core-v1.ts';
import type { Informer } from '../client/informer.ts';

const indexName = 'spec.nodeName';
const nodeOf = (pod: Pod): readonly string[] => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);

/** Pods bound to a node, by an index that all controllers on one informer share. */
export function podsByNode(pods: Informer<Pod>): (node: string) => readonly Pod[] {
  pods.addIndex(indexName, nodeOf);
  return (node) => pods.byIndex(indexName, node);
}
