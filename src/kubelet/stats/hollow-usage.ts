/** A hollow node uses what its containers' scripts say, and nothing else. */
import type { CriRuntime } from '../../runtime/cri.ts';
import type { NodeUsage } from './stats-provider.ts';

export function createHollowUsage(
  runtime: CriRuntime,
  machine: { readonly memoryBytes: number },
  timeoutMs: number,
): NodeUsage {
  const sum = async (): Promise<{ cpuNs: number; workingSetBytes: number }> => {
    const { stats } = await runtime.listContainerStats({}, { timeoutMs });
    let cpuNs = 0;
    let workingSetBytes = 0;
    for (const { cpu, memory } of stats) {
      cpuNs += cpu?.usageCoreNanoSeconds?.value ?? 0;
      workingSetBytes += memory?.workingSetBytes?.value ?? 0;
    }
    return { cpuNs, workingSetBytes };
  };
  return {
    cpuNs: async () => (await sum()).cpuNs,
    async memory() {
      const { workingSetBytes } = await sum();
      return {
        availableBytes: Math.max(0, machine.memoryBytes - workingSetBytes),
        usageBytes: workingSetBytes,
        workingSetBytes,
      };
    },
    swap: async () => undefined,
    processes: async () => undefined,
    network: async () => undefined,
    nodeFs: async () => undefined,
    imageFs: async () => undefined,
    startTimeMs: async () => undefined,
    systemContainers: async () => [],
    pod: async () => undefined,
    podDisk: async () => ({ volumes: [], logs: new Map(), ownBytes: 0, ownInodes: 0 }),
  };
}
