/** Validation of the built-in kinds: `group/resource` of the stored kind -> its rules. Metadata is the generic registry's. Pure. */
import type { FieldError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Pod } from '../types/core-v1.ts';
import * as autoscaling from './autoscaling.ts';
import * as claims from './claims.ts';
import { clusterRules } from './cluster-rules.ts';
import { withConditions } from './conditions.ts';
import * as core from './core.ts';
import * as data from './data.ts';
import { ErrorList } from './error-list.ts';
import { validateJobStatusUpdate } from './job-status.ts';
import * as jobs from './jobs.ts';
import { type KindRules, type RuleRequest, rules, withStatus } from './kind-rules.ts';
import * as nodes from './nodes.ts';
import * as volumes from './persistent-volumes.ts';
import { validatePodResize } from './pod-resize.ts';
import { validatePodStatusUpdate } from './pod-status.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from './pod-update.ts';
import { validatePod, validatePodCreate, validateTemplate } from './pods.ts';
import * as quotas from './quotas.ts';
import * as services from './services.ts';
import * as status from './workload-status.ts';
import * as workloads from './workloads.ts';

export type { KindRules, RuleRequest } from './kind-rules.ts';

export const kindRules: Readonly<Record<string, KindRules>> = {
  '/pods': {
    create(errors, pod: Pod) {
      validatePod(errors, pod);
      validatePodCreate(errors, pod);
    },
    update: validatePodUpdate,
    subresources: {
      status: validatePodStatusUpdate,
      ephemeralcontainers: validateEphemeralContainersUpdate,
      resize: validatePodResize,
    },
  },
  '/podtemplates': rules((errors, template: { readonly template?: never }) =>
    validateTemplate(errors, template.template, 'template'),
  ),
  '/replicationcontrollers': withStatus(
    rules(workloads.validateReplicationController),
    status.validateReplicationControllerStatus,
  ),
  '/services': {
    create: (errors, service: never) => services.validateService(errors, service),
    update: services.validateServiceUpdate,
    subresources: { status: services.validateServiceStatusUpdate },
  },
  '/configmaps': rules(data.validateConfigMap, data.validateConfigMapUpdate, { changeFirst: true }),
  '/secrets': rules(data.validateSecret, data.validateSecretUpdate, { changeFirst: true }),
  '/namespaces': {
    create: core.validateNamespace,
    subresources: { status: core.validateNamespaceStatus, finalize: core.validateNamespaceFinalize },
  },
  '/endpoints': {
    create: (errors, endpoints: never) => core.validateEndpoints(errors, endpoints),
    update: core.validateEndpoints,
  },
  '/limitranges': rules(quotas.validateLimitRange),
  '/resourcequotas': {
    create: quotas.validateResourceQuota,
    update: quotas.validateResourceQuotaUpdate,
    subresources: { status: quotas.validateResourceQuotaStatus },
  },
  '/nodes': {
    ...rules(nodes.validateNode, nodes.validateNodeUpdate),
    subresources: { status: nodes.validateNodeUpdate },
  },
  '/persistentvolumes': {
    create: volumes.validatePersistentVolume,
    // Upstream looks at the whole object twice.
    update(errors, next: never, previous: never) {
      volumes.validatePersistentVolume(errors, next);
      volumes.validatePersistentVolume(errors, next);
      volumes.validatePersistentVolumeUpdate(errors, next, previous);
    },
  },
  '/persistentvolumeclaims': {
    create: claims.validateClaim,
    update: claims.validateClaimUpdate,
    subresources: { status: claims.validateClaimStatusUpdate },
  },
  '/events': { create: core.validateEvent, update: core.validateEventUpdate },
  'apps/deployments': withStatus(
    rules(workloads.validateDeployment, workloads.validateSelectorUnchanged),
    status.validateDeploymentStatus,
  ),
  'apps/replicasets': withStatus(
    rules(workloads.validateReplicaSet, workloads.validateSelectorUnchanged),
    status.validateReplicaSetStatus,
  ),
  'apps/daemonsets': withStatus(
    rules(workloads.validateDaemonSet, workloads.validateSelectorUnchanged, { changeFirst: true }),
    status.validateDaemonSetStatus,
  ),
  'apps/statefulsets': withStatus(
    { create: workloads.validateStatefulSet, update: workloads.validateStatefulSetUpdate },
    status.validateStatefulSetStatus,
  ),
  'apps/controllerrevisions': {
    create: workloads.validateControllerRevision,
    update: workloads.validateControllerRevisionUpdate,
  },
  'batch/jobs': {
    create: jobs.validateJob,
    update: jobs.validateJobUpdate,
    subresources: { status: validateJobStatusUpdate },
  },
  'batch/cronjobs': { create: jobs.validateCronJob, update: jobs.validateCronJobUpdate },
  'policy/poddisruptionbudgets': withStatus(
    rules(autoscaling.validatePodDisruptionBudget),
    withConditions(status.validateDisruptionBudgetStatus),
  ),
  'autoscaling/horizontalpodautoscalers': withStatus(
    rules(autoscaling.validateHorizontalPodAutoscaler),
    status.validateAutoscalerStatus,
  ),
  ...clusterRules,
};

const storedVersion: RuleRequest = { apiVersion: 'v1' };

export function validateNew(
  id: string,
  object: JsonObject,
  request: RuleRequest = storedVersion,
): readonly FieldError[] {
  const rule = kindRules[id]?.create;
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, object as never, request);
  return errors.errors;
}

/** Of an update through the object's own endpoint. */
export function validateChange(
  id: string,
  next: JsonObject,
  previous: JsonObject,
  request: RuleRequest = storedVersion,
): readonly FieldError[] {
  const rule = kindRules[id]?.update;
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, next as never, previous as never, request);
  return errors.errors;
}

export function validateSubresourceChange(
  id: string,
  subresource: string,
  next: JsonObject,
  previous: JsonObject,
  request: RuleRequest = storedVersion,
): readonly FieldError[] {
  const rule = kindRules[id]?.subresources?.[subresource];
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, next as never, previous as never, request);
  return errors.errors;
}
