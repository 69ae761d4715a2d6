/** The Prometheus pages that are made from a summary: `/metrics/resource` and `/metrics/cadvisor`. Pure. */
import type { Pod } from '../../api/types/core-v1.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { ContainerStats, PodStats, Summary } from './summary-types.ts';

type Labels = Readonly<Record<string, string>>;

/** Collects samples by metric, so that each metric's lines stand together. */
function createPage() {
  const lines: string[] = [];
  return {
    metric(
      name: string,
      type: 'counter' | 'gauge',
      help: string,
      samples: Iterable<readonly [Labels, number | undefined, number?]>,
    ) {
      let headed = false;
      for (const [labels, value, atMs] of samples) {
        if (value === undefined) continue;
        if (!headed) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
        headed = true;
        lines.push(`${name}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${Math.round(atMs)}`}`);
      }
    },
    text: () => `${lines.join('\n')}\n`,
  };
}

function labelText(labels: Labels): string {
  const parts: string[] = [];
  for (const name of Object.keys(labels).sort())
    parts.push(`${name}="${labels[name]!.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return parts.length > 0 ? `{${parts.join(',')}}` : '';
}

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

/** cadvisor's page, as far as its numbers are known here. Its labels: container, pod and namespace, empty for groups that are no pod's. */
export function cadvisorMetrics(
  { node, pods }: Summary,
  machine: MachineInfo,
  context: { readonly version: string; pod(uid: string): Pod | undefined; cgroup(pod: Pod): string },
): string {
  const page = createPage();
  interface Row {
    readonly labels: Labels;
    readonly stats: Pick<ContainerStats, 'cpu' | 'memory' | 'rootfs' | 'startTime'>;
  }
  const rows: Row[] = [
    {
      labels: { container: '', id: '/', image: '', name: '', namespace: '', pod: '' },
      stats: { ...defined(node), startTime: node.startTime },
    },
  ];
  const networks: (readonly [Labels, NonNullable<PodStats['network']>])[] = [];
  const processes: (readonly [Labels, number])[] = [];
  if (node.network) networks.push([rows[0]!.labels, node.network]);
  for (const stats of pods) {
    const { name: pod, namespace, uid } = stats.podRef;
    const object = context.pod(uid);
    const id = object ? context.cgroup(object) : `/kubepods/pod${uid}`;
    const ofPod = { container: '', id, image: '', name: '', namespace, pod };
    rows.push({ labels: ofPod, stats: { ...defined(stats), startTime: stats.startTime } });
    if (stats.network) networks.push([{ ...ofPod, container: 'POD' }, stats.network]);
    if (stats.process_stats) processes.push([ofPod, stats.process_stats.process_count]);
    for (const container of stats.containers ?? []) {
      const status = [
        ...(object?.status?.containerStatuses ?? []),
        ...(object?.status?.initContainerStatuses ?? []),
      ].find((s) => s.name === container.name);
      const name = status?.containerID?.replace(/^.*:\/\//, '') ?? '';
      const labels = {
        container: container.name,
        id: name === '' ? id : `${id}/${name}`,
        image: status?.image ?? '',
        name,
        namespace,
        pod,
      };
      rows.push({ labels, stats: container });
    }
  }
  const each = (
    value: (stats: Row['stats']) => number | undefined,
    part: (stats: Row['stats']) => { readonly time: string } | undefined,
    more: Labels = {},
  ) => rows.map(({ labels, stats }) => [{ ...labels, ...more }, value(stats), timeMs(part(stats))] as const);
  const memory = (s: Row['stats']) => s.memory;
  page.metric(
    'cadvisor_version_info',
    'gauge',
    "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.",
    [
      [
        {
          cadvisorRevision: '',
          cadvisorVersion: context.version,
          dockerVersion: '',
          kernelVersion: machine.kernelVersion,
          osVersion: machine.osImage,
        },
        1,
      ],
    ],
  );
  page.metric(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    each(
      (s) => seconds(s.cpu?.usageCoreNanoSeconds),
      (s) => s.cpu,
      { cpu: 'total' },
    ),
  );
  page.metric(
    'container_fs_inodes_total',
    'gauge',
    'Number of Inodes',
    each(
      (s) => s.rootfs?.inodes,
      (s) => s.rootfs,
      { device: '' },
    ),
  );
  page.metric(
    'container_fs_limit_bytes',
    'gauge',
    'Number of bytes that can be consumed by the container on this filesystem.',
    each(
      (s) => s.rootfs?.capacityBytes,
      (s) => s.rootfs,
      { device: '' },
    ),
  );
  page.metric(
    'container_fs_usage_bytes',
    'gauge',
    'Number of bytes that are consumed by the container on this filesystem.',
    each(
      (s) => s.rootfs?.usedBytes,
      (s) => s.rootfs,
      { device: '' },
    ),
  );
  page.metric(
    'container_memory_rss',
    'gauge',
    'Size of RSS in bytes.',
    each((s) => s.memory?.rssBytes, memory),
  );
  page.metric(
    'container_memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed',
    each((s) => s.memory?.usageBytes, memory),
  );
  page.metric(
    'container_memory_working_set_bytes',
    'gauge',
    'Current working set in bytes.',
    each((s) => s.memory?.workingSetBytes, memory),
  );
  const faults = (kind: 'pageFaults' | 'majorPageFaults', failure_type: string) =>
    each((s) => s.memory?.[kind], memory, { failure_type, scope: 'hierarchy' });
  page.metric('container_memory_failures_total', 'counter', 'Cumulative count of memory allocation failures.', [
    ...faults('pageFaults', 'pgfault'),
    ...faults('majorPageFaults', 'pgmajfault'),
  ]);
  for (const [name, field, help] of [
    ['container_network_receive_bytes_total', 'rxBytes', 'Cumulative count of bytes received'],
    ['container_network_receive_errors_total', 'rxErrors', 'Cumulative count of errors encountered while receiving'],
    ['container_network_transmit_bytes_total', 'txBytes', 'Cumulative count of bytes transmitted'],
    [
      'container_network_transmit_errors_total',
      'txErrors',
      'Cumulative count of errors encountered while transmitting',
    ],
  ] as const)
    page.metric(
      name,
      'counter',
      help,
      networks.flatMap(([labels, network]) =>
        (network.interfaces ?? []).map((i) => [{ ...labels, interface: i.name }, i[field], timeMs(network)] as const),
      ),
    );
  page.metric('container_processes', 'gauge', 'Number of processes running inside the container.', processes);
  page.metric(
    'container_start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds.',
    rows.map(
      ({ labels, stats }) =>
        [labels, stats.startTime === null ? undefined : Date.parse(stats.startTime) / 1000] as const,
    ),
  );
  page.metric('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [
    [{ boot_id: machine.bootId, machine_id: machine.machineId, system_uuid: machine.systemUuid }, machine.cpus],
  ]);
  page.metric('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [
    [{ boot_id: machine.bootId, machine_id: machine.machineId, system_uuid: machine.systemUuid }, machine.memoryBytes],
  ]);
  page.metric('machine_swap_bytes', 'gauge', 'Amount of swap memory available on the machine.', [
    [{ boot_id: machine.bootId, machine_id: machine.machineId, system_uuid: machine.systemUuid }, machine.swapBytes],
  ]);
  return page.text();
}

const defined = ({ cpu, memory }: Pick<ContainerStats, 'cpu' | 'memory'>): Pick<ContainerStats, 'cpu' | 'memory'> => ({
  ...(cpu ? { cpu } : {}),
  ...(memory ? { memory } : {}),
});
