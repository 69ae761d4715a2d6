/** `bireme up`. */
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../base/console-log.ts';
import type { LogLevel } from '../base/log.ts';
import { createRealRandom } from '../base/real-random.ts';
import { ClusterError } from '../cluster/cluster-error.ts';
import { dataDirAt } from '../cluster/data-dir.ts';
import { stopNodeParts } from '../cluster/down.ts';
import { createSpawner } from '../cluster/host-spawner.ts';
import {
  isBatchRejection,
  type LocalCluster,
  type LocalClusterOptions,
  startLocalCluster,
} from '../cluster/local-cluster.ts';
import { hasServers, startLocalServers } from '../cluster/local-servers.ts';
import type { NodeSettings } from '../cluster/node-config.ts';
import { createProcessRegistry } from '../cluster/process-metrics.ts';
import { assertNotRunning } from '../cluster/run-record.ts';

import { clock, defaultDataDir, durationMs, nodeAddress, nodeName, selfCommand, userKubeconfig } from './defaults.ts';
import { collectAtRest } from './memory-at-rest.ts';
import { type NodeFlags, nodeSettings } from './node-flags.ts';
import { type Progress, plainProgress, terminalProgress } from './progress.ts';

export interface UpOptions extends NodeFlags {
  readonly detach: boolean;
  readonly dataDir?: string;
  readonly port: number;
  readonly listenAddress: string;
  readonly hollowNodes?: number;
  readonly workers?: number;
  readonly controlPlanes?: number;
  readonly etcdWitness: boolean;
  readonly runtime: 'auto' | 'containerd' | 'hollow';
  readonly nodeName?: string;
  readonly kubeconfig?: string;
  readonly logLevel: string;
  readonly snapshotEvery?: string;
  readonly snapshotKeep: number;
}

export async function up(options: UpOptions): Promise<void> {
  const dataDir = options.dataDir ?? defaultDataDir();
  if (options.detach && !process.send) {
    await detach(dataDir);
    return;
  }
  const progress = progressOf();
  const stopping = new AbortController();
  const onSignal = (): void => stopping.abort();
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);

  const logDir = join(dataDir, 'logs');
  const surroundings = {
    clock,
    random: createRealRandom(),
    log: createLogger({
      clock,
      level: options.logLevel as LogLevel,
      ...logFile(join(logDir, 'control-plane.log')),
    }),
    metrics: createProcessRegistry(),
  };
  process.on('unhandledRejection', (reason) => {
    if (!isBatchRejection(reason)) throw reason;
    surroundings.log.error('A commit of the store failed', { error: reason });
  });
  const spawner = createSpawner(clock);
  let cluster: Omit<LocalCluster, 'controlPlane'>;
  try {
    const common: LocalClusterOptions = {
      ...surroundings,
      dataDir,
      listenAddress: options.listenAddress,
      port: options.port,
      runtime: options.runtime,
      ...(options.hollowNodes === undefined ? {} : { hollowNodes: options.hollowNodes }),
      ...optional('workers', options.workers),
      nodes: settingsOf(options),
      nodeName: options.nodeName ?? nodeName(),
      ...optional('nodeAddress', nodeAddress()),
      kubeconfig: options.kubeconfig === undefined ? userKubeconfig() : { path: options.kubeconfig },
      machine: {
        platform: process.platform,
        uid: process.getuid?.(),
        path: process.env.PATH ?? '',
        runtimeRuns: options.containerRuntimeEndpoint !== undefined,
      },
      pid: process.pid,
      command: selfCommand(),
      nodeCommand: selfCommand('node'),
      ...(options.snapshotEvery === undefined
        ? {}
        : { snapshots: { everyMs: durationMs(options.snapshotEvery), keep: options.snapshotKeep } }),
      progress: (step) => (step.kind === 'step' ? progress.step(step.text) : progress.note(step.text)),
      spawner,
    };
    const { controlPlanes = 0, etcdWitness } = options;
    cluster =
      controlPlanes > 0 || hasServers(dataDir)
        ? await startLocalServers({ ...common, controlPlanes, etcdWitness })
        : await startLocalCluster(common);
  } catch (error) {
    progress.fail();
    if (process.send) {
      process.send({
        failed:
          error instanceof ClusterError
            ? { message: error.message, remedy: error.remedy }
            : { message: String(error instanceof Error ? error.stack : error), remedy: '' },
      });
      process.exit(1);
    }
    throw error;
  }
  collectAtRest(clock); // until the process exits, below
  progress.done(nextSteps(cluster, options));
  if (process.send) {
    process.send({ ready: true });
    process.disconnect?.();
  }

  let failure: unknown;
  await Promise.race([
    new Promise<void>((resolve) =>
      stopping.signal.aborted ? resolve() : stopping.signal.addEventListener('abort', () => resolve(), { once: true }),
    ),
    cluster.failed.catch((error: unknown) => {
      failure = error;
    }),
  ]);
  progress.step('Stopping');
  await cluster.stop();
  if (cluster.rung.kind === 'containerd')
    await stopNodeParts({ dataDir, clock, log: surroundings.log, spawner, progress: () => undefined });
  await spawner.close();
  progress.done(
    options.detach
      ? undefined
      : 'Stopped. The data is kept: "bireme up" goes on where it was, "bireme down" removes it.',
  );
  if (failure !== undefined) throw failure;
  process.exit(0);
}

/** @throws ClusterError for what is no socket, or where each host has a runtime of its own. */
function settingsOf(options: UpOptions): NodeSettings {
  const { workers = 0, controlPlanes = 0 } = options;
  const settings = nodeSettings(options);
  if (settings.runtimeEndpoint !== undefined && (workers > 0 || controlPlanes > 0))
    throw new ClusterError(
      'Hosts of their own have a runtime of their own',
      'leave out --container-runtime-endpoint, or --workers and --control-planes',
    );
  return settings;
}

/** A log that cannot be written (a full disk, a start that failed and took its folder away) must not end the cluster. */
/** Lines that the file does not take go to the terminal, and the health check `log` says so. */
function logFile(file: string): { write(line: string): void; failure(): string | undefined } {
  let failed: string | undefined;
  return {
    write(line) {
      try {
        appendFileSync(file, line, { mode: 0o600 });
        failed = undefined;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        failed = `cannot write the log: ${code}`;
        process.stderr.write(`${line.trimEnd()} (not in the log: ${code})\n`);
      }
    },
    failure: () => failed,
  };
}

function nextSteps(
  { rung, nodes, contextName, server }: Omit<LocalCluster, 'controlPlane'>,
  options: UpOptions,
): string {
  const list = nodes.length > 3 ? `${nodes.length} nodes` : nodes.join(', ');
  return [
    '',
    `The cluster is ready: ${server}, ${list}.`,
    '',
    `  kubectl get nodes                     (context "${contextName}" is current)`,
    '  kubectl create deployment web --image=IMAGE --replicas=3',
    ...(rung.kind === 'containerd'
      ? ['  bireme image import ARCHIVE           put an image on the node without a registry']
      : []),
    '  bireme status                         what runs',
    `  bireme down                           stop and remove everything`,
    ...(options.detach ? [] : ['', 'Ctrl-C stops it and keeps the data.']),
  ].join('\n');
}

/** Starts this command again in the background and passes on what it says until the cluster is ready. */
async function detach(dataDir: string): Promise<void> {
  assertNotRunning(dataDirAt(dataDir));
  const progress = process.stdout.isTTY
    ? terminalProgress(process.stdout, clock)
    : plainProgress((line) => process.stdout.write(line));
  const [program = '', ...args] = selfCommand(...process.argv.slice(2));
  const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const outcome = Promise.withResolvers<void>();
  child.on('error', (error) => outcome.reject(error));
  child.on('exit', (code, signal) =>
    outcome.reject(
      signal === 'SIGBUS' || signal === 'SIGSEGV'
        ? new ClusterError(
            `The cluster's process was ended by ${signal}: its store is damaged, or its disk full or failing`,
            `put "${join(dataDir, 'store')}" back from a backup, or start over with "bireme down"`,
          )
        : new ClusterError(
            `The cluster's process has ended (${signal ?? `exit code ${code}`})`,
            `look into "${join(dataDir, 'logs', 'control-plane.log')}"`,
          ),
    ),
  );
  child.on('message', (message: DetachedMessage) => {
    if (message.step !== undefined) progress.step(message.step);
    if (message.note !== undefined) progress.note(message.note);
    if (message.done !== undefined) progress.done(message.done);
    if (message.ready) outcome.resolve();
    if (message.failed) {
      progress.fail();
      outcome.reject(
        message.failed.remedy === ''
          ? new Error(message.failed.message)
          : new ClusterError(message.failed.message, message.failed.remedy),
      );
    }
  });
  try {
    await outcome.promise;
  } finally {
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

interface DetachedMessage {
  readonly step?: string;
  readonly note?: string;
  readonly done?: string;
  readonly ready?: boolean;
  readonly failed?: { readonly message: string; readonly remedy: string };
}

function progressOf(): Progress {
  if (process.send) {
    const tell = (message: DetachedMessage): void => void process.send?.(message);
    return {
      step: (step) => tell({ step }),
      note: (note) => tell({ note }),
      done: (done) => tell(done === undefined ? {} : { done }),
      fail: () => undefined,
    };
  }
  return process.stdout.isTTY
    ? terminalProgress(process.stdout, clock)
    : plainProgress((line) => process.stdout.write(line));
}

const optional = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, V>);
