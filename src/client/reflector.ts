/**
 * Keeps something in step with a collection on the server: the whole of it first, then each change in order, for ever. An informer's cache
 * is one such target; the garbage collector's graph another. Source of behaviour: client-go tools/cache/reflector.go.
 *
 *   fill ──initial events end──▶ follow ──closed, broken──▶ follow again from the cursor
 *    ▲                             │
 *    └──────── 410 Expired ────────┘
 */
import { ApiError, isExpired } from '../api/errors.ts';
import type { JsonObject } from '../api/json.ts';
import type { KubeObject, ResourceRef } from '../api/object.ts';
import type { Status } from '../api/types/meta-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createBackoff } from './backoff.ts';
import { listQuery, typedList, watchQuery } from './create-client.ts';
import type { InformerOptions } from './informer.ts';
import { apiVersionOf, collectionPath } from './resource-path.ts';
import type { Transport, TransportRequest, TransportWatchEvent } from './transport.ts';

export interface ReflectorTarget<T> {
  /** All objects there are, as of `resourceVersion`. What is not among them is gone. May yield; nothing else is called meanwhile. */
  replace(objects: ReadonlyMap<string, T>, resourceVersion: string): Promise<void>;
  /** One change. `object` of DELETED is the last state. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
  /** The target is now complete up to here. */
  advance(resourceVersion: string): void;
}

export interface ReflectorOptions extends InformerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const pageSize = 500;
/** The server ends each watch after a random time between this and twice this, so that clients spread over API servers again. */
const minWatchSeconds = 300;
/** No stretch of work over many objects runs longer without a yield (decision 11). */
const sliceMs = 4;
/** A watch that ends sooner without an event is no watch, and does not reset the back-off. */
const shortestWatchMs = 1000;

/** Runs until `signal` aborts. Never rejects: what goes wrong is logged and tried again, 0.8 to 30 seconds later with jitter. */
export async function runReflector<T extends KubeObject>(
  transport: Transport,
  ref: ResourceRef<T>,
  target: ReflectorTarget<T>,
  options: ReflectorOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = options;
  const backoff = createBackoff({ clock, random, baseMs: 800, factor: 2, jitter: 1, maxMs: 30_000, resetMs: 120_000 });
  let cursor = '';
  let streaming = true;

  const requestOf = (query: Record<string, string>): TransportRequest => ({
    method: 'GET',
    path: collectionPath(ref, options.namespace),
    query,
    signal,
    ...(options.metadataOnly ? { headers: metadataHeaders } : {}),
  });
  const selectors = {
    ...(options.labelSelector ? { labelSelector: options.labelSelector } : {}),
    ...(options.fieldSelector ? { fieldSelector: options.fieldSelector } : {}),
  };
  const timeoutSeconds = (): number => Math.floor(minWatchSeconds * (1 + random.float()));

  /** One watch from open to end. With `filling`, what comes before the initial-events-end bookmark replaces the target. */
  const watchOnce = async (filling: boolean): Promise<void> => {
    const openedAt = clock.monotonic();
    const query = watchQuery({
      ...selectors,
      allowWatchBookmarks: true,
      timeoutSeconds: timeoutSeconds(),
      ...(filling
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' as const }
        : { resourceVersion: cursor }),
    });
    let initial: Map<string, T> | undefined = filling ? new Map<string, T>() : undefined;
    let sawEvent = false;
    for await (const batch of await transport.watch(requestOf(query))) {
      let sliceStart = clock.monotonic();
      for (let i = 0; i < batch.length; i++) {
        const event = batch[i]!;
        sawEvent = true;
        const object = checked<T>(event);
        const version = object.metadata.resourceVersion ?? '';
        if (initial) {
          if (event.type === 'BOOKMARK') {
            if (object.metadata.annotations?.[initialEventsEnd] !== 'true') continue;
            await target.replace(initial, version);
            initial = undefined;
            cursor = version;
            sliceStart = clock.monotonic();
          } else if (event.type === 'DELETED') initial.delete(identityOf(object));
          else initial.set(identityOf(object), object);
          continue;
        }
        if (event.type !== 'BOOKMARK') target.apply(event.type as 'ADDED', object);
        cursor = version;
        target.advance(version);
        if ((i & 63) === 63 && clock.monotonic() - sliceStart > sliceMs) {
          await clock.yield();
          sliceStart = clock.monotonic();
        }
      }
      if (signal.aborted) return;
    }
    if (signal.aborted) return;
    if (initial) throw new Error('The watch ended before the end of its initial events');
    if (!sawEvent && clock.monotonic() - openedAt < shortestWatchMs) await backoff.wait(signal);
  };

  const listInPages = async (): Promise<void> => {
    const objects = new Map<string, T>();
    let next: string | undefined;
    let version = '';
    do {
      const answer = await transport.request(
        requestOf(listQuery({ ...selectors, limit: pageSize, ...(next ? { continue: next } : {}) })),
      );
      const page = options.metadataOnly
        ? (answer as unknown as { metadata: typeof answer; items: readonly T[] })
        : typedList<T>(ref, answer);
      for (const object of page.items) objects.set(identityOf(object), object);
      version = String(page.metadata.resourceVersion ?? '');
      next = page.metadata.continue as string | undefined;
    } while (next);
    await target.replace(objects, version);
    cursor = version;
  };

  while (!signal.aborted) {
    try {
      if (cursor !== '') await watchOnce(false);
      else if (streaming) await watchOnce(true);
      else await listInPages();
    } catch (error) {
      if (signal.aborted) return;
      const what = {
        resource: ref.resource,
        group: ref.group,
        ...(options.namespace ? { namespace: options.namespace } : {}),
      };
      if (isExpired(error)) {
        // The continue token of a paged list can expire too: in both cases everything is read again.
        log.debug('Resource version is too old, listing again', what);
        cursor = '';
        await clock.sleep(random.float() * 800, signal);
      } else if (
        streaming &&
        cursor === '' &&
        error instanceof ApiError &&
        (error.code === 400 || error.code === 422)
      ) {
        log.debug('Server does not stream lists, listing in pages', { ...what, error });
        streaming = false;
      } else {
        log.warn('Watch failed, will retry', { ...what, error });
        await backoff.wait(signal);
      }
    }
  }
}

/** `namespace/name` or `name`; the same as `keyOf`, without a detour over absent metadata. */
function identityOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : (name ?? '');
}

function checked<T extends KubeObject>({ type, object }: TransportWatchEvent): T {
  if (type === 'ERROR') throw ApiError.fromStatus(object as unknown as Status);
  if (typeof (object as JsonObject).metadata !== 'object') throw new Error(`A ${type} event came without metadata`);
  return object as unknown as T;
}

const initialEventsEnd = 'k8s.io/initial-events-end';
const metadataHeaders = Object.freeze({
  accept:
    'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
});

/** For messages: `deployments.apps/v1`. */
export const describeResource = (ref: ResourceRef<KubeObject>): string => `${ref.resource} of ${apiVersionOf(ref)}`;
