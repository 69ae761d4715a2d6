/** Finds out which pods' containers changed by listing them all and comparing with the last time (upstream's generic PLEG). */
import type { CriRuntime } from '../../runtime/cri.ts';
import { labels } from '../containers/runtime-status.ts';

export interface Relist {
  /** @returns uids whose sandboxes or containers differ from the last call, and all uids the runtime knows. @throws CriError */
  next(signal: AbortSignal): Promise<{ readonly changed: readonly string[]; readonly present: ReadonlySet<string> }>;
}

export function createRelist({
  runtime,
  timeoutMs,
}: {
  readonly runtime: CriRuntime;
  readonly timeoutMs: number;
}): Relist {
  let last = new Map<string, string>();
  return {
    async next(signal) {
      const call = { signal, timeoutMs };
      const [{ items }, { containers }] = await Promise.all([
        runtime.listPodSandbox({}, call),
        runtime.listContainers({}, call),
      ]);
      const lines = new Map<string, string[]>();
      const add = (uid: string | undefined, line: string): void => {
        // Without our label it is not ours: someone else uses the same runtime.
        if (uid === undefined) return;
        const known = lines.get(uid);
        if (known) known.push(line);
        else lines.set(uid, [line]);
      };
      for (const sandbox of items) add(sandbox.labels[labels.podUid], `${sandbox.id} ${sandbox.state}`);
      for (const container of containers) add(container.labels[labels.podUid], `${container.id} ${container.state}`);
      const current = new Map<string, string>();
      for (const [uid, list] of lines) current.set(uid, list.sort().join('\n'));
      const changed: string[] = [];
      for (const [uid, text] of current) if (last.get(uid) !== text) changed.push(uid);
      for (const uid of last.keys()) if (!current.has(uid)) changed.push(uid);
      last = current;
      return { changed, present: new Set(current.keys()) };
    },
  };
}
