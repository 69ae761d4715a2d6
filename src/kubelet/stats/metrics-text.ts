/** `/metrics/resource`, made from a summary. Pure. */
import { createPage, type Labels } from './page.ts';
import type { ContainerStats, PodStats, Summary } from './summary-types.ts';

const timeMs = (part: { readonly time: string } | undefined): number | undefined =>
  part === undefined ? undefined : Date.parse(part.time);
const seconds = (ns: number | undefined): number | undefined => (ns === undefined ? undefined : ns / 1e9);

/** Source: pkg/kubelet/metrics/collectors/resource_metrics.go. */
export function resourceMetrics({ node, pods }: Summary): string {
  const page = createPage();
  const containers = pods.flatMap((pod) => (pod.containers ?? []).map((container) => ({ pod, container })));
  const ofPod = ({ podRef }: PodStats): Labels => ({ namespace: podRef.namespace, pod: podRef.name });
  const of = ({ pod, container }: { pod: PodStats; container: ContainerStats }): Labels => ({
    container: container.name,
    ...ofPod(pod),
  });
  page.metric(
    'container_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the container in core-seconds',
    containers.map((c) => [of(c), seconds(c.container.cpu?.usageCoreNanoSeconds), timeMs(c.container.cpu)] as const),
  );
  page.metric(
    'container_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the container in bytes',
    containers.map((c) => [of(c), c.container.memory?.workingSetBytes, timeMs(c.container.memory)] as const),
  );
  page.metric(
    'container_start_time_seconds',
    'gauge',
    '[STABLE] Start time of the container since unix epoch in seconds',
    containers.map(
      (c) => [of(c), c.container.startTime === null ? undefined : Date.parse(c.container.startTime) / 1000] as const,
    ),
  );
  page.metric(
    'container_swap_limit_bytes',
    'gauge',
    '[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems',
    containers.map(
      (c) =>
        [
          of(c),
          c.container.swap?.swapAvailableBytes === undefined
            ? undefined
            : c.container.swap.swapAvailableBytes + (c.container.swap.swapUsageBytes ?? 0),
          timeMs(c.container.swap),
        ] as const,
    ),
  );
  page.metric(
    'container_swap_usage_bytes',
    'gauge',
    '[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems',
    containers.map((c) => [of(c), c.container.swap?.swapUsageBytes, timeMs(c.container.swap)] as const),
  );
  page.metric(
    'node_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the node in core-seconds',
    [[{}, seconds(node.cpu?.usageCoreNanoSeconds), timeMs(node.cpu)]],
  );
  page.metric('node_memory_working_set_bytes', 'gauge', '[STABLE] Current working set of the node in bytes', [
    [{}, node.memory?.workingSetBytes, timeMs(node.memory)],
  ]);
  page.metric(
    'node_swap_usage_bytes',
    'gauge',
    '[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems',
    [[{}, node.swap?.swapUsageBytes, timeMs(node.swap)]],
  );
  page.metric(
    'pod_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the pod in core-seconds',
    pods.map((pod) => [ofPod(pod), seconds(pod.cpu?.usageCoreNanoSeconds), timeMs(pod.cpu)] as const),
  );
  page.metric(
    'pod_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the pod in bytes',
    pods.map((pod) => [ofPod(pod), pod.memory?.workingSetBytes, timeMs(pod.memory)] as const),
  );
  page.metric(
    'pod_swap_usage_bytes',
    'gauge',
    '[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems',
    pods.map((pod) => [ofPod(pod), pod.swap?.swapUsageBytes, timeMs(pod.swap)] as const),
  );
  page.metric(
    'resource_scrape_error',
    'gauge',
    '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
    [[{}, 0]],
  );
  return page.text();
}
