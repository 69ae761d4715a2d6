/** Waiting for a condition on an informer's cache: for tests, commands and start-up order. Nobody polls. */
import type { KubeObject } from '../api/object.ts';
import type { Informer } from './informer.ts';

/**
 * Resolves with the first value of `condition` that is not undefined, asked now and after each change of the cache.
 * @throws the signal's reason when it aborts first (pass a timeout signal, or one of a virtual clock).
 */
export function waitFor<T extends KubeObject, R>(
  informer: Informer<T>,
  condition: (informer: Informer<T>) => R | undefined,
  signal?: AbortSignal,
): Promise<R> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    let settled = false;
    let remove: (() => void) | undefined;
    const settle = (finish: () => void): void => {
      if (settled) return;
      settled = true;
      remove?.();
      signal?.removeEventListener('abort', abort);
      finish();
    };
    const abort = (): void => settle(() => reject(signal?.reason));
    const look = (): void => {
      if (settled) return;
      try {
        const value = condition(informer);
        if (value !== undefined) settle(() => resolve(value));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    signal?.addEventListener('abort', abort, { once: true });
    // An add handler is called for each object that is there, so an empty cache needs a look of its own.
    remove = informer.addHandler({ onAdd: look, onUpdate: look, onDelete: look });
    look();
    if (settled) remove();
  });
}

/** Waits until the object of this key is there and as asked. */
export function waitForObject<T extends KubeObject>(
  informer: Informer<T>,
  key: string,
  condition: (object: T) => boolean,
  signal?: AbortSignal,
): Promise<T> {
  return waitFor(
    informer,
    () => {
      const object = informer.get(key);
      return object && condition(object) ? object : undefined;
    },
    signal,
  );
}

/** Waits until no object has this key. Call it after the informer is synced: before, every object is absent. */
export async function waitForDeletion<T extends KubeObject>(
  informer: Informer<T>,
  key: string,
  signal?: AbortSignal,
): Promise<void> {
  await waitFor(informer, () => (informer.synced && informer.get(key) === undefined ? true : undefined), signal);
}
