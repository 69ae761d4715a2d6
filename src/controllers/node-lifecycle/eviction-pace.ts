/** Which nodes wait to be given up (tainted NoExecute), and when each zone may give up the next. */
import type { Clock } from '../../base/clock.ts';
import { createTokenBucket, type TokenBucket } from '../../client/rate-limiter.ts';
import { type EvictionRates, evictionRate, type ZoneState, zoneState } from './zones.ts';

interface Zone {
  state: ZoneState;
  readonly bucket: TokenBucket;
  readonly waiting: Set<string>;
}

export interface EvictionPace {
  add(zone: string, node: string): void;
  remove(node: string): void;
  /** Nodes whose turn it is now; they no longer wait. */
  take(): readonly string[];
  readonly waiting: boolean;
  /**
   * Sets each zone's rate by its nodes' Ready statuses. @returns `stop` when all zones have just become fully disrupted (nobody is given up
   * then: more likely it is us who are cut off), `resume` when that has just ended.
   */
  update(ready: ReadonlyMap<string, readonly string[]>): 'stop' | 'resume' | undefined;
}

export function createEvictionPace(clock: Clock, rates: EvictionRates): EvictionPace {
  const zones = new Map<string, Zone>();
  let stopped = false;
  const zoneNamed = (name: string): Zone => {
    let zone = zones.get(name);
    if (!zone) {
      zone = { state: 'Initial', bucket: createTokenBucket(clock, rates.perSecond, 1), waiting: new Set() };
      zones.set(name, zone);
    }
    return zone;
  };
  return {
    add: (zone, node) => void zoneNamed(zone).waiting.add(node),
    remove(node) {
      for (const zone of zones.values()) zone.waiting.delete(node);
    },
    take() {
      const turn: string[] = [];
      if (stopped) return turn;
      for (const { waiting, bucket, state } of zones.values()) {
        for (const node of waiting) {
          if (state === 'Initial' || !bucket.tryTake()) break;
          waiting.delete(node);
          turn.push(node);
        }
      }
      return turn;
    },
    get waiting() {
      if (stopped) return false;
      for (const zone of zones.values()) if (zone.waiting.size > 0) return true;
      return false;
    },
    update(ready) {
      for (const name of zones.keys()) if (!ready.has(name)) zones.delete(name);
      let full = ready.size > 0;
      for (const [name, statuses] of ready) {
        const zone = zoneNamed(name);
        const state = zoneState(statuses, rates.unhealthyThreshold);
        if (state !== 'FullDisruption') full = false;
        zone.state = state;
        const rate = evictionRate(state, statuses.length, rates);
        zone.bucket.setRate(rate);
      }
      const before = stopped;
      stopped = full;
      if (full && !before) return 'stop';
      if (!full && before) return 'resume';
      return undefined;
    },
  };
}
