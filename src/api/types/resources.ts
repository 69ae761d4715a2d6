// Generated from schema/ by `npm run update`. Do not edit.
import type { ResourceRef } from '../object.ts';
import type { MutatingAdmissionPolicy as admissionregistration_v1_MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding as admissionregistration_v1_MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration as admissionregistration_v1_MutatingWebhookConfiguration, ValidatingAdmissionPolicy as admissionregistration_v1_ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding as admissionregistration_v1_ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration as admissionregistration_v1_ValidatingWebhookConfiguration } from './admissionregistration-v1.ts';
import type { CustomResourceDefinition as apiextensions_v1_CustomResourceDefinition } from './apiextensions-v1.ts';
import type { APIService as apiregistration_v1_APIService } from './apiregistration-v1.ts';
import type { ControllerRevision as apps_v1_ControllerRevision, DaemonSet as apps_v1_DaemonSet, Deployment as apps_v1_Deployment, ReplicaSet as apps_v1_ReplicaSet, StatefulSet as apps_v1_StatefulSet } from './apps-v1.ts';
import type { SelfSubjectReview as authentication_v1_SelfSubjectReview, TokenReview as authentication_v1_TokenReview } from './authentication-v1.ts';
import type { LocalSubjectAccessReview as authorization_v1_LocalSubjectAccessReview, SelfSubjectAccessReview as authorization_v1_SelfSubjectAccessReview, SelfSubjectRulesReview as authorization_v1_SelfSubjectRulesReview, SubjectAccessReview as authorization_v1_SubjectAccessReview } from './authorization-v1.ts';
import type { HorizontalPodAutoscaler as autoscaling_v1_HorizontalPodAutoscaler } from './autoscaling-v1.ts';
import type { HorizontalPodAutoscaler as autoscaling_v2_HorizontalPodAutoscaler } from './autoscaling-v2.ts';
import type { CronJob as batch_v1_CronJob, Job as batch_v1_Job } from './batch-v1.ts';
import type { CertificateSigningRequest as certificates_v1_CertificateSigningRequest } from './certificates-v1.ts';
import type { Lease as coordination_v1_Lease } from './coordination-v1.ts';
import type { Binding as core_v1_Binding, ComponentStatus as core_v1_ComponentStatus, ConfigMap as core_v1_ConfigMap, Endpoints as core_v1_Endpoints, Event as core_v1_Event, LimitRange as core_v1_LimitRange, Namespace as core_v1_Namespace, Node as core_v1_Node, PersistentVolume as core_v1_PersistentVolume, PersistentVolumeClaim as core_v1_PersistentVolumeClaim, Pod as core_v1_Pod, PodTemplate as core_v1_PodTemplate, ReplicationController as core_v1_ReplicationController, ResourceQuota as core_v1_ResourceQuota, Secret as core_v1_Secret, Service as core_v1_Service, ServiceAccount as core_v1_ServiceAccount } from './core-v1.ts';
import type { EndpointSlice as discovery_v1_EndpointSlice } from './discovery-v1.ts';
import type { Event as events_v1_Event } from './events-v1.ts';
import type { FlowSchema as flowcontrol_v1_FlowSchema, PriorityLevelConfiguration as flowcontrol_v1_PriorityLevelConfiguration } from './flowcontrol-v1.ts';
import type { IPAddress as networking_v1_IPAddress, Ingress as networking_v1_Ingress, IngressClass as networking_v1_IngressClass, NetworkPolicy as networking_v1_NetworkPolicy, ServiceCIDR as networking_v1_ServiceCIDR } from './networking-v1.ts';
import type { RuntimeClass as node_v1_RuntimeClass } from './node-v1.ts';
import type { PodDisruptionBudget as policy_v1_PodDisruptionBudget } from './policy-v1.ts';
import type { ClusterRole as rbac_v1_ClusterRole, ClusterRoleBinding as rbac_v1_ClusterRoleBinding, Role as rbac_v1_Role, RoleBinding as rbac_v1_RoleBinding } from './rbac-v1.ts';
import type { DeviceClass as resource_v1_DeviceClass, ResourceClaim as resource_v1_ResourceClaim, ResourceClaimTemplate as resource_v1_ResourceClaimTemplate, ResourceSlice as resource_v1_ResourceSlice } from './resource-v1.ts';
import type { PriorityClass as scheduling_v1_PriorityClass } from './scheduling-v1.ts';
import type { CSIDriver as storage_v1_CSIDriver, CSINode as storage_v1_CSINode, CSIStorageCapacity as storage_v1_CSIStorageCapacity, StorageClass as storage_v1_StorageClass, VolumeAttachment as storage_v1_VolumeAttachment, VolumeAttributesClass as storage_v1_VolumeAttributesClass } from './storage-v1.ts';

/** Every built-in resource that is served by default, by its plural in camel case. */
export const resources = {
  bindings: { group: '', version: 'v1', resource: 'bindings', kind: 'Binding', namespaced: true } as ResourceRef<core_v1_Binding>,
  componentStatuses: { group: '', version: 'v1', resource: 'componentstatuses', kind: 'ComponentStatus', namespaced: false } as ResourceRef<core_v1_ComponentStatus>,
  configMaps: { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap', namespaced: true } as ResourceRef<core_v1_ConfigMap>,
  endpoints: { group: '', version: 'v1', resource: 'endpoints', kind: 'Endpoints', namespaced: true } as ResourceRef<core_v1_Endpoints>,
  events: { group: '', version: 'v1', resource: 'events', kind: 'Event', namespaced: true } as ResourceRef<core_v1_Event>,
  limitRanges: { group: '', version: 'v1', resource: 'limitranges', kind: 'LimitRange', namespaced: true } as ResourceRef<core_v1_LimitRange>,
  namespaces: { group: '', version: 'v1', resource: 'namespaces', kind: 'Namespace', namespaced: false } as ResourceRef<core_v1_Namespace>,
  nodes: { group: '', version: 'v1', resource: 'nodes', kind: 'Node', namespaced: false } as ResourceRef<core_v1_Node>,
  persistentVolumeClaims: { group: '', version: 'v1', resource: 'persistentvolumeclaims', kind: 'PersistentVolumeClaim', namespaced: true } as ResourceRef<core_v1_PersistentVolumeClaim>,
  persistentVolumes: { group: '', version: 'v1', resource: 'persistentvolumes', kind: 'PersistentVolume', namespaced: false } as ResourceRef<core_v1_PersistentVolume>,
  pods: { group: '', version: 'v1', resource: 'pods', kind: 'Pod', namespaced: true } as ResourceRef<core_v1_Pod>,
  podTemplates: { group: '', version: 'v1', resource: 'podtemplates', kind: 'PodTemplate', namespaced: true } as ResourceRef<core_v1_PodTemplate>,
  replicationControllers: { group: '', version: 'v1', resource: 'replicationcontrollers', kind: 'ReplicationController', namespaced: true } as ResourceRef<core_v1_ReplicationController>,
  resourceQuotas: { group: '', version: 'v1', resource: 'resourcequotas', kind: 'ResourceQuota', namespaced: true } as ResourceRef<core_v1_ResourceQuota>,
  secrets: { group: '', version: 'v1', resource: 'secrets', kind: 'Secret', namespaced: true } as ResourceRef<core_v1_Secret>,
  serviceAccounts: { group: '', version: 'v1', resource: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true } as ResourceRef<core_v1_ServiceAccount>,
  services: { group: '', version: 'v1', resource: 'services', kind: 'Service', namespaced: true } as ResourceRef<core_v1_Service>,
  mutatingAdmissionPolicies: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'mutatingadmissionpolicies', kind: 'MutatingAdmissionPolicy', namespaced: false } as ResourceRef<admissionregistration_v1_MutatingAdmissionPolicy>,
  mutatingAdmissionPolicyBindings: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'mutatingadmissionpolicybindings', kind: 'MutatingAdmissionPolicyBinding', namespaced: false } as ResourceRef<admissionregistration_v1_MutatingAdmissionPolicyBinding>,
  mutatingWebhookConfigurations: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'mutatingwebhookconfigurations', kind: 'MutatingWebhookConfiguration', namespaced: false } as ResourceRef<admissionregistration_v1_MutatingWebhookConfiguration>,
  validatingAdmissionPolicies: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingadmissionpolicies', kind: 'ValidatingAdmissionPolicy', namespaced: false } as ResourceRef<admissionregistration_v1_ValidatingAdmissionPolicy>,
  validatingAdmissionPolicyBindings: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingadmissionpolicybindings', kind: 'ValidatingAdmissionPolicyBinding', namespaced: false } as ResourceRef<admissionregistration_v1_ValidatingAdmissionPolicyBinding>,
  validatingWebhookConfigurations: { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingwebhookconfigurations', kind: 'ValidatingWebhookConfiguration', namespaced: false } as ResourceRef<admissionregistration_v1_ValidatingWebhookConfiguration>,
  customResourceDefinitions: { group: 'apiextensions.k8s.io', version: 'v1', resource: 'customresourcedefinitions', kind: 'CustomResourceDefinition', namespaced: false } as ResourceRef<apiextensions_v1_CustomResourceDefinition>,
  apiServices: { group: 'apiregistration.k8s.io', version: 'v1', resource: 'apiservices', kind: 'APIService', namespaced: false } as ResourceRef<apiregistration_v1_APIService>,
  controllerRevisions: { group: 'apps', version: 'v1', resource: 'controllerrevisions', kind: 'ControllerRevision', namespaced: true } as ResourceRef<apps_v1_ControllerRevision>,
  daemonSets: { group: 'apps', version: 'v1', resource: 'daemonsets', kind: 'DaemonSet', namespaced: true } as ResourceRef<apps_v1_DaemonSet>,
  deployments: { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true } as ResourceRef<apps_v1_Deployment>,
  replicaSets: { group: 'apps', version: 'v1', resource: 'replicasets', kind: 'ReplicaSet', namespaced: true } as ResourceRef<apps_v1_ReplicaSet>,
  statefulSets: { group: 'apps', version: 'v1', resource: 'statefulsets', kind: 'StatefulSet', namespaced: true } as ResourceRef<apps_v1_StatefulSet>,
  selfSubjectReviews: { group: 'authentication.k8s.io', version: 'v1', resource: 'selfsubjectreviews', kind: 'SelfSubjectReview', namespaced: false } as ResourceRef<authentication_v1_SelfSubjectReview>,
  tokenReviews: { group: 'authentication.k8s.io', version: 'v1', resource: 'tokenreviews', kind: 'TokenReview', namespaced: false } as ResourceRef<authentication_v1_TokenReview>,
  localSubjectAccessReviews: { group: 'authorization.k8s.io', version: 'v1', resource: 'localsubjectaccessreviews', kind: 'LocalSubjectAccessReview', namespaced: true } as ResourceRef<authorization_v1_LocalSubjectAccessReview>,
  selfSubjectAccessReviews: { group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview', namespaced: false } as ResourceRef<authorization_v1_SelfSubjectAccessReview>,
  selfSubjectRulesReviews: { group: 'authorization.k8s.io', version: 'v1', resource: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview', namespaced: false } as ResourceRef<authorization_v1_SelfSubjectRulesReview>,
  subjectAccessReviews: { group: 'authorization.k8s.io', version: 'v1', resource: 'subjectaccessreviews', kind: 'SubjectAccessReview', namespaced: false } as ResourceRef<authorization_v1_SubjectAccessReview>,
  horizontalPodAutoscalers: { group: 'autoscaling', version: 'v1', resource: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler', namespaced: true } as ResourceRef<autoscaling_v1_HorizontalPodAutoscaler>,
  horizontalPodAutoscalersV2: { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler', namespaced: true } as ResourceRef<autoscaling_v2_HorizontalPodAutoscaler>,
  cronJobs: { group: 'batch', version: 'v1', resource: 'cronjobs', kind: 'CronJob', namespaced: true } as ResourceRef<batch_v1_CronJob>,
  jobs: { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job', namespaced: true } as ResourceRef<batch_v1_Job>,
  certificateSigningRequests: { group: 'certificates.k8s.io', version: 'v1', resource: 'certificatesigningrequests', kind: 'CertificateSigningRequest', namespaced: false } as ResourceRef<certificates_v1_CertificateSigningRequest>,
  leases: { group: 'coordination.k8s.io', version: 'v1', resource: 'leases', kind: 'Lease', namespaced: true } as ResourceRef<coordination_v1_Lease>,
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices', kind: 'EndpointSlice', namespaced: true } as ResourceRef<discovery_v1_EndpointSlice>,
  eventsV1: { group: 'events.k8s.io', version: 'v1', resource: 'events', kind: 'Event', namespaced: true } as ResourceRef<events_v1_Event>,
  flowSchemas: { group: 'flowcontrol.apiserver.k8s.io', version: 'v1', resource: 'flowschemas', kind: 'FlowSchema', namespaced: false } as ResourceRef<flowcontrol_v1_FlowSchema>,
  priorityLevelConfigurations: { group: 'flowcontrol.apiserver.k8s.io', version: 'v1', resource: 'prioritylevelconfigurations', kind: 'PriorityLevelConfiguration', namespaced: false } as ResourceRef<flowcontrol_v1_PriorityLevelConfiguration>,
  ingressClasses: { group: 'networking.k8s.io', version: 'v1', resource: 'ingressclasses', kind: 'IngressClass', namespaced: false } as ResourceRef<networking_v1_IngressClass>,
  ingresses: { group: 'networking.k8s.io', version: 'v1', resource: 'ingresses', kind: 'Ingress', namespaced: true } as ResourceRef<networking_v1_Ingress>,
  ipAddresses: { group: 'networking.k8s.io', version: 'v1', resource: 'ipaddresses', kind: 'IPAddress', namespaced: false } as ResourceRef<networking_v1_IPAddress>,
  networkPolicies: { group: 'networking.k8s.io', version: 'v1', resource: 'networkpolicies', kind: 'NetworkPolicy', namespaced: true } as ResourceRef<networking_v1_NetworkPolicy>,
  serviceCidrs: { group: 'networking.k8s.io', version: 'v1', resource: 'servicecidrs', kind: 'ServiceCIDR', namespaced: false } as ResourceRef<networking_v1_ServiceCIDR>,
  runtimeClasses: { group: 'node.k8s.io', version: 'v1', resource: 'runtimeclasses', kind: 'RuntimeClass', namespaced: false } as ResourceRef<node_v1_RuntimeClass>,
  podDisruptionBudgets: { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets', kind: 'PodDisruptionBudget', namespaced: true } as ResourceRef<policy_v1_PodDisruptionBudget>,
  clusterRoleBindings: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterrolebindings', kind: 'ClusterRoleBinding', namespaced: false } as ResourceRef<rbac_v1_ClusterRoleBinding>,
  clusterRoles: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'clusterroles', kind: 'ClusterRole', namespaced: false } as ResourceRef<rbac_v1_ClusterRole>,
  roleBindings: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'rolebindings', kind: 'RoleBinding', namespaced: true } as ResourceRef<rbac_v1_RoleBinding>,
  roles: { group: 'rbac.authorization.k8s.io', version: 'v1', resource: 'roles', kind: 'Role', namespaced: true } as ResourceRef<rbac_v1_Role>,
  deviceClasses: { group: 'resource.k8s.io', version: 'v1', resource: 'deviceclasses', kind: 'DeviceClass', namespaced: false } as ResourceRef<resource_v1_DeviceClass>,
  resourceClaims: { group: 'resource.k8s.io', version: 'v1', resource: 'resourceclaims', kind: 'ResourceClaim', namespaced: true } as ResourceRef<resource_v1_ResourceClaim>,
  resourceClaimTemplates: { group: 'resource.k8s.io', version: 'v1', resource: 'resourceclaimtemplates', kind: 'ResourceClaimTemplate', namespaced: true } as ResourceRef<resource_v1_ResourceClaimTemplate>,
  resourceSlices: { group: 'resource.k8s.io', version: 'v1', resource: 'resourceslices', kind: 'ResourceSlice', namespaced: false } as ResourceRef<resource_v1_ResourceSlice>,
  priorityClasses: { group: 'scheduling.k8s.io', version: 'v1', resource: 'priorityclasses', kind: 'PriorityClass', namespaced: false } as ResourceRef<scheduling_v1_PriorityClass>,
  csiDrivers: { group: 'storage.k8s.io', version: 'v1', resource: 'csidrivers', kind: 'CSIDriver', namespaced: false } as ResourceRef<storage_v1_CSIDriver>,
  csiNodes: { group: 'storage.k8s.io', version: 'v1', resource: 'csinodes', kind: 'CSINode', namespaced: false } as ResourceRef<storage_v1_CSINode>,
  csiStorageCapacities: { group: 'storage.k8s.io', version: 'v1', resource: 'csistoragecapacities', kind: 'CSIStorageCapacity', namespaced: true } as ResourceRef<storage_v1_CSIStorageCapacity>,
  storageClasses: { group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses', kind: 'StorageClass', namespaced: false } as ResourceRef<storage_v1_StorageClass>,
  volumeAttachments: { group: 'storage.k8s.io', version: 'v1', resource: 'volumeattachments', kind: 'VolumeAttachment', namespaced: false } as ResourceRef<storage_v1_VolumeAttachment>,
  volumeAttributesClasses: { group: 'storage.k8s.io', version: 'v1', resource: 'volumeattributesclasses', kind: 'VolumeAttributesClass', namespaced: false } as ResourceRef<storage_v1_VolumeAttributesClass>,
};
