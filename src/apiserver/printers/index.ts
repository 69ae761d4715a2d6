/** Printers of the built-in kinds, by `group/version/resource` or, where versions print alike, `group/resource`. */
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import type { Printer, Row } from './cells.ts';
import * as cluster from './cluster.ts';
import * as core from './core.ts';
import { podRow } from './pods.ts';
import * as workloads from './workloads.ts';

/** How a resource is shown as a table: `kubectl get`. */
export interface BuiltinPrinter {
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly format: string;
    readonly description: string;
    readonly priority: number;
  }[];
  row(object: JsonObject, options: { readonly nowMs: number }): Row;
  /** Of rows, where it is not that of the list. */
  readonly compare?: (a: JsonObject, b: JsonObject) => number;
}

type RowOf = (object: never, nowMs: number) => Row;
const cells =
  <T>(printer: Printer<T>): RowOf =>
  (object: never, nowMs) => ({ cells: printer(object as T, nowMs) });

const rows: Readonly<Record<string, RowOf>> = {
  '/pods': podRow,
  '/configmaps': cells(core.configMap),
  '/endpoints': cells(core.endpoints),
  '/events': cells(core.event),
  'events.k8s.io/v1/events': cells(core.eventsEvent),
  '/namespaces': cells(core.namespace),
  '/nodes': cells(core.node),
  '/persistentvolumeclaims': cells(core.persistentVolumeClaim),
  '/persistentvolumes': cells(core.persistentVolume),
  '/podtemplates': cells(core.podTemplate),
  '/replicationcontrollers': cells(core.replicationController),
  '/resourcequotas': cells(core.resourceQuota),
  '/secrets': cells(core.secret),
  '/serviceaccounts': cells(core.serviceAccount),
  '/services': cells(core.service),
  'apps/controllerrevisions': cells(workloads.controllerRevision),
  'apps/daemonsets': cells(workloads.daemonSet),
  'apps/deployments': cells(workloads.deployment),
  'apps/replicasets': cells(workloads.replicaSet),
  'apps/statefulsets': cells(workloads.statefulSet),
  'autoscaling/v1/horizontalpodautoscalers': cells(workloads.hpaV1),
  'autoscaling/v2/horizontalpodautoscalers': cells(workloads.hpa),
  'batch/cronjobs': cells(workloads.cronJob),
  'batch/jobs': cells(workloads.job),
  'policy/poddisruptionbudgets': cells(workloads.podDisruptionBudget),
  'admissionregistration.k8s.io/mutatingadmissionpolicies': cells(cluster.mutatingPolicy),
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': cells(cluster.policyBinding),
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': cells(cluster.webhooks),
  'admissionregistration.k8s.io/validatingadmissionpolicies': cells(cluster.validatingPolicy),
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': cells(cluster.policyBinding),
  'admissionregistration.k8s.io/validatingwebhookconfigurations': cells(cluster.webhooks),
  'apiregistration.k8s.io/apiservices': cells(cluster.apiService),
  'certificates.k8s.io/certificatesigningrequests': cells(cluster.certificateSigningRequest),
  'coordination.k8s.io/leases': cells(cluster.lease),
  'discovery.k8s.io/endpointslices': cells(cluster.endpointSlice),
  'flowcontrol.apiserver.k8s.io/flowschemas': cells(cluster.flowSchema),
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': cells(cluster.priorityLevel),
  'networking.k8s.io/ingressclasses': cells(cluster.ingressClass),
  'networking.k8s.io/ingresses': cells(cluster.ingress),
  'networking.k8s.io/ipaddresses': cells(cluster.ipAddress),
  'networking.k8s.io/networkpolicies': cells(cluster.networkPolicy),
  'networking.k8s.io/servicecidrs': cells(cluster.serviceCidr),
  'node.k8s.io/runtimeclasses': cells(cluster.runtimeClass),
  'rbac.authorization.k8s.io/clusterrolebindings': cells(cluster.binding),
  'rbac.authorization.k8s.io/rolebindings': cells(cluster.binding),
  'resource.k8s.io/deviceclasses': cells(cluster.nameAndAge),
  'resource.k8s.io/resourceclaims': cells(cluster.resourceClaim),
  'resource.k8s.io/resourceclaimtemplates': cells(cluster.nameAndAge),
  'resource.k8s.io/resourceslices': cells(cluster.resourceSlice),
  'scheduling.k8s.io/priorityclasses': cells(cluster.priorityClass),
  'storage.k8s.io/csidrivers': cells(cluster.csiDriver),
  'storage.k8s.io/csinodes': cells(cluster.csiNode),
  'storage.k8s.io/storageclasses': cells(cluster.storageClass),
  'storage.k8s.io/volumeattachments': cells(cluster.volumeAttachment),
  'storage.k8s.io/volumeattributesclasses': cells(cluster.volumeAttributesClass),
};

const orders: Readonly<Record<string, (a: never, b: never) => number>> = {
  'flowcontrol.apiserver.k8s.io/flowschemas': cluster.byPrecedence,
};

/** The printer of a built-in resource; undefined for those that upstream prints as name and creation time. */
export function builtinPrinter(resource: ResourceSchema): BuiltinPrinter | undefined {
  const { group, version } = resource;
  const row = rows[`${group}/${version}/${resource.resource}`] ?? rows[`${group}/${resource.resource}`];
  if (!row) return undefined;
  const compare = orders[`${group}/${resource.resource}`];
  return {
    columns: resource.columns.map(({ name, type, format, priority }) => ({
      name,
      type,
      format,
      description: `${name} of the ${resource.kind}.`,
      priority,
    })),
    row: (object: JsonObject, { nowMs }) => row(object as never, nowMs),
    ...(compare ? { compare: (a: JsonObject, b: JsonObject) => compare(a as never, b as never) } : {}),
  };
}
