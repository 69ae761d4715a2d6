/** A pod's ports: those it takes on its node, and those a Service sends to. */
import type { IntOrString } from '../int-or-string.ts';
import type { ContainerPort, Pod, PodSpec } from '../types/core-v1.ts';
import { isSidecar } from './resources.ts';

export interface HostPort {
  readonly protocol: string;
  /** `0.0.0.0` for every address. */
  readonly hostIp: string;
  readonly hostPort: number;
}

/** Ports of the containers that run beside each other: sidecars and containers. */
export function* runningPorts(spec: PodSpec): Iterable<ContainerPort> {
  for (const container of spec.initContainers ?? []) if (isSidecar(container)) yield* container.ports ?? [];
  for (const container of spec.containers ?? []) yield* container.ports ?? [];
}

/** What the pod takes of its node's ports; with hostNetwork that is defaulted from the container ports already. */
export function hostPorts(spec: PodSpec): readonly HostPort[] {
  const taken: HostPort[] = [];
  for (const { hostPort = 0, hostIP, protocol } of runningPorts(spec))
    if (hostPort > 0) taken.push({ protocol: protocol || 'TCP', hostIp: hostIP || '0.0.0.0', hostPort });
  return taken;
}

/** Same protocol and port, and an address in common. */
export function portsCollide(a: HostPort, b: HostPort): boolean {
  return (
    a.hostPort === b.hostPort &&
    a.protocol === b.protocol &&
    (a.hostIp === b.hostIp || a.hostIp === '0.0.0.0' || b.hostIp === '0.0.0.0')
  );
}

/**
 * The number a Service's target port has on this pod: a number stands for itself, a name is looked up with the protocol among the
 * containers and then the sidecars; `undefined` when the pod has no such port. Source: pkg/api/v1/pod.FindPort.
 */
export function findTargetPort(pod: Pod, targetPort: IntOrString, protocol = 'TCP'): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)];
  for (const { ports } of containers)
    for (const port of ports ?? [])
      if (port.name === targetPort && (port.protocol || 'TCP') === protocol) return port.containerPort;
  return undefined;
}
