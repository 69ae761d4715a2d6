/**
 * Matching pods per node, for selectors that were asked about (topology spreading, affinity): counted once over all pods, then kept as pods come and
 * go. Without it each pod of a 1,000-replica Deployment would look at all others again. Bounded: the least recently asked selector goes.
 */
import type { LabelMatcher } from './label-matcher.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

const selectorsMax = 256;

interface Entry {
  readonly namespace: string;
  readonly selector: LabelMatcher;
  readonly withTerminating: boolean;
  counts: Int32Array;
}

/** Spreading does not count pods on their way out, affinity does. */
export interface CountOptions {
  readonly withTerminating: boolean;
}

export class PodCounts {
  /** In order of last use. */
  private readonly entries = new Map<string, Entry>();
  private readonly byNamespace = new Map<string, Set<Entry>>();

  /** @param slots at least the largest slot in use plus one. */
  of(
    namespace: string,
    selector: LabelMatcher,
    { withTerminating }: CountOptions,
    nodes: Iterable<NodeInfo>,
    slots: number,
  ): Int32Array {
    const key = `${withTerminating ? '+' : '-'}${namespace}/${selector.text}`;
    let entry = this.entries.get(key);
    if (entry) this.entries.delete(key);
    else {
      entry = { namespace, selector, withTerminating, counts: new Int32Array(roomFor(slots)) };
      for (const node of nodes) for (const pod of node.pods) if (isCounted(entry, pod)) entry.counts[node.slot]!++;
      let siblings = this.byNamespace.get(namespace);
      if (!siblings) this.byNamespace.set(namespace, (siblings = new Set()));
      siblings.add(entry);
    }
    this.entries.set(key, entry);
    if (this.entries.size > selectorsMax) this.evictOldest();
    if (entry.counts.length < slots) entry.counts = grown(entry.counts, slots);
    return entry.counts;
  }

  podAdded(pod: PodInfo, slot: number): void {
    this.change(pod, slot, 1);
  }
  podRemoved(pod: PodInfo, slot: number): void {
    this.change(pod, slot, -1);
  }

  private change(pod: PodInfo, slot: number, by: 1 | -1): void {
    const entries = this.byNamespace.get(pod.namespace);
    if (!entries) return;
    for (const entry of entries) {
      if (!isCounted(entry, pod)) continue;
      if (entry.counts.length <= slot) entry.counts = grown(entry.counts, slot + 1);
      entry.counts[slot]! += by;
    }
  }

  private evictOldest(): void {
    const [key, entry] = this.entries.entries().next().value!;
    this.entries.delete(key);
    const siblings = this.byNamespace.get(entry.namespace);
    siblings?.delete(entry);
    if (siblings?.size === 0) this.byNamespace.delete(entry.namespace);
  }
}

const isCounted = (entry: Entry, pod: PodInfo): boolean =>
  pod.namespace === entry.namespace &&
  (entry.withTerminating || !pod.terminating) &&
  entry.selector.matches(pod.labels);

const roomFor = (slots: number): number => Math.max(16, 2 ** Math.ceil(Math.log2(slots + 1)));

function grown(counts: Int32Array, slots: number): Int32Array {
  const next = new Int32Array(roomFor(slots));
  next.set(counts);
  return next;
}
