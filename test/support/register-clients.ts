/** Clients that write and read registers (ConfigMaps) through several API servers at once, and remember what happened when. */

import { isExpired, isNotFound } from '../../src/api/errors.ts';
import { resources } from '../../src/api/types/resources.ts';
import { createRealClock } from '../../src/base/real-clock.ts';
import { createSeededRandom } from '../../src/base/seeded-random.ts';
import type { Client } from '../../src/client/client.ts';
import { TransportError } from '../../src/client/transport.ts';
import type { Observed, Operation } from './linearizability.ts';

export interface RegisterClients {
  readonly operations: readonly Operation[];
  /** Times between two acknowledged writes of anybody, longer than a second, whose middle lies in this time. */
  pausesBetween(fromMs: number, toMs: number): readonly Pause[];
  /** Acknowledged writes that began after this moment (`now()` of this object). */
  writesSince(ms: number): number;
  now(): number;
  stop(): Promise<void>;
}

export interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
}

const clock = createRealClock({ keepAlive: true });
const answerMs = 4000;
const failedMs = 200;
/** Less than this between two writes is no pause. */
const pauseMs = 1000;
const keys = ['register-a', 'register-b', 'register-c'];
const namespace = 'default';

/** One writer and reader for each client. Every write has a value of its own. */
export function startRegisterClients(clients: readonly Client[], seed: number): RegisterClients {
  const operations: Operation[] = [];
  const acknowledged: { readonly startMs: number; readonly endMs: number }[] = [];
  let stopping = false;
  const began = clock.monotonic();
  const run = async (client: Client, index: number): Promise<void> => {
    const random = createSeededRandom(seed * 100 + index);
    const maps = client.resource(resources.configMaps);
    for (let i = 0; !stopping; i++) {
      const key = keys[random.below(keys.length)]!;
      const startMs = clock.monotonic();
      const signal = AbortSignal.timeout(answerMs);
      if (random.below(2) === 0) {
        const value = `${index}-${i}`;
        let endMs = Number.POSITIVE_INFINITY;
        try {
          await maps.patch(key, { type: 'merge', patch: { data: { value } } }, { namespace, signal });
          endMs = clock.monotonic();
          acknowledged.push({ startMs, endMs });
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          await clock.sleep(failedMs);
          // Nobody heard of it.
          if (error instanceof TransportError && ['refused', 'unreachable'].includes(error.kind)) continue;
        }
        operations.push({ key, kind: 'write', value, startMs, endMs });
      } else {
        try {
          const map = await maps.get(key, { namespace, signal });
          operations.push({ key, kind: 'read', value: map.data?.value, startMs, endMs: clock.monotonic() });
        } catch (error) {
          if (!(error instanceof Error) || isNotFound(error)) throw error;
          await clock.sleep(failedMs);
        }
      }
      await clock.sleep(15 + random.below(40));
    }
  };
  const running = clients.map(run);
  return {
    operations,
    now: () => clock.monotonic(),
    pausesBetween(fromMs, toMs) {
      const ends = acknowledged.map(({ endMs }) => endMs).sort((a, b) => a - b);
      const pauses: Pause[] = [];
      let last = began;
      for (const end of [...ends, clock.monotonic()]) {
        const middle = (last + end) / 2;
        if (end - last > pauseMs && middle >= fromMs && middle < toMs) pauses.push({ fromMs: last, toMs: end });
        last = end;
      }
      return pauses;
    },
    writesSince: (ms) => acknowledged.filter(({ startMs }) => startMs >= ms).length,
    async stop() {
      stopping = true;
      await Promise.all(running);
    },
  };
}

/** The registers with no value, before anybody writes. */
export async function makeRegisters(client: Client): Promise<void> {
  for (const name of keys) await client.resource(resources.configMaps).create({ metadata: { name, namespace } });
}

export interface RegisterWatch {
  readonly events: readonly Observed[];
  /** Where the servers had forgotten what came next (410), and it listed: in time of this process. */
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number }[];
  stop(): Promise<void>;
}

/** Watches the registers from a version on, taking the watch up again where it broke. @param clients one after the other when a watch breaks. */
export function watchRegisters(clients: readonly Client[], resourceVersion: string): RegisterWatch {
  const events: Observed[] = [];
  const gaps: { readonly fromMs: number; readonly toMs: number }[] = [];
  let lastMs = clock.monotonic();
  const stopping = new AbortController();
  const running = (async () => {
    let from = resourceVersion;
    for (let i = 0; !stopping.signal.aborted; i++)
      try {
        const watch = await clients[i % clients.length]!.resource(resources.configMaps).watch({
          namespace,
          resourceVersion: from,
          allowWatchBookmarks: true,
          signal: stopping.signal,
        });
        for await (const { type, object } of watch) {
          from = object.metadata.resourceVersion ?? from;
          lastMs = clock.monotonic();
          if (type !== 'MODIFIED' || !keys.includes(object.metadata.name ?? '')) continue;
          events.push({ key: object.metadata.name ?? '', value: object.data?.value, resourceVersion: from });
        }
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (!(error instanceof Error)) throw error;
        if (isExpired(error)) from = (await relist()) ?? from;
        await clock.sleep(100);
      }
  })();
  /** Nobody remembers that far back: what is there now, as a client would do. */
  async function relist(): Promise<string | undefined> {
    try {
      const { items, metadata } = await clients[0]!.resource(resources.configMaps).list({ namespace });
      const newest = BigInt(events.at(-1)?.resourceVersion ?? 0);
      for (const map of items
        .filter((each) => keys.includes(each.metadata.name ?? ''))
        .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion)))
        if (BigInt(map.metadata.resourceVersion ?? 0) > newest)
          events.push({
            key: map.metadata.name ?? '',
            value: map.data?.value,
            resourceVersion: map.metadata.resourceVersion ?? '',
          });
      gaps.push({ fromMs: lastMs, toMs: clock.monotonic() });
      return metadata.resourceVersion;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return undefined;
    }
  }
  return {
    events,
    gaps,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
