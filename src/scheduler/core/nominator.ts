/** Pods that preemption has promised a node: others of lower priority must not take the room meanwhile. */
import type { PodInfo } from './pod-info.ts';

const none: readonly PodInfo[] = Object.freeze([]);

export class Nominator {
  private readonly byNode = new Map<string, PodInfo[]>();
  private readonly nodeOf = new Map<string, string>();

  set(pod: PodInfo, nodeName: string): void {
    this.delete(pod.uid);
    if (!nodeName) return;
    this.nodeOf.set(pod.uid, nodeName);
    const list = this.byNode.get(nodeName);
    if (list) list.push(pod);
    else this.byNode.set(nodeName, [pod]);
  }
  delete(uid: string): void {
    const nodeName = this.nodeOf.get(uid);
    if (nodeName === undefined) return;
    this.nodeOf.delete(uid);
    const left = this.byNode.get(nodeName)!.filter((pod) => pod.uid !== uid);
    if (left.length > 0) this.byNode.set(nodeName, left);
    else this.byNode.delete(nodeName);
  }
  on(nodeName: string): readonly PodInfo[] {
    return this.byNode.get(nodeName) ?? none;
  }
  nodeFor(uid: string): string | undefined {
    return this.nodeOf.get(uid);
  }
  get isEmpty(): boolean {
    return this.byNode.size === 0;
  }
}
