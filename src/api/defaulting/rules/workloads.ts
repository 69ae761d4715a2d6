/** Defaults of apps, batch, autoscaling and policy. */
import { sortedKeys } from '../../codec/own.ts';
import { annotationsOfV1, annotationsOfV2, hasAnnotatedMetrics } from '../../conversion/horizontal-pod-autoscaler.ts';
import { givenEmpty } from '../../explicit-empty.ts';
import type { JsonObject } from '../../json.ts';
import type {
  DaemonSet,
  DaemonSetSpec,
  DaemonSetUpdateStrategy,
  DeploymentSpec,
  DeploymentStrategy,
  ReplicaSetSpec,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
} from '../../types/apps-v1.ts';
import type {
  HorizontalPodAutoscaler as HpaV1,
  HorizontalPodAutoscalerSpec as HpaV1Spec,
} from '../../types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerSpec,
  HPAScalingRules,
} from '../../types/autoscaling-v2.ts';
import type { CronJobSpec, Job, JobSpec, PodFailurePolicyOnPodConditionsPattern } from '../../types/batch-v1.ts';
import type { DefaultingRules } from '../defaulting.ts';

/** Stands for a field that apps/v1 dropped; whoever writes a DaemonSet owns it, and the strategy counts it up. */
const templateGeneration = 'deprecated.daemonset.template.generation';

const historyLimit = { revisionHistoryLimit: 10 };

export const workloadRules: DefaultingRules = {
  'apps.v1.DeploymentSpec': (spec: DeploymentSpec) => ({
    ...(spec.replicas === undefined ? { replicas: 1 } : {}),
    ...(spec.revisionHistoryLimit === undefined ? historyLimit : {}),
    ...(spec.progressDeadlineSeconds === undefined ? { progressDeadlineSeconds: 600 } : {}),
  }),
  'apps.v1.DeploymentStrategy': (strategy: DeploymentStrategy) => {
    const type = strategy.type || 'RollingUpdate';
    if (type !== 'RollingUpdate') return undefined;
    return {
      type,
      rollingUpdate: {
        maxUnavailable: strategy.rollingUpdate?.maxUnavailable ?? '25%',
        maxSurge: strategy.rollingUpdate?.maxSurge ?? '25%',
      },
    };
  },
  'apps.v1.ReplicaSetSpec': (spec: ReplicaSetSpec) => (spec.replicas === undefined ? { replicas: 1 } : undefined),
  'apps.v1.StatefulSetSpec': (spec: StatefulSetSpec) => ({
    ...(spec.podManagementPolicy ? {} : { podManagementPolicy: 'OrderedReady' }),
    ...(spec.replicas === undefined ? { replicas: 1 } : {}),
    ...(spec.revisionHistoryLimit === undefined ? historyLimit : {}),
    persistentVolumeClaimRetentionPolicy: {
      whenDeleted: spec.persistentVolumeClaimRetentionPolicy?.whenDeleted || 'Retain',
      whenScaled: spec.persistentVolumeClaimRetentionPolicy?.whenScaled || 'Retain',
    },
    ...(spec.volumeClaimTemplates
      ? {
          volumeClaimTemplates: spec.volumeClaimTemplates.map((claim) => ({
            ...claim,
            kind: 'PersistentVolumeClaim',
            apiVersion: 'v1',
          })),
        }
      : {}),
  }),
  'apps.v1.StatefulSetUpdateStrategy': (strategy: StatefulSetUpdateStrategy) => {
    const type = strategy.type || 'RollingUpdate';
    // Who names the type and no parameters gets none.
    if (type !== 'RollingUpdate' || (strategy.type && !strategy.rollingUpdate)) return undefined;
    return { type, rollingUpdate: { ...strategy.rollingUpdate, partition: strategy.rollingUpdate?.partition ?? 0 } };
  },
  'apps.v1.DaemonSet': ({ metadata }: DaemonSet) => {
    if (metadata.annotations?.[templateGeneration] !== undefined) return undefined;
    const annotations: Record<string, string> = { ...metadata.annotations, [templateGeneration]: '0' };
    return {
      metadata: {
        ...metadata,
        annotations: Object.fromEntries(sortedKeys(annotations).map((key) => [key, annotations[key]])),
      },
    };
  },
  'apps.v1.DaemonSetSpec': (spec: DaemonSetSpec) =>
    spec.revisionHistoryLimit === undefined ? historyLimit : undefined,
  'apps.v1.DaemonSetUpdateStrategy': (strategy: DaemonSetUpdateStrategy) => {
    const type = strategy.type || 'RollingUpdate';
    if (type !== 'RollingUpdate') return undefined;
    return {
      type,
      rollingUpdate: {
        maxUnavailable: strategy.rollingUpdate?.maxUnavailable ?? 1,
        maxSurge: strategy.rollingUpdate?.maxSurge ?? 0,
      },
    };
  },
  // Of a Job, not of every JobSpec: a CronJob's template is left as it is.
  'batch.v1.Job': ({ metadata, spec }: Job) => {
    if (spec === undefined) return undefined;
    const labels = spec.template?.metadata?.labels;
    const takesLabels = labels !== undefined && Object.keys(labels).length > 0 && !metadata?.labels;
    return {
      spec: { ...spec, ...jobDefaults(spec) },
      ...(takesLabels ? { metadata: { ...metadata, labels } } : {}),
    };
  },
  'batch.v1.PodFailurePolicyOnPodConditionsPattern': (pattern: PodFailurePolicyOnPodConditionsPattern) =>
    pattern.status ? undefined : { status: 'True' },
  'batch.v1.CronJobSpec': (spec: CronJobSpec) => ({
    ...(spec.concurrencyPolicy ? {} : { concurrencyPolicy: 'Allow' }),
    ...(spec.suspend === undefined ? { suspend: false } : {}),
    ...(spec.successfulJobsHistoryLimit === undefined ? { successfulJobsHistoryLimit: 3 } : {}),
    ...(spec.failedJobsHistoryLimit === undefined ? { failedJobsHistoryLimit: 1 } : {}),
  }),
  // No CPU target where other metrics stand in the annotation: that is a v2 object seen through v1.
  'autoscaling.v1.HorizontalPodAutoscaler': (scaler: HpaV1) => {
    const object = scaler as unknown as JsonObject;
    const untold = scaler.spec.targetCPUUtilizationPercentage === undefined && !hasAnnotatedMetrics(object);
    return {
      ...annotated(object, annotationsOfV1(object)),
      ...(untold ? { spec: { ...scaler.spec, targetCPUUtilizationPercentage: 80 } } : {}),
    };
  },
  'autoscaling.v2.HorizontalPodAutoscaler': (object: JsonObject) => annotated(object, annotationsOfV2(object)),
  'autoscaling.v1.HorizontalPodAutoscalerSpec': (spec: HpaV1Spec) =>
    spec.minReplicas === undefined ? { minReplicas: 1 } : {},
  'autoscaling.v2.HorizontalPodAutoscalerSpec': (spec: HorizontalPodAutoscalerSpec) => ({
    ...(spec.minReplicas === undefined ? { minReplicas: 1 } : {}),
    ...(spec.metrics?.length
      ? {}
      : {
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
          ],
        }),
  }),
  'autoscaling.v2.HorizontalPodAutoscalerBehavior': (behavior: HorizontalPodAutoscalerBehavior) => ({
    scaleUp: withScaling(scaleUp, behavior.scaleUp),
    scaleDown: withScaling(scaleDown, behavior.scaleDown),
  }),
};

/** Metadata with other annotations, when they are others. */
function annotated({ metadata }: JsonObject, annotations: JsonObject | undefined): object {
  const given = metadata as JsonObject | undefined;
  return given === undefined || given.annotations === annotations ? {} : { metadata: { ...given, annotations } };
}

const scaleUp: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const scaleDown: HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

/** Each field that was not given comes from the default; given policies replace the default ones. */
function withScaling(defaults: HPAScalingRules, given: HPAScalingRules | undefined): HPAScalingRules {
  return {
    ...defaults,
    ...Object.fromEntries(
      Object.entries(given ?? {}).filter(
        ([name, value]) => value !== undefined && !(name === 'policies' && value === null),
      ),
    ),
    // No policies at all are not the default ones: validation refuses them.
    ...(givenEmpty(given, 'policies') === undefined ? {} : { policies: [] }),
  };
}

function jobDefaults(spec: JobSpec): object {
  const single = spec.completions === undefined && spec.parallelism === undefined;
  return {
    ...(single ? { completions: 1 } : {}),
    ...(spec.parallelism === undefined ? { parallelism: 1 } : {}),
    ...(spec.backoffLimit === undefined
      ? { backoffLimit: spec.backoffLimitPerIndex === undefined ? 6 : 2_147_483_647 }
      : {}),
    ...(spec.completionMode === undefined ? { completionMode: 'NonIndexed' } : {}),
    ...(spec.suspend === undefined ? { suspend: false } : {}),
    ...(spec.manualSelector === undefined ? { manualSelector: false } : {}),
    ...(spec.podReplacementPolicy === undefined
      ? { podReplacementPolicy: spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed' }
      : {}),
  };
}
