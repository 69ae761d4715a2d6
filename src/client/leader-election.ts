/**
 * One of several candidates leads, by a Lease. Source of behaviour: client-go tools/leaderelection.
 *
 * Clocks of candidates are never compared: a candidate remembers when, on its own monotonic clock, it last saw the lease change, and takes
 * over when it has not changed for the lease's duration.
 */
import { isNotFound } from '../api/errors.ts';
import { formatMicroTime } from '../api/time.ts';
import type { Lease } from '../api/types/coordination-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { withinTime } from '../base/within-time.ts';
import type { Client } from './client.ts';
import type { EventRecorder } from './events.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly events?: EventRecorder;
  /** The lease: `kube-system`, `kube-scheduler`. */
  readonly namespace: string;
  readonly name: string;
  /** Unique among candidates: host name, `_`, uuid. */
  readonly identity: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** Hears of each leader seen, itself too. */
  readonly onNewLeader?: (identity: string) => void;
  /** `leader_election_master_status`. Absent: nothing is told. */
  readonly metrics?: MetricsRegistry | undefined;
  readonly health?: LeaderHealth | undefined;
}

/** The health check `leaderElection`: who leads must have renewed its lease. One for a candidate. */
export class LeaderHealth {
  readonly #clock: Clock;
  #renewedMs: number | undefined;
  #limitMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  /** Told by the election: leading, the lease is good for so long; undefined: not leading. */
  renewed(goodForMs: number | undefined): void {
    this.#renewedMs = goodForMs === undefined ? undefined : this.#clock.monotonic();
    this.#limitMs = goodForMs ?? 0;
  }
  /** Upstream gives it this much more than the lease lasts. */
  check(): string | undefined {
    if (this.#renewedMs === undefined || this.#clock.monotonic() - this.#renewedMs <= this.#limitMs + 20_000)
      return undefined;
    return 'failed election to renew leadership on lease';
  }
}

/** The lease was lost while leading. Upstream's components exit then; ours stop with this error. */
export class LeadershipLost extends Error {
  constructor(name: string) {
    super(`Leader election lost for "${name}": the lease could not be renewed in time`);
    this.name = 'LeadershipLost';
  }
}

/** For giving the lease up: with the store gone it cannot be, and nobody is helped by a process that does not end. */
const releaseMs = 2000;
/** Each wait for a lease is lengthened by up to this many times the retry period. */
const jitterFactor = 1.2;

/**
 * Waits until this candidate leads, then runs `lead` and keeps the lease until it ends. When `signal` aborts, `lead`'s signal aborts, its
 * end is awaited, and only then the lease is given up, so that nobody starts early.
 * @throws LeadershipLost after `lead` ended because of it; what `lead` throws.
 */
export async function runLeaderElection(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log, events, identity, name } = options;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000 } = options;
  if (leaseDurationMs <= renewDeadlineMs)
    throw new Error(
      `Leader election: leaseDuration ${leaseDurationMs} ms must be greater than renewDeadline ${renewDeadlineMs} ms`,
    );
  if (renewDeadlineMs <= jitterFactor * retryPeriodMs)
    throw new Error(
      `Leader election: renewDeadline ${renewDeadlineMs} ms must be greater than ${jitterFactor} times retryPeriod ${retryPeriodMs} ms`,
    );
  const lock = createLock(options, leaseDurationMs);
  const status = options.metrics?.gauge<'name'>({
    name: 'leader_election_master_status',
    help: 'Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.',
    labels: ['name'],
  });
  status?.set({ name }, 0);

  const attempt = async (attemptSignal: AbortSignal): Promise<boolean> => {
    try {
      return await lock.tryAcquireOrRenew(attemptSignal);
    } catch (error) {
      if (!signal.aborted) log.warn('Cannot get or renew the lease', { lease: name, error });
      return false;
    }
  };

  while (!signal.aborted && !(await attempt(signal)))
    await clock.sleep(retryPeriodMs * (1 + jitterFactor * random.float()), signal);
  if (signal.aborted) return;
  log.info('Became leader', { lease: name, identity });
  status?.set({ name }, 1);
  options.health?.renewed(leaseDurationMs);
  const recordEvent = (what: string): void => {
    const lease = lock.lease();
    if (lease) events?.event(lease, { type: 'Normal', reason: 'LeaderElection', message: `${identity} ${what}` });
  };
  recordEvent('became leader');

  const leading = new AbortController();
  const stop = (): void => leading.abort();
  signal.addEventListener('abort', stop, { once: true });
  let lost = false;
  const renewing = (async () => {
    let renewedAt = clock.monotonic();
    while (!leading.signal.aborted) {
      await clock.sleep(retryPeriodMs, leading.signal);
      if (leading.signal.aborted) return;
      // A request that hangs must not outlive the deadline.
      const limit = new AbortController();
      const cut = (): void => limit.abort();
      leading.signal.addEventListener('abort', cut, { once: true });
      const timer = clock.timer(renewedAt + renewDeadlineMs - clock.monotonic(), cut);
      if (await attempt(limit.signal)) {
        renewedAt = clock.monotonic();
        options.health?.renewed(leaseDurationMs);
      }
      timer.cancel();
      leading.signal.removeEventListener('abort', cut);
      if (!leading.signal.aborted && clock.monotonic() - renewedAt >= renewDeadlineMs) {
        lost = true;
        leading.abort();
      }
    }
  })();
  try {
    await lead(leading.signal);
  } finally {
    leading.abort();
    signal.removeEventListener('abort', stop);
    await renewing;
    recordEvent('stopped leading');
    log.info('Stopped leading', { lease: name, identity, lost });
    status?.set({ name }, 0);
    options.health?.renewed(undefined);
    if (!lost) {
      try {
        await withinTime(clock, releaseMs, (limit) => lock.release(limit));
      } catch (error) {
        log.warn('Cannot release the lease, it will run out', { lease: name, error });
      }
    }
  }
  if (lost) throw new LeadershipLost(name);
}

function createLock(options: LeaderElectionOptions, leaseDurationMs: number) {
  const { client, clock, identity, namespace, name } = options;
  const leases = client.resource(resources.leases);
  let observed: Lease | undefined;
  let observedAt = 0;
  let reported: string | undefined;

  const observe = (lease: Lease): void => {
    // The spec, not the resource version: an annotation is no sign of life.
    if (JSON.stringify(observed?.spec) !== JSON.stringify(lease.spec)) observedAt = clock.monotonic();
    observed = lease;
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder !== reported) {
      reported = holder;
      if (holder !== '') options.onNewLeader?.(holder);
    }
  };
  const holds = (): boolean => observed?.spec?.holderIdentity === identity;
  const specFor = (previous: Lease | undefined) => {
    const now = formatMicroTime(clock.now());
    const renewal = previous?.spec?.holderIdentity === identity;
    return {
      ...previous?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.floor(leaseDurationMs / 1000),
      acquireTime: renewal ? (previous.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (previous?.spec?.leaseTransitions ?? 0) + (previous && !renewal ? 1 : 0),
    };
  };

  return {
    lease: (): Lease | undefined => observed,
    /** @returns true when this candidate holds the lease now. @throws what the requests throw; a conflict means another was faster. */
    async tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
      // The leader's renewal is one request: what it wrote last is what is there, or else the write conflicts.
      if (holds() && clock.monotonic() - observedAt < leaseDurationMs) {
        const last = observed!;
        try {
          observe(await leases.update({ ...last, spec: specFor(last) }, { signal }));
          return true;
        } catch (error) {
          if (signal.aborted) throw error;
          options.log.debug('Cannot renew the lease as last seen, reading it again', { lease: name, error });
        }
      }
      let current: Lease;
      try {
        current = await leases.get(name, { namespace, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        observe(
          await leases.create(
            {
              apiVersion: 'coordination.k8s.io/v1',
              kind: 'Lease',
              metadata: { name, namespace },
              spec: specFor(undefined),
            },
            { signal },
          ),
        );
        return true;
      }
      observe(current);
      const holder = current.spec?.holderIdentity ?? '';
      const duration = (current.spec?.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;
      if (holder !== '' && holder !== identity && clock.monotonic() - observedAt < duration) return false;
      observe(await leases.update({ ...current, spec: specFor(current) }, { signal }));
      return true;
    },
    async release(limit: AbortSignal): Promise<void> {
      if (!holds()) return;
      const { holderIdentity: _, ...spec } = observed!.spec ?? {};
      const now = formatMicroTime(clock.now());
      // No holder rather than an empty one, as client-go: the field's absence is what the API calls free.
      const free = { ...spec, leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
      observe(await leases.update({ ...observed!, spec: free }, { signal: limit }));
    },
  };
}
