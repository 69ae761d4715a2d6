/** Defaults of networking, storage, access control, admission, extension and scheduling kinds. */
import type {
  MatchResources,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
} from '../../types/admissionregistration-v1.ts';
import type {
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
} from '../../types/apiextensions-v1.ts';
import type { EndpointPort } from '../../types/discovery-v1.ts';
import type {
  ExemptPriorityLevelConfiguration,
  FlowSchemaSpec,
  LimitedPriorityLevelConfiguration,
  QueuingConfiguration,
} from '../../types/flowcontrol-v1.ts';
import type {
  IngressClassParametersReference,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../types/networking-v1.ts';
import type { RoleRef, Subject } from '../../types/rbac-v1.ts';
import type { DeviceSubRequest, ExactDeviceRequest } from '../../types/resource-v1.ts';
import type { CSIDriverSpec, StorageClass } from '../../types/storage-v1.ts';
import type { DefaultingRules } from '../defaulting.ts';

const rbacGroup = 'rbac.authorization.k8s.io';

export const clusterRules: DefaultingRules = {
  'discovery.v1.EndpointPort': (port: EndpointPort) => ({
    ...(port.name === undefined ? { name: '' } : {}),
    ...(port.protocol === undefined ? { protocol: 'TCP' } : {}),
  }),
  'networking.v1.NetworkPolicyPort': (port: NetworkPolicyPort) =>
    port.protocol === undefined ? { protocol: 'TCP' } : undefined,
  'networking.v1.NetworkPolicySpec': (spec: NetworkPolicySpec) =>
    spec.policyTypes?.length ? undefined : { policyTypes: spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'] },
  'networking.v1.IngressClassParametersReference': (reference: IngressClassParametersReference) =>
    // A pointer without omitempty: unset is null in the canonical tree.
    (reference.scope ?? null) === null ? { scope: 'Cluster' } : undefined,
  'storage.v1.StorageClass': (storageClass: StorageClass) => ({
    ...(storageClass.reclaimPolicy === undefined ? { reclaimPolicy: 'Delete' } : {}),
    ...(storageClass.volumeBindingMode === undefined ? { volumeBindingMode: 'Immediate' } : {}),
  }),
  'storage.v1.CSIDriverSpec': (spec: CSIDriverSpec) => ({
    ...(spec.attachRequired === undefined ? { attachRequired: true } : {}),
    ...(spec.podInfoOnMount === undefined ? { podInfoOnMount: false } : {}),
    ...(spec.storageCapacity === undefined ? { storageCapacity: false } : {}),
    ...(spec.fsGroupPolicy === undefined ? { fsGroupPolicy: 'ReadWriteOnceWithFSType' } : {}),
    ...(spec.volumeLifecycleModes?.length ? {} : { volumeLifecycleModes: ['Persistent'] }),
    ...(spec.requiresRepublish === undefined ? { requiresRepublish: false } : {}),
    ...(spec.seLinuxMount === undefined ? { seLinuxMount: false } : {}),
  }),
  'rbac.v1.Subject': (subject: Subject) =>
    !subject.apiGroup && (subject.kind === 'User' || subject.kind === 'Group') ? { apiGroup: rbacGroup } : undefined,
  'rbac.v1.RoleRef': (reference: RoleRef) => (reference.apiGroup ? undefined : { apiGroup: rbacGroup }),
  'scheduling.v1.PriorityClass': (priorityClass: { readonly preemptionPolicy?: string }) =>
    priorityClass.preemptionPolicy === undefined ? { preemptionPolicy: 'PreemptLowerPriority' } : undefined,
  'admissionregistration.v1.ValidatingWebhook': webhookDefaults,
  'admissionregistration.v1.MutatingWebhook': (webhook: MutatingWebhook) => ({
    ...webhookDefaults(webhook),
    ...(webhook.reinvocationPolicy === undefined ? { reinvocationPolicy: 'Never' } : {}),
  }),
  'admissionregistration.v1.RuleWithOperations': ruleScope,
  'admissionregistration.v1.NamedRuleWithOperations': ruleScope,
  'admissionregistration.v1.ServiceReference': servicePort,
  'admissionregistration.v1.MatchResources': (match: MatchResources) => ({
    ...(match.matchPolicy === undefined ? { matchPolicy: 'Equivalent' } : {}),
    ...(match.namespaceSelector === undefined ? { namespaceSelector: {} } : {}),
    ...(match.objectSelector === undefined ? { objectSelector: {} } : {}),
  }),
  'admissionregistration.v1.ValidatingAdmissionPolicySpec': failurePolicy,
  'admissionregistration.v1.MutatingAdmissionPolicySpec': failurePolicy,
  'apiextensions.v1.CustomResourceDefinitionSpec': (spec: CustomResourceDefinitionSpec) => ({
    names: {
      ...spec.names,
      singular: spec.names.singular || (spec.names.kind ?? '').toLowerCase(),
      listKind: spec.names.listKind || (spec.names.kind ? `${spec.names.kind}List` : ''),
    },
    ...(spec.conversion === undefined ? { conversion: { strategy: 'None' } } : {}),
  }),
  'apiextensions.v1.CustomResourceDefinition': ({ spec, status }: CustomResourceDefinition) => {
    const stored = spec?.versions?.find(({ storage }) => storage)?.name;
    if (stored === undefined || status?.storedVersions?.length) return undefined;
    const { conditions = null, acceptedNames = { plural: '', kind: '' } } = status ?? {};
    return { status: { ...status, conditions, acceptedNames, storedVersions: [stored] } };
  },
  // A webhook of which nothing is said is none.
  'apiextensions.v1.CustomResourceConversion': ({ webhook }: CustomResourceConversion) =>
    webhook && !webhook.clientConfig && !webhook.conversionReviewVersions?.length ? { webhook: undefined } : undefined,
  'apiextensions.v1.ServiceReference': servicePort,
  'apiregistration.v1.ServiceReference': servicePort,
  'flowcontrol.v1.FlowSchemaSpec': (spec: FlowSchemaSpec) =>
    spec.matchingPrecedence ? undefined : { matchingPrecedence: 1000 },
  'flowcontrol.v1.LimitedPriorityLevelConfiguration': (limited: LimitedPriorityLevelConfiguration) => ({
    ...((limited.nominalConcurrencyShares ?? null) === null ? { nominalConcurrencyShares: 30 } : {}),
    ...(limited.lendablePercent === undefined ? { lendablePercent: 0 } : {}),
  }),
  'flowcontrol.v1.ExemptPriorityLevelConfiguration': (exempt: ExemptPriorityLevelConfiguration) => ({
    ...(exempt.nominalConcurrencyShares === undefined ? { nominalConcurrencyShares: 0 } : {}),
    ...(exempt.lendablePercent === undefined ? { lendablePercent: 0 } : {}),
  }),
  'flowcontrol.v1.QueuingConfiguration': (queuing: QueuingConfiguration) => ({
    ...(queuing.queues ? {} : { queues: 64 }),
    ...(queuing.handSize ? {} : { handSize: 8 }),
    ...(queuing.queueLengthLimit ? {} : { queueLengthLimit: 50 }),
  }),
  'resource.v1.ExactDeviceRequest': deviceRequest,
  'resource.v1.DeviceSubRequest': deviceRequest,
};

function webhookDefaults(webhook: ValidatingWebhook | MutatingWebhook): object {
  return {
    ...(webhook.failurePolicy === undefined ? { failurePolicy: 'Fail' } : {}),
    ...(webhook.matchPolicy === undefined ? { matchPolicy: 'Equivalent' } : {}),
    ...(webhook.namespaceSelector === undefined ? { namespaceSelector: {} } : {}),
    ...(webhook.objectSelector === undefined ? { objectSelector: {} } : {}),
    ...(webhook.timeoutSeconds === undefined ? { timeoutSeconds: 10 } : {}),
  };
}

function ruleScope(rule: RuleWithOperations): object | undefined {
  return rule.scope === undefined ? { scope: '*' } : undefined;
}

function servicePort(reference: { readonly port?: number }): object | undefined {
  return reference.port === undefined ? { port: 443 } : undefined;
}

function failurePolicy(spec: { readonly failurePolicy?: string }): object | undefined {
  return spec.failurePolicy === undefined ? { failurePolicy: 'Fail' } : undefined;
}

function deviceRequest(request: ExactDeviceRequest | DeviceSubRequest): object {
  const allocationMode = request.allocationMode || 'ExactCount';
  return { allocationMode, ...(allocationMode === 'ExactCount' && !request.count ? { count: 1 } : {}) };
}
