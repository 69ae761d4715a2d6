/** What an API server writes by itself: once at its start, and then as long as it runs. */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { withinTime } from '../../base/within-time.ts';
import type { Store } from '../../store/store.ts';
import type { Transformer } from '../registry/transformer.ts';
import { createIdentityLease } from './identity-lease.ts';
import { createKubernetesEndpoints } from './kubernetes-endpoints.ts';
import { type BootstrapConfig, bootstrapObjects, flowControlObjects } from './objects.ts';
import { createStoredObjects } from './stored-objects.ts';
import { writeBootstrapObjects } from './write.ts';

export { type BootstrapConfig, type BootstrapObject, bootstrapObjects } from './objects.ts';
export { firstServiceAddress } from './service-address.ts';

export interface BootstrapOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly transformer?: Transformer;
  readonly config: BootstrapConfig;
}

/**
 * Writes what is missing and mends what is out of date. Before the API server is ready; repeating it does no harm.
 * @returns how many objects were written
 */
export function bootstrap(options: BootstrapOptions, signal?: AbortSignal): Promise<number> {
  return writeBootstrapObjects(
    bootstrapObjects(options.config, options.clock.now()),
    createStoredObjects(options),
    signal,
  );
}

export interface PostStartOptions extends Omit<BootstrapOptions, 'config'> {
  readonly log: Logger;
  readonly advertiseAddress: string;
  readonly securePort: number;
  readonly hostname: string;
  /** Called after the first turn. */
  readonly onFirstTurn?: () => void;
}

const intervalMs = 10_000;
const collectMs = 3_600_000;
/** Upstream looks after its default flow configuration as often. */
const flowControlMs = 60_000;
const leaveMs = 2000;

/**
 * Keeps this server's address among the endpoints of the `kubernetes` Service, and its identity Lease. Resolves soon after `signal` aborts, with the
 * address taken out. A failing store is tried again at the next turn.
 */
export async function runPostStart(options: PostStartOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log, advertiseAddress, securePort, hostname } = options;
  const stored = createStoredObjects(options);
  const endpoints = createKubernetesEndpoints({ stored, advertiseAddress, port: securePort });
  const identity = createIdentityLease({
    stored,
    clock,
    hostname,
    runId: random.uuid(),
    peerAddress: `${advertiseAddress.includes(':') ? `[${advertiseAddress}]` : advertiseAddress}:${securePort}`,
  });
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) log.warn('Post-start work failed, will be tried again', { what, error });
    }
  };
  let first = true;
  let collected = clock.monotonic();
  let flowControlled = clock.monotonic();
  while (!signal.aborted) {
    await attempt('kubernetes endpoints', () => endpoints.sync(signal));
    await attempt('identity lease', () => identity.sync(signal));
    if (clock.monotonic() - collected >= collectMs) {
      collected = clock.monotonic();
      await attempt('expired identity leases', () => identity.collect(signal));
    }
    if (clock.monotonic() - flowControlled >= flowControlMs) {
      flowControlled = clock.monotonic();
      await attempt('flow control', async () => {
        await writeBootstrapObjects(flowControlObjects(clock.now()), stored, signal);
      });
    }
    if (first) options.onFirstTurn?.();
    first = false;
    await clock.sleep(intervalMs, signal);
  }
  try {
    await withinTime(clock, leaveMs, (limit) => endpoints.leave(limit));
  } catch (error) {
    log.info('Left without taking the address out; its lease ends by itself', { error });
  }
}
