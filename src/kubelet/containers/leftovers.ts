/** Records of a pod's past that nobody needs any more. Pure. */
import type { PodRuntimeStatus, RuntimeContainer, RuntimeSandbox } from './runtime-status.ts';

/**
 * Of each container the newest and the one before stay (for `logs --previous`), and what runs; of sandboxes the newest, and those that hold
 * a container that stays. Source: upstream's MaxPerPodContainerCount of 1, and container_gc.go.
 */
export function leftovers(status: PodRuntimeStatus): {
  readonly containers: readonly RuntimeContainer[];
  readonly sandboxes: readonly RuntimeSandbox[];
} {
  // The everyday case, without allocating: nothing has a past.
  if (status.containers.length < 3 && status.sandboxes.length < 2) return none;
  const seen = new Map<string, number>();
  const kept = new Set<string>();
  const containers: RuntimeContainer[] = [];
  for (const container of status.containers) {
    const count = (seen.get(container.name) ?? 0) + 1;
    seen.set(container.name, count);
    if (count <= 2 || container.state === 'running') kept.add(container.sandboxId);
    else containers.push(container);
  }
  const sandboxes = status.sandboxes.filter((sandbox, i) => i > 0 && !sandbox.ready && !kept.has(sandbox.id));
  return { containers, sandboxes };
}

const none = { containers: [], sandboxes: [] } as const;
