/**
 * What pods need of the machine beside their containers: folders, volumes, cgroups, files such as /etc/hosts. The pod workers know only this
 * interface; `environment-host.ts` does it for real, `environment-hollow.ts` checks what can be checked and does nothing.
 *
 * Invariants: every call may be repeated and repairs what is missing; nothing of a pod is left after `release`.
 */
import type { Container, Pod } from '../api/types/core-v1.ts';
import type { DNSConfig, Mount, UserNamespace } from '../runtime/cri-types.ts';
import type { RuntimeContainer } from './containers/runtime-status.ts';

export interface SandboxSurroundings {
  readonly hostname: string;
  readonly logDirectory: string;
  /** Empty: the runtime's own choice. */
  readonly cgroupParent: string;
  readonly dns: DNSConfig | undefined;
  /** The pod's own users (hostUsers: false); absent: the machine's. */
  readonly userNamespace?: UserNamespace;
}

export interface ContainerSurroundings {
  readonly mounts: readonly Mount[];
}

/** A pod's surroundings could not be made. `reason` and the message become an event (`FailedMount` ...) and the step is tried again later. */
export class EnvironmentError extends Error {
  readonly reason: string;
  constructor(reason: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EnvironmentError';
    this.reason = reason;
  }
}

export interface PodEnvironment {
  /** Folders, cgroup and volumes. @throws EnvironmentError */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Brings contents of volumes up to date (config maps, secrets, tokens, labels) for a running pod. @throws EnvironmentError */
  refresh(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Sets the pod's own limits; with `lifted`, takes them away while its containers' limits change in whatever order. */
  resize(pod: Pod, options: { readonly lifted: boolean }): Promise<void>;
  /** @param handler the runtime's handler for the pod. @throws EnvironmentError */
  sandbox(pod: Pod, handler: string): Promise<SandboxSurroundings>;
  /** Mounts of one container: its volumes, /etc/hosts, the termination message file. @throws EnvironmentError */
  container(
    pod: Pod,
    container: Container,
    options: {
      readonly podIPs: readonly string[];
      readonly restartCount: number;
      readonly env: ReadonlyMap<string, string>;
      /** Volume name -> the runtime's id of its image. */
      readonly volumeImages: ReadonlyMap<string, string>;
    },
  ): Promise<ContainerSurroundings>;
  /** The text of a file in one of the pod's volumes; links may not lead out of it. @throws Error */
  volumeFile(pod: Pod, volume: string, path: string): Promise<string>;
  /** How often the container was started before, by the logs that are left of it; undefined when there are none. */
  startsLogged(pod: Pod, container: string): Promise<number | undefined>;
  /** What an ended container left as its message; undefined when nothing. */
  terminationMessage(container: RuntimeContainer): Promise<string | undefined>;
  /** Unmounts and removes everything of a pod whose containers are gone, except its logs. */
  release(uid: string): Promise<void>;
  /** Removes the logs too: the pod is gone from the API. */
  removeLogs(pod: { readonly namespace: string; readonly name: string; readonly uid: string }): Promise<void>;
  /** Removes one container's log: its container was removed. */
  removeLog(logPath: string): Promise<void>;
  /** Uids of pods that have something here. */
  present(): Promise<readonly string[]>;
  /** Pods whose logs are here. */
  withLogs(): Promise<readonly { readonly namespace: string; readonly name: string; readonly uid: string }[]>;
}
