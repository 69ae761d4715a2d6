/**
 * Store leases for objects that expire by themselves (Events, `--event-ttl`). One lease serves all objects written within a short while, so that a flood of events does
 * not become a flood of leases. Source: apiserver storage/etcd3/lease_manager.go (reuse window, objects per lease).
 */
import type { Clock } from '../../base/clock.ts';
import type { Store } from '../../store/store.ts';

const reuseMs = 60_000;
const objectsMax = 1_000;

export interface ExpiryLeases {
  /** A lease that ends `ttlSeconds` from now or a little later. */
  lease(ttlSeconds: number, signal: AbortSignal): bigint | Promise<bigint>;
}

export function createExpiryLeases(store: Store, clock: Clock): ExpiryLeases {
  let current:
    | {
        readonly id: Promise<bigint>;
        known?: bigint;
        readonly ttlSeconds: number;
        readonly until: number;
        objects: number;
      }
    | undefined;
  return {
    lease(ttlSeconds, signal) {
      const now = clock.monotonic();
      if (
        current === undefined ||
        current.ttlSeconds !== ttlSeconds ||
        now >= current.until ||
        current.objects >= objectsMax
      ) {
        const id = store.leaseGrant(ttlSeconds + reuseMs / 1000, signal);
        const granted: NonNullable<typeof current> = { id, ttlSeconds, until: now + reuseMs, objects: 0 };
        current = granted;
        id.then(
          (known) => {
            granted.known = known;
          },
          () => {
            // Whoever waits hears of it; the next write asks for another.
            if (current === granted) current = undefined;
          },
        );
      }
      current.objects++;
      return current.known ?? current.id;
    },
  };
}
