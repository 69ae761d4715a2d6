import type { KubeObject } from '../api/object.ts';
import type { EventHandler, Informer } from '../client/informer.ts';

/**
 * Adds a handler that is taken away when the controller stops: informers are shared and outlive the controllers that use them.
 */
export function observe<T extends KubeObject>(
  informer: Informer<T>,
  handler: EventHandler<T>,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  const remove = informer.addHandler(handler);
  signal.addEventListener('abort', remove, { once: true });
}

/** Waits for the first complete list of each. @returns false when the controller was stopped first. */
export async function untilSynced(
  informers: readonly Pick<Informer<KubeObject>, 'waitForSync'>[],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await Promise.all(informers.map((informer) => informer.waitForSync(signal)));
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
