/**
 * A containerd of our own, for machines whose own is not to be used. It survives us: the next start adopts it with its containers, or starts
 * it again when it died (its shims keep the containers in the meantime). `down` ends it with everything it made.
 */
import { statSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { errorCode, HostError } from '../../host/host-error.ts';
import { createMounts } from '../../host/mounts.ts';
import { adoptProcess, endProcess, identify, isAlive, listProcesses } from '../../host/process-table.ts';
import type { Child, ChildOptions, ProcessIdentity, Spawner } from '../../host/spawner.ts';
import { createCriClient } from '../cri-client.ts';
import { type ContainerdPaths, renderContainerdConfig } from './config.ts';
import { outsideFilesOf, removeOutsideFiles } from './leftovers.ts';
import { makePauseArchive, pauseImageName } from './pause-image.ts';

export interface ContainerdOptions {
  /** Everything of it lives here: `root`, `state`, the socket, its configuration, log and record. A short path: sockets have 107 bytes. */
  readonly stateDir: string;
  readonly spawner: Spawner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cniConfDir: string;
  readonly cniBinDir?: string;
  /** overlayfs, or native where that cannot be (a state folder on overlayfs). */
  readonly snapshotter?: 'overlayfs' | 'native';
  /** Namespaces to run in, for simulated hosts. */
  readonly namespaces?: ChildOptions['namespaces'];
  readonly signal?: AbortSignal;
}

export interface Containerd {
  /** `unix:///...`, for `createCriClient`. */
  readonly endpoint: string;
  readonly identity: ProcessIdentity;
  /** It ran already, with the containers of an earlier start. */
  readonly adopted: boolean;
  /** Settles when the daemon ends, for whatever reason. */
  readonly exited: Child['exited'];
  /** Imports an OCI or Docker archive. @returns the names of its images. @throws HostError */
  importImage(archivePath: string): Promise<readonly string[]>;
}

/** The containerd namespace that CRI uses. */
const criNamespace = 'k8s.io';
const startTimeoutMs = 30_000;

/** Starts or adopts; resolves when its CRI answers and the pause image is there. @throws HostError with the end of its log. */
export async function startContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { stateDir, spawner, clock, log } = options;
  const paths = pathsIn(stateDir);
  const config = renderContainerdConfig({
    paths,
    sandboxImage: pauseImageName,
    cniConfDir: options.cniConfDir,
    cniBinDir: options.cniBinDir ?? '/usr/lib/cni',
    snapshotter: options.snapshotter ?? 'overlayfs',
    restrictOomScores: !(await mayProtectProcesses()),
  });
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  const configFile = join(stateDir, 'containerd.toml');
  const logFile = join(stateDir, 'containerd.log');
  const recordFile = join(stateDir, 'containerd.json');

  const record = await readRecord(recordFile);
  const sameConfig = (await readIfAny(configFile)) === config;
  let child: Child | undefined;
  let adopted = false;
  if (record && isAlive(record)) {
    if (sameConfig) {
      child = adoptProcess(record, clock, options.signal);
      adopted = child !== undefined;
      log.info('Adopted containerd', { pid: record.pid });
    } else {
      // Its shims keep the containers while it is away.
      log.info('Starting containerd again with its new configuration', { pid: record.pid });
      await endProcess(record, { clock, graceMs: 10_000 });
    }
  }
  if (!child) {
    if (!sameConfig) await writeAtomically(configFile, config);
    await mkdir(options.cniConfDir, { recursive: true });
    child = await spawner.start('containerd', ['--config', configFile, '--log-level', 'warn'], {
      logFile,
      onParentDeath: 'survive',
      ...(options.namespaces ? { namespaces: options.namespaces } : {}),
    });
    try {
      await writeAtomically(recordFile, JSON.stringify(child.identity));
    } catch (error) {
      // One that nobody knows of would keep the next from its files.
      await endProcess(child.identity, { clock, graceMs: 10_000 });
      throw error;
    }
    log.info('Started containerd', { pid: child.identity.pid });
  }

  const endpoint = `unix://${paths.socket}`;
  await waitForCri(endpoint, child, logFile, options);
  const importImage = (archivePath: string): Promise<readonly string[]> =>
    importArchive(archivePath, { socket: paths.socket, spawner, snapshotter: options.snapshotter ?? 'overlayfs' });
  await ensurePauseImage(endpoint, stateDir, importImage, options);
  return { endpoint, identity: child.identity, adopted, exited: child.exited, importImage };
}

/**
 * Ends a containerd that `startContainerd` started, with its containers, shims, mounts, and (with `removeState`) its files. Does nothing
 * when there is none. Works without the daemon too: what it left behind is ended by process and mount tables.
 */
export async function downContainerd({
  stateDir,
  spawner,
  clock,
  log,
  removeState = false,
}: Pick<ContainerdOptions, 'stateDir' | 'spawner' | 'clock' | 'log'> & {
  readonly removeState?: boolean;
}): Promise<void> {
  const paths = pathsIn(stateDir);
  const record = await readRecord(join(stateDir, 'containerd.json'));
  const outside = await outsideFilesOf(paths.state);
  if (record && isAlive(record)) {
    await removeSandboxes(`unix://${paths.socket}`, clock, log);
    await endProcess(record, { clock, graceMs: 10_000 });
  }
  for (const identity of shimsOf(paths.socket)) await endShim(identity, clock);
  const mounts = createMounts(spawner);
  await mounts.unmountUnder(paths.state);
  await mounts.unmountUnder(paths.root);
  await rm(join(stateDir, 'containerd.json'), { force: true });
  await rm(paths.state, { recursive: true, force: true });
  await removeOutsideFiles(outside);
  if (removeState) await rm(stateDir, { recursive: true, force: true });
}

/** Imports an OCI or Docker image archive into any containerd. @returns the names of its images. @throws HostError */
export async function importArchive(
  archivePath: string,
  {
    socket,
    spawner,
    snapshotter = 'overlayfs',
  }: { readonly socket: string; readonly spawner: Spawner; readonly snapshotter?: string },
): Promise<readonly string[]> {
  const { code, stdout, stderr } = await spawner.run(
    'ctr',
    ['--address', socket, '--namespace', criNamespace, 'images', 'import', '--snapshotter', snapshotter, archivePath],
    { timeoutMs: 600_000 },
  );
  if (code !== 0)
    throw new HostError(`Cannot import ${archivePath}: ${stderr.toString().trim()}`, {
      remedy: 'Check that the file is an OCI or Docker image archive for this machine',
    });
  // containerd 2's table cuts long names short; the archive has them whole.
  const names = /^unpacking /m.test(stdout.toString()) ? [] : await namesInArchive(archivePath, spawner);
  return names.length > 0 ? names : importedNames(stdout.toString());
}

/** What an archive calls its images: Docker's manifest.json, or the annotations of an OCI index. */
async function namesInArchive(path: string, spawner: Spawner): Promise<readonly string[]> {
  const read = async (file: string): Promise<unknown> => {
    const { code, stdout } = await spawner.run('tar', ['-xOf', path, file], { timeoutMs: 60_000 });
    return code === 0 ? JSON.parse(stdout.toString()) : undefined;
  };
  const docker = (await read('manifest.json')) as readonly { readonly RepoTags?: readonly string[] }[] | undefined;
  if (docker) return docker.flatMap(({ RepoTags }) => RepoTags ?? []);
  const index = (await read('index.json')) as
    | { readonly manifests?: readonly { readonly annotations?: Readonly<Record<string, string>> }[] }
    | undefined;
  return (index?.manifests ?? []).flatMap(({ annotations }) => annotations?.['io.containerd.image.name'] ?? []);
}

/** What `ctr images import` says: `unpacking NAME (DIGEST)...done` (1.x), a table with `NAME  saved` (2.x). */
export function importedNames(output: string): readonly string[] {
  return output
    .split('\n')
    .flatMap((line) => /^unpacking (\S+)|^(\S+)\s+saved\b/.exec(line)?.slice(1).find(Boolean) ?? []);
}

const pathsIn = (stateDir: string): ContainerdPaths => ({
  root: join(stateDir, 'root'),
  state: join(stateDir, 'state'),
  socket: join(stateDir, 'containerd.sock'),
});

async function waitForCri(
  endpoint: string,
  child: Child,
  logFile: string,
  { clock, signal }: Pick<ContainerdOptions, 'clock' | 'signal'>,
): Promise<void> {
  const client = createCriClient({ endpoint, clock });
  const deadline = clock.monotonic() + startTimeoutMs;
  let ended = false;
  void child.exited.then(() => {
    ended = true;
  });
  try {
    for (;;) {
      try {
        await client.version({}, { timeoutMs: 2000 });
        return;
      } catch (cause) {
        signal?.throwIfAborted();
        if (!ended && clock.monotonic() < deadline) {
          await clock.sleep(50, signal);
          continue;
        }
        const tail = ((await readIfAny(logFile)) ?? '').split('\n').slice(-6).join('\n').trim();
        throw new HostError(
          `containerd ${ended ? 'ended' : 'did not answer'} after its start: ${tail || String(cause)}`,
          {
            remedy: `Look at ${logFile}`,
            cause,
          },
        );
      }
    }
  } finally {
    await client.close();
  }
}

async function ensurePauseImage(
  endpoint: string,
  stateDir: string,
  importImage: (archivePath: string) => Promise<readonly string[]>,
  { clock }: Pick<ContainerdOptions, 'clock'>,
): Promise<void> {
  const client = createCriClient({ endpoint, clock });
  const present = async (): Promise<boolean> =>
    (await client.imageStatus({ image: { image: pauseImageName } }, { timeoutMs: 10_000 })).image !== undefined;
  try {
    if (await present()) return;
    const archive = join(stateDir, 'pause.tar');
    await writeFile(archive, await makePauseArchive());
    await importImage(archive);
    await rm(archive, { force: true });
    // The CRI plugin learns of imported images by an event.
    for (let tries = 0; tries < 100 && !(await present()); tries++) await clock.sleep(20);
  } finally {
    await client.close();
  }
}

/** Ends all pods of a CRI server. What it refuses is logged. */
export async function removeSandboxes(endpoint: string, clock: Clock, log: Logger): Promise<void> {
  const client = createCriClient({ endpoint, clock });
  try {
    const { items } = await client.listPodSandbox({}, { timeoutMs: 10_000 });
    await Promise.all(
      items.map(async ({ id }) => {
        await client.stopPodSandbox({ podSandboxId: id }, { timeoutMs: 60_000 });
        await client.removePodSandbox({ podSandboxId: id }, { timeoutMs: 60_000 });
      }),
    );
  } catch (error) {
    log.warn('Cannot remove all sandboxes; ending their processes instead', { error });
  } finally {
    await client.close();
  }
}

/**
 * Shims carry the address of their containerd among their arguments. The same path may be another file for a process in another mount namespace (a second
 * machine simulated on this one), so what it leads to is compared as well.
 */
function shimsOf(socket: string): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  const folder = dirname(socket);
  for (const { pid, arguments: words } of listProcesses()) {
    if (!words[0]?.includes('containerd-shim') || words[words.indexOf('-address') + 1] !== socket) continue;
    if (!sameFolder(folder, `/proc/${pid}/root${folder}`)) continue;
    const identity = identify(pid);
    if (identity) found.push(identity);
  }
  return found;
}

function sameFolder(ours: string, theirs: string): boolean {
  const a = statSync(ours, { throwIfNoEntry: false });
  const b = statSync(theirs, { throwIfNoEntry: false });
  return a?.dev === b?.dev && a?.ino === b?.ino;
}

/** A shim's children are the containers' processes: they go first, or they would be nobody's. */
async function endShim(shim: ProcessIdentity, clock: Clock): Promise<void> {
  for (const { pid, parent } of listProcesses()) {
    if (parent !== shim.pid) continue;
    const child = identify(pid);
    if (child) await endProcess(child, { clock, graceMs: 0 });
  }
  await endProcess(shim, { clock, graceMs: 1000 });
}

async function readRecord(file: string): Promise<ProcessIdentity | undefined> {
  const text = await readIfAny(file);
  if (text === undefined) return undefined;
  try {
    const { pid, startTime, bootId } = JSON.parse(text) as ProcessIdentity;
    return { pid, startTime, bootId };
  } catch (cause) {
    throw new HostError(`${file} is damaged`, {
      remedy: 'Remove it; a containerd that still runs must be ended by hand',
      cause,
    });
  }
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** CAP_SYS_RESOURCE: guaranteed pods can be kept from being killed first. */
async function mayProtectProcesses(): Promise<boolean> {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${capabilities}`) >> 24n) % 2n === 1n;
}
