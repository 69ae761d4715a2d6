import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createTaskGroup } from '../base/task-group.ts';
import type { Client } from './client.ts';
import { createIndexedCache } from './indexed-cache.ts';
import { type EventHandler, type Informer, type InformerFactory, type InformerOptions, keyOf } from './informer.ts';
import { type ReflectorTarget, runReflector } from './reflector.ts';

export interface InformerFactoryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Aborting it stops the factory. */
  readonly signal?: AbortSignal;
}

/** Shares one informer per resource and options. Its owner calls `stop` (or aborts the signal): informers outlive the components that use them. */
export function createInformerFactory(client: Client, options: InformerFactoryOptions): InformerFactory {
  const tasks = createTaskGroup(options.signal);
  const informers = new Map<string, Informer<KubeObject>>();
  return {
    informer<T extends KubeObject>(ref: ResourceRef<T>, which: InformerOptions = {}): Informer<T> {
      const id = [
        ref.group,
        ref.version,
        ref.resource,
        ref.namespaced ? (which.namespace ?? '') : '',
        which.labelSelector ?? '',
        which.fieldSelector ?? '',
        which.metadataOnly ? 'metadata' : '',
      ].join('|');
      const known = informers.get(id);
      if (known) return known as Informer<T>;
      const { informer, target } = createInformer<T>(options, tasks.signal);
      informers.set(id, informer as Informer<KubeObject>);
      tasks.run(`informer of ${ref.resource}`, async (signal) => {
        await Promise.resolve();
        await runReflector(client.transport, ref, target, { ...options, ...which }, signal);
      });
      return informer;
    },
    get synced() {
      for (const informer of informers.values()) if (!informer.synced) return false;
      return true;
    },
    async waitForSync(signal) {
      // Asked again each round: a controller that starts meanwhile may ask for more.
      for (let waited = 0; waited < informers.size; ) {
        waited = informers.size;
        await Promise.all([...informers.values()].map((informer) => informer.waitForSync(signal)));
      }
    },
    stop: () => tasks.stop(),
  };
}

/** No stretch of work over many objects runs longer without a yield (decision 11). */
const sliceMs = 4;

function createInformer<T extends KubeObject>(
  { clock, log }: InformerFactoryOptions,
  stopped: AbortSignal,
): { readonly informer: Informer<T>; readonly target: ReflectorTarget<T> } {
  const cache = createIndexedCache<T>();
  let handlers: readonly EventHandler<T>[] = [];
  let synced = false;
  let resourceVersion = '';
  let settleSync: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  const whenSynced = new Promise<void>((resolve, reject) => {
    settleSync = { resolve, reject };
  });
  // Nobody may be waiting when the factory stops.
  whenSynced.catch(() => undefined);
  const onStop = (): void => settleSync.reject(new Error('The informer was stopped before its first complete list'));
  if (stopped.aborted) onStop();
  else stopped.addEventListener('abort', onStop, { once: true });

  /** `previous` absent: an add; `object` absent: a delete. A handler's mistake must not stop the cache for all others. */
  const notify = (previous: T | undefined, object: T | undefined): void => {
    for (let i = 0; i < handlers.length; i++) {
      const handler = handlers[i]!;
      try {
        if (object === undefined) handler.onDelete?.(previous!);
        else if (previous === undefined) handler.onAdd?.(object, !synced);
        else handler.onUpdate?.(previous, object);
      } catch (error) {
        log.error('Event handler failed', { error });
      }
    }
  };
  const store = (key: string, object: T): void => notify(cache.set(key, object), object);
  const remove = (key: string, last: T | undefined): void => {
    const previous = cache.delete(key);
    if (previous !== undefined) notify(last ?? previous, undefined);
  };

  const target: ReflectorTarget<T> = {
    async replace(objects, version) {
      let sliceStart = clock.monotonic();
      let count = 0;
      const due = (): boolean => (++count & 63) === 0 && clock.monotonic() - sliceStart > sliceMs;
      const breathe = async (): Promise<void> => {
        await clock.yield();
        sliceStart = clock.monotonic();
      };
      for (const key of [...cache.keys()]) {
        if (!objects.has(key)) remove(key, undefined);
        if (due()) await breathe();
      }
      for (const [key, object] of objects) {
        // After a list again most objects are the same; nobody needs to look at them.
        if (cache.get(key)?.metadata.resourceVersion !== object.metadata.resourceVersion) store(key, object);
        if (due()) await breathe();
      }
      resourceVersion = version;
      synced = true;
      stopped.removeEventListener('abort', onStop);
      settleSync.resolve();
    },
    apply(type, object) {
      if (type === 'DELETED') remove(keyOf(object), object);
      else store(keyOf(object), object);
    },
    advance(version) {
      resourceVersion = version;
    },
  };

  const informer: Informer<T> = {
    get synced() {
      return synced;
    },
    get resourceVersion() {
      return resourceVersion;
    },
    waitForSync: (signal) => (signal ? untilAborted(whenSynced, signal) : whenSynced),
    get: (key) => cache.get(key),
    list: () => cache.list(),
    addIndex: (name, fn) => cache.addIndex(name, fn),
    byIndex: (name, value) => cache.byIndex(name, value),
    addHandler(handler) {
      handlers = [...handlers, handler];
      for (const object of cache.list()) handler.onAdd?.(object, true);
      return () => {
        handlers = handlers.filter((other) => other !== handler);
      };
    },
  };
  return { informer, target };
}

/** `promise`, or the signal's reason when it aborts first; leaves no listener behind. */
function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
