/** The three metrics APIs, asked over HTTP paths: they are served by other programs (or by this one's aggregation). Source: podautoscaler/metrics. */
import type { JsonObject } from '../../api/json.ts';
import { parseMilli } from '../../api/quantity.ts';
import { formatLabelSelector } from '../../api/selectors/label-selector.ts';
import { parseTime } from '../../api/time.ts';
import type { CrossVersionObjectReference } from '../../api/types/autoscaling-v2.ts';
import type { LabelSelector } from '../../api/types/meta-v1.ts';
import type { Transport } from '../../client/transport.ts';
import { CalculationError, type PodMetric, type PodMetrics } from './replicas.ts';

interface Item {
  readonly metadata?: { readonly name?: string };
  readonly timestamp?: string;
  readonly window?: string;
  readonly windowSeconds?: number;
  readonly containers?: readonly { readonly name: string; readonly usage: Readonly<Record<string, string>> }[];
  readonly describedObject?: { readonly name?: string };
  readonly value?: string;
}

export interface MetricsClient {
  /** @param container empty: all of the pod's. */
  resource(namespace: string, selector: string, resource: string, container: string): Promise<PodMetrics>;
  pods(
    namespace: string,
    selector: string,
    metric: string,
    metricSelector: LabelSelector | undefined,
  ): Promise<PodMetrics>;
  /** In thousandths. @param resource of the object: `deployments.apps`; `namespaces` is asked at the top. */
  object(
    namespace: string,
    resource: string,
    reference: CrossVersionObjectReference,
    metric: string,
    metricSelector: LabelSelector | undefined,
  ): Promise<number>;
  external(namespace: string, metric: string, metricSelector: LabelSelector | undefined): Promise<number>;
}

const resourceApi = '/apis/metrics.k8s.io/v1beta1';
const customApi = '/apis/custom.metrics.k8s.io/v1beta2';
const externalApi = '/apis/external.metrics.k8s.io/v1beta1';

export function createMetricsClient(transport: Transport, signal: AbortSignal): MetricsClient {
  const items = async (
    api: string,
    path: string,
    query: Readonly<Record<string, string>>,
  ): Promise<readonly Item[]> => {
    let answer: JsonObject;
    try {
      answer = await transport.request({ method: 'GET', path, query, signal });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CalculationError(`unable to fetch metrics from ${api} metrics API: ${why}`, { cause: error });
    }
    const found = (answer.items ?? []) as unknown as readonly Item[];
    if (found.length === 0) throw new CalculationError(`no metrics returned from ${api} metrics API`);
    return found;
  };
  const selectorText = (selector: LabelSelector | undefined): Readonly<Record<string, string>> =>
    selector === undefined ? {} : { metricLabelSelector: formatLabelSelector(selector) };
  return {
    async resource(namespace, selector, resource, container) {
      const path = `${resourceApi}/namespaces/${encodeURIComponent(namespace)}/pods`;
      const metrics = new Map<string, PodMetric>();
      for (const item of await items('resource', path, { labelSelector: selector })) {
        const name = item.metadata?.name ?? '';
        const containers = (item.containers ?? []).filter((each) => container === '' || each.name === container);
        if (container !== '' && containers.length === 0)
          throw new CalculationError(`container ${container} not present in metrics for pod ${namespace}/${name}`);
        // A pod of which one container says nothing says nothing.
        if (containers.some(({ usage }) => usage[resource] === undefined)) continue;
        const valueMilli = containers.reduce((sum, { usage }) => sum + parseMilli(usage[resource]!), 0);
        metrics.set(name, stamped(item, valueMilli, durationMs(item.window ?? '1m0s')));
      }
      return metrics;
    },
    async pods(namespace, selector, metric, metricSelector) {
      const path = `${customApi}/namespaces/${encodeURIComponent(namespace)}/pods/*/${encodeURIComponent(metric)}`;
      const query = { labelSelector: selector, ...selectorText(metricSelector) };
      const metrics = new Map<string, PodMetric>();
      for (const item of await items('custom', path, query))
        metrics.set(
          item.describedObject?.name ?? '',
          stamped(item, parseMilli(item.value ?? '0'), (item.windowSeconds ?? 60) * 1000),
        );
      return metrics;
    },
    async object(namespace, resource, { kind, name }, metric, metricSelector) {
      const at =
        kind === 'Namespace'
          ? `namespaces/${encodeURIComponent(name)}/metrics`
          : `namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}`;
      const [item] = await items(
        'custom',
        `${customApi}/${at}/${encodeURIComponent(metric)}`,
        selectorText(metricSelector),
      );
      return parseMilli(item!.value ?? '0');
    },
    async external(namespace, metric, metricSelector) {
      const path = `${externalApi}/namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(metric)}`;
      const query: Readonly<Record<string, string>> =
        metricSelector === undefined ? {} : { labelSelector: formatLabelSelector(metricSelector) };
      const found = await items('external', path, query);
      return found.reduce((sum, { value }) => sum + parseMilli(value ?? '0'), 0);
    },
  };
}

const stamped = ({ timestamp }: Item, valueMilli: number, windowMs: number): PodMetric => ({
  valueMilli,
  windowMs,
  atMs: timestamp === undefined ? 0 : (parseTime(timestamp) ?? 0),
});

/** Go's duration of hours, minutes and seconds. */
function durationMs(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) total += Number(count) * units[unit!]!;
  return total;
}
