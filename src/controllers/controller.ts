/**
 * What every controller gets and is. A controller is level-triggered (decision 14): key in, whole desired state recomputed from informer
 * caches, effects last.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { InformerFactory } from '../client/informer.ts';

export interface ControllerContext {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** Starts a controller. It ends, with everything it started, soon after `signal` aborts; a rejection stops the controller manager. */
export type Controller = { readonly name: string; run(context: ControllerContext, signal: AbortSignal): Promise<void> };
