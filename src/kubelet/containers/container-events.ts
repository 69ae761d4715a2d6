/** Why a container could not be started, and the events that tell users so. */
import type { Container, Pod } from '../../api/types/core-v1.ts';
import type { EventRecorder } from '../../client/events.ts';

/** `reason` becomes the container's waiting reason (CrashLoopBackOff, ErrImagePull, CreateContainerConfigError, ...). */
export class StartError extends Error {
  readonly reason: string;
  /** When trying again may help; the pod's next regular sync when absent. */
  readonly retryAfterMs: number | undefined;
  constructor(reason: string, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StartError';
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Events about one container of a pod: they carry its field path, as kubectl shows it. */
export interface ContainerEvents {
  normal(container: Container, reason: string, message: string): void;
  warning(container: Container, reason: string, message: string): void;
}

export function containerEvents(recorder: EventRecorder, pod: Pod): ContainerEvents {
  const fieldPath = (container: Container): string => {
    const among = (list: readonly { readonly name: string }[] | undefined): boolean =>
      (list ?? []).some((other) => other.name === container.name);
    if (among(pod.spec?.initContainers)) return `spec.initContainers{${container.name}}`;
    if (among(pod.spec?.ephemeralContainers)) return `spec.ephemeralContainers{${container.name}}`;
    return `spec.containers{${container.name}}`;
  };
  const record =
    (type: 'Normal' | 'Warning') =>
    (container: Container, reason: string, message: string): void =>
      recorder.event(pod, { type, reason, message, fieldPath: fieldPath(container) });
  return { normal: record('Normal'), warning: record('Warning') };
}
