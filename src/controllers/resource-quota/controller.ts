/**
 * Counts what a namespace uses and writes it into its quotas: when a quota is new or changed, when something it counts goes or shrinks, and every five
 * minutes. What grows is charged by admission. Source: pkg/controller/resourcequota.
 *
 * Only what some quota names is watched, so a cluster without quotas pays for one watch.
 */
import { isNotFound } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { KubeObject, ResourceRef } from '../../api/object.ts';
import { compareQuantities } from '../../api/quantity.ts';
import { countedNames, type QuotaEvaluator } from '../../api/quota/evaluator.ts';
import { evaluatorOf, resourcesCounted } from '../../api/quota/evaluators.ts';
import { quotaUsage } from '../../api/quota/usage.ts';
import {
  onlyResources,
  type ResourceList,
  readResources,
  sameResources,
  writeResources,
} from '../../api/resource-list.ts';
import type { ResourceQuota } from '../../api/types/core-v1.ts';
import { resources } from '../../api/types/resources.ts';
import { createWorkQueue } from '../../client/create-work-queue.ts';
import { discoverResources } from '../../client/discovery.ts';
import { type Informer, keyOf } from '../../client/informer.ts';
import { runWorkers } from '../../client/run-workers.ts';
import type { Controller, ControllerContext } from '../controller.ts';
import { observe, untilSynced } from '../observe.ts';

/** Upstream: --resource-quota-sync-period. */
const resyncMs = 300_000;
const workers = 5;
const namespaceIndex = 'quota.namespace';
const namespaceOf = (object: KubeObject): readonly string[] => [object.metadata.namespace ?? ''];

/** Their contents count; of all others, only how many there are. */
const needWhole: ReadonlySet<string> = new Set([
  '/pods',
  '/services',
  '/persistentvolumeclaims',
  'resource.k8s.io/resourceclaims',
]);

type Source = Informer<KubeObject> | 'not served';

export function resourceQuotaController(): Controller {
  return {
    name: 'resourcequota-controller',
    async run(context, signal) {
      const { client, informers, clock, log, metrics } = context;
      const quotas = informers.informer(resources.resourceQuotas);
      quotas.addIndex(namespaceIndex, namespaceOf);
      const queue = createWorkQueue<string>({ clock, metrics: { registry: metrics, name: 'resourcequota_primary' } });
      const sources = new Map<string, Promise<Source>>();

      observe(
        quotas,
        {
          onAdd: (quota) => queue.add(keyOf(quota)),
          onUpdate: (old, quota) => {
            if (!sameResources(readResources(old.spec?.hard), readResources(quota.spec?.hard))) queue.add(keyOf(quota));
          },
        },
        signal,
      );
      if (!(await untilSynced([quotas], signal))) return;

      const replenish = (evaluator: QuotaEvaluator, namespace: string): void => {
        for (const quota of quotas.byIndex(namespaceIndex, namespace))
          if (countedNames(evaluator, quota.spec?.hard).length > 0) queue.add(keyOf(quota));
      };
      const sourceOf = (group: string, resource: string): Promise<Source> => {
        const id = `${group}/${resource}`;
        let source = sources.get(id);
        if (!source) {
          source = startSource(context, group, resource, replenish, signal).catch((error: unknown) => {
            sources.delete(id);
            throw error;
          });
          sources.set(id, source);
        }
        return source;
      };

      const reconcile = async (key: string): Promise<void> => {
        const names = Object.keys(quotas.get(key)?.spec?.hard ?? {});
        const counted = new Map<string, Source>();
        for (const { group, resource } of resourcesCounted(names))
          counted.set(`${group}/${resource}`, await sourceOf(group, resource));
        const quota = quotas.get(key);
        if (!quota || signal.aborted) return;
        const objectsOf = (group: string, resource: string): readonly JsonObject[] | undefined => {
          const source = counted.get(`${group}/${resource}`);
          if (source === undefined || source === 'not served') return undefined;
          return source.byIndex(namespaceIndex, quota.metadata.namespace ?? '') as unknown as readonly JsonObject[];
        };
        const next = counted.size === 0 ? new Map() : quotaUsage(quota, objectsOf, clock.now());
        const status = statusOf(quota, next);
        if (!status) return;
        try {
          await client.resource(resources.resourceQuotas).updateStatus({ ...quota, status }, { signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      };
      const resync = async (): Promise<void> => {
        for (;;) {
          await clock.sleep(resyncMs, signal);
          if (signal.aborted) return;
          // A custom kind may have come since.
          for (const [id, source] of sources) if ((await source) === 'not served') sources.delete(id);
          for (const quota of quotas.list()) queue.add(keyOf(quota));
        }
      };
      await Promise.all([
        runWorkers(queue, workers, reconcile, { clock, log, kind: 'resourcequota' }, signal),
        resync().catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
      ]);
    },
  };
}

/** @returns the status to write, or undefined when it says so already. What could not be counted keeps its last number. */
function statusOf({ spec, status }: ResourceQuota, counted: ResourceList): ResourceQuota['status'] | undefined {
  const hard = readResources(spec?.hard);
  const before = readResources(status?.used);
  const used = onlyResources(new Map([...before, ...counted]), (name) => hard.has(name));
  const isWritten = status?.hard !== undefined && status.used !== undefined;
  if (isWritten && sameResources(hard, readResources(status.hard)) && sameResources(before, used)) return undefined;
  return { hard: writeResources(hard), used: writeResources(used) };
}

async function startSource(
  { client, informers, clock }: ControllerContext,
  group: string,
  resource: string,
  replenish: (evaluator: QuotaEvaluator, namespace: string) => void,
  signal: AbortSignal,
): Promise<Source> {
  const evaluator = evaluatorOf(group, resource);
  const ref = builtin(group, resource) ?? (await discovered(client, group, resource, signal));
  if (!evaluator || !ref) return 'not served';
  const isWhole = needWhole.has(`${group}/${resource}`);
  const informer = informers.informer(ref, isWhole ? {} : { metadataOnly: true });
  informer.addIndex(namespaceIndex, namespaceOf);
  observe(
    informer,
    {
      onUpdate: (old, object) => {
        if (isWhole && shrank(evaluator, old, object, clock.now()))
          replenish(evaluator, object.metadata.namespace ?? '');
      },
      onDelete: (object) => replenish(evaluator, object.metadata.namespace ?? ''),
    },
    signal,
  );
  await informer.waitForSync(signal);
  return informer;
}

function shrank(evaluator: QuotaEvaluator, old: KubeObject, object: KubeObject, now: number): boolean {
  const next = evaluator.usage(object as unknown as JsonObject, now);
  for (const [name, before] of evaluator.usage(old as unknown as JsonObject, now)) {
    const after = next.get(name);
    if (!after || compareQuantities(after, before) < 0) return true;
  }
  return false;
}

function builtin(group: string, resource: string): ResourceRef<KubeObject> | undefined {
  return (Object.values(resources) as readonly ResourceRef<KubeObject>[]).find(
    (ref) => ref.group === group && ref.resource === resource,
  );
}

async function discovered(
  client: ControllerContext['client'],
  group: string,
  resource: string,
  signal: AbortSignal,
): Promise<ResourceRef<KubeObject> | undefined> {
  const { resources: served } = await discoverResources(client.transport, signal);
  return served.find(
    (ref) =>
      ref.group === group &&
      ref.resource === resource &&
      ref.preferred &&
      ref.namespaced &&
      ref.verbs.includes('list') &&
      ref.verbs.includes('watch'),
  );
}
