/**
 * A CRI runtime in memory: sandboxes get addresses from the node's pod CIDR, containers "run" until they are stopped or their script
 * ends them (`script.ts`). Nothing touches the machine, nothing polls, all time is the Clock's, so thousands of pods fit into one process
 * and a simulation replays. A change that no caller asked for (a scripted exit) is told to `onChange` listeners.
 *
 * Container states: CREATED --start--> RUNNING --stop | script--> EXITED; remove from any of them.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { CriError, type CriRuntime } from '../cri.ts';
import type {
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStatus,
} from '../cri-types.ts';
import { type AddressPool, createAddressPool } from './addresses.ts';
import { createHollowImages } from './images.ts';
import { readScript, type Script } from './script.ts';

export interface HollowRuntimeOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The node's pod CIDRs; may also come later through `updateRuntimeConfig`, as the kubelet does. Without them the network is not ready. */
  readonly podCidrs?: readonly string[];
  /** Images that are there without pulling; any other image can be pulled too. */
  readonly images?: readonly string[];
}

export interface HollowRuntime extends CriRuntime {
  /** Called with the pod's uid after a change that no call asked for. @returns stops listening. */
  onChange(listener: (podUid: string) => void): () => void;
  /** Ends a running container as if its process had exited. Does nothing when it is not running. */
  exit(containerId: string, exitCode: number, reason?: string): void;
  /** What a container "printed", in CRI log format. */
  log(containerId: string): string;
}

/** The label that the kubelet puts on everything it makes. */
const uidLabel = 'io.kubernetes.pod.uid';

interface Sandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly script: Script;
  readonly uid: string;
  readonly createdAt: number;
  addresses: readonly string[];
  ready: boolean;
  readonly containers: Entry[];
}

interface Entry {
  readonly id: string;
  readonly sandbox: Sandbox;
  readonly config: ContainerConfig;
  readonly createdAt: number;
  state: ContainerStatus['state'];
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  reason: string;
  message: string;
  ending: Timer | undefined;
}

export function createHollowRuntime({
  clock,
  random,
  podCidrs,
  images: preloaded = [],
}: HollowRuntimeOptions): HollowRuntime {
  const sandboxes = new Map<string, Sandbox>();
  const byUid = new Map<string, Sandbox[]>();
  const containers = new Map<string, Entry>();
  const images = createHollowImages(preloaded);
  const listeners = new Set<(podUid: string) => void>();
  const idPrefix = Buffer.from(random.bytes(8)).toString('hex');
  let pool: AddressPool | undefined = podCidrs ? createAddressPool(podCidrs) : undefined;
  let poolText = podCidrs?.join(',') ?? '';
  let counter = 0;

  const newId = (): string => idPrefix + (++counter).toString(16).padStart(48, '0');
  const nowNs = (): number => clock.now() * 1e6;
  const changed = (uid: string): void => {
    for (const listener of listeners) listener(uid);
  };

  const sandboxOf = (method: string, id: string | undefined): Sandbox => {
    const sandbox = sandboxes.get(id ?? '');
    if (!sandbox) throw new CriError(method, 'NOT_FOUND', `an error occurred when try to find sandbox: not found`);
    return sandbox;
  };
  const containerOf = (method: string, id: string | undefined): Entry => {
    const entry = containers.get(id ?? '');
    if (!entry)
      throw new CriError(method, 'NOT_FOUND', `an error occurred when try to find container "${id ?? ''}": not found`);
    return entry;
  };
  const finish = (entry: Entry, exitCode: number, reason: string): void => {
    entry.ending?.cancel();
    entry.ending = undefined;
    entry.state = 'CONTAINER_EXITED';
    entry.finishedAt = nowNs();
    entry.exitCode = exitCode;
    entry.reason = reason;
  };
  /** Waits as its script says; @throws when the caller gave up meanwhile. */
  const take = async (method: string, seconds: number | undefined, signal: AbortSignal | undefined): Promise<void> => {
    if (seconds === undefined || seconds === 0) return;
    await clock.sleep(seconds * 1000, signal);
    if (signal?.aborted) throw new CriError(method, 'CANCELLED', 'context canceled');
  };
  const stop = async (entry: Entry, graceSeconds: number, signal: AbortSignal | undefined): Promise<void> => {
    if (entry.state !== 'CONTAINER_RUNNING') return;
    const wants = entry.sandbox.script.number('stop-seconds', entry.config.metadata?.name) ?? 0;
    await take('StopContainer', Math.min(wants, graceSeconds), signal);
    if (entry.state !== 'CONTAINER_RUNNING') return;
    if (wants > graceSeconds) finish(entry, 137, 'Error');
    else finish(entry, 0, 'Completed');
  };
  const statsOf = ({ id, config, sandbox, startedAt }: Entry): ContainerStats => {
    const timestamp = nowNs();
    const name = config.metadata?.name;
    const milli = sandbox.script.number('cpu-milli', name) ?? 0;
    const bytes = (sandbox.script.number('memory-mebi', name) ?? 0) * 1024 * 1024;
    return {
      attributes: {
        id,
        metadata: config.metadata ?? {},
        labels: config.labels ?? {},
        annotations: config.annotations ?? {},
      },
      cpu: {
        timestamp,
        usageCoreNanoSeconds: { value: Math.round(((timestamp - startedAt) * milli) / 1000) },
        usageNanoCores: { value: milli * 1e6 },
      },
      memory: {
        timestamp,
        workingSetBytes: { value: bytes },
        usageBytes: { value: bytes },
        rssBytes: { value: bytes },
      },
    };
  };
  const statusOf = (entry: Entry): ContainerStatus => {
    const image = entry.config.image?.image ?? '';
    const known = images.find(image);
    return {
      id: entry.id,
      metadata: entry.config.metadata ?? {},
      state: entry.state,
      createdAt: entry.createdAt,
      startedAt: entry.startedAt,
      finishedAt: entry.finishedAt,
      exitCode: entry.exitCode,
      image: { image: known?.repoTags[0] ?? image },
      imageRef: known?.repoDigests[0] ?? image,
      imageId: known?.id ?? '',
      reason: entry.reason,
      message: entry.message,
      labels: entry.config.labels ?? {},
      annotations: entry.config.annotations ?? {},
      mounts: entry.config.mounts ?? [],
      logPath: `${entry.sandbox.config.logDirectory ?? ''}/${entry.config.logPath ?? ''}`,
      stopSignal: 'SIGTERM',
    };
  };
  const sandboxItem = (sandbox: Sandbox): PodSandbox => ({
    id: sandbox.id,
    metadata: sandbox.config.metadata ?? {},
    state: sandbox.ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    createdAt: sandbox.createdAt,
    labels: sandbox.config.labels ?? {},
    annotations: sandbox.config.annotations ?? {},
    runtimeHandler: '',
  });
  const sandboxStatus = (sandbox: Sandbox): PodSandboxStatus => ({
    ...sandboxItem(sandbox),
    network: {
      ip: sandbox.addresses[0] ?? '',
      additionalIps: sandbox.addresses.slice(1).map((ip) => ({ ip })),
    },
    linux: { namespaces: { options: sandbox.config.linux?.securityContext?.namespaceOptions ?? {} } },
  });
  const containerItem = (entry: Entry): Container => ({
    id: entry.id,
    podSandboxId: entry.sandbox.id,
    metadata: entry.config.metadata ?? {},
    image: entry.config.image ?? {},
    imageRef: images.find(entry.config.image?.image ?? '')?.repoDigests[0] ?? '',
    imageId: images.find(entry.config.image?.image ?? '')?.id ?? '',
    state: entry.state,
    createdAt: entry.createdAt,
    labels: entry.config.labels ?? {},
    annotations: entry.config.annotations ?? {},
  });
  /** The pod's sandboxes when a filter names one (the common call), else all. */
  const candidates = (labels: Readonly<Record<string, string>> | undefined): Iterable<Sandbox> => {
    const uid = labels?.[uidLabel];
    return uid === undefined ? sandboxes.values() : (byUid.get(uid) ?? []);
  };
  const removeContainer = (entry: Entry): void => {
    entry.ending?.cancel();
    containers.delete(entry.id);
    const at = entry.sandbox.containers.indexOf(entry);
    if (at >= 0) entry.sandbox.containers.splice(at, 1);
  };

  const runtime: HollowRuntime = {
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    exit(containerId, exitCode, reason) {
      const entry = containers.get(containerId);
      if (entry?.state !== 'CONTAINER_RUNNING') return;
      finish(entry, exitCode, reason ?? (exitCode === 0 ? 'Completed' : 'Error'));
      changed(entry.sandbox.uid);
    },
    log(containerId) {
      const entry = containerOf('ContainerStatus', containerId);
      const line = (ns: number, text: string): string => `${new Date(ns / 1e6).toISOString()} stdout F ${text}\n`;
      const name = entry.config.metadata?.name ?? '';
      if (entry.startedAt === 0) return '';
      const started = line(entry.startedAt, `Hollow container ${name} started`);
      return entry.finishedAt === 0
        ? started
        : started + line(entry.finishedAt, `Hollow container ${name} ended with ${entry.exitCode}`);
    },
    async close() {
      for (const entry of containers.values()) entry.ending?.cancel();
      listeners.clear();
    },

    async version() {
      return { version: '0.1.0', runtimeName: 'hollow', runtimeVersion: '1.0.0', runtimeApiVersion: 'v1' };
    },
    async status() {
      const network = pool
        ? { type: 'NetworkReady', status: true, reason: '', message: '' }
        : {
            type: 'NetworkReady',
            status: false,
            reason: 'NetworkPluginNotReady',
            message: 'the node has no pod CIDR yet',
          };
      return {
        status: { conditions: [{ type: 'RuntimeReady', status: true, reason: '', message: '' }, network] },
        info: {},
        runtimeHandlers: [],
      };
    },
    async updateRuntimeConfig({ runtimeConfig }) {
      const cidrs = runtimeConfig?.networkConfig?.podCidr ?? '';
      if (cidrs !== '' && cidrs !== poolText) {
        pool = createAddressPool(cidrs.split(','));
        poolText = cidrs;
      }
      return {};
    },
    async runtimeConfig() {
      return { linux: { cgroupDriver: 'CGROUPFS' } };
    },

    async runPodSandbox({ config = {} }) {
      const script = readScript(config.annotations);
      const failure = script.text('sandbox-error');
      if (failure !== undefined) throw new CriError('RunPodSandbox', 'UNKNOWN', failure);
      const hostNetwork = config.linux?.securityContext?.namespaceOptions?.network === 'NODE';
      if (!hostNetwork && !pool)
        throw new CriError(
          'RunPodSandbox',
          'UNKNOWN',
          'failed to setup network for sandbox: the node has no pod CIDR yet',
        );
      let addresses: readonly string[] = [];
      if (!hostNetwork)
        try {
          addresses = pool!.allocate();
        } catch (error) {
          throw new CriError('RunPodSandbox', 'UNKNOWN', `failed to setup network for sandbox: ${String(error)}`);
        }
      const uid = config.metadata?.uid ?? '';
      const sandbox: Sandbox = {
        id: newId(),
        config,
        script,
        uid,
        createdAt: nowNs(),
        addresses,
        ready: true,
        containers: [],
      };
      sandboxes.set(sandbox.id, sandbox);
      const siblings = byUid.get(uid);
      if (siblings) siblings.push(sandbox);
      else byUid.set(uid, [sandbox]);
      return { podSandboxId: sandbox.id };
    },
    async stopPodSandbox({ podSandboxId }, { signal }) {
      const sandbox = sandboxes.get(podSandboxId ?? '');
      if (!sandbox) return {};
      for (const entry of sandbox.containers) await stop(entry, 0, signal);
      if (sandbox.ready) pool?.release(sandbox.addresses);
      sandbox.ready = false;
      return {};
    },
    async removePodSandbox({ podSandboxId }, { signal }) {
      const sandbox = sandboxes.get(podSandboxId ?? '');
      if (!sandbox) return {};
      await runtime.stopPodSandbox({ podSandboxId }, { signal, timeoutMs: 0 });
      for (const entry of [...sandbox.containers]) removeContainer(entry);
      sandboxes.delete(sandbox.id);
      const left = (byUid.get(sandbox.uid) ?? []).filter((other) => other !== sandbox);
      if (left.length > 0) byUid.set(sandbox.uid, left);
      else byUid.delete(sandbox.uid);
      return {};
    },
    async podSandboxStatus({ podSandboxId }) {
      return {
        status: sandboxStatus(sandboxOf('PodSandboxStatus', podSandboxId)),
        info: {},
        containersStatuses: [],
        timestamp: nowNs(),
      };
    },
    async listPodSandbox({ filter }) {
      const items: PodSandbox[] = [];
      for (const sandbox of candidates(filter?.labelSelector)) {
        if (filter?.id && sandbox.id !== filter.id) continue;
        if (filter?.state && (filter.state.state === 'SANDBOX_READY') !== sandbox.ready) continue;
        if (matches(filter?.labelSelector, sandbox.config.labels)) items.push(sandboxItem(sandbox));
      }
      return { items };
    },

    async createContainer({ podSandboxId, config = {} }) {
      const sandbox = sandboxOf('CreateContainer', podSandboxId);
      if (!sandbox.ready)
        throw new CriError('CreateContainer', 'UNKNOWN', `sandbox container "${sandbox.id}" is not running`);
      const entry: Entry = {
        id: newId(),
        sandbox,
        config,
        createdAt: nowNs(),
        state: 'CONTAINER_CREATED',
        startedAt: 0,
        finishedAt: 0,
        exitCode: 0,
        reason: '',
        message: '',
        ending: undefined,
      };
      containers.set(entry.id, entry);
      sandbox.containers.push(entry);
      return { containerId: entry.id };
    },
    async startContainer({ containerId }, { signal }) {
      const entry = containerOf('StartContainer', containerId);
      const { script, uid } = entry.sandbox;
      const name = entry.config.metadata?.name;
      await take('StartContainer', script.number('start-seconds', name), signal);
      if (entry.state !== 'CONTAINER_CREATED')
        throw new CriError('StartContainer', 'UNKNOWN', `container is in ${entry.state} state`);
      const failure = script.text('start-error', name);
      if (failure !== undefined) {
        finish(entry, 128, 'StartError');
        entry.message = failure;
        throw new CriError('StartContainer', 'UNKNOWN', failure);
      }
      entry.state = 'CONTAINER_RUNNING';
      entry.startedAt = nowNs();
      const runSeconds = script.number('run-seconds', name);
      if (runSeconds !== undefined) {
        const exitCode = script.number('exit-code', name) ?? 0;
        entry.ending = clock.timer(runSeconds * 1000, () => {
          if (entry.state !== 'CONTAINER_RUNNING') return;
          finish(entry, exitCode, exitCode === 0 ? 'Completed' : 'Error');
          entry.message = script.text('termination-message', name) ?? '';
          changed(uid);
        });
      }
      return {};
    },
    async stopContainer({ containerId, timeout }, { signal }) {
      const entry = containers.get(containerId ?? '');
      if (entry) await stop(entry, timeout ?? 0, signal);
      return {};
    },
    async removeContainer({ containerId }) {
      const entry = containers.get(containerId ?? '');
      if (entry) removeContainer(entry);
      return {};
    },
    async listContainers({ filter }) {
      const items: Container[] = [];
      for (const sandbox of candidates(filter?.labelSelector)) {
        if (filter?.podSandboxId && sandbox.id !== filter.podSandboxId) continue;
        for (const entry of sandbox.containers) {
          if (filter?.id && entry.id !== filter.id) continue;
          if (filter?.state && filter.state.state !== entry.state) continue;
          if (matches(filter?.labelSelector, entry.config.labels)) items.push(containerItem(entry));
        }
      }
      return { containers: items };
    },
    async containerStatus({ containerId }) {
      return { status: statusOf(containerOf('ContainerStatus', containerId)), info: {} };
    },
    async updateContainerResources({ containerId }) {
      containerOf('UpdateContainerResources', containerId);
      return {};
    },
    async updatePodSandboxResources({ podSandboxId }) {
      sandboxOf('UpdatePodSandboxResources', podSandboxId);
      return {};
    },
    async reopenContainerLog({ containerId }) {
      containerOf('ReopenContainerLog', containerId);
      return {};
    },
    async execSync({ containerId }) {
      const entry = containerOf('ExecSync', containerId);
      if (entry.state !== 'CONTAINER_RUNNING')
        throw new CriError('ExecSync', 'UNKNOWN', `container is in ${entry.state} state`);
      return { stdout: new Uint8Array(), stderr: new Uint8Array(), exitCode: 0 };
    },
    containerStats: async ({ containerId }) => {
      containerOf('ContainerStats', containerId);
      return {};
    },
    async listContainerStats({ filter }) {
      const stats: ContainerStats[] = [];
      for (const entry of containers.values()) {
        if (entry.state !== 'CONTAINER_RUNNING' || !matches(filter?.labelSelector, entry.config.labels)) continue;
        if (filter?.id && filter.id !== entry.id) continue;
        stats.push(statsOf(entry));
      }
      return { stats };
    },
    podSandboxStats: async ({ podSandboxId }) => {
      sandboxOf('PodSandboxStats', podSandboxId);
      return {};
    },
    listPodSandboxStats: async () => ({ stats: [] }),

    async listImages({ filter }) {
      const wanted = filter?.image?.image;
      if (wanted) {
        const image = images.find(wanted);
        return { images: image ? [image] : [] };
      }
      return { images: images.list() };
    },
    async imageStatus({ image }) {
      const known = images.find(image?.image ?? '');
      return known ? { image: known, info: {} } : { info: {} };
    },
    async pullImage({ image, sandboxConfig }, { signal }) {
      const script = readScript(sandboxConfig?.annotations);
      await take('PullImage', script.number('pull-seconds'), signal);
      const failure = script.text('pull-error');
      if (failure !== undefined) throw new CriError('PullImage', 'UNKNOWN', failure);
      return { imageRef: images.add(image?.image ?? '').id };
    },
    async removeImage({ image }) {
      images.remove(image?.image ?? '');
      return {};
    },
    async imageFsInfo() {
      return { imageFilesystems: [], containerFilesystems: [] };
    },

    exec: unsupported('Exec'),
    attach: unsupported('Attach'),
    portForward: unsupported('PortForward'),
    checkpointContainer: unsupported('CheckpointContainer'),
    listMetricDescriptors: async () => ({ descriptors: [] }),
    listPodSandboxMetrics: async () => ({ podMetrics: [] }),
    streamPodSandboxes: unsupportedStream('StreamPodSandboxes'),
    streamContainers: unsupportedStream('StreamContainers'),
    streamContainerStats: unsupportedStream('StreamContainerStats'),
    streamPodSandboxStats: unsupportedStream('StreamPodSandboxStats'),
    streamPodSandboxMetrics: unsupportedStream('StreamPodSandboxMetrics'),
    streamImages: unsupportedStream('StreamImages'),
    getContainerEvents: unsupportedStream('GetContainerEvents'),
  };
  return runtime;
}

const unsupported = (method: string) => async (): Promise<never> => {
  throw new CriError(method, 'UNIMPLEMENTED', `a hollow runtime has no processes: ${method} is not possible`);
};
function unsupportedStream(method: string): () => AsyncIterable<never> {
  return () => {
    throw new CriError(method, 'UNIMPLEMENTED', `the hollow runtime does not stream: ${method}`);
  };
}

function matches(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  if (!selector) return true;
  for (const key of Object.keys(selector)) if (labels?.[key] !== selector[key]) return false;
  return true;
}
