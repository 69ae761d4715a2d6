/**
 * What a write would use is added to the namespace's quotas before it is allowed. Writes of one namespace that come together are charged together, by
 * one compare-and-swap for each quota, so that a burst does not fight over it. Source: apiserver admission/plugin/resourcequota.
 *
 * What is charged for a write that then fails stays charged until the quota controller counts again, as upstream.
 */

import type { JsonObject } from '../../api/json.ts';
import { compareQuantities, formatQuantity } from '../../api/quantity.ts';
import { countedNames, isInScope, type QuotaEvaluator, type QuotaQuestion } from '../../api/quota/evaluator.ts';
import { evaluatorOf } from '../../api/quota/evaluators.ts';
import {
  addResources,
  growth,
  onlyResources,
  type ResourceList,
  readResources,
  sameResources,
  writeResources,
} from '../../api/resource-list.ts';
import type { ResourceQuota } from '../../api/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { StatusWriter } from '../registry/status-writer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { refusal } from './attributes.ts';

export interface ResourceQuotaOptions {
  readonly reader: ObjectReader;
  readonly writer: StatusWriter;
  readonly clock: Clock;
}

/** One write that waits for its charge. */
interface Waiter {
  readonly attributes: AdmissionAttributes;
  readonly question: QuotaQuestion;
  readonly evaluator: QuotaEvaluator;
  readonly done: PromiseWithResolvers<void>;
}

export function createResourceQuotaPlugin({ reader, writer, clock }: ResourceQuotaOptions): AdmissionPlugin {
  /** By namespace; there is a batch at work where there is an entry. */
  const waiting = new Map<string, Waiter[]>();

  return {
    name: 'ResourceQuota',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    validate(attributes) {
      const { namespace, operation, object, oldObject, resource, subresource, kind } = attributes;
      if (namespace === '' || !object || (kind.kind === 'Namespace' && kind.group === '')) return;
      if (reader.list('', 'resourcequotas', namespace).length === 0) return;
      const evaluator = evaluatorOf(resource.group, resource.resource);
      const question: QuotaQuestion = { operation: operation as 'CREATE' | 'UPDATE', subresource, object, oldObject };
      if (!evaluator?.handles(question)) return;
      const waiter: Waiter = { attributes, question, evaluator, done: Promise.withResolvers() };
      const queue = waiting.get(namespace);
      if (queue) queue.push(waiter);
      else {
        waiting.set(namespace, [waiter]);
        void work(namespace);
      }
      return waiter.done.promise;
    },
  };

  /** Never rejects: each failure belongs to its waiters. */
  async function work(namespace: string): Promise<void> {
    for (let batch = waiting.get(namespace); batch && batch.length > 0; batch = waiting.get(namespace)) {
      waiting.set(namespace, []);
      try {
        await charge(namespace, batch);
        for (const { done } of batch) done.resolve();
      } catch (error) {
        for (const { done } of batch) done.reject(error);
      }
    }
    waiting.delete(namespace);
  }

  /** All that is refused is refused before anything is written, as far as the cache knows. */
  async function charge(namespace: string, batch: readonly Waiter[]): Promise<void> {
    const quotas = reader.list('', 'resourcequotas', namespace) as unknown as readonly ResourceQuota[];
    const used = new Map(quotas.map((quota) => [nameOf(quota), readResources(quota.status?.used)]));
    const charged = new Map<string, Waiter[]>();
    for (const waiter of batch) {
      try {
        const plans = planAll(waiter, quotas, used, clock.now());
        if (waiter.attributes.dryRun) continue;
        for (const { name, next } of plans) {
          used.set(name, next);
          charged.set(name, [...(charged.get(name) ?? []), waiter]);
        }
      } catch (error) {
        waiter.done.reject(error);
      }
    }
    const refused = new Set<Waiter>();
    for (const [name, waiters] of charged) {
      const failed = await write(
        namespace,
        name,
        waiters.filter((waiter) => !refused.has(waiter)),
      );
      for (const [waiter, error] of failed) {
        refused.add(waiter);
        waiter.done.reject(error);
      }
    }
  }

  async function write(
    namespace: string,
    name: string,
    waiters: readonly Waiter[],
  ): Promise<ReadonlyMap<Waiter, unknown>> {
    const failed = new Map<Waiter, unknown>();
    if (waiters.length === 0) return failed;
    await writer.updateStatus(
      '',
      'resourcequotas',
      namespace,
      name,
      (object) => {
        failed.clear();
        if (!object) return undefined;
        const quota = object as unknown as ResourceQuota;
        const before = readResources(quota.status?.used);
        let now = before;
        for (const waiter of waiters)
          try {
            now = plan(waiter, quota, now, clock.now()) ?? now;
          } catch (error) {
            failed.set(waiter, error);
          }
        if (sameResources(before, now)) return undefined;
        return Object.freeze({ ...quota.status, used: writeResources(now) }) as unknown as JsonObject;
      },
      never,
    );
    return failed;
  }
}

/** A batch belongs to several requests: none of them ends it. */
const never = new AbortController().signal;
const nameOf = ({ metadata }: ResourceQuota): string => metadata.name ?? '';

interface Plan {
  readonly name: string;
  readonly next: ResourceList;
}

/** @throws ApiError 403 for the first quota that refuses. Nothing is spent unless all agree. */
function planAll(
  waiter: Waiter,
  quotas: readonly ResourceQuota[],
  used: ReadonlyMap<string, ResourceList>,
  now: number,
): readonly Plan[] {
  const plans: Plan[] = [];
  for (const quota of quotas) interest(waiter, quota);
  for (const quota of quotas) {
    const name = nameOf(quota);
    const next = plan(waiter, quota, used.get(name)!, now);
    if (next) plans.push({ name, next });
  }
  return plans;
}

/** The names this quota counts of the object; undefined: it does not care. @throws ApiError 403 when it cannot be counted. */
function interest({ attributes, question, evaluator }: Waiter, quota: ResourceQuota): readonly string[] | undefined {
  const names = countedNames(evaluator, quota.status?.hard);
  if (names.length === 0 || !isInScope(quota, evaluator, question.object)) return undefined;
  const lacking = evaluator.missing?.(names, question.object);
  if (lacking !== undefined) throw refusal(attributes, `failed quota: ${nameOf(quota)}: ${lacking}`);
  if (names.some((name) => quota.status?.used?.[name] === undefined))
    throw refusal(attributes, `status unknown for quota: ${nameOf(quota)}, resources: ${names.join(',')}`);
  return names;
}

/** What would be used then, or undefined when this quota is not touched. @throws ApiError 403 */
function plan(waiter: Waiter, quota: ResourceQuota, used: ResourceList, now: number): ResourceList | undefined {
  if (interest(waiter, quota) === undefined) return undefined;
  const { attributes, question, evaluator } = waiter;
  const usage = evaluator.usage(question.object, now);
  const negative = [...usage].filter(([, { digits }]) => digits < 0n).map(([name]) => name);
  if (negative.length > 0)
    throw refusal(attributes, `quota usage is negative for resource(s): ${negative.sort().join(',')}`);
  const { oldObject } = question;
  const counted = oldObject !== undefined && isInScope(quota, evaluator, oldObject);
  const delta = counted ? growth(usage, evaluator.usage(oldObject, now)) : usage;
  const hard = readResources(quota.status?.hard);
  const requested = onlyResources(delta, (name) => hard.has(name) && delta.get(name)!.digits !== 0n);
  if (requested.size === 0) return undefined;
  const next = addResources(used, requested);
  // What a status says has happened already.
  if (attributes.subresource !== 'status') {
    const exceeded = [...requested.keys()].filter((name) => compareQuantities(next.get(name)!, hard.get(name)!) > 0);
    if (exceeded.length > 0) {
      const print = (list: ResourceList): string => printed(list, exceeded);
      throw refusal(
        attributes,
        `exceeded quota: ${nameOf(quota)}, requested: ${print(requested)}, used: ${print(used)}, limited: ${print(hard)}`,
      );
    }
  }
  return next;
}

const printed = (list: ResourceList, names: readonly string[]): string =>
  [...names]
    .sort()
    .filter((name) => list.has(name))
    .map((name) => `${name}=${formatQuantity(list.get(name)!)}`)
    .join(',');
