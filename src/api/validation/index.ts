/** Validation of the built-in kinds: `group/resource` of the stored kind -> its rules. Metadata is the generic registry's. Pure. */
import type { FieldError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Pod } from '../types/core-v1.ts';
import * as claims from './claims.ts';
import * as cluster from './cluster.ts';
import * as core from './core.ts';
import * as data from './data.ts';
import { ErrorList } from './error-list.ts';
import { type KindRules, rules } from './kind-rules.ts';
import * as nodes from './nodes.ts';
import * as volumes from './persistent-volumes.ts';
import { validatePodResize } from './pod-resize.ts';
import { validatePodStatusUpdate } from './pod-status.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from './pod-update.ts';
import { validatePod, validatePodCreate, validateTemplate } from './pods.ts';
import * as quotas from './quotas.ts';
import * as services from './services.ts';
import * as workloads from './workloads.ts';

export type { KindRules } from './kind-rules.ts';

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
  '/replicationcontrollers': rules(workloads.validateReplicationController),
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
  '/persistentvolumes': rules(volumes.validatePersistentVolume, volumes.validatePersistentVolumeUpdate),
  '/persistentvolumeclaims': {
    create: claims.validateClaim,
    update: claims.validateClaimUpdate,
    subresources: { status: claims.validateClaimStatusUpdate },
  },
  '/events': rules(core.validateEvent),
  'apps/deployments': rules(workloads.validateDeployment, workloads.validateSelectorUnchanged),
  'apps/replicasets': rules(workloads.validateReplicaSet, workloads.validateSelectorUnchanged),
  'apps/daemonsets': rules(workloads.validateDaemonSet, workloads.validateSelectorUnchanged),
  'apps/statefulsets': rules(workloads.validateStatefulSet, workloads.validateStatefulSetUpdate),
  'batch/jobs': rules(workloads.validateJob, workloads.validateJobUpdate),
  'batch/cronjobs': rules(workloads.validateCronJob),
  'policy/poddisruptionbudgets': rules(workloads.validatePodDisruptionBudget),
  'autoscaling/horizontalpodautoscalers': rules(workloads.validateHorizontalPodAutoscaler),
  'coordination.k8s.io/leases': rules(cluster.validateLease),
  'discovery.k8s.io/endpointslices': rules(cluster.validateEndpointSlice, cluster.validateEndpointSliceUpdate),
  'networking.k8s.io/ingresses': rules(cluster.validateIngress),
  'networking.k8s.io/networkpolicies': rules(cluster.validateNetworkPolicy),
  'node.k8s.io/runtimeclasses': rules(cluster.validateRuntimeClass),
  'rbac.authorization.k8s.io/roles': rules((errors, role: never) => cluster.validateRole(errors, role, true)),
  'rbac.authorization.k8s.io/clusterroles': rules((errors, role: never) => cluster.validateRole(errors, role, false)),
  'rbac.authorization.k8s.io/rolebindings': rules(
    (errors, binding: never) => cluster.validateBinding(errors, binding, true),
    cluster.validateBindingUpdate,
    { changeFirst: true },
  ),
  'rbac.authorization.k8s.io/clusterrolebindings': rules(
    (errors, binding: never) => cluster.validateBinding(errors, binding, false),
    cluster.validateBindingUpdate,
    { changeFirst: true },
  ),
  'scheduling.k8s.io/priorityclasses': rules(cluster.validatePriorityClass, cluster.validatePriorityClassUpdate),
  'storage.k8s.io/storageclasses': rules(cluster.validateStorageClass, cluster.validateStorageClassUpdate),
};

export function validateNew(id: string, object: JsonObject): readonly FieldError[] {
  const rule = kindRules[id]?.create;
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, object as never);
  return errors.errors;
}

/** Of an update through the object's own endpoint. */
export function validateChange(id: string, next: JsonObject, previous: JsonObject): readonly FieldError[] {
  const rule = kindRules[id]?.update;
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, next as never, previous as never);
  return errors.errors;
}

export function validateSubresourceChange(
  id: string,
  subresource: string,
  next: JsonObject,
  previous: JsonObject,
): readonly FieldError[] {
  const rule = kindRules[id]?.subresources?.[subresource];
  if (!rule) return [];
  const errors = new ErrorList();
  rule(errors, next as never, previous as never);
  return errors.errors;
}
