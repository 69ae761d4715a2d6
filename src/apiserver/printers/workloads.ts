/** Rows of apps, batch, autoscaling and policy. */
import { humanDuration, parseTime } from '../../api/time.ts';
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../api/types/apps-v1.ts';
import type { HorizontalPodAutoscaler as HpaV1 } from '../../api/types/autoscaling-v1.ts';
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../../api/types/autoscaling-v2.ts';
import type { CronJob, Job } from '../../api/types/batch-v1.ts';
import type { PodDisruptionBudget } from '../../api/types/policy-v1.ts';
import {
  age,
  containerNames,
  images,
  labels,
  nameOf,
  none,
  type Printer,
  selector,
  since,
  unknown,
  unset,
} from './cells.ts';

export const deployment: Printer<Deployment> = (d, now) => {
  const containers = d.spec?.template?.spec?.containers;
  return [
    nameOf(d),
    `${d.status?.readyReplicas ?? 0}/${d.spec?.replicas ?? 0}`,
    d.status?.updatedReplicas ?? 0,
    d.status?.availableReplicas ?? 0,
    age(d, now),
    containerNames(containers),
    images(containers),
    selector(d.spec?.selector),
  ];
};

export const replicaSet: Printer<ReplicaSet> = (r, now) => {
  const containers = r.spec?.template?.spec?.containers;
  return [
    nameOf(r),
    r.spec?.replicas ?? 0,
    r.status?.replicas ?? 0,
    r.status?.readyReplicas ?? 0,
    age(r, now),
    containerNames(containers),
    images(containers),
    selector(r.spec?.selector),
  ];
};

export const statefulSet: Printer<StatefulSet> = (s, now) => {
  const containers = s.spec?.template?.spec?.containers;
  return [
    nameOf(s),
    `${s.status?.readyReplicas ?? 0}/${s.spec?.replicas ?? 0}`,
    age(s, now),
    containerNames(containers),
    images(containers),
  ];
};

export const daemonSet: Printer<DaemonSet> = (d, now) => {
  const { status } = d;
  const containers = d.spec?.template?.spec?.containers;
  return [
    nameOf(d),
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    labels(d.spec?.template?.spec?.nodeSelector),
    age(d, now),
    containerNames(containers),
    images(containers),
    selector(d.spec?.selector),
  ];
};

export const controllerRevision: Printer<ControllerRevision> = (r, now) => {
  const owner = r.metadata.ownerReferences?.find((o) => o.controller === true);
  const [group] = owner?.apiVersion?.includes('/') ? owner.apiVersion.split('/') : [''];
  return [
    nameOf(r),
    owner ? `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}` : none,
    Number(r.revision),
    age(r, now),
  ];
};

export const job: Printer<Job> = (j, now) => {
  const { spec, status } = j;
  const is = (type: string): boolean =>
    status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;
  const state = is('Complete')
    ? 'Complete'
    : is('Failed')
      ? 'Failed'
      : j.metadata.deletionTimestamp
        ? 'Terminating'
        : is('Suspended')
          ? 'Suspended'
          : is('FailureTarget')
            ? 'FailureTarget'
            : is('SuccessCriteriaMet')
              ? 'SuccessCriteriaMet'
              : 'Running';
  const succeeded = status?.succeeded ?? 0;
  const parallelism = spec?.parallelism ?? 1;
  const completions =
    spec?.completions !== undefined
      ? `${succeeded}/${spec.completions}`
      : parallelism > 1
        ? `${succeeded}/1 of ${parallelism}`
        : `${succeeded}/1`;
  const start = parseTime(status?.startTime ?? '');
  const end =
    parseTime(status?.completionTime ?? '') ??
    (is('Failed')
      ? parseTime(status?.conditions?.find((c) => c.type === 'Failed')?.lastTransitionTime ?? '')
      : undefined);
  const containers = spec?.template?.spec?.containers;
  return [
    nameOf(j),
    state,
    completions,
    start === undefined ? '' : humanDuration((end ?? now) - start),
    age(j, now),
    containerNames(containers),
    images(containers),
    selector(spec?.selector),
  ];
};

export const cronJob: Printer<CronJob> = (c, now) => {
  const containers = c.spec?.jobTemplate?.spec?.template?.spec?.containers;
  return [
    nameOf(c),
    c.spec?.schedule ?? '',
    c.spec?.timeZone ?? none,
    c.spec?.suspend === undefined ? unset : c.spec.suspend ? 'True' : 'False',
    c.status?.active?.length ?? 0,
    c.status?.lastScheduleTime ? since(c.status.lastScheduleTime, now) : none,
    age(c, now),
    containerNames(containers),
    images(containers),
    selector(c.spec?.jobTemplate?.spec?.selector),
  ];
};

export const podDisruptionBudget: Printer<PodDisruptionBudget> = (p, now) => [
  nameOf(p),
  text(p.spec?.minAvailable),
  text(p.spec?.maxUnavailable),
  p.status?.disruptionsAllowed ?? 0,
  age(p, now),
];
const text = (value: number | string | undefined): string => (value === undefined ? 'N/A' : String(value));

export const hpaV1: Printer<HpaV1> = (h, now) => {
  const target = h.spec?.targetCPUUtilizationPercentage;
  const current = h.status?.currentCPUUtilizationPercentage;
  const targets = target === undefined ? none : `cpu: ${current === undefined ? unknown : `${current}%`}/${target}%`;
  return [
    nameOf(h),
    reference(h),
    targets,
    text1(h.spec?.minReplicas),
    h.spec?.maxReplicas ?? 0,
    h.status?.currentReplicas ?? 0,
    age(h, now),
  ];
};

const metricsShown = 2;

export const hpa: Printer<HorizontalPodAutoscaler> = (h, now) => {
  const all = (h.spec?.metrics ?? []).map((metric, i) => metricText(metric, h.status?.currentMetrics?.[i]));
  const shown = all.slice(0, metricsShown).join(', ');
  const targets =
    all.length === 0 ? none : all.length > metricsShown ? `${shown} + ${all.length - metricsShown} more...` : shown;
  return [
    nameOf(h),
    reference(h),
    targets,
    text1(h.spec?.minReplicas),
    h.spec?.maxReplicas ?? 0,
    h.status?.currentReplicas ?? 0,
    age(h, now),
  ];
};

const reference = (h: HpaV1 | HorizontalPodAutoscaler): string =>
  `${h.spec?.scaleTargetRef.kind ?? ''}/${h.spec?.scaleTargetRef.name ?? ''}`;
const text1 = (replicas: number | undefined): string => (replicas === undefined ? unset : String(replicas));

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'Resource':
      return named(spec.resource?.name ?? '', spec.resource?.target, status?.resource?.current);
    case 'ContainerResource':
      return named(
        spec.containerResource?.name ?? '',
        spec.containerResource?.target,
        status?.containerResource?.current,
      );
    case 'Pods':
      return `${status?.pods?.current.averageValue ?? unknown}/${spec.pods?.target.averageValue ?? ''}`;
    case 'Object':
      return spec.object?.target.averageValue !== undefined
        ? `${status?.object?.current.averageValue ?? unknown}/${spec.object.target.averageValue} (avg)`
        : `${status?.object?.current.value ?? unknown}/${spec.object?.target.value ?? ''}`;
    case 'External':
      return spec.external?.target.averageValue !== undefined
        ? `${status?.external?.current.averageValue ?? unknown}/${spec.external.target.averageValue} (avg)`
        : `${status?.external?.current.value ?? unknown}/${spec.external?.target.value ?? ''}`;
    default:
      return '<unknown type>';
  }
}

interface Target {
  readonly averageValue?: string;
  readonly averageUtilization?: number;
}
function named(name: string, target: Target | undefined, current: Target | undefined): string {
  if (target?.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  return `${name}: ${current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`}/${target?.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`}`;
}
