/** The kubelet's own metrics, under upstream's names (pkg/kubelet/metrics). */

import type { Pod } from '../../api/types/core-v1.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { CriRuntime } from '../../runtime/cri.ts';
import type { ProbeContext } from '../probes/probe-manager.ts';
import { isStaticPod } from '../static/static-pods.ts';
import type { Summary, VolumeStats } from '../stats/summary-types.ts';

const runtimeBuckets = [
  0.005, 0.0125, 0.03125, 0.078125, 0.1953125, 0.48828125, 1.220703125, 3.0517578125, 7.62939453125, 19.073486328125,
  47.6837158203125, 119.20928955078125, 298.0232238769531, 745.0580596923828,
];

/** Counts and times every call to the runtime. The returned runtime has the same methods. */
export function withRuntimeMetrics(
  runtime: CriRuntime,
  metrics: MetricsRegistry,
  clock: { monotonic(): number },
): CriRuntime {
  const total = metrics.counter({
    name: 'kubelet_runtime_operations_total',
    help: 'Cumulative number of runtime operations by operation type.',
    labels: ['operation_type'],
  });
  const failed = metrics.counter({
    name: 'kubelet_runtime_operations_errors_total',
    help: 'Cumulative number of runtime operation errors by operation type.',
    labels: ['operation_type'],
  });
  const seconds = metrics.histogram({
    name: 'kubelet_runtime_operations_duration_seconds',
    help: 'Duration in seconds of runtime operations. Broken down by operation type.',
    labels: ['operation_type'],
    buckets: runtimeBuckets,
  });
  const wrapped: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(runtime) as [string, (...args: unknown[]) => unknown][]) {
    if (typeof method !== 'function' || name === 'close') {
      wrapped[name] = method;
      continue;
    }
    const labels = { operation_type: name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) };
    wrapped[name] = (...args: unknown[]): unknown => {
      const started = clock.monotonic();
      total.increment(labels);
      const result = method.apply(runtime, args);
      // Streams have no end to time.
      if (!(result instanceof Promise)) return result;
      return result.then(
        (value) => {
          seconds.observe(labels, (clock.monotonic() - started) / 1000);
          return value;
        },
        (error) => {
          failed.increment(labels);
          throw error;
        },
      );
    };
  }
  return { ...(wrapped as unknown as CriRuntime), runPodSandbox: countStarts(wrapped.runPodSandbox as never, metrics) };
}

function countStarts(run: CriRuntime['runPodSandbox'], metrics: MetricsRegistry): CriRuntime['runPodSandbox'] {
  const counter = (name: string, help: string) => metrics.counter({ name: `kubelet_${name}`, help });
  const all = {
    total: counter('started_pods_total', 'Cumulative number of pods started'),
    errors: counter('started_pods_errors_total', 'Cumulative number of errors when starting pods'),
  };
  const withUsers = {
    total: counter(
      'started_user_namespaced_pods_total',
      'Cumulative number of pods with user namespaces started. This metric will only be collected on Linux.',
    ),
    errors: counter(
      'started_user_namespaced_pods_errors_total',
      'Cumulative number of errors when starting pods with user namespaces. This metric will only be collected on Linux.',
    ),
  };
  return async (request, call) => {
    const users = request.config?.linux?.securityContext?.namespaceOptions?.usernsOptions;
    const counted = users?.mode === 'POD' ? [all, withUsers] : [all];
    for (const { total } of counted) total.increment({});
    try {
      return await run(request, call);
    } catch (error) {
      for (const { errors } of counted) errors.increment({});
      throw error;
    }
  };
}

/** Gauges that are read at each scrape. */
export function registerNodeMetrics(
  metrics: MetricsRegistry,
  node: {
    readonly name: string;
    /** 1 or 2; undefined: the node has none. */
    readonly cgroupVersion: number | undefined;
    pods(): readonly Pod[];
    /** The API's and those of files. */
    desired(): readonly Pod[];
    containers(): Readonly<Record<string, number>>;
  },
): void {
  const byOrigin = (name: string, help: string, list: () => readonly Pod[]): void => {
    metrics.gauge({
      name,
      help,
      labels: ['static'],
      collect: (gauge) => {
        const pods = list();
        const fixed = pods.filter(isStaticPod).length;
        gauge.set({ static: 'true' }, fixed);
        gauge.set({ static: '' }, pods.length - fixed);
      },
    });
  };
  byOrigin(
    'kubelet_active_pods',
    'The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.',
    node.pods,
  );
  byOrigin(
    'kubelet_desired_pods',
    'The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.',
    node.desired,
  );
  metrics.gauge({
    name: 'kubelet_mirror_pods',
    help: 'The number of mirror pods the kubelet will try to create (one per admitted static pod)',
    collect: (gauge) => gauge.set({}, node.desired().filter(isStaticPod).length),
  });
  if (node.cgroupVersion !== undefined)
    metrics.gauge({ name: 'kubelet_cgroup_version', help: 'cgroup version on the hosts.' }).set({}, node.cgroupVersion);
  metrics.gauge({
    name: 'kubelet_node_name',
    help: "The node's name. The count is always 1.",
    labels: ['node'],
    collect: (gauge) => gauge.set({ node: node.name }, 1),
  });
  metrics.gauge({
    name: 'kubelet_running_pods',
    help: 'Number of pods that have a running pod sandbox',
    collect: (gauge) => gauge.set({}, node.pods().length),
  });
  metrics.gauge({
    name: 'kubelet_running_containers',
    help: 'Number of containers currently running',
    labels: ['container_state'],
    collect: (gauge) => {
      for (const [state, count] of Object.entries(node.containers())) gauge.set({ container_state: state }, count);
    },
  });
}

const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** `/metrics/probes`: how often each container's probes succeeded and failed, and how long they took. Source: pkg/kubelet/prober. */
export function probeSeries(metrics: MetricsRegistry): Required<Pick<ProbeContext, 'onResult' | 'onEnd'>> {
  const total = metrics.counter({
    name: 'prober_probe_total',
    help: 'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    labels: ['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'],
  });
  const seconds = metrics.histogram({
    name: 'prober_probe_duration_seconds',
    help: 'Duration in seconds for a probe response.',
    labels: ['probe_type', 'container', 'pod', 'namespace'],
    buckets: durationBuckets,
  });
  const labelsOf = (kind: string, { metadata }: Pod, container: string) => ({
    probe_type: `${kind[0]!.toUpperCase()}${kind.slice(1)}`,
    container,
    pod: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
  });
  return {
    onResult({ kind, result, pod, container, tookMs }) {
      const of = labelsOf(kind, pod, container);
      total.increment({ ...of, result, pod_uid: pod.metadata.uid ?? '' });
      seconds.observe(of, tookMs / 1000);
    },
    onEnd({ kind, pod, container }) {
      const of = labelsOf(kind, pod, container);
      for (const result of ['successful', 'failed', 'unknown'])
        total.remove({ ...of, result, pod_uid: pod.metadata.uid ?? '' });
      seconds.remove(of);
    },
  };
}

/** Of volumes that claims stand behind, as the last summary has them. Source: pkg/kubelet/metrics/collectors/volume_stats.go. */
export function volumeSeries(metrics: MetricsRegistry): (summary: Summary) => void {
  const gauge = (name: string, help: string) =>
    metrics.gauge<'namespace' | 'persistentvolumeclaim'>({
      name: `kubelet_volume_stats_${name}`,
      help,
      labels: ['namespace', 'persistentvolumeclaim'],
    });
  const series = [
    [gauge('capacity_bytes', 'Capacity in bytes of the volume'), (v: VolumeStats) => v.capacityBytes],
    [gauge('available_bytes', 'Number of available bytes in the volume'), (v: VolumeStats) => v.availableBytes],
    [gauge('used_bytes', 'Number of used bytes in the volume'), (v: VolumeStats) => v.usedBytes],
    [gauge('inodes', 'Maximum number of inodes in the volume'), (v: VolumeStats) => v.inodes],
    [gauge('inodes_free', 'Number of free inodes in the volume'), (v: VolumeStats) => v.inodesFree],
    [gauge('inodes_used', 'Number of used inodes in the volume'), (v: VolumeStats) => v.inodesUsed],
  ] as const;
  return ({ pods }) => {
    for (const [each] of series) each.reset();
    for (const { volume = [] } of pods)
      for (const stats of volume) {
        if (!stats.pvcRef) continue;
        const of = { namespace: stats.pvcRef.namespace, persistentvolumeclaim: stats.pvcRef.name };
        for (const [each, value] of series) {
          const known = value(stats);
          if (known !== undefined) each.set(of, known);
        }
      }
  };
}
