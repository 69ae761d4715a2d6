/** The strategies of the built-in kinds: a table of data for what is common, and a small file for what is not. */
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema, Schema } from '../../api/schema/model.ts';
import {
  kindRules,
  type RuleRequest,
  validateChange,
  validateNew,
  validateSubresourceChange,
} from '../../api/validation/index.ts';
import { kindWarnings } from '../../api/warnings/index.ts';
import { combine, commonStrategy } from './common.ts';
import { disabledFieldsStrategy } from './disabled-fields.ts';
import {
  apiServiceStrategy,
  certificateSigningRequestStrategy,
  csiDriverStrategy,
  customResourceDefinitionStrategy,
  daemonSetStrategy,
  jobStrategy,
  limitRangeStrategy,
  namespaceStrategy,
  persistentVolumeClaimStrategy,
  persistentVolumeStrategy,
  priorityClassStrategy,
  resourceSliceStrategy,
  serviceAccountStrategy,
} from './kinds.ts';
import { nameRules } from './name-rules.ts';
import { podStrategy } from './pods.ts';
import { serviceStrategy } from './services.ts';
import type { Strategy } from './strategy.ts';

/** Resources whose objects carry metadata.generation, by `group/resource`. */
const counted = new Set([
  '/pods',
  '/podtemplates',
  '/replicationcontrollers',
  'apps/daemonsets',
  'apps/deployments',
  'apps/replicasets',
  'apps/statefulsets',
  'batch/cronjobs',
  'batch/jobs',
  'discovery.k8s.io/endpointslices',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
  'networking.k8s.io/ingressclasses',
  'networking.k8s.io/ingresses',
  'networking.k8s.io/networkpolicies',
  'policy/poddisruptionbudgets',
  'resource.k8s.io/deviceclasses',
  'resource.k8s.io/resourceslices',
  'scheduling.k8s.io/priorityclasses',
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'apiextensions.k8s.io/customresourcedefinitions',
]);

/** Kinds whose strategies compare more strictly than all others. */
const countsEmpty = new Set([
  'networking.k8s.io/networkpolicies',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
]);

const createdOnUpdate = new Set([
  '/endpoints',
  '/events',
  '/limitranges',
  'coordination.k8s.io/leases',
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
]);

/** A PUT must carry the resourceVersion. */
const conditionalOnly = new Set([
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices',
  'coordination.k8s.io/leases',
  'node.k8s.io/runtimeclasses',
  'policy/poddisruptionbudgets',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/csistoragecapacities',
  'storage.k8s.io/volumeattachments',
]);

/** Status may come with the object itself: kinds that register themselves whole. */
const statusOnCreate = new Set(['/nodes', '/persistentvolumes', '/persistentvolumeclaims']);

/** @returns `group/resource` of every stored kind -> its strategy. */
export function builtinStrategies(schema: Schema): Readonly<Record<string, Strategy>> {
  const out: Record<string, Strategy> = {};
  for (const resource of schema.resources) {
    if (!resource.storageVersion) continue;
    const id = `${resource.group}/${resource.resource}`;
    // Several served versions share one stored kind: the one whose version is stored speaks.
    if (
      out[id] &&
      (resource.storageVersion.version !== resource.version || resource.storageVersion.group !== resource.group)
    )
      continue;
    out[id] = strategyOf(id, resource);
  }
  return out;
}

/** A change of a field that is dropped still counts as one. */
const dropsLast = new Set(['discovery.k8s.io/endpointslices', 'resource.k8s.io/resourceslices']);

function strategyOf(id: string, resource: ResourceSchema): Strategy {
  const { type } = resource;
  const common = commonStrategy({
    type,
    status: resource.subresources.status !== undefined,
    generation: counted.has(id),
    countsEmpty: countsEmpty.has(id),
    ...(id === 'apps/deployments'
      ? { generationMetadata: 'annotations' as const }
      : id === 'discovery.k8s.io/endpointslices'
        ? { generationMetadata: 'labels' as const }
        : {}),
  });
  const { prepareForCreate: _emptiesStatus, ...withoutCreate } = common;
  let strategy: Strategy = statusOnCreate.has(id) ? withoutCreate : common;
  const own = ownStrategy(id, resource);
  if (own) strategy = combine(strategy, own);
  const disabled = disabledFieldsStrategy(id);
  if (disabled) strategy = dropsLast.has(id) ? combine(strategy, disabled) : combine(disabled, strategy);
  const validateName = nameRules[id];
  if (validateName) strategy = { ...strategy, validateName };
  strategy = withWarnings(id, withRules(id, strategy));
  return {
    ...strategy,
    ...(createdOnUpdate.has(id) ? { allowCreateOnUpdate: true } : {}),
    ...(conditionalOnly.has(id) ? { allowUnconditionalUpdate: false } : {}),
  };
}

/** The kind's validation, on the object itself and on what subresources change. */
function withRules(id: string, strategy: Strategy): Strategy {
  if (!kindRules[id]) return strategy;
  const subresources = Object.fromEntries(
    Object.entries(strategy.subresources ?? {}).map(([name, sub]) => [
      name,
      {
        ...sub,
        validateUpdate: (next: JsonObject, previous: JsonObject, request?: RuleRequest) =>
          validateSubresourceChange(id, name, next, previous, request),
      },
    ]),
  );
  return {
    ...strategy,
    validate: (object, request) => validateNew(id, object, request),
    validateUpdate: (next, previous, request) => validateChange(id, next, previous, request),
    subresources,
  };
}

function withWarnings(id: string, strategy: Strategy): Strategy {
  const warnings = kindWarnings[id];
  if (!warnings) return strategy;
  const { onCreate, onUpdate, onStatus } = warnings;
  const { status, ...others } = strategy.subresources ?? {};
  return {
    ...strategy,
    ...(onCreate ? { warningsOnCreate: (object: JsonObject) => onCreate(object as never) } : {}),
    ...(onUpdate
      ? { warningsOnUpdate: (next: JsonObject, previous: JsonObject) => onUpdate(next as never, previous as never) }
      : {}),
    ...(onStatus && status
      ? { subresources: { ...others, status: { ...status, warningsOnUpdate: (next) => onStatus(next as never) } } }
      : {}),
  };
}

function ownStrategy(id: string, { type }: ResourceSchema): Strategy | undefined {
  switch (id) {
    case '/pods':
      return podStrategy(type);
    case '/services':
      return serviceStrategy(type);
    case '/namespaces':
      return namespaceStrategy(type);
    case '/persistentvolumes':
      return persistentVolumeStrategy(type);
    case '/persistentvolumeclaims':
      return persistentVolumeClaimStrategy(type);
    case '/events':
      return { defaultGarbageCollection: 'none' };
    case '/replicationcontrollers':
      return { defaultGarbageCollection: 'orphan' };
    case 'apps/daemonsets':
      return daemonSetStrategy(type);
    case 'batch/jobs':
      return jobStrategy(type);
    case 'certificates.k8s.io/certificatesigningrequests':
      return certificateSigningRequestStrategy(type);
    case 'apiregistration.k8s.io/apiservices':
      return apiServiceStrategy(type);
    case '/limitranges':
      return limitRangeStrategy();
    case '/serviceaccounts':
      return serviceAccountStrategy();
    case 'resource.k8s.io/resourceslices':
      return resourceSliceStrategy();
    case 'scheduling.k8s.io/priorityclasses':
      return priorityClassStrategy();
    case 'storage.k8s.io/csidrivers':
      return csiDriverStrategy();
    case 'apiextensions.k8s.io/customresourcedefinitions':
      return customResourceDefinitionStrategy(type);
    default:
      return undefined;
  }
}
