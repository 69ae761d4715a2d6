/**
 * Parts of an object that an endpoint ignores, so that whoever sends them there does not come to own them: `status` on the main resource,
 * `spec` on its status. Source: GetResetFields of upstream's strategies.
 */
import type { JsonPath } from '../edit.ts';

type Reset = Readonly<Record<string, readonly JsonPath[]>>;

const status: JsonPath = ['status'];
const spec: JsonPath = ['spec'];
const metadata: JsonPath = ['metadata'];

/** `GROUP/RESOURCE` -> subresource (`''` for the object itself) -> paths, where they are not the usual ones. */
const exceptions: Readonly<Record<string, Reset>> = {
  '/pods': {
    status: [spec, ['metadata', 'deletionTimestamp'], ['metadata', 'ownerReferences']],
  },
  'apps/deployments': { status: [spec, ['metadata', 'labels']] },
  '/namespaces': { finalize: [status] },
  'certificates.k8s.io/certificatesigningrequests': {
    '': [spec, status],
    approval: [spec, ['status', 'certificate']],
    status: [spec, ['status', 'conditions']],
  },
  'certificates.k8s.io/podcertificaterequests': { '': [] },
  'apiextensions.k8s.io/customresourcedefinitions': { status: [metadata, spec] },
  'apiregistration.k8s.io/apiservices': { status: [metadata, spec] },
  'flowcontrol.apiserver.k8s.io/flowschemas': { status: [metadata, spec] },
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': { status: [metadata, spec] },
  'admissionregistration.k8s.io/validatingadmissionpolicies': { status: [metadata, spec] },
  'internal.apiserver.k8s.io/storageversions': { status: [metadata, spec] },
  'networking.k8s.io/servicecidrs': { status: [metadata, spec] },
  'resource.k8s.io/devicetaintrules': { status: [metadata, spec] },
  'resource.k8s.io/resourceclaims': { status: [metadata, spec] },
  'resource.k8s.io/resourcepoolstatusrequests': { status: [metadata, spec] },
  'scheduling.k8s.io/podgroups': { status: [metadata, spec] },
  'storage.k8s.io/volumeattachments': { status: [metadata, spec] },
  'storagemigration.k8s.io/storageversionmigrations': { status: [metadata, spec] },
};

const none: readonly JsonPath[] = Object.freeze([]);
const ofMain: readonly JsonPath[] = Object.freeze([status]);
const ofStatus: readonly JsonPath[] = Object.freeze([spec]);

/** @param subresource empty for the object itself. Kinds without a status have nothing there to ignore. */
export function resetFields(group: string, resource: string, subresource: string): readonly JsonPath[] {
  // Of a question nothing is ignored: what is answered overwrites it anyway.
  if (resource.endsWith('reviews')) return none;
  const exception = exceptions[`${group}/${resource}`]?.[subresource];
  if (exception) return exception;
  return subresource === '' ? ofMain : subresource === 'status' ? ofStatus : none;
}

/** The only parts that an endpoint gives to its callers; `*` is any one step. */
const onlyParts: Readonly<Record<string, readonly JsonPath[]>> = {
  '/pods/ephemeralcontainers': [['spec', 'ephemeralContainers']],
  '/pods/resize': [
    ['spec', 'containers', '*', 'resources'],
    ['spec', 'containers', '*', 'resizePolicy'],
    ['spec', 'initContainers', '*', 'resources'],
    ['spec', 'initContainers', '*', 'resizePolicy'],
  ],
};

/** @returns `undefined` where everything but the reset fields can be owned. Source: GetResetFieldsFilter of upstream's strategies. */
export function ownableFields(group: string, resource: string, subresource: string): readonly JsonPath[] | undefined {
  return subresource === '' ? undefined : onlyParts[`${group}/${resource}/${subresource}`];
}
