/** Persistent volumes. */

import { sameJson } from '../edit.ts';
import { shownField } from '../explicit-empty.ts';
import type { JsonValue } from '../json.ts';
import { checkDns1123Label, checkDns1123Subdomain } from '../names.ts';
import { parseQuantity } from '../quantity.ts';
import type { PersistentVolume, PersistentVolumeSpec, SecretReference } from '../types/core-v1.ts';
import { validateNodeSelector } from './affinity.ts';
import { validateAccessModes, volumeModes } from './claims.ts';
import { at, type ErrorList, immutable, positive } from './error-list.ts';
import { internalForm } from './internal-form.ts';
import { validateNoBacksteps } from './paths.ts';
import { basicResource, isPositive } from './resources.ts';
import { jsonDiff } from './unified-diff.ts';
import { sharedSources, validateCsiDriverName, validateIscsi } from './volume-sources.ts';

const reclaimPolicies = ['Delete', 'Recycle', 'Retain'];

export function validatePersistentVolume(errors: ErrorList, { metadata, spec = {} }: PersistentVolume): void {
  validateVolumeSpec(errors, spec, metadata.name ?? '', 'spec', { inline: false });
}

/** @param options.inline as part of a VolumeAttachment, where only a CSI source makes sense. */
export function validateVolumeSpec(
  errors: ErrorList,
  spec: PersistentVolumeSpec,
  name: string,
  field: string,
  { inline }: { readonly inline: boolean },
): void {
  const notInline = 'may not be specified in the context of inline volumes';
  if (inline) {
    if (spec.claimRef) errors.forbidden(`${field}.claimRef`, notInline);
    if (Object.keys(spec.capacity ?? {}).length > 0) errors.forbidden(`${field}.capacity`, notInline);
    if (!spec.csi) errors.required(`${field}.csi`, 'has to be specified in the context of inline volumes');
  }
  if (!spec.accessModes?.length) errors.required(`${field}.accessModes`);
  validateAccessModes(errors, spec.accessModes, `${field}.accessModes`);
  if (!inline) validateCapacity(errors, spec.capacity ?? {}, shownField(spec, 'capacity'), `${field}.capacity`);
  const policy = spec.persistentVolumeReclaimPolicy;
  if (policy) {
    const path = `${field}.persistentVolumeReclaimPolicy`;
    if (inline) {
      if (policy !== 'Retain') errors.forbidden(path, 'may only be Retain in the context of inline volumes');
    } else if (!reclaimPolicies.includes(policy)) errors.notSupported(path, policy, reclaimPolicies);
  }
  const affinity = spec.nodeAffinity;
  if (affinity) {
    if (inline) errors.forbidden(`${field}.nodeAffinity`, notInline);
    else if (affinity.required) validateNodeSelector(errors, affinity.required, `${field}.nodeAffinity.required`);
    else errors.required(`${field}.nodeAffinity.required`, 'must specify required node constraints');
  }
  validateSources(errors, spec, name, field);
  if (spec.hostPath && /^\/+$/.test(spec.hostPath.path) && policy === 'Recycle')
    errors.forbidden(`${field}.persistentVolumeReclaimPolicy`, "may not be 'recycle' for a hostPath mount of '/'");
  if (spec.storageClassName) {
    if (inline) errors.forbidden(`${field}.storageClassName`, notInline);
    else
      errors.invalidEach(
        `${field}.storageClassName`,
        spec.storageClassName,
        checkDns1123Subdomain(spec.storageClassName),
      );
  }
  if (spec.volumeMode !== undefined) {
    if (inline) {
      if (spec.volumeMode !== 'Filesystem')
        errors.forbidden(
          `${field}.volumeMode`,
          'may not specify volumeMode other than Filesystem in the context of inline volumes',
        );
    } else if (!volumeModes.includes(spec.volumeMode))
      errors.notSupported(`${field}.volumeMode`, spec.volumeMode, volumeModes);
  }
  const attributes = spec.volumeAttributesClassName;
  if (attributes === undefined) return;
  const path = `${field}.volumeAttributesClassName`;
  if (attributes === '') errors.required(path, 'an empty string is disallowed');
  else errors.invalidEach(path, attributes, checkDns1123Subdomain(attributes));
  if (!spec.csi) errors.required(`${field}.csi`, 'has to be specified when using volumeAttributesClassName');
}

function validateCapacity(
  errors: ErrorList,
  capacity: Readonly<Record<string, string>>,
  shown: JsonValue,
  field: string,
): void {
  const names = Object.keys(capacity);
  if (names.length === 0) errors.required(field);
  if (names.length !== 1 || names[0] !== 'storage') errors.notSupported(field, shown, ['storage']);
  for (const name of names) {
    basicResource(errors, capacity[name]!, at(field, name));
    if (!isPositive(parseQuantity(capacity[name]!))) errors.invalid(at(field, name), capacity[name], positive);
  }
}

const sourceOrder = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const;
type SourceName = (typeof sourceOrder)[number];

function validateSources(errors: ErrorList, spec: PersistentVolumeSpec, name: string, field: string): void {
  let first = true;
  for (const source of sourceOrder) {
    if (spec[source] === undefined) continue;
    // A flex volume is checked wherever it stands.
    if (first || source === 'flexVolume') validateSource(errors, spec, source, name, field);
    else
      errors.forbidden(
        `${field}.${source === 'cephfs' ? 'cephFS' : source}`,
        'may not specify more than 1 volume type',
      );
    first = false;
  }
  if (first) errors.required(field, 'must specify a volume type');
}

function validateSource(
  errors: ErrorList,
  spec: PersistentVolumeSpec,
  source: SourceName,
  name: string,
  field: string,
): void {
  const path = `${field}.${source}`;
  switch (source) {
    case 'iscsi': {
      const iscsi = spec.iscsi!;
      if (iscsi.initiatorName !== undefined && `${name}:${iscsi.targetPortal}`.length > 64)
        errors.invalid(
          `${path}.targetportal`,
          iscsi.targetPortal,
          'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.',
        );
      validateIscsi(errors, iscsi, path, 'must be valid format');
      if (iscsi.secretRef && !iscsi.secretRef.name) errors.required(`${path}.secretRef.name`);
      break;
    }
    case 'local':
      if (!spec.local!.path) errors.required(`${path}.path`);
      else validateNoBacksteps(errors, spec.local!.path, `${path}.path`);
      if (!spec.nodeAffinity) errors.required(`${field}.nodeAffinity`, 'Local volume requires node affinity');
      break;
    case 'csi': {
      const csi = spec.csi!;
      validateCsiDriverName(errors, csi.driver, `${path}.driver`);
      if (!csi.volumeHandle) errors.required(`${path}.volumeHandle`);
      for (const reference of [
        'controllerPublishSecretRef',
        'controllerExpandSecretRef',
        'nodePublishSecretRef',
        'nodeExpandSecretRef',
      ] as const)
        if (csi[reference]) validateSecretReference(errors, csi[reference], `${path}.${reference}`);
      break;
    }
    case 'gcePersistentDisk':
      sharedSources.gcePersistentDisk(errors, spec.gcePersistentDisk!, `${field}.persistentDisk`);
      break;
    default:
      sharedSources[source](errors, spec[source] as never, path);
      validateNamespaces(errors, spec, source, path);
  }
}

/** A persistent volume belongs to no namespace, so that what it refers to must name one. */
function validateNamespaces(errors: ErrorList, spec: PersistentVolumeSpec, source: SourceName, path: string): void {
  if (source === 'cinder' && spec.cinder!.secretRef && !spec.cinder!.secretRef.namespace)
    errors.required(`${path}.secretRef.namespace`);
  if (source === 'storageos' && spec.storageos!.secretRef && !spec.storageos!.secretRef.namespace)
    errors.required(`${path}.secretRef.namespace`);
  if (source === 'azureFile' && spec.azureFile!.secretNamespace === '') errors.required(`${path}.secretNamespace`);
  const namespace = source === 'glusterfs' ? spec.glusterfs!.endpointsNamespace : undefined;
  if (namespace === '')
    errors.invalid(
      `${path}.endpointsNamespace`,
      '',
      'if the endpointnamespace is set, it must be a valid namespace name',
    );
  else if (namespace !== undefined)
    errors.invalidEach(`${path}.endpointsNamespace`, namespace, checkDns1123Label(namespace));
}

function validateSecretReference(errors: ErrorList, { name, namespace }: SecretReference, field: string): void {
  if (!name) errors.required(`${field}.name`);
  else errors.invalidEach(`${field}.name`, name, checkDns1123Subdomain(name));
  if (!namespace) errors.required(`${field}.namespace`);
  else errors.invalidEach(`${field}.namespace`, namespace, checkDns1123Label(namespace));
}

export function validatePersistentVolumeUpdate(
  errors: ErrorList,
  next: PersistentVolume,
  previous: PersistentVolume,
): void {
  const spec = next.spec ?? {};
  const before = previous.spec ?? {};
  const csi = spec.csi;
  const wanted =
    csi?.controllerExpandSecretRef && before.csi && !before.csi.controllerExpandSecretRef
      ? { ...spec, csi: { ...csi, controllerExpandSecretRef: undefined } }
      : spec;
  const shown = internalForm(wanted, 'core.PersistentVolumeSource');
  const shownBefore = internalForm(before, 'core.PersistentVolumeSource');
  if (!sameJson(shown, shownBefore))
    errors.forbidden(
      'spec.persistentvolumesource',
      `spec.persistentvolumesource is immutable after creation\n${jsonDiff(shownBefore, shown)}`,
    );
  if (spec.volumeMode !== before.volumeMode) errors.invalid('volumeMode', spec.volumeMode ?? null, immutable);
  if (before.nodeAffinity && !sameJson(ga(spec.nodeAffinity, before.nodeAffinity), before.nodeAffinity))
    errors.invalid(
      'nodeAffinity',
      spec.nodeAffinity ? internalForm(spec.nodeAffinity, 'core.VolumeNodeAffinity') : null,
      `${immutable}, except for updating from beta label to GA`,
    );
  if (before.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined)
    errors.forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden');
}

const renamedLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
};

type Affinity = PersistentVolumeSpec['nodeAffinity'];

/** The new affinity with labels under their old names where the old affinity has those. */
function ga(next: Affinity, previous: Affinity): Affinity {
  const terms = next?.required?.nodeSelectorTerms;
  if (!terms) return next;
  return {
    ...next,
    required: {
      nodeSelectorTerms: terms.map((term, i) => ({
        ...term,
        ...(term.matchExpressions
          ? {
              matchExpressions: term.matchExpressions.map((expression, j) => {
                const old = previous?.required?.nodeSelectorTerms?.[i]?.matchExpressions?.[j]?.key;
                return old !== undefined && renamedLabels[old] === expression.key
                  ? { ...expression, key: old }
                  : expression;
              }),
            }
          : {}),
      })),
    },
  };
}
