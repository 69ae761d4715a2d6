/**
 * Records Events as upstream's recorder does: similar ones of one object are counted on the first (patches of `count`), very similar ones
 * from the eleventh on are combined, and a source that says too much about one object is held back. An event with an `action` is written in
 * the form of events.k8s.io (eventTime, series), as upstream's scheduler and kube-proxy write theirs. Both go through core/v1.
 */
import { ApiError, isNotFound } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import type { KubeObject } from '../api/object.ts';
import { formatMicroTime, formatTime } from '../api/time.ts';
import type { Event, ObjectReference } from '../api/types/core-v1.ts';
import { resources } from '../api/types/resources.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from './client.ts';
import { createEventCorrelator } from './event-correlator.ts';
import type { EventRecorder } from './events.ts';

export interface EventRecorderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** `kubelet`, `default-scheduler`: what `kubectl describe` shows under From. */
  readonly component: string;
  /** The node a kubelet or proxy runs on; otherwise the host of the control plane. */
  readonly host?: string;
}

/** What is said, before anybody decided how it is written. */
export interface RecordedEvent {
  readonly component: string;
  readonly host: string;
  readonly regarding: ObjectReference;
  readonly related: ObjectReference | undefined;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly action: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly at: number;
}

/**
 * Beyond this many unsent events new ones are dropped. Upstream's queue holds 1,000; ours feeds one sender without a rate limit of its own,
 * and a Deployment of thousands of pods should not lose its `Scheduled` events.
 */
const queueLimit = 10_000;
/** Source: client-go tools/record/event.go: twelve tries, ten seconds apart. */
const maxTries = 12;
const retryMs = 10_000;
/** A series that was not repeated for this long is finished; its last count is written then. Source: client-go tools/events. */
const seriesRefreshMs = 30 * 60_000;
const seriesFinishMs = 6 * 60_000;

export interface RunningEventRecorder extends EventRecorder {
  /** Drops what is queued and ends the sender. */
  stop(): Promise<void>;
}

/** @param client writes with its own identity. Sending starts at once and ends with `stop`. */
export function createEventRecorder(client: Client, options: EventRecorderOptions): RunningEventRecorder {
  const { clock, random, log, host: ownHost = '' } = options;
  const events = client.resource(resources.events);
  const correlator = createEventCorrelator(clock);
  const tasks = createTaskGroup();
  let queue: RecordedEvent[] = [];
  let head = 0;
  const series = new Map<string, { event: Event; startedAt: number; seenAt: number; unsent: number }>();
  let wake: (() => void) | undefined;
  // A random start: two components may speak of one object in the same millisecond.
  let names = random.below(1_000_000);
  let dropped = 0;

  const nameOf = ({ regarding, at }: RecordedEvent): string => {
    // Upstream appends nanoseconds in hexadecimal; a counter stands in for the digits a millisecond clock does not have.
    const suffix = (BigInt(at) * 1_000_000n + BigInt(names++ % 1_000_000)).toString(16);
    return `${(regarding.name ?? '').slice(0, 253 - 1 - suffix.length).replace(/[.-]+$/, '')}.${suffix}`;
  };
  const base = (event: RecordedEvent) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: nameOf(event),
      namespace: event.regarding.namespace || 'default',
      ...(event.annotations ? { annotations: event.annotations } : {}),
    },
    involvedObject: event.regarding,
    ...(event.related ? { related: event.related } : {}),
    type: event.type,
    reason: event.reason,
    message: event.message,
  });

  /** @returns false when the server could not be reached: try again. An event the server refuses is dropped, as upstream drops it. */
  const attempt = async (what: string, send: () => Promise<unknown>): Promise<boolean> => {
    try {
      await send();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) return false;
      // A namespace that is going away takes no events; that is everyday life.
      const level = error.code === 403 || error.code === 404 ? 'debug' : 'warn';
      log[level]('Event was refused', { event: what, error });
      return true;
    }
  };

  /** Decides once; the returned function may be called again. `undefined`: nothing to send. */
  const counted = (recorded: RecordedEvent): (() => Promise<boolean>) | undefined => {
    const plan = correlator.correlate(recorded);
    if (plan.kind === 'skip') return undefined;
    const { event, count, firstAt } = plan;
    const stamps = { firstTimestamp: formatTime(firstAt), lastTimestamp: formatTime(event.at), count };
    const create = async (): Promise<void> => {
      const created = await events.create({
        ...base(event),
        ...stamps,
        source: { component: event.component, ...(event.host ? { host: event.host } : {}) },
        reportingComponent: event.component,
        reportingInstance: event.host,
      });
      plan.sent(created.metadata.namespace ?? 'default', created.metadata.name ?? '');
    };
    const write = async (): Promise<void> => {
      const known = plan.known();
      if (known === undefined) return create();
      const patch: JsonObject = { count, lastTimestamp: stamps.lastTimestamp, message: event.message };
      try {
        await events.patch(known.name, { type: 'strategic', patch }, { namespace: known.namespace });
      } catch (error) {
        // It lived out its hour: the count goes on in a new one.
        if (!isNotFound(error)) throw error;
        await create();
      }
    };
    return () => attempt(event.reason, write);
  };

  const inSeries = (recorded: RecordedEvent): (() => Promise<boolean>) | undefined => {
    const key = [
      recorded.component,
      recorded.type,
      recorded.action,
      recorded.reason,
      recorded.message,
      recorded.regarding.uid,
      recorded.regarding.resourceVersion,
      recorded.regarding.namespace,
      recorded.regarding.name,
      recorded.regarding.fieldPath,
      recorded.related?.uid,
    ].join('|');
    const known = series.get(key);
    if (known && recorded.at - known.seenAt < seriesFinishMs) {
      known.seenAt = recorded.at;
      const count = (known.event.series?.count ?? 1) + 1;
      const isFirstRepeat = known.event.series === undefined;
      known.event = {
        ...known.event,
        series: { count, lastObservedTime: formatMicroTime(recorded.at) },
      };
      // The first repeat makes it a series at once; after that half-hourly heartbeats and the end are written, not each repetition.
      if (!isFirstRepeat) {
        known.unsent++;
        return undefined;
      }
      return () => writeSeries(known);
    }
    const write = async (): Promise<void> => {
      const event = await events.create({
        ...base(recorded),
        eventTime: formatMicroTime(recorded.at),
        action: recorded.action ?? recorded.reason,
        reportingComponent: recorded.component,
        reportingInstance: recorded.host === '' ? recorded.component : `${recorded.component}-${recorded.host}`,
      });
      series.set(key, { event, startedAt: recorded.at, seenAt: recorded.at, unsent: 0 });
    };
    return () => attempt(recorded.reason, write);
  };
  const writeSeries = (entry: { event: Event; unsent: number }): Promise<boolean> =>
    attempt(entry.event.reason ?? '', async () => {
      const { name = '', namespace = 'default' } = entry.event.metadata;
      const patch = { series: entry.event.series } as unknown as JsonObject;
      try {
        await events.patch(name, { type: 'merge', patch }, { namespace });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        const {
          resourceVersion: _,
          uid: __,
          creationTimestamp: ___,
          managedFields: ____,
          ...metadata
        } = entry.event.metadata;
        entry.event = await events.create({ ...entry.event, metadata });
      }
      entry.unsent = 0;
    });

  tasks.run('event sender', async (signal) => {
    signal.addEventListener('abort', () => wake?.(), { once: true });
    while (!signal.aborted) {
      const next = queue[head++];
      if (!next) {
        queue = [];
        head = 0;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const send = next.action === undefined ? counted(next) : inSeries(next);
      for (let tries = 0; send && tries < maxTries && !signal.aborted; tries++) {
        if (await send()) break;
        // The first wait is random, so that many components do not come back together.
        await clock.sleep(tries === 0 ? retryMs * random.float() : retryMs, signal);
      }
    }
  });
  tasks.run('event series', async (signal) => {
    for (;;) {
      await clock.sleep(seriesFinishMs, signal);
      if (signal.aborted) return;
      const now = clock.now();
      for (const [key, entry] of series) {
        const finished = now - entry.seenAt >= seriesFinishMs;
        if (entry.unsent > 0 && (finished || now - entry.startedAt >= seriesRefreshMs)) {
          entry.startedAt = now;
          await writeSeries(entry);
        }
        if (finished) series.delete(key);
      }
    }
  });

  const recorderOf = (component: string, host = ownHost): EventRecorder => ({
    withComponent: recorderOf,
    event(regarding, { type, reason, message, action, related, annotations, fieldPath }) {
      if (tasks.signal.aborted) return;
      if (queue.length - head >= queueLimit) {
        if (dropped++ % 1000 === 0) log.warn('Too many events, dropping', { dropped });
        return;
      }
      queue.push({
        component,
        host,
        regarding: fieldPath === undefined ? referenceTo(regarding) : { ...referenceTo(regarding), fieldPath },
        related: related && referenceTo(related),
        type,
        reason,
        // Longer messages are refused by the server.
        message: message.length > 1024 ? message.slice(0, 1024) : message,
        action,
        annotations,
        at: clock.now(),
      });
      wake?.();
    },
  });
  return { ...recorderOf(options.component), stop: () => tasks.stop() };
}

/** Source: client-go tools/reference.GetReference. */
export function referenceTo(object: KubeObject): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    ...(object.kind ? { kind: object.kind } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(uid ? { uid } : {}),
    ...(object.apiVersion ? { apiVersion: object.apiVersion } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}
