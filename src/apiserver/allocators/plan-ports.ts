/**
 * Which node ports a Service takes and gives up. Pure but for the PortSet it works on. Ports of one number share a node port whatever their
 * protocol. Source: registry/core/service/storage/alloc.go (initNodePorts, updateNodePorts, healthCheckNodePort).
 */
import { ApiError } from '../../api/errors.ts';
import type { ServicePort, ServiceSpec } from '../../api/types/core-v1.ts';
import type { Random } from '../../base/random.ts';
import { AllocationError } from './cluster-ips.ts';
import type { PortSet } from './port-set.ts';

export interface PortPlan {
  /** With node ports filled in. */
  readonly ports: readonly ServicePort[] | undefined;
  readonly healthCheckNodePort: number | undefined;
  /** Allocated in the set now: to be given back if the write does not happen. */
  readonly taken: readonly number[];
  /** To be given back once the write has happened. */
  readonly givenUp: readonly number[];
}

const isExternal = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer';
const wantsPorts = (spec: ServiceSpec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
export const needsHealthCheck = (spec: ServiceSpec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Node ports a stored spec holds, each once. */
export function heldPorts(spec: ServiceSpec): number[] {
  const held = new Set<number>();
  for (const { nodePort } of spec.ports ?? []) if (nodePort) held.add(nodePort);
  if (spec.healthCheckNodePort) held.add(spec.healthCheckNodePort);
  return [...held];
}

/** Whether `planPorts` would do anything. */
export function concernsPorts(next: ServiceSpec, before: ServiceSpec | undefined): boolean {
  return isExternal(next) || (before !== undefined && heldPorts(before).length > 0);
}

/** @throws ApiError in upstream's words. */
export function planPorts(
  name: string,
  next: ServiceSpec,
  before: ServiceSpec | undefined,
  set: PortSet,
  random: Random,
): PortPlan {
  const taken: number[] = [];
  const take = (port: number): void => {
    set.allocate(port);
    taken.push(port);
  };
  const takeNext = (): number => {
    const port = set.allocateNext(random);
    taken.push(port);
    return port;
  };
  const filled = !isExternal(next)
    ? next.ports
    : before === undefined
      ? portsForCreate(name, next, take, takeNext)
      : portsForUpdate(name, next, before, take, takeNext);
  const healthCheckNodePort = healthCheck(next, before, take, takeNext);
  const kept = new Set(
    heldPorts({ ...next, ...(filled ? { ports: filled } : {}), healthCheckNodePort: 0 } as ServiceSpec),
  );
  if (healthCheckNodePort) kept.add(healthCheckNodePort);
  const givenUp = before === undefined ? [] : heldPorts(before).filter((port) => !kept.has(port));
  return { ports: filled, healthCheckNodePort, taken, givenUp };
}

function portsForCreate(
  name: string,
  spec: ServiceSpec,
  take: (port: number) => void,
  takeNext: () => number,
): readonly ServicePort[] {
  const ports = spec.ports ?? [];
  const byPort = new Map<number, number>();
  return ports.map((port, i) => {
    if (!port.nodePort && !wantsPorts(spec)) return port;
    const known = byPort.get(port.port);
    if (known !== undefined) {
      if (!port.nodePort) return { ...port, nodePort: known };
      if (port.nodePort !== known) refusing(name, i, port.nodePort, take);
      return port;
    }
    const asked = ports.find((other) => other.port === port.port && other.nodePort)?.nodePort;
    if (asked !== undefined) refusing(name, i, asked, take);
    const nodePort = asked ?? orInternal(takeNext);
    byPort.set(port.port, nodePort);
    return port.nodePort === nodePort ? port : { ...port, nodePort };
  });
}

function portsForUpdate(
  name: string,
  spec: ServiceSpec,
  before: ServiceSpec,
  take: (port: number) => void,
  takeNext: () => number,
): readonly ServicePort[] {
  const old = new Set((before.ports ?? []).map((port) => port.nodePort ?? 0));
  const now = new Set<number>();
  const seen = new Set<string>();
  return (spec.ports ?? []).map((port, i) => {
    if (!port.nodePort && !wantsPorts(spec)) return port;
    let filled = port;
    if (!port.nodePort) filled = { ...port, nodePort: orInternal(takeNext) };
    else if (!old.has(port.nodePort) && !now.has(port.nodePort)) refusing(name, i, port.nodePort, take);
    now.add(filled.nodePort!);
    const id = `${filled.protocol ?? 'TCP'}/${filled.nodePort}`;
    if (seen.has(id)) throw plainError(`duplicate nodePort: {${filled.protocol ?? 'TCP'} ${filled.nodePort}}`);
    seen.add(id);
    return filled;
  });
}

function healthCheck(
  next: ServiceSpec,
  before: ServiceSpec | undefined,
  take: (port: number) => void,
  takeNext: () => number,
): number | undefined {
  const asked = next.healthCheckNodePort || 0;
  if (!needsHealthCheck(next)) return asked || undefined;
  if (before !== undefined && needsHealthCheck(before) && before.healthCheckNodePort)
    return asked || before.healthCheckNodePort;
  try {
    if (asked === 0) return takeNext();
    take(asked);
    return asked;
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error;
    const what = asked === 0 ? 'a' : 'requested';
    throw ApiError.internal(new Error(`failed to allocate ${what} HealthCheck NodePort ${asked}: ${error.message}`));
  }
}

function refusing(name: string, index: number, port: number, take: (port: number) => void): void {
  try {
    take(port);
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error;
    throw ApiError.invalid({ group: '', kind: 'Service' }, name, [
      {
        type: 'FieldValueInvalid',
        field: `spec.ports[${index}].nodePort`,
        message: `Invalid value: ${port}: ${error.message}`,
      },
    ]);
  }
}

function orInternal(takeNext: () => number): number {
  try {
    return takeNext();
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error;
    throw ApiError.internal(new Error(`failed to allocate a nodePort: ${error.message}`));
  }
}

/** Upstream returns a bare Go error there: 500 without a reason. */
const plainError = (message: string): ApiError => new ApiError({ code: 500, message });
