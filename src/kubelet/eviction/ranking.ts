/** Which pod goes first when something is scarce. Pure. Source: pkg/kubelet/eviction/helpers.go (rankMemoryPressure ...). */
import { podRequests } from '../../api/pod/resources.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import { podUid } from '../pods/pod-info.ts';
import type { PodStats } from '../stats/summary-types.ts';
import type { Signal } from './thresholds.ts';

export type StatsByUid = ReadonlyMap<string, PodStats>;

/** Those over their requests first, then by priority, then by how much more than their requests they use. */
export function rankForEviction(signal: Signal, pods: readonly Pod[], stats: StatsByUid): Pod[] {
  const priority = (pod: Pod): number => Number(pod.spec?.priority ?? 0);
  const of = (pod: Pod): PodStats | undefined => stats.get(podUid(pod));
  if (signal === 'pid.available') {
    const processes = (pod: Pod): number => of(pod)?.process_stats?.process_count ?? 0;
    return pods.toSorted((a, b) => priority(a) - priority(b) || processes(b) - processes(a));
  }
  const use = (pod: Pod): number | undefined =>
    signal === 'memory.available'
      ? of(pod)?.memory?.workingSetBytes
      : signal.endsWith('inodesFree')
        ? of(pod)?.['ephemeral-storage']?.inodesUsed
        : of(pod)?.['ephemeral-storage']?.usedBytes;
  const request = (pod: Pod): number => {
    const amounts = podRequests(pod);
    if (signal.endsWith('inodesFree')) return 0;
    return (signal === 'memory.available' ? amounts.memory : amounts['ephemeral-storage']) ?? 0;
  };
  const rows = pods.map((pod) => ({ pod, use: use(pod), over: (use(pod) ?? 0) - request(pod) }));
  rows.sort((a, b) => {
    // Without statistics nobody can tell how well a pod behaves: it goes first.
    if ((a.use === undefined) !== (b.use === undefined)) return a.use === undefined ? -1 : 1;
    const exceeds = Number(b.over > 0) - Number(a.over > 0);
    return exceeds || priority(a.pod) - priority(b.pod) || b.over - a.over;
  });
  return rows.map(({ pod }) => pod);
}
