/** A kubelet on a hollow runtime in virtual time, with the client tests' small API server; deletes are graceful as the real one's are. */

import type { JsonObject } from '../../api/json.ts';
import { applyStrategicPatch } from '../../api/patch/strategic.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import type { Event, Pod } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { Logger } from '../../base/log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/create-client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { createInProcessTransport } from '../../client/in-process-transport.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { answer, createFakeApiServer, type FakeApiServer } from '../../client/testdata/fake-api-server.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import { createHollowRuntime, type HollowRuntime } from '../../runtime/hollow/hollow-runtime.ts';
import { defaultKubeletConfig, type KubeletConfig } from '../config.ts';
import type { PodEnvironment } from '../environment.ts';
import { createHollowEnvironment } from '../environment-hollow.ts';
import { createKubelet, type Kubelet } from '../kubelet.ts';
import { createOwnNodeSource } from '../node-source.ts';
import { createObjectSource } from '../object-source.ts';
import { createPodDispatcher } from '../pod-source.ts';

export interface HollowTestNode {
  readonly clock: VirtualClock;
  readonly server: FakeApiServer;
  readonly runtime: HollowRuntime;
  readonly client: Client;
  readonly kubelet: Kubelet;
  /** `reason: message`, in order. */
  readonly events: string[];
  /** Log lines at warn and above. */
  readonly complaints: string[];
  pod(name: string): Pod | undefined;
  createPod(name: string, spec?: JsonObject, metadata?: JsonObject): Pod;
  /** Marks for deletion, as a DELETE request does. */
  deletePod(name: string, graceSeconds?: number): void;
  stop(): Promise<void>;
  /** Ends this kubelet and starts another on the same runtime. */
  restart(): Promise<void>;
}

export const testMachine: MachineInfo = {
  cpus: 4,
  memoryBytes: 8 * 1024 ** 3,
  ephemeralStorageBytes: 100 * 1024 ** 3,
  machineId: 'm',
  systemUuid: 's',
  bootId: 'b',
  kernelVersion: '6.1.0',
  osImage: 'Hollow Linux',
  operatingSystem: 'linux',
  architecture: 'amd64',
  hostname: 'n1',
  swapBytes: 0,
  hugePages: new Map(),
};

const podPath = (name: string): string => `/api/v1/namespaces/default/pods/${name}`;

export async function startHollowNode(
  options: {
    readonly config?: Partial<KubeletConfig>;
    readonly watchesNode?: boolean;
    readonly environment?: Partial<PodEnvironment>;
  } = {},
): Promise<HollowTestNode> {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const server = createFakeApiServer();
  const structs: Readonly<Record<string, string>> = { pods: 'core.v1.Pod', nodes: 'core.v1.Node' };
  server.intercept = (request) => {
    const parts = request.path.split('/');
    const resource = parts[parts.indexOf('v1') + (parts.includes('namespaces') ? 3 : 1)]!;
    const struct = structs[resource];
    if (request.method !== 'PATCH' || !struct) return undefined;
    const path = request.path.replace(/\/status$/, '');
    const before = server.get(path);
    if (!before) return undefined;
    const body = (request.body as { value: JsonObject }).value;
    const patched = applyStrategicPatch(before, body, builtinSchema.type(struct)!);
    return answer(200, server.put(path, patched));
  };
  const transport = createInProcessTransport(server.handler, { clock });
  const client = createClient(transport);
  const events: string[] = [];
  const complaints: string[] = [];
  const log = quietLog((message, pairs) => complaints.push(`${message} ${String(pairs?.error ?? '')}`));
  const recorder: EventRecorder = {
    withComponent: () => recorder,
    event: (_, { reason, message }) => void events.push(`${reason}: ${message}`),
  };
  const runtime = createHollowRuntime({ clock, random });
  const informerSignal = new AbortController();
  const informers = createInformerFactory(client, { clock, random, log, signal: informerSignal.signal });
  const dispatcher = createPodDispatcher(informers);
  const objects = createObjectSource({ client, clock });

  const start = (): { kubelet: Kubelet; stop: () => Promise<void> } => {
    const controller = new AbortController();
    const kubelet = createKubelet({
      nodeName: 'n1',
      client,
      pods: dispatcher.source('n1'),
      ...(options.watchesNode === false ? {} : { node: createOwnNodeSource(informers, 'n1') }),
      objects,
      events: recorder,
      runtime,
      runtimeChanges: (listener) => runtime.onChange(listener),
      environment: { ...createHollowEnvironment(objects), ...options.environment },
      machine: testMachine,
      nodeIPs: ['10.0.0.1'],
      clock,
      random,
      log,
      metrics: createMetricsRegistry(),
      config: { ...defaultKubeletConfig, syncFrequencyMs: 0, enableServer: false, ...options.config },
      version: 'v1.36.0',
    });
    const ended = kubelet.run(controller.signal);
    return {
      kubelet,
      stop: async () => {
        controller.abort();
        await ended;
      },
    };
  };
  let current = start();
  const node: HollowTestNode = {
    clock,
    server,
    runtime,
    client,
    get kubelet() {
      return current.kubelet;
    },
    events,
    complaints,
    pod: (name) => server.get(podPath(name)) as unknown as Pod | undefined,
    createPod(name, spec = {}, metadata = {}) {
      return server.put(podPath(name), {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
        spec: { nodeName: 'n1', restartPolicy: 'Always', containers: [{ name: 'app', image: 'app:1' }], ...spec },
        status: { phase: 'Pending', qosClass: 'BestEffort' },
      }) as unknown as Pod;
    },
    deletePod(name, graceSeconds = 30) {
      const pod = server.get(podPath(name))!;
      server.put(podPath(name), {
        ...pod,
        metadata: {
          ...(pod.metadata as JsonObject),
          deletionTimestamp: new Date(clock.now() + graceSeconds * 1000).toISOString(),
          deletionGracePeriodSeconds: graceSeconds,
        },
      });
    },
    async stop() {
      await current.stop();
      await informers.stop();
      informerSignal.abort();
      await runtime.close();
      await transport.close();
    },
    async restart() {
      await current.stop();
      current = start();
    },
  };
  await clock.settle();
  // Node IPAM's part: without a range no pod gets an address.
  const registered = await client.resource(resources.nodes).get('n1');
  server.put('/api/v1/nodes/n1', {
    ...(registered as unknown as JsonObject),
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
  });
  await clock.advance(1000);
  return node;
}

export const quietLog = (onComplaint: (message: string, pairs?: Readonly<Record<string, unknown>>) => void): Logger => {
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: onComplaint,
    error: onComplaint,
    with: () => logger,
  };
  return logger;
};

export type { Event };
