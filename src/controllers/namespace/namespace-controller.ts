/** Empties namespaces that are being deleted, then lets them go. Source: pkg/controller/namespace. */
import { isConflict, isNotFound } from '../../api/errors.ts';
import { formatTime } from '../../api/time.ts';
import type { Namespace } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import type { ResourceClient } from '../../client/client.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { exponentialPerKey } from '../../client/rate-limiter.ts';
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';
import { deletionConditions } from './deletion-conditions.ts';
import { deleteContent, deletionTime } from './namespace-content.ts';

export interface NamespaceControllerOptions {
  /**
   * Other API servers must have seen the deletion before content is counted, or one of them could still create something afterwards.
   * Default 5 s, as upstream.
   */
  readonly graceMs?: number;
}

const finalizer = 'kubernetes';
const workers = 10;

export function createNamespaceController({ graceMs = 5000 }: NamespaceControllerOptions = {}): Controller {
  return {
    name: 'namespace-controller',
    async run(context, signal) {
      const { client, informers, clock, log, metrics } = context;
      const namespaces = informers.informer(resources.namespaces);
      const queue = createWorkQueue<string>({
        clock,
        metrics: { registry: metrics, name: 'namespace' },
        rateLimiter: exponentialPerKey(5, 60_000),
      });
      const enqueue = (ns: Namespace): void => {
        if (ns.metadata.deletionTimestamp === undefined || (ns.spec?.finalizers ?? []).length === 0) return;
        queue.addAfter(ns.metadata.name ?? '', graceMs);
      };
      observe(namespaces, { onAdd: enqueue, onUpdate: (_, ns) => enqueue(ns) }, signal);
      if (!(await untilSynced([namespaces], signal))) return;
      const api = client.resource(resources.namespaces);
      await runWorkers(
        queue,
        workers,
        (name) => deleteNamespace(context, api, name, signal),
        { clock, log, kind: 'namespace' },
        signal,
      );
    },
  };
}

async function deleteNamespace(
  { client, clock, log }: ControllerContext,
  api: ResourceClient<Namespace>,
  name: string,
  signal: AbortSignal,
): Promise<ReconcileResult> {
  // From the server: several may work on a namespace's end, and a stale view would delete what is not meant.
  const current = await unlessGone(() => api.get(name, { signal }));
  const deletedAt = current && deletionTime(current);
  if (!current || deletedAt === undefined) return undefined;
  const { uid } = current.metadata;
  const finalizers = current.spec?.finalizers ?? [];
  if (finalizers.length === 0) return undefined;

  const { progress, estimateSeconds } = await deleteContent(client, name, deletedAt, clock.now(), signal);
  await change(api, current, signal, (ns) => {
    const conditions = deletionConditions(ns.status?.conditions, progress, formatTime(clock.now()));
    if (conditions === ns.status?.conditions && ns.status?.phase === 'Terminating') return undefined;
    return () => api.updateStatus({ ...ns, status: { ...ns.status, phase: 'Terminating', conditions } }, { signal });
  });
  const errors = [...progress.discoveryErrors, ...progress.contentErrors];
  if (errors.length > 0) throw new Error(`Cannot delete all content of namespace "${name}": ${errors.join('; ')}`);
  if (estimateSeconds > 0) {
    log.debug('Namespace has content left', { namespace: name, estimateSeconds });
    return { requeueAfterMs: (estimateSeconds / 2 + 1) * 1000 };
  }
  await change(api, current, signal, (ns) => {
    if (ns.metadata.uid !== uid || !ns.spec?.finalizers?.includes(finalizer)) return undefined;
    const rest = ns.spec.finalizers.filter((each) => each !== finalizer);
    return () => api.update({ ...ns, spec: { ...ns.spec, finalizers: rest } }, { subresource: 'finalize', signal });
  });
  log.info('Namespace is empty', { namespace: name });
  return undefined;
}

/** Writes with the newest version; a conflict reads it again. A namespace that is gone, or another of its name, is left alone. */
async function change(
  api: ResourceClient<Namespace>,
  first: Namespace,
  signal: AbortSignal,
  plan: (current: Namespace) => (() => Promise<Namespace>) | undefined,
): Promise<void> {
  let current: Namespace | undefined = await unlessGone(() => api.get(first.metadata.name ?? '', { signal }));
  for (;;) {
    if (!current || current.metadata.uid !== first.metadata.uid) return;
    const write = plan(current);
    if (!write) return;
    try {
      await unlessGone(write);
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
      current = await unlessGone(() => api.get(first.metadata.name ?? '', { signal }));
    }
  }
}

async function unlessGone<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await send();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
