/** Components of which one leads among several control planes: started when the lease is had, ended when it is lost, and then waiting again. */
import { LeadershipLost, runLeaderElection } from '../client/leader-election.ts';
import type { Transport } from '../client/transport.ts';
import { type Component, createComponent, type Surroundings } from './component.ts';

export interface LeadOptions {
  readonly transport: Transport;
  /** The component's, and its lease's in kube-system. */
  readonly name: string;
  readonly eventSource?: string;
  /** Unique among candidates. Absent: this one is alone. */
  readonly identity?: string;
}

/** Upstream's components exit when they lose their lease; here a new one takes the place of the old, which has ended with all that it knew. */
export async function runLeading(
  options: LeadOptions,
  surroundings: Surroundings,
  run: (component: Component, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { transport, name, identity } = options;
  const source = options.eventSource === undefined ? {} : { eventSource: options.eventSource };
  const once = async (stop: AbortSignal): Promise<void> => {
    const component = createComponent(transport, name, surroundings, source);
    try {
      await run(component, stop);
    } finally {
      await component.stop();
    }
  };
  if (identity === undefined) return once(signal);
  const candidate = createComponent(transport, name, surroundings, source);
  const { client, clock, random, log, events, metrics } = candidate;
  try {
    while (!signal.aborted)
      try {
        const lease = { namespace: 'kube-system', name, identity };
        await runLeaderElection({ client, clock, random, log, events, metrics, ...lease }, once, signal);
      } catch (error) {
        if (!(error instanceof LeadershipLost)) throw error;
        log.warn('Lost the lead, waiting for it again', { lease: name });
      }
  } finally {
    await candidate.stop();
  }
}
