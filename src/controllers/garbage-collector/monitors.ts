/** One metadata-only watch for each resource that can be listed, watched and deleted, feeding the graph. */

import type { KubeObject } from '../../api/object.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { createTaskGroup } from '../../base/task-group.ts';
import { untilAborted } from '../../base/until-aborted.ts';
import type { DiscoveredResource } from '../../client/discovery.ts';
import { runReflector } from '../../client/reflector.ts';
import { apiVersionOf } from '../../client/resource-path.ts';
import type { Transport } from '../../client/transport.ts';
import { type OwnerGraph, resourceId } from './graph.ts';

export interface Monitors {
  /** Starts what is new, stops what is no longer served; not those of a group that could not be asked: their objects are still there. */
  set(resources: readonly DiscoveredResource[], failedGroups: ReadonlySet<string>): void;
  /** Resolves when every watch of now has delivered its first list, or the signal aborts. */
  synced(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  readonly count: number;
}

interface Monitor {
  readonly group: string;
  readonly stop: () => Promise<void>;
  readonly synced: Promise<void>;
}

/** Events own nothing and are owned by nobody, and there are many. Source: garbagecollector.DefaultIgnoredResources. */
const ignored: ReadonlySet<string> = new Set(['events.', 'events.events.k8s.io']);

export const isCollectable = (resource: DiscoveredResource): boolean =>
  resource.preferred &&
  !ignored.has(resourceId(resource)) &&
  ['delete', 'list', 'watch'].every((verb) => resource.verbs.includes(verb));

export function createMonitors(
  graph: OwnerGraph,
  { transport, clock, random, log }: { transport: Transport; clock: Clock; random: Random; log: Logger },
): Monitors {
  const running = new Map<string, Monitor>();
  const forgetAll = (id: string): void => {
    for (const uid of [...graph.uidsOf(id)]) graph.forget(uid);
  };
  const start = (resource: DiscoveredResource): Monitor => {
    const id = resourceId(resource);
    const apiVersion = apiVersionOf(resource);
    const tasks = createTaskGroup();
    let markSynced: () => void;
    const synced = new Promise<void>((resolve) => {
      markSynced = resolve;
    });
    const observe = (object: KubeObject): void => graph.observe(resource, apiVersion, object.metadata);
    tasks.run(`monitor of ${id}`, (signal) =>
      runReflector<KubeObject>(
        transport,
        resource,
        {
          async replace(objects) {
            const present = new Set<string | undefined>();
            for (const object of objects.values()) present.add(object.metadata.uid);
            for (const uid of [...graph.uidsOf(id)]) if (!present.has(uid)) graph.forget(uid);
            let count = 0;
            for (const object of objects.values()) {
              observe(object);
              if (++count % 1000 === 0) await clock.yield();
            }
            markSynced();
          },
          apply(type, object) {
            if (type === 'DELETED') graph.forget(object.metadata.uid ?? '');
            else observe(object);
          },
          advance: () => undefined,
        },
        { clock, random, log, metadataOnly: true },
        signal,
      ),
    );
    return { group: resource.group, stop: () => tasks.stop(), synced };
  };
  return {
    set(resources, failedGroups) {
      const wanted = new Map(resources.filter(isCollectable).map((resource) => [resourceId(resource), resource]));
      for (const [id, monitor] of running)
        if (!wanted.has(id) && !failedGroups.has(monitor.group)) {
          running.delete(id);
          log.debug('Resource is gone, its watch ends', { resource: id });
          // Ends soon after the abort; nobody has to wait for it.
          void monitor.stop().then(() => forgetAll(id));
        }
      for (const [id, resource] of wanted) if (!running.has(id)) running.set(id, start(resource));
    },
    async synced(signal) {
      const seen = new AbortController();
      const all = Promise.all([...running.values()].map((monitor) => monitor.synced));
      await Promise.race([all, untilAborted(signal, seen.signal)]);
      seen.abort();
    },
    async stop() {
      await Promise.all([...running.values()].map((monitor) => monitor.stop()));
      running.clear();
    },
    get count() {
      return running.size;
    },
  };
}
