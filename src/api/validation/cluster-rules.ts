/** Validation of the kinds of the groups that run the cluster: access, network, storage, scheduling classes, the API itself. */
import * as access from './access.ts';
import * as policies from './admission-policies.ts';
import * as apiServices from './api-services.ts';
import * as certificates from './certificates.ts';
import * as classes from './classes.ts';
import { withConditions } from './conditions.ts';
import * as definitions from './custom-resource-definitions.ts';
import * as slices from './endpoint-slices.ts';
import type { ErrorList } from './error-list.ts';
import * as flow from './flow-control.ts';
import * as ingresses from './ingresses.ts';
import { type KindRules, rules, withStatus } from './kind-rules.ts';
import { validateNetworkPolicy } from './network-policies.ts';
import { validateResourceClaimStatus } from './resource-claim-status.ts';
import * as claims from './resource-claims.ts';
import * as resourceSlices from './resource-slices.ts';
import * as storage from './storage-kinds.ts';
import { validateWebhooks } from './webhooks.ts';

const roles = (scope: access.Scope): KindRules =>
  rules((errors: ErrorList, role: never) => access.validateRole(errors, role, scope));

const bindings = (scope: access.Scope): KindRules =>
  rules(
    (errors: ErrorList, binding: never) => access.validateBinding(errors, binding, scope),
    access.validateBindingUpdate,
  );

const webhooks: KindRules = {
  create: (errors, configuration: never) => validateWebhooks(errors, configuration),
  update: validateWebhooks,
};

export const clusterRules: Readonly<Record<string, KindRules>> = {
  'admissionregistration.k8s.io/validatingwebhookconfigurations': webhooks,
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': webhooks,
  'admissionregistration.k8s.io/validatingadmissionpolicies': withStatus(
    rules(policies.validateValidatingPolicy),
    withConditions(),
  ),
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': rules(policies.validateValidatingBinding),
  'admissionregistration.k8s.io/mutatingadmissionpolicies': rules(policies.validateMutatingPolicy),
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': rules(policies.validateMutatingBinding),
  'apiextensions.k8s.io/customresourcedefinitions': {
    create: definitions.validateDefinition,
    update: definitions.validateDefinitionUpdate,
    subresources: { status: definitions.validateDefinitionStatus },
  },
  'certificates.k8s.io/certificatesigningrequests': {
    create: (errors, csr: never) => certificates.validateSigningRequest(errors, csr),
    update: (errors, next: never, previous: never) => certificates.validateSigningRequestUpdate(errors, next, previous),
    subresources: {
      status: (errors, next: never, previous: never) =>
        certificates.validateSigningRequestUpdate(errors, next, previous, { issue: true }),
      approval: (errors, next: never, previous: never) =>
        certificates.validateSigningRequestUpdate(errors, next, previous, { decide: true }),
    },
  },
  'resource.k8s.io/deviceclasses': rules(claims.validateDeviceClass),
  'resource.k8s.io/resourceclaims': {
    create: claims.validateResourceClaim,
    update: claims.validateResourceClaimUpdate,
    subresources: { status: validateResourceClaimStatus },
  },
  'resource.k8s.io/resourceclaimtemplates': rules(
    claims.validateResourceClaimTemplate,
    claims.validateResourceClaimTemplateUpdate,
  ),
  'resource.k8s.io/resourceslices': {
    create: resourceSlices.validateResourceSlice,
    update: resourceSlices.validateResourceSliceUpdate,
  },
  'coordination.k8s.io/leases': rules(classes.validateLease),
  'coordination.k8s.io/leasecandidates': rules(classes.validateLeaseCandidate, classes.validateLeaseCandidateUpdate),
  'discovery.k8s.io/endpointslices': {
    create: (errors, slice: never) => slices.validateEndpointSlice(errors, slice),
    update: slices.validateEndpointSliceUpdate,
  },
  'networking.k8s.io/ingresses': {
    create: ingresses.validateIngress,
    update: ingresses.validateIngressUpdate,
    subresources: { status: ingresses.validateIngressStatus },
  },
  'networking.k8s.io/ingressclasses': rules(ingresses.validateIngressClass, ingresses.validateIngressClassUpdate, {
    changeFirst: true,
  }),
  'networking.k8s.io/ipaddresses': rules(ingresses.validateIpAddress, ingresses.validateIpAddressUpdate),
  'networking.k8s.io/servicecidrs': {
    create: ingresses.validateServiceCidr,
    update: ingresses.validateServiceCidrUpdate,
  },
  'networking.k8s.io/networkpolicies': {
    create: (errors, policy: never) => validateNetworkPolicy(errors, policy),
    update: validateNetworkPolicy,
  },
  'node.k8s.io/runtimeclasses': rules(classes.validateRuntimeClass, classes.validateRuntimeClassUpdate),
  'rbac.authorization.k8s.io/roles': roles({ namespaced: true }),
  'rbac.authorization.k8s.io/clusterroles': roles({ namespaced: false }),
  'rbac.authorization.k8s.io/rolebindings': bindings({ namespaced: true }),
  'rbac.authorization.k8s.io/clusterrolebindings': bindings({ namespaced: false }),
  'scheduling.k8s.io/priorityclasses': {
    create: classes.validatePriorityClass,
    update: classes.validatePriorityClassUpdate,
  },
  'storage.k8s.io/storageclasses': rules(storage.validateStorageClass, storage.validateStorageClassUpdate),
  'storage.k8s.io/volumeattachments': rules(storage.validateVolumeAttachment, storage.validateVolumeAttachmentUpdate),
  'storage.k8s.io/csinodes': rules(storage.validateCsiNode, storage.validateCsiNodeUpdate),
  'storage.k8s.io/csidrivers': rules(storage.validateCsiDriver, storage.validateCsiDriverUpdate),
  'storage.k8s.io/csistoragecapacities': rules(storage.validateStorageCapacity, storage.validateStorageCapacityUpdate),
  'storage.k8s.io/volumeattributesclasses': rules(
    storage.validateAttributesClass,
    storage.validateAttributesClassUpdate,
    { changeFirst: true },
  ),
  'flowcontrol.apiserver.k8s.io/flowschemas': withStatus(rules(flow.validateFlowSchema), flow.validateConditions),
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': withStatus(
    rules(flow.validatePriorityLevel),
    flow.validateConditions,
  ),
  'apiregistration.k8s.io/apiservices': withStatus(
    rules(apiServices.validateApiService),
    apiServices.validateApiServiceStatus,
  ),
};
