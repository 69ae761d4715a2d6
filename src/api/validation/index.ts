/** Validation of the built-in kinds: `group/resource` of the stored kind -> its rules. Metadata is the generic registry's. Pure. */
import type { FieldError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Pod } from '../types/core-v1.ts';
import * as cluster from './cluster.ts';
import * as core from './core.ts';
import { ErrorList } from './error-list.ts';
import {
  validateEphemeralContainersUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
  validateResize,
} from './pod-update.ts';
import { validatePodSpec } from './pods.ts';
import * as workloads from './workloads.ts';

export interface KindRules {
  /** Rules of the object alone; run on create and on update. */
  readonly object?: (errors: ErrorList, object: never) => void;
  /** More for a create. */
  readonly create?: (errors: ErrorList, object: never) => void;
  /** What a change may not do. */
  readonly update?: (errors: ErrorList, next: never, previous: never) => void;
  /** Changes through a subresource that writes the same object. */
  readonly subresources?: Readonly<Record<string, (errors: ErrorList, next: never, previous: never) => void>>;
}

const podSpec = (errors: ErrorList, pod: Pod): void => {
  if (pod.spec) validatePodSpec(errors, pod.spec, 'spec');
  else errors.required('spec.containers');
};

export const kindRules: Readonly<Record<string, KindRules>> = {
  '/pods': {
    object: podSpec,
    create: (errors, pod: Pod) =>
      pod.spec?.ephemeralContainers?.length && errors.forbidden('spec.ephemeralContainers', 'cannot be set on create'),
    update: validatePodUpdate,
    subresources: {
      status: validatePodStatusUpdate,
      ephemeralcontainers: (errors, next: Pod, previous: Pod) => {
        podSpec(errors, next);
        validateEphemeralContainersUpdate(errors, next, previous);
      },
      resize: (errors, next: Pod, previous: Pod) => {
        podSpec(errors, next);
        validateResize(errors, next, previous);
      },
    },
  },
  '/podtemplates': {
    object: (errors, template: { readonly template?: never }) =>
      workloads.validateTemplate(errors, template.template, 'template'),
  },
  '/replicationcontrollers': { object: workloads.validateReplicationController },
  '/services': { object: core.validateService, update: core.validateServiceUpdate },
  '/configmaps': { object: core.validateConfigMap, update: core.validateConfigMapUpdate },
  '/secrets': { object: core.validateSecret, update: core.validateSecretUpdate },
  '/nodes': { object: core.validateNode, update: core.validateNodeUpdate },
  '/persistentvolumes': { object: core.validatePersistentVolume },
  '/persistentvolumeclaims': { object: core.validatePersistentVolumeClaim },
  '/events': { object: core.validateEvent },
  'apps/deployments': { object: workloads.validateDeployment, update: workloads.validateSelectorUnchanged },
  'apps/replicasets': { object: workloads.validateReplicaSet, update: workloads.validateSelectorUnchanged },
  'apps/daemonsets': { object: workloads.validateDaemonSet, update: workloads.validateSelectorUnchanged },
  'apps/statefulsets': { object: workloads.validateStatefulSet, update: workloads.validateStatefulSetUpdate },
  'batch/jobs': { object: workloads.validateJob, update: workloads.validateJobUpdate },
  'batch/cronjobs': { object: workloads.validateCronJob },
  'policy/poddisruptionbudgets': { object: workloads.validatePodDisruptionBudget },
  'autoscaling/horizontalpodautoscalers': { object: workloads.validateHorizontalPodAutoscaler },
  'coordination.k8s.io/leases': { object: cluster.validateLease },
  'discovery.k8s.io/endpointslices': {
    object: cluster.validateEndpointSlice,
    update: cluster.validateEndpointSliceUpdate,
  },
  'networking.k8s.io/ingresses': { object: cluster.validateIngress },
  'networking.k8s.io/networkpolicies': { object: cluster.validateNetworkPolicy },
  'node.k8s.io/runtimeclasses': { object: cluster.validateRuntimeClass },
  'rbac.authorization.k8s.io/roles': { object: (errors, role: never) => cluster.validateRole(errors, role, true) },
  'rbac.authorization.k8s.io/clusterroles': {
    object: (errors, role: never) => cluster.validateRole(errors, role, false),
  },
  'rbac.authorization.k8s.io/rolebindings': {
    object: (errors, binding: never) => cluster.validateBinding(errors, binding, true),
    update: cluster.validateBindingUpdate,
  },
  'rbac.authorization.k8s.io/clusterrolebindings': {
    object: (errors, binding: never) => cluster.validateBinding(errors, binding, false),
    update: cluster.validateBindingUpdate,
  },
  'scheduling.k8s.io/priorityclasses': {
    object: cluster.validatePriorityClass,
    update: cluster.validatePriorityClassUpdate,
  },
  'storage.k8s.io/storageclasses': { object: cluster.validateStorageClass, update: cluster.validateStorageClassUpdate },
};

export function validateNew(id: string, object: JsonObject): readonly FieldError[] {
  const rules = kindRules[id];
  if (!rules) return [];
  const errors = new ErrorList();
  rules.object?.(errors, object as never);
  rules.create?.(errors, object as never);
  return errors.errors;
}

/** Of an update through the object's own endpoint. Rules of the object run where a change could break them: on all but a pod, whose spec is fixed. */
export function validateChange(id: string, next: JsonObject, previous: JsonObject): readonly FieldError[] {
  const rules = kindRules[id];
  if (!rules) return [];
  const errors = new ErrorList();
  rules.update?.(errors, next as never, previous as never);
  if (id !== '/pods') rules.object?.(errors, next as never);
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
