/**
 * Resolves when `signal` aborts.
 * @param or when this one does: then nothing is left behind on a signal that lives longer than who waits for it
 */
export function untilAborted(signal: AbortSignal, or?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || or?.aborted) return resolve();
    const listener = { once: true, ...(or ? { signal: or } : {}) };
    signal.addEventListener('abort', () => resolve(), listener);
    or?.addEventListener('abort', () => resolve(), { once: true });
  });
}
