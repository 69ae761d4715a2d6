/**
 * The groups above those of pods: `/kubepods`, held to what the machine has beyond its reservations, and `/kubepods/burstable` and
 * `/kubepods/besteffort`, whose shares of the processor are what their pods asked for together. Source: pkg/kubelet/cm (node_container_manager,
 * qos_container_manager).
 */
import { join } from 'node:path';
import { podRequests } from '../../api/pod/resources.ts';
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { CgroupLimits, Cgroups } from '../../host/cgroups.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { KubeletConfig } from '../config.ts';
import { cpuShares, qosClass } from '../pods/qos.ts';

export interface NodeCgroups {
  /** Makes the groups, then keeps them in line with the pods until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** The pods are others now: once, before a pod's own group is made. @throws what the file system says */
  update(): Promise<void>;
}

export interface NodeCgroupsOptions {
  readonly cgroups: Cgroups;
  readonly config: KubeletConfig;
  readonly machine: Pick<MachineInfo, 'cpus' | 'memoryBytes'>;
  readonly clock: Clock;
  pods(): readonly Pod[];
  /** The node's limits are in force, or cannot be. */
  onEnforced(failure: unknown): void;
}

const everyMs = 60_000;

export function createNodeCgroups(options: NodeCgroupsOptions): NodeCgroups {
  const { cgroups, config, clock } = options;
  /** path -> limits as text: what has not changed is not written. */
  const written = new Map<string, string>();
  const set = async (path: string, limits: CgroupLimits): Promise<void> => {
    const text = JSON.stringify(limits);
    if (written.get(path) === text) return;
    await cgroups.ensure(join(config.cgroupRoot, path), limits);
    written.set(path, text);
  };
  const update = async (): Promise<void> => {
    const shares = tierShares(options.pods());
    await set('/kubepods/burstable', unlimited(shares.burstable));
    await set('/kubepods/besteffort', unlimited(shares.besteffort));
  };

  return {
    update,
    async run(signal) {
      let enforced = false;
      while (!signal.aborted) {
        if (!enforced)
          try {
            await set('/kubepods', nodeLimits(config, options.machine));
            enforced = true;
            options.onEnforced(undefined);
          } catch (error) {
            // More is in use than may be: eviction brings it down.
            options.onEnforced(error);
          }
        // Somebody else may have changed them.
        written.delete('/kubepods/burstable');
        written.delete('/kubepods/besteffort');
        await update();
        await clock.sleep(everyMs, signal);
      }
    },
  };
}

const unlimited = (shares: number): CgroupLimits => ({
  cpuShares: shares,
  cpuQuota: undefined,
  memoryBytes: undefined,
  pids: undefined,
});

/** What pods may have together: the machine less its reservations, where `enforceNodeAllocatable` says so; all of it otherwise. */
export function nodeLimits(config: KubeletConfig, machine: NodeCgroupsOptions['machine']): CgroupLimits {
  const reserved = (name: string, parse: (text: string) => number): number => {
    if (!config.enforceNodeAllocatable.includes('pods')) return 0;
    let sum = 0;
    for (const list of [config.systemReserved, config.kubeReserved])
      if (list[name] !== undefined) sum += parse(list[name]);
    return sum;
  };
  return {
    cpuShares: cpuShares(Math.max(0, machine.cpus * 1000 - reserved('cpu', parseMilli))),
    cpuQuota: undefined,
    memoryBytes: Math.max(0, machine.memoryBytes - reserved('memory', parseValue)),
    pids: undefined,
  };
}

/** Guaranteed pods stand beside the two tiers with shares of their own. */
export function tierShares(pods: readonly Pod[]): { readonly burstable: number; readonly besteffort: number } {
  let milli = 0;
  for (const pod of pods) if (qosClass(pod) === 'Burstable') milli += podRequests(pod).cpu ?? 0;
  return { burstable: cpuShares(milli), besteffort: cpuShares(0) };
}
