/** What one component of a control plane is given: a client of its own over a transport, informers, an event recorder. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/create-client.ts';
import { createEventRecorder, type RunningEventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import type { Transport } from '../client/transport.ts';
import { version } from './version.ts';

/** The sources of time, chance and talk that a composition hands to each of its parts. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

export interface Component extends Surroundings {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: RunningEventRecorder;
  /** Ends the informers and the recorder; the transport stays its owner's. */
  stop(): Promise<void>;
}

/** @param name as upstream names it, e.g. `kube-scheduler`; @param options.eventSource what `kubectl describe` shows under From, the name when absent. */
export function createComponent(
  transport: Transport,
  name: string,
  surroundings: Surroundings,
  options: { readonly eventSource?: string; readonly host?: string } = {},
): Component {
  const { clock, random } = surroundings;
  const log = surroundings.log.with({ component: name });
  const client = createClient(transport, { fieldManager: name, userAgent: `${name}/${version.kubernetes} (bireme)` });
  const informers = createInformerFactory(client, { clock, random, log });
  const events = createEventRecorder(client, {
    clock,
    random,
    log,
    component: options.eventSource ?? name,
    ...(options.host === undefined ? {} : { host: options.host }),
  });
  return {
    ...surroundings,
    log,
    client,
    informers,
    events,
    stop: async () => {
      await Promise.all([informers.stop(), events.stop()]);
    },
  };
}
