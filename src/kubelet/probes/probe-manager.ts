/** What probes say about containers. Their verdicts wake the pod's worker. */
import type { Container, Pod } from '../../api/types/core-v1.ts';
import type { PodRuntimeStatus } from '../containers/runtime-status.ts';
import type { ProbeVerdicts } from '../pods/compute-pod-actions.ts';

export interface ProbeManager extends ProbeVerdicts {
  readiness(containerId: string, container: Container): { readonly ready: boolean; readonly started: boolean };
  /** Starts probing what runs now, stops for what does not. */
  update(pod: Pod, status: PodRuntimeStatus): void;
  stop(uid: string): void;
}

/** Hollow containers have nothing to ask: what runs is started and ready. */
export const noProbeManager: ProbeManager = {
  failed: () => undefined,
  started: () => true,
  readiness: () => ({ ready: true, started: true }),
  update: () => undefined,
  stop: () => undefined,
};
