/** `bireme down`: ends what runs and takes away all that `up` made. What is gone already is fine; each step is tried though another failed. */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { openCgroups } from '../host/cgroups.ts';
import { errorCode } from '../host/host-error.ts';
import { createMounts } from '../host/mounts.ts';
import { endProcess } from '../host/process-table.ts';
import type { Spawner } from '../host/spawner.ts';
import {
  cniConfigFile,
  defaultBridgeName,
  type PodNetworkState,
  removeNodeRoutes,
  removePodNetwork,
} from '../network/index.ts';
import { removeProxyRules } from '../proxy/index.ts';
import { downContainerd, removeSandboxes } from '../runtime/containerd/containerd.ts';
import { ClusterError } from './cluster-error.ts';
import { type DataDir, dataDirAt, readFileIfPresent } from './data-dir.ts';
import { readHostsRecord } from './hosts-record.ts';
import { externalCniConfDir, nodeFiles, podCgroupRoot, readNodeConfig } from './node-config.ts';
import { readRunRecord } from './run-record.ts';
import { endHosts, restoreSysctls } from './simulated-hosts.ts';
import { cleanUserKubeconfig } from './user-kubeconfig.ts';

export interface DownOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spawner: Spawner;
  readonly progress: (text: string) => void;
  /** Names in the data directory that stay: logs that an error speaks of. */
  readonly keep?: readonly string[];
}

const graceMs = 20_000;

/** @returns false when there was nothing. @throws ClusterError naming what could not be undone. */
export async function takeDown(options: DownOptions): Promise<boolean> {
  const { clock, progress } = options;
  const dir = dataDirAt(options.dataDir);
  const record = readRunRecord(dir);
  if (record === undefined && readFileIfPresent(`${dir.pki}/ca.crt`) === undefined) {
    // A start that failed leaves its logs.
    const left = existsSync(dir.logs);
    if (left) rmSync(dir.path, { recursive: true, force: true });
    return left;
  }
  const failures: string[] = [];
  const attempt = async (what: string, action: () => Promise<void> | void): Promise<void> => {
    try {
      await action();
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (record) {
    progress('Stopping the control plane');
    await attempt('control plane', () => endProcess(record.controlPlane, { clock, graceMs }));
    // It ends with its parent; after a kill -9 of that it may still be on its way.
    await attempt('node process', () => record.node && endProcess(record.node, { clock, graceMs }));
  }
  if (hasParts(dir)) await removeNode(dir, options, attempt);
  if (record?.kubeconfig) await attempt('kubeconfig', () => cleanUserKubeconfig(record.kubeconfig!, clock));
  if (failures.length > 0)
    throw new ClusterError(
      `Not everything could be undone: ${failures.join('; ')}`,
      'mend that and run "bireme down" again',
    );
  progress('Removing files');
  removeFolder(dir.path, options.keep);
  return true;
}

/** The folder with all that is in it; a mount point stays, empty. */
function removeFolder(path: string, keep: readonly string[] = []): void {
  for (const name of readdirSync(path))
    if (!keep.includes(name)) rmSync(join(path, name), { recursive: true, force: true });
  if (keep.length > 0) return;
  try {
    rmdirSync(path);
  } catch (error) {
    if (errorCode(error) !== 'EBUSY') throw error;
  }
}

/** A node, or hosts. */
const hasParts = (dir: DataDir): boolean =>
  readFileIfPresent(nodeFiles(dir).config) !== undefined || readHostsRecord(dir) !== undefined;

/** Containers, mounts, cgroups, network and rules of the node, while its files say what they are. */
async function removeNode(
  dir: DataDir,
  { clock, log, spawner, progress, keepState = false }: DownOptions & { readonly keepState?: boolean },
  attempt: (what: string, action: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const files = nodeFiles(dir);
  if (readHostsRecord(dir) !== undefined) {
    progress('Stopping the hosts');
    await attempt('hosts', () => endHosts({ dir, spawner, clock }));
    await attempt('cgroups', async () => (await openCgroups(clock)).remove(podCgroupRoot(dir)));
    await attempt('kernel parameters', async () => restoreSysctls(dir));
  }
  // Only hosts of their own: this machine was no node.
  if (readFileIfPresent(files.config) === undefined) return;
  const { kubelet = true, proxyTable, podCidr, runtimeEndpoint } = readNodeConfig(dir);
  if (!kubelet) {
    await attempt('service rules', () => removeProxyRules(spawner, proxyTable));
    await attempt('routes', () => removeNodeRoutes(podCidr, spawner));
    return;
  }
  progress('Stopping pods and containerd');
  if (runtimeEndpoint !== undefined)
    await attempt('pods', async () => {
      await removeSandboxes(runtimeEndpoint, clock, log);
      rmSync(join(externalCniConfDir, cniConfigFile), { force: true });
    });
  await attempt('containerd', () =>
    downContainerd({ stateDir: files.containerd, spawner, clock, log, removeState: !keepState }),
  );
  progress('Removing mounts, rules and the pod network');
  await attempt('mounts', async () => void (await createMounts(spawner).unmountBelow(dir.path)));
  await attempt('cgroups', async () => (await openCgroups(clock)).remove(podCgroupRoot(dir)));
  const state = readFileIfPresent(files.networkState);
  // Without it no node of this data directory has touched the network: bridge and rules, if any, are another cluster's.
  if (state === undefined) return;
  await attempt('service rules', () => removeProxyRules(spawner));
  await attempt('pod network', () =>
    removePodNetwork(defaultBridgeName, spawner, JSON.parse(state) as PodNetworkState),
  );
  rmSync(files.networkState, { force: true });
}

/** A clean stop in the foreground: nothing runs or is mounted any more, the data stays for the next `up`. */
export async function stopNodeParts(options: DownOptions): Promise<void> {
  if (!hasParts(dataDirAt(options.dataDir))) return;
  const failures: string[] = [];
  await removeNode(dataDirAt(options.dataDir), { ...options, keepState: true }, async (what, action) => {
    try {
      await action();
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  if (failures.length > 0)
    throw new ClusterError(`Not everything could be stopped: ${failures.join('; ')}`, 'run "bireme down"');
}
