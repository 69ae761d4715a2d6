/** A controller on a fake API server, in virtual time. */
import type { JsonObject } from '../../api/json.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import { resources } from '../../api/types/resources.ts';
import { silentLogger } from '../../base/console-log.ts';
import { createMetricsRegistry } from '../../base/metrics.ts';
import { createSeededRandom } from '../../base/seeded-random.ts';
import { createVirtualClock, type VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../../client/create-client.ts';
import type { EventRecorder } from '../../client/events.ts';
import { createInProcessTransport } from '../../client/in-process-transport.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { collectionPath } from '../../client/resource-path.ts';
import { createFakeApiServer, type FakeApiServer } from '../../client/testdata/fake-api-server.ts';
import type { Controller, ControllerContext } from '../controller.ts';

export interface Bench {
  readonly clock: VirtualClock;
  readonly server: FakeApiServer;
  readonly context: ControllerContext;
  /** `reason name: message` of each recorded event. */
  readonly events: string[];
  start(controller: Controller): void;
  put<T extends KubeObject>(ref: ResourceRef<T>, object: Omit<T, 'kind' | 'apiVersion'>): T;
  get<T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string): T | undefined;
  remove(ref: ResourceRef<KubeObject>, namespace: string, name: string): void;
  /** Stops controllers and informers. @throws Error when a timer or a watch is left. */
  stop(): Promise<void>;
}

export function createBench(): Bench {
  const clock = createVirtualClock();
  const server = createFakeApiServer({
    now: () => clock.now(),
    resources: Object.values(resources) as ResourceRef<KubeObject>[],
  });
  const client = createClient(createInProcessTransport(server.handler, { clock }), { fieldManager: 'test' });
  const random = createSeededRandom(7);
  const informers = createInformerFactory(client, { clock, random, log: silentLogger });
  const events: string[] = [];
  const recorder = {
    withComponent: () => recorder,
    event: (regarding, { reason, message }) => void events.push(`${reason} ${regarding.metadata.name}: ${message}`),
  } as EventRecorder;
  const context: ControllerContext = {
    client,
    informers,
    events: recorder,
    clock,
    random,
    log: silentLogger,
    metrics: createMetricsRegistry(),
  };
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  const path = (ref: ResourceRef<KubeObject>, namespace: string, name: string): string =>
    `${collectionPath(ref, namespace)}/${name}`;
  return {
    clock,
    server,
    context,
    events,
    start: (controller) => void running.push(controller.run(context, stop.signal)),
    put(ref, object) {
      const { namespace = '', name = '' } = object.metadata;
      const apiVersion = ref.group === '' ? ref.version : `${ref.group}/${ref.version}`;
      return server.put(path(ref as ResourceRef<KubeObject>, namespace, name), {
        apiVersion,
        kind: ref.kind,
        ...object,
      } as unknown as JsonObject) as never;
    },
    get: (ref, namespace, name) => server.get(path(ref as ResourceRef<KubeObject>, namespace, name)) as never,
    remove: (ref, namespace, name) => server.remove(path(ref, namespace, name)),
    async stop() {
      stop.abort();
      await clock.settle();
      await Promise.all(running);
      await informers.stop();
      await clock.settle();
      if (clock.pendingTimers > 0) throw new Error(`${clock.pendingTimers} timers are left`);
      if (server.openWatches > 0) throw new Error(`${server.openWatches} watches are left`);
    },
  };
}
