/**
 * Rotates container logs that grew beyond containerLogMaxSize: `0.log` becomes `0.log.<time>`, the runtime opens a new one, and of the old
 * ones containerLogMaxFiles - 1 stay. Source: pkg/kubelet/logs/container_log_manager.go (which also compresses all but the newest old one).
 */
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { errorCode } from '../../host/host-error.ts';
import type { CriRuntime } from '../../runtime/cri.ts';

export interface LogRotationOptions {
  readonly runtime: CriRuntime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
  readonly timeoutMs: number;
}

/** Looks at all running containers' logs every ten seconds until the signal aborts. */
export async function rotateLogs(options: LogRotationOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, runtime, timeoutMs } = options;
  while (!signal.aborted) {
    await clock.sleep(10_000, signal);
    if (signal.aborted) return;
    try {
      const { containers } = await runtime.listContainers(
        { filter: { state: { state: 'CONTAINER_RUNNING' } } },
        { signal, timeoutMs },
      );
      for (const { id } of containers) {
        const { status } = await runtime.containerStatus({ containerId: id }, { signal, timeoutMs });
        if (status?.logPath) await rotateLog(id, status.logPath, options);
      }
    } catch (error) {
      if (!signal.aborted) log.warn('Cannot rotate container logs', { error });
    }
  }
}

/** @returns whether the log was rotated. */
export async function rotateLog(
  containerId: string,
  path: string,
  { runtime, clock, maxSizeBytes, maxFiles, timeoutMs }: LogRotationOptions,
): Promise<boolean> {
  try {
    if ((await stat(path)).size < maxSizeBytes) return false;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  const old = (await readdir(dirname(path))).filter((name) => name.startsWith(`${basename(path)}.`)).sort();
  // Room for the one that is about to become old, beside the one that is written.
  const excess = old.slice(0, Math.max(0, old.length - (maxFiles - 2)));
  for (const name of excess) await rm(join(dirname(path), name), { force: true });
  const stamp = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const rotated = `${path}.${stamp}`;
  await rename(path, rotated);
  try {
    await runtime.reopenContainerLog({ containerId }, { timeoutMs });
  } catch (error) {
    // Not reopened: the runtime still writes to the renamed file, so it gets its name back.
    await rename(rotated, path);
    throw error;
  }
  return true;
}
