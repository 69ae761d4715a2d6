/** What probes say about containers. Their verdicts wake the pod's worker. */
import type { Container, Pod } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import type { ProbeVerdicts } from '../pods/compute-pod-actions.ts';

export interface ProbeManager extends ProbeVerdicts {
  readiness(containerId: string, container: Container): { readonly ready: boolean; readonly started: boolean };
  /** Starts probing what runs now, stops for what does not. */
  update(pod: Pod, status: PodRuntimeStatus): void;
  stop(uid: string): void;
  /** Ends all probing. */
  close?(): void;
}

export interface ProbeContext {
  readonly runtime: CriRuntime;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly log: Logger;
  /** Each probe's outcome, for metrics. */
  onResult?(probe: {
    readonly kind: 'liveness' | 'readiness' | 'startup';
    readonly result: 'successful' | 'failed' | 'unknown';
    readonly pod: Pod;
    readonly container: string;
    readonly tookMs: number;
  }): void;
  /** The container is probed no more. */
  onEnd?(probe: {
    readonly kind: 'liveness' | 'readiness' | 'startup';
    readonly pod: Pod;
    readonly container: string;
  }): void;
  /** A verdict changed. */
  wake(uid: string): void;
  readonly signal: AbortSignal;
}

/** Hollow containers have nothing to ask: what runs is started and ready. */
export const noProbeManager: ProbeManager = {
  failed: () => undefined,
  started: () => true,
  readiness: () => ({ ready: true, started: true }),
  update: () => undefined,
  stop: () => undefined,
};
