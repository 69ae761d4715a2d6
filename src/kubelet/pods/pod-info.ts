/** Small facts about a pod that many parts need. All pure. */
import type { Container, Pod } from '../../api/types/core-v1.ts';

/** `name_namespace(uid)`: how upstream's messages name a pod. */
export const formatPod = ({ metadata }: Pod): string => `${metadata.name}_${metadata.namespace}(${metadata.uid})`;

/** `namespace/name`, for logs. */
export const podRef = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`;

export const podUid = (pod: Pod): string => pod.metadata.uid ?? '';

/** An init container that runs on beside the pod's own containers (a sidecar). */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

export const isHostNetwork = (pod: Pod): boolean => pod.spec?.hostNetwork === true;

export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';

/** Seconds the pod may take to end: what its deletion says, else its spec, else 30. */
export function gracePeriodSeconds(pod: Pod): number {
  const seconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  return Math.max(1, Number(seconds));
}
