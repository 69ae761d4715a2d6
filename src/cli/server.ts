/** `bireme server`: the process of a server; `init` and `join` start it, or systemd does. `bireme start`: that process again, in the background. */
import { createLineWriter, createLogger } from '../base/console-log.ts';
import { createRealRandom } from '../base/real-random.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { dataDirAt, openDataDir } from '../cluster/data-dir.ts';
import { createForkedSpawner, createSpawner } from '../cluster/host-spawner.ts';
import { isBatchRejection } from '../cluster/local-cluster.ts';
import { createProcessRegistry } from '../cluster/process-metrics.ts';
import { assertNotRunning, thisProcess } from '../cluster/run-record.ts';
import { readHostConfig } from '../cluster/servers/host-config.ts';
import { resetHost } from '../cluster/servers/reset.ts';
import { runHost, writeFailure } from '../cluster/servers/run-host.ts';
import { startHostProcess, writeReady } from '../cluster/servers/start-host.ts';
import { clock, defaultDataDir, selfCommand } from './defaults.ts';
import { collectAtRest } from './memory-at-rest.ts';
import { progressOf } from './servers.ts';

export async function server(options: { readonly dataDir: string }): Promise<void> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const dir = openDataDir(options.dataDir);
  const log = createLogger({ clock, ...createLineWriter(process.stderr, clock) });
  process.on('unhandledRejection', (reason) => {
    if (!isBatchRejection(reason)) throw reason;
    log.error('A commit of the store failed', { error: reason });
  });
  collectAtRest(clock); // until the process exits, below
  const spawner = await createForkedSpawner({ command: selfCommand('spawner') });
  try {
    await runHost(
      {
        dir,
        pid: process.pid,
        spawner,
        nodeCommand: selfCommand('node'),
        clock,
        random: createRealRandom(),
        log,
        metrics: createProcessRegistry(),
        onReady: () => writeReady(dir, thisProcess(process.pid)),
      },
      stopping.signal,
    );
  } catch (error) {
    if (!stopping.signal.aborted) {
      log.error('The host process fails', { error });
      writeFailure(dir, error);
      process.exitCode = 1;
    }
  } finally {
    await spawner.close();
  }
  process.exit();
}

const startTimeoutMs = 120_000;

export async function start(options: { readonly dataDir?: string }): Promise<void> {
  const dataDir = options.dataDir ?? defaultDataDir();
  const dir = dataDirAt(dataDir);
  const config = readHostConfig(dir);
  if (!config)
    throw new ClusterError(`"${dir.path}" makes no server of a cluster`, 'run "bireme init" or "bireme join" first');
  assertNotRunning(dir);
  const progress = progressOf();
  progress.step(`Starting ${config.role} ${config.nodeName}`);
  try {
    await startHostProcess({
      dir,
      command: selfCommand('server', '--data-dir', dir.path),
      systemd: false,
      clock,
      timeoutMs: startTimeoutMs,
    });
  } catch (error) {
    progress.fail();
    throw error;
  }
  progress.done('It runs.');
}

export async function reset(options: { readonly dataDir?: string; readonly force: boolean }): Promise<void> {
  const dataDir = options.dataDir ?? defaultDataDir();
  const progress = progressOf();
  const spawner = createSpawner(clock);
  try {
    const found = await resetHost({
      dataDir,
      force: options.force,
      clock,
      log: createLogger({ clock, level: 'warn', write: (line) => void process.stderr.write(line) }),
      spawner,
      progress: (text) => progress.step(text),
    });
    progress.done(
      found
        ? 'This host is no server of a cluster any more. Its Node object, if it had one, is still there: kubectl delete node NAME.'
        : `There is nothing in "${dataDir}".`,
    );
  } catch (error) {
    progress.fail();
    throw error;
  } finally {
    await spawner.close();
  }
}
