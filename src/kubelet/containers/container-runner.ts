/**
 * Starts and ends containers and sandboxes through the runtime: the effects that `compute-pod-actions.ts` decides on.
 */
import type { Container, Pod, Secret } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EventRecorder } from '../../client/events.ts';
import { CriError, type CriRuntime, isCriNotFound } from '../../runtime/cri.ts';
import type { Image, PodSandboxConfig, UserNamespace } from '../../runtime/cri-types.ts';
import { EnvironmentError, type PodEnvironment } from '../environment.ts';
import { ContainerConfigError, type EnvContext, makeEnvironment } from '../pods/env.ts';
import { formatPod, gracePeriodSeconds, isSidecar, podRef, podUid } from '../pods/pod-info.ts';
import { type BackOff, goDuration } from './back-off.ts';
import { containerConfig, sandboxConfig } from './container-config.ts';
import { containerEvents, StartError } from './container-events.ts';
import { containerHash } from './container-hash.ts';
import type { ImageManager } from './image-manager.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { findContainer, type PodRuntimeStatus, type RuntimeContainer } from './runtime-status.ts';
import { verifyNonRoot } from './security-context.ts';

export interface ContainerRunnerOptions {
  readonly runtime: CriRuntime;
  readonly environment: PodEnvironment;
  readonly images: ImageManager;
  readonly hooks: LifecycleHooks;
  readonly backOff: BackOff;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timeoutMs: number;
  readonly nodeMemoryBytes: number;
  readonly cpuCFSQuota: boolean;
  envContext(pod: Pod, podIPs: readonly string[]): EnvContext;
  /** The runtime's handler for the pod's RuntimeClass; empty for its default. @throws Error when the class does not exist. */
  runtimeHandler(pod: Pod): Promise<string>;
}

export interface SandboxStart {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly ips: readonly string[];
}

export interface ContainerRunner {
  /** @throws when the runtime cannot; the FailedCreatePodSandBox event is recorded. */
  createSandbox(pod: Pod, attempt: number, signal: AbortSignal): Promise<SandboxStart>;
  /** The configuration of a sandbox that runs already, for creating containers in it. */
  sandboxConfig(pod: Pod, attempt: number): Promise<PodSandboxConfig>;
  /** Image, create, start, postStart. @throws StartError, whose reason is what the container waits for. */
  start(pod: Pod, container: Container, context: StartContext): Promise<void>;
  /** preStop, SIGTERM, after the grace period SIGKILL. What ended already is fine. */
  kill(pod: Pod, container: RuntimeContainer, options: KillOptions): Promise<void>;
  /** All running containers (sidecars last, in reverse order), then the sandboxes. */
  killPod(pod: Pod, status: PodRuntimeStatus, options: KillOptions): Promise<void>;
}

export interface StartContext {
  readonly status: PodRuntimeStatus;
  readonly sandbox: { readonly id: string; readonly config: PodSandboxConfig };
  readonly podIPs: readonly string[];
  readonly pullSecrets: readonly Secret[];
  readonly signal: AbortSignal;
}

export interface KillOptions {
  readonly message?: string;
  /** Absent: what the pod says. */
  readonly graceSeconds?: number;
  readonly signal?: AbortSignal;
}

export function createContainerRunner(options: ContainerRunnerOptions): ContainerRunner {
  const { runtime, environment, images, hooks, backOff, clock, log, timeoutMs } = options;

  const backOffKey = (pod: Pod, container: Container): string =>
    `${pod.metadata.name}_${pod.metadata.namespace}_${podUid(pod)}_${container.name}_${containerHash(container)}`;

  /** @throws StartError CrashLoopBackOff while the container has to wait. */
  const checkBackOff = (pod: Pod, container: Container, status: PodRuntimeStatus): void => {
    const last = status.containers.find((entry) => entry.name === container.name && entry.state === 'exited');
    if (!last) return;
    const key = backOffKey(pod, container);
    const remainingMs = backOff.remainingMs(key, last.finishedAtMs);
    if (remainingMs > 0) {
      containerEvents(options.events, pod).warning(
        container,
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${formatPod(pod)}`,
      );
      throw new StartError(
        'CrashLoopBackOff',
        `back-off ${goDuration(backOff.delayMs(key))} restarting failed container=${container.name} pod=${formatPod(pod)}`,
        { retryAfterMs: remainingMs },
      );
    }
    backOff.next(key, last.finishedAtMs);
  };

  const runner: ContainerRunner = {
    async createSandbox(pod, attempt, signal) {
      try {
        const runtimeHandler = await options.runtimeHandler(pod);
        const config = sandboxConfig(pod, attempt, await environment.sandbox(pod, runtimeHandler));
        const { podSandboxId } = await runtime.runPodSandbox(
          { config, runtimeHandler },
          { signal, timeoutMs: Math.max(timeoutMs, 240_000) },
        );
        const { status } = await runtime.podSandboxStatus({ podSandboxId }, { signal, timeoutMs });
        const ip = status?.network?.ip ?? '';
        const ips = ip === '' ? [] : [ip, ...(status?.network?.additionalIps ?? []).map((extra) => extra.ip)];
        return { id: podSandboxId, config, ips };
      } catch (error) {
        if (!signal.aborted)
          options.events.event(pod, {
            type: 'Warning',
            reason: 'FailedCreatePodSandBox',
            message: `Failed to create pod sandbox: ${textOf(error)}`,
          });
        throw error;
      }
    },
    async sandboxConfig(pod, attempt) {
      return sandboxConfig(pod, attempt, await environment.sandbox(pod, await options.runtimeHandler(pod)));
    },

    async start(pod, container, { status, sandbox, podIPs, pullSecrets, signal }) {
      const events = containerEvents(options.events, pod);
      checkBackOff(pod, container, status);
      const ensure = async (wanted: Container): Promise<Image> => {
        try {
          return await images.ensure(pod, wanted, { sandbox: sandbox.config, pullSecrets, events, signal });
        } catch (error) {
          if (error instanceof StartError) events.warning(container, 'Failed', `Error: ${error.reason}`);
          throw error;
        }
      };
      const image = await ensure(container);

      const volumeImages = new Map<string, string>();
      for (const { name } of container.volumeMounts ?? []) {
        const source = pod.spec?.volumes?.find((volume) => volume.name === name)?.image;
        if (!source || volumeImages.has(name)) continue;
        const wanted: Container = {
          name: container.name,
          image: source.reference ?? '',
          ...(source.pullPolicy ? { imagePullPolicy: source.pullPolicy } : {}),
        };
        const pulled = await ensure(wanted);
        volumeImages.set(name, pulled.id);
      }

      const last = findContainer(status, container.name);
      const restartCount = last
        ? last.restartCount + 1
        : ((await environment.startsLogged(pod, container.name)) ?? previousRestarts(pod, container));
      let containerId: string;
      try {
        verifyNonRoot(pod, container, {
          // An image that names no user runs as root.
          ...(image.uid || image.username === '' ? { uid: image.uid?.value ?? 0 } : {}),
          username: image.username,
        });
        const env = await makeEnvironment(pod, container, options.envContext(pod, podIPs));
        const surroundings = await environment.container(pod, container, { podIPs, restartCount, env, volumeImages });
        const target = targetOf(pod, container, status);
        const config = containerConfig(pod, container, {
          ...(target === undefined ? {} : { targetId: target }),
          ...userNamespaceOf(sandbox.config),
          restartCount,
          imageRef: image.id,
          environment: env,
          surroundings,
          nodeMemoryBytes: options.nodeMemoryBytes,
          cpuCFSQuota: options.cpuCFSQuota,
        });
        const created = await runtime.createContainer(
          { podSandboxId: sandbox.id, config, sandboxConfig: sandbox.config },
          { signal, timeoutMs },
        );
        containerId = created.containerId;
      } catch (error) {
        if (signal.aborted) throw error;
        const ofRuntime = error instanceof CriError;
        const message = ofRuntime ? error.detail : textOf(error);
        events.warning(container, 'Failed', `Error: ${message}`);
        const ofConfig = error instanceof ContainerConfigError || error instanceof EnvironmentError;
        if (!ofRuntime && !ofConfig)
          log.error('Cannot configure a container', { pod: podRef(pod), container: container.name, error });
        throw new StartError(ofRuntime ? 'CreateContainerError' : 'CreateContainerConfigError', message, {
          cause: error,
        });
      }
      events.normal(container, 'Created', 'Container created');

      try {
        // Not cut off when the pod must end meanwhile: a start that was cut off half way looks like a container that failed.
        await runtime.startContainer({ containerId }, { timeoutMs });
      } catch (error) {
        const message = error instanceof CriError ? error.detail : textOf(error);
        events.warning(container, 'Failed', `Error: ${message}`);
        throw new StartError('RunContainerError', message, { cause: error });
      }
      events.normal(container, 'Started', 'Container started');

      const postStart = container.lifecycle?.postStart;
      if (postStart)
        try {
          await hooks.run(pod, container, containerId, postStart, { podIPs, signal });
        } catch (error) {
          if (signal.aborted) throw error;
          events.warning(container, 'FailedPostStartHook', `PostStartHook failed`);
          events.normal(container, 'Killing', 'FailedPostStartHook');
          await runtime.stopContainer(
            { containerId, timeout: gracePeriodSeconds(pod) },
            stopOptions(gracePeriodSeconds(pod)),
          );
          throw new StartError('PostStartHookError', textOf(error), { cause: error });
        }
    },

    async kill(pod, found, { message, graceSeconds, signal }) {
      const container = specOf(pod, found.name);
      let remaining = graceSeconds ?? gracePeriodSeconds(pod);
      if (container)
        containerEvents(options.events, pod).normal(
          container,
          'Killing',
          message ?? `Stopping container ${found.name}`,
        );
      const preStop = container?.lifecycle?.preStop;
      if (container && preStop && remaining > 0) {
        const started = clock.monotonic();
        // The hook shares the grace period; what it leaves (at least two seconds) is for the process.
        const limit = new AbortController();
        const timer = clock.timer(remaining * 1000, () => limit.abort());
        try {
          await hooks.run(pod, container, found.id, preStop, { podIPs: [], signal: limit.signal });
        } catch (error) {
          containerEvents(options.events, pod).warning(container, 'FailedPreStopHook', 'PreStopHook failed');
          log.info('preStop hook failed', { pod: podRef(pod), container: found.name, error });
        } finally {
          timer.cancel();
        }
        remaining -= Math.floor((clock.monotonic() - started) / 1000);
        if (remaining < 2) remaining = Math.min(2, graceSeconds ?? gracePeriodSeconds(pod));
      }
      try {
        await runtime.stopContainer(
          { containerId: found.id, timeout: remaining },
          { ...stopOptions(remaining), signal },
        );
      } catch (error) {
        if (!isCriNotFound(error)) throw error;
      }
    },

    async killPod(pod, status, kill) {
      const running = status.containers.filter((entry) => entry.state === 'running' || entry.state === 'unknown');
      const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar).map((container) => container.name);
      const main = running.filter((entry) => !sidecars.includes(entry.name));
      const started = clock.monotonic();
      await Promise.all(main.map((entry) => runner.kill(pod, entry, kill)));
      // Sidecars serve the others: they end afterwards, the last started first, in what is left of the grace period.
      const grace = kill.graceSeconds ?? gracePeriodSeconds(pod);
      for (const name of sidecars.toReversed()) {
        const left = Math.max(1, Math.ceil(grace - (clock.monotonic() - started) / 1000));
        for (const entry of running)
          if (entry.name === name) await runner.kill(pod, entry, { ...kill, graceSeconds: left });
      }
      for (const sandbox of status.sandboxes) {
        if (!sandbox.ready && sandbox !== status.sandboxes[0]) continue;
        try {
          await runtime.stopPodSandbox({ podSandboxId: sandbox.id }, { signal: kill.signal, timeoutMs });
        } catch (error) {
          if (!isCriNotFound(error)) throw error;
        }
      }
    },
  };
  const stopOptions = (graceSeconds: number) => ({ timeoutMs: timeoutMs + graceSeconds * 1000 });
  return runner;
}

/** The runtime forgot the container (collected, or the machine's state was lost): count on from the API's status. */
function previousRestarts(pod: Pod, container: Container): number {
  const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(
    (status) => status.name === container.name,
  );
  return known?.containerID ? Number(known.restartCount) + 1 : 0;
}

/** A pod's containers live among the users of its sandbox. */
function userNamespaceOf({ linux }: PodSandboxConfig): { readonly userNamespace?: UserNamespace } {
  const userNamespace = linux?.securityContext?.namespaceOptions?.usernsOptions;
  return userNamespace ? { userNamespace } : {};
}

const specOf = (pod: Pod, name: string): Container | undefined =>
  pod.spec?.containers.find((c) => c.name === name) ??
  pod.spec?.initContainers?.find((c) => c.name === name) ??
  (pod.spec?.ephemeralContainers as readonly Container[] | undefined)?.find((c) => c.name === name);

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** An ephemeral container may look at the processes of another: that one's id. @throws ContainerConfigError when it does not run. */
function targetOf(pod: Pod, container: Container, status: PodRuntimeStatus): string | undefined {
  const name = pod.spec?.ephemeralContainers?.find((c) => c.name === container.name)?.targetContainerName;
  if (!name) return undefined;
  const target = findContainer(status, name);
  if (target?.state !== 'running') throw new ContainerConfigError(`unable to find target container ${name}`);
  return target.id;
}
