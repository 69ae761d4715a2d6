import type { TaskGroup } from './tasks.ts';

/** @param parent aborting it stops the group. */
export function createTaskGroup(parent?: AbortSignal): TaskGroup {
  const controller = new AbortController();
  const running = new Set<Promise<void>>();
  let failure: Error | undefined;
  let settle: () => void;
  const done = new Promise<void>((resolve, reject) => {
    settle = () => (failure ? reject(failure) : resolve());
  });
  // The owner may look at `done` late or never; a failure must not become an unhandled rejection before that.
  done.catch(() => undefined);

  const onParentAbort = (): void => void stop();
  if (parent?.aborted) controller.abort(parent.reason);
  else parent?.addEventListener('abort', onParentAbort, { once: true });

  const stop = async (): Promise<void> => {
    parent?.removeEventListener('abort', onParentAbort);
    controller.abort();
    while (running.size > 0) await Promise.all(running);
    settle();
  };

  return {
    signal: controller.signal,
    done,
    run(name, body) {
      const task = (async () => {
        try {
          await body(controller.signal);
        } catch (error) {
          if (controller.signal.aborted && (error === controller.signal.reason || isAbortError(error))) return;
          failure ??= new Error(`Task "${name}" failed: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
          controller.abort();
        }
      })();
      running.add(task);
      void task.then(() => {
        running.delete(task);
        if (failure && running.size === 0) settle();
      });
    },
    stop,
  };
}

/** What Node's own APIs and `signal.throwIfAborted()` throw when a signal aborts. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
