/** The Node object: what this node is, offers and how it is. Pure. Source: pkg/kubelet/nodestatus/setters.go, kubelet_node_status.go. */
import { canonicalQuantity, parseMilli, parseValue } from '../../api/quantity.ts';
import type {
  ContainerImage,
  Node,
  NodeAddress,
  NodeCondition,
  NodeRuntimeHandler,
  NodeStatus,
} from '../../api/types/core-v1.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { RuntimeFeatures, RuntimeHandler } from '../../runtime/cri-types.ts';
import type { KubeletConfig } from '../config.ts';
import { rfc3339 } from '../pods/api-status.ts';

export interface NodeFacts {
  readonly nodeName: string;
  readonly machine: MachineInfo;
  readonly config: KubeletConfig;
  readonly nodeIPs: readonly string[];
  readonly version: string;
  /** `containerd://1.6.20`. */
  readonly runtimeVersion: string;
  readonly images: readonly ContainerImage[];
  /** What the runtime says of itself; older ones say nothing. */
  readonly runtimeHandlers?: readonly RuntimeHandler[];
  readonly runtimeFeatures?: RuntimeFeatures | undefined;
  /** Why the node is not ready, in upstream's words; undefined when it is. */
  readonly problem: string | undefined;
  readonly pressure: { readonly memory: boolean; readonly disk: boolean; readonly pids: boolean };
  /** The port of the kubelet's server; 0 when there is none. */
  readonly serverPort: number;
  readonly nowMs: number;
}

/** Labels that the kubelet itself sets. */
export function nodeLabels({ nodeName, machine, config }: NodeFacts): Readonly<Record<string, string>> {
  return {
    ...config.nodeLabels,
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': machine.operatingSystem,
    'kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': machine.operatingSystem,
    'beta.kubernetes.io/arch': machine.architecture,
  };
}

/** The Node to register. */
export function newNode(facts: NodeFacts): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: facts.nodeName,
      labels: nodeLabels(facts),
      annotations: {
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
        ...facts.config.nodeAnnotations,
      },
    },
    spec:
      facts.config.registerWithTaints.length > 0
        ? { taints: facts.config.registerWithTaints.map((t) => ({ ...t })) }
        : {},
    status: nodeStatus(facts, undefined),
  };
}

export function nodeStatus(facts: NodeFacts, previous: NodeStatus | undefined): NodeStatus {
  const { machine, config } = facts;
  const capacity = capacityOf(facts);
  return {
    ...(previous?.volumesAttached ? { volumesAttached: previous.volumesAttached } : {}),
    capacity,
    allocatable: allocatableOf(capacity, config),
    conditions: conditionsOf(facts, previous?.conditions ?? []),
    addresses: addressesOf(facts),
    daemonEndpoints: { kubeletEndpoint: { Port: facts.serverPort } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: facts.runtimeVersion,
      kubeletVersion: facts.version,
      kubeProxyVersion: '',
      operatingSystem: machine.operatingSystem,
      architecture: machine.architecture,
      ...(machine.swapBytes > 0 ? { swap: { capacity: machine.swapBytes } } : {}),
    },
    ...((facts.runtimeHandlers ?? []).length > 0 ? { runtimeHandlers: handlersOf(facts.runtimeHandlers!) } : {}),
    ...(facts.runtimeFeatures
      ? { features: { supplementalGroupsPolicy: facts.runtimeFeatures.supplementalGroupsPolicy } }
      : {}),
    declaredFeatures,
    ...(facts.images.length > 0 ? { images: facts.images } : {}),
  };
}

/** Of upstream's registry (KEP-5328), those that this kubelet has: schedulers and admission keep pods that need others away. */
const declaredFeatures = [
  'InPlacePodLevelResourcesVerticalScaling',
  'InPlacePodVerticalScalingInitContainers',
  'RestartAllContainersOnContainerExits',
] as const;

const handlersOf = (handlers: readonly RuntimeHandler[]): readonly NodeRuntimeHandler[] =>
  handlers.map(({ name, features }) => ({
    name,
    ...(features
      ? {
          features: {
            recursiveReadOnlyMounts: features.recursiveReadOnlyMounts,
            userNamespaces: features.userNamespaces,
          },
        }
      : {}),
  }));

function capacityOf({ machine, config }: NodeFacts): Readonly<Record<string, string>> {
  const pods = config.podsPerCore > 0 ? Math.min(machine.cpus * config.podsPerCore, config.maxPods) : config.maxPods;
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': `${Math.floor(machine.ephemeralStorageBytes / 1024)}Ki`,
    ...hugePages(machine),
    memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`,
    pods: String(pods),
  };
}

/** `hugepages-2Mi` and the like: the sizes that the kernel knows, both of amd64's when it says nothing. */
function hugePages({ hugePages }: MachineInfo): Readonly<Record<string, string>> {
  const result: Record<string, string> = { 'hugepages-1Gi': '0', 'hugepages-2Mi': '0' };
  for (const [pageBytes, bytes] of hugePages)
    result[`hugepages-${canonicalQuantity(`${pageBytes / 1024}Ki`)}`] = canonicalQuantity(String(bytes));
  return result;
}

/** Capacity less what is reserved and the hard eviction thresholds. */
function allocatableOf(
  capacity: Readonly<Record<string, string>>,
  config: KubeletConfig,
): Readonly<Record<string, string>> {
  const result: Record<string, string> = { ...capacity };
  const cpuMilli = parseMilli(capacity.cpu!) - milli(config.systemReserved.cpu) - milli(config.kubeReserved.cpu);
  result.cpu = cpuMilli % 1000 === 0 ? String(cpuMilli / 1000) : `${Math.max(0, cpuMilli)}m`;
  for (const [name, signal] of [
    ['memory', 'memory.available'],
    ['ephemeral-storage', 'nodefs.available'],
  ] as const) {
    const total = parseValue(capacity[name]!);
    const left =
      total -
      bytes(config.systemReserved[name]) -
      bytes(config.kubeReserved[name]) -
      threshold(config.evictionHard[signal], total);
    // Upstream prints a reduced ephemeral-storage in bytes and memory in Ki when it divides.
    result[name] = left % 1024 === 0 ? `${Math.max(0, left) / 1024}Ki` : String(Math.max(0, left));
  }
  return result;
}

const milli = (text: string | undefined): number => (text === undefined ? 0 : parseMilli(text));
const bytes = (text: string | undefined): number => (text === undefined ? 0 : parseValue(text));
const threshold = (text: string | undefined, total: number): number =>
  text === undefined
    ? 0
    : text.endsWith('%')
      ? // Upstream has the share as a 32-bit float, and cuts off.
        Math.trunc(total * Math.fround(Math.fround(Number(text.slice(0, -1))) / 100))
      : parseValue(text);

function addressesOf({ nodeIPs, machine, nodeName }: NodeFacts): readonly NodeAddress[] {
  return [
    ...nodeIPs.map((address) => ({ type: 'InternalIP', address })),
    { type: 'Hostname', address: nodeName || machine.hostname },
  ];
}

function conditionsOf(facts: NodeFacts, before: readonly NodeCondition[]): readonly NodeCondition[] {
  const now = rfc3339(facts.nowMs);
  const make = (type: string, on: boolean, reason: string, message: string): NodeCondition => {
    const status = on ? 'True' : 'False';
    const old = before.find((condition) => condition.type === type);
    return {
      type,
      status,
      lastHeartbeatTime: now,
      lastTransitionTime: old && old.status === status ? (old.lastTransitionTime ?? now) : now,
      reason,
      message,
    };
  };
  const { memory, disk, pids } = facts.pressure;
  const own = [
    memory
      ? make('MemoryPressure', true, 'KubeletHasInsufficientMemory', 'kubelet has insufficient memory available')
      : make('MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    disk
      ? make('DiskPressure', true, 'KubeletHasDiskPressure', 'kubelet has disk pressure')
      : make('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pids
      ? make('PIDPressure', true, 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available')
      : make('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    facts.problem === undefined
      ? make('Ready', true, 'KubeletReady', 'kubelet is posting ready status')
      : make('Ready', false, 'KubeletNotReady', facts.problem),
  ];
  return [...before.filter((old) => !own.some((condition) => condition.type === old.type)), ...own];
}

/** Whether something besides the heartbeat differs: then the status is written at once and not only every five minutes. */
export function nodeStatusChanged(before: NodeStatus | undefined, after: NodeStatus): boolean {
  if (!before) return true;
  const plain = (status: NodeStatus): string =>
    JSON.stringify([
      amounts(status.capacity),
      amounts(status.allocatable),
      (status.addresses ?? []).map((a) => [a.type, a.address]),
      sorted(status.nodeInfo as unknown as Readonly<Record<string, string>> | undefined, [
        'kubeProxyVersion',
        'swap',
        'runtimeHandlers',
      ]),
      status.daemonEndpoints?.kubeletEndpoint?.Port ?? 0,
      status.runtimeHandlers ?? [],
      status.features ?? {},
      status.declaredFeatures ?? [],
      (status.images ?? []).map((image) => [image.names, image.sizeBytes]),
      (status.conditions ?? [])
        .map((c) => [c.type, c.status, c.reason ?? '', c.message ?? ''])
        .sort((a, b) => (a[0]! < b[0]! ? -1 : 1)),
    ]);
  return plain(before) !== plain(after);
}

/** The API server writes quantities in their canonical form (`104857600Ki` comes back as `100Gi`). */
const amounts = (list: Readonly<Record<string, string>> | undefined): readonly (readonly [string, string])[] =>
  sorted(list).map(([name, text]) => [name, canonicalQuantity(text)]);

const sorted = (
  map: Readonly<Record<string, string>> | undefined,
  without: readonly string[] = [],
): readonly (readonly [string, string])[] =>
  Object.keys(map ?? {})
    .filter((key) => !without.includes(key))
    .sort()
    .map((key) => [key, map![key]!]);
