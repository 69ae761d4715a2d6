/**
 * Decides how a repeated event is written. Source of rules and numbers: client-go tools/record/events_cache.go.
 *
 * 1. More than ten different messages of one kind about one object within ten minutes become one event, `(combined from similar events): ...`.
 * 2. The same event again is a count on the one that was written.
 * 3. A source may write 25 events about one object, then one each five minutes.
 */
import type { Clock } from '../base/clock.ts';
import type { RecordedEvent } from './event-recorder.ts';
import { createTokenBucket, type TokenBucket } from './rate-limiter.ts';

const similarLimit = 10;
const similarWindowMs = 600_000;
const spamBurst = 25;
const spamPerSecond = 1 / 300;
/** Each memory below holds at most this many entries, the least recently used go first. */
const memory = 4096;

export type EventPlan =
  | { readonly kind: 'skip' }
  | {
      readonly kind: 'write';
      readonly event: RecordedEvent;
      readonly count: number;
      readonly firstAt: number;
      /** The event to count on. */
      known(): { readonly namespace: string; readonly name: string } | undefined;
      /** To be called when it was created. */
      sent(namespace: string, name: string): void;
    };

interface Counted {
  count: number;
  firstAt: number;
  written: { readonly namespace: string; readonly name: string } | undefined;
}

export function createEventCorrelator(clock: Clock): { correlate(event: RecordedEvent): EventPlan } {
  const similar = createRecent<{ messages: Set<string>; lastAt: number }>(memory);
  const counted = createRecent<Counted>(memory);
  const budgets = createRecent<TokenBucket>(memory);

  return {
    correlate(event) {
      const source = [
        event.component,
        event.host,
        event.regarding.kind,
        event.regarding.namespace,
        event.regarding.name,
        event.regarding.fieldPath,
        event.regarding.uid,
        event.regarding.apiVersion,
      ].join('|');
      const group = [source, event.type, event.reason, event.component, event.host].join('|');

      let recent = similar.get(group);
      if (!recent || event.at - recent.lastAt > similarWindowMs) recent = { messages: new Set(), lastAt: event.at };
      recent.messages.add(event.message);
      recent.lastAt = event.at;
      similar.set(group, recent);
      const combine = recent.messages.size >= similarLimit;
      if (combine) recent.messages.delete(recent.messages.values().next().value as string);
      const shown = combine ? { ...event, message: `(combined from similar events): ${event.message}` } : event;

      const key = combine ? group : [group, event.message].join('|');
      let entry = counted.get(key);
      if (entry) entry.count++;
      else entry = { count: 1, firstAt: event.at, written: undefined };
      counted.set(key, entry);

      let budget = budgets.get(source);
      if (!budget) budgets.set(source, (budget = createTokenBucket(clock, spamPerSecond, spamBurst)));
      if (!budget.tryTake()) return { kind: 'skip' };
      const { count, firstAt } = entry;
      return {
        kind: 'write',
        event: shown,
        count,
        firstAt,
        known: () => entry.written,
        sent(namespace, name) {
          entry.written = { namespace, name };
        },
      };
    },
  };
}

/** A map that forgets what was not used for longest. */
function createRecent<V>(limit: number): { get(key: string): V | undefined; set(key: string, value: V): void } {
  const entries = new Map<string, V>();
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size > limit) entries.delete(entries.keys().next().value as string);
    },
  };
}
