/** Deletes every object of a kind whose definition goes, and waits until they are gone. No admission: nothing may hold it up but finalizers. */
import type { RequestContext } from '../registry/context.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import type { DeleteRequest, ListRequest } from '../registry/options.ts';
import type { Registry } from '../registry/registry.ts';
import type { CustomKind } from './kind.ts';

const all: ListRequest = {
  watch: false,
  limit: 0,
  continue: '',
  resourceVersion: '',
  resourceVersionMatch: '',
  labelSelector: '',
  fieldSelector: '',
  allowWatchBookmarks: false,
  sendInitialEvents: undefined,
  timeoutSeconds: undefined,
};
const plainly: DeleteRequest = {
  dryRun: false,
  gracePeriodSeconds: undefined,
  preconditions: {},
  orphanDependents: undefined,
  propagationPolicy: undefined,
};
const everything = { match: undefined, name: undefined, node: undefined, labels: [], everything: true } as const;
const checkEveryMs = 1_000;

export async function deleteInstances(registry: Registry, kind: CustomKind, signal: AbortSignal): Promise<void> {
  const { stored, versions } = kind;
  const served = versions.find(({ apiVersion }) => apiVersion === stored.apiVersion)!;
  const unhindered: Registry = { ...registry, admission: [] };
  const scope = { stored, namespace: '', selectors: everything };
  for (;;) {
    const { objects } = await deleteCollection(unhindered, ownContext(signal), scope, all, served, plainly);
    if (objects.length === 0 || registry.rounds.cacheOf(stored).size === 0) return;
    await registry.clock.sleep(checkEveryMs, signal);
    signal.throwIfAborted();
  }
}

function ownContext(signal: AbortSignal): RequestContext {
  return {
    request: { method: 'DELETE', path: '/', query: '', headers: {}, remoteAddress: 'in-process', signal },
    info: { verb: 'deletecollection', parts: [] } as unknown as RequestContext['info'],
    query: new URLSearchParams(),
    user: { name: 'system:apiserver', groups: ['system:masters'] },
    signal,
    warnings: [],
  };
}
