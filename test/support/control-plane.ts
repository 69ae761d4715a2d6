/** An API server on the memory store with the scheduler and whatever controllers a test wants beside it. Everything is allowed. */
import type { ApiError } from '../../src/api/errors.ts';
import type { ApiHandler, ApiRequest } from '../../src/api/exchange.ts';
import { errorResponse } from '../../src/apiserver/registry/respond.ts';
import type { Clock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/console-log.ts';
import type { Logger } from '../../src/base/log.ts';
import { createMetricsRegistry, type MetricsRegistry } from '../../src/base/metrics.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/create-client.ts';
import { createEventRecorder, type RunningEventRecorder } from '../../src/client/event-recorder.ts';
import { createInProcessTransport } from '../../src/client/in-process-transport.ts';
import { createInformerFactory } from '../../src/client/informer-factory.ts';
import { startRealApiServer } from '../../src/client/testdata/real-api-server.ts';
import type { Controller, ControllerContext } from '../../src/controllers/controller.ts';
import type { Plugin } from '../../src/scheduler/core/framework.ts';
import { createScheduler, type SchedulerConfig } from '../../src/scheduler/index.ts';

export interface ControlPlane {
  readonly client: Client;
  readonly metrics: MetricsRegistry;
  /** Ends the scheduler and the controllers, with all they knew, and starts new ones. The API server stays. */
  restart(): Promise<void>;
  /** Ends everything and waits for it. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly clock: Clock;
  readonly controllers?: readonly Controller[];
  /** Absent: no scheduler. */
  readonly scheduler?: SchedulerConfig;
  /** Beside the scheduler's own. */
  readonly plugins?: readonly Plugin[];
  /** Asked before each request; an error it returns is the answer. */
  readonly refuse?: (request: ApiRequest) => ApiError | undefined;
  readonly log?: Logger;
  readonly seed?: number;
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { clock, log = silentLogger, seed = 1 } = options;
  const random = createSeededRandom(seed);
  const metrics = createMetricsRegistry();
  const { server, stop: stopServer } = await startRealApiServer(clock);
  const handler: ApiHandler = async (request) => {
    const refusal = options.refuse?.(request);
    return refusal ? errorResponse(refusal) : server.handler(request);
  };
  const connect = (name: string): Client =>
    createClient(createInProcessTransport(handler, { clock, userAgent: name }), { fieldManager: name });
  const startComponents = (): (() => Promise<void>) => {
    const stopping = new AbortController();
    const informers = createInformerFactory(connect('informers'), { clock, random, log, signal: stopping.signal });
    const running: Promise<void>[] = [];
    const recorders: RunningEventRecorder[] = [];
    const contextFor = (name: string): ControllerContext => {
      const client = connect(name);
      const events = createEventRecorder(client, { clock, random, log, component: name });
      recorders.push(events);
      return { client, informers, events, clock, random, log, metrics };
    };
    for (const controller of options.controllers ?? [])
      running.push(controller.run(contextFor(controller.name), stopping.signal));
    if (options.scheduler) {
      const scheduler = createScheduler({
        ...contextFor('default-scheduler'),
        config: options.scheduler,
        plugins: options.plugins ?? [],
      });
      running.push(scheduler.run(stopping.signal));
    }
    return async () => {
      stopping.abort();
      await Promise.all(running);
      await Promise.all(recorders.map((recorder) => recorder.stop()));
      await informers.stop();
    };
  };
  let stopComponents = startComponents();
  return {
    client: connect('test'),
    metrics,
    async restart() {
      await stopComponents();
      stopComponents = startComponents();
    },
    async stop() {
      await stopComponents();
      await stopServer();
    },
  };
}
