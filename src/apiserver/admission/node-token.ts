/** Tokens a node may ask for: bound to a pod of its own, for an audience that pod names. */
import { ApiError } from '../../api/errors.ts';
import type { TokenRequest } from '../../api/types/authentication-v1.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/types/core-v1.ts';
import type { CSIDriver } from '../../api/types/storage-v1.ts';
import type { Authorizer } from '../authorization/authorizer.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes } from './admission.ts';
import { refusal } from './attributes.ts';

export interface NodeTokenOptions {
  readonly reader: ObjectReader;
  readonly authorizer?: Authorizer;
  readonly podOf: (namespace: string, name: string, signal: AbortSignal) => Promise<Pod>;
}

export async function checkNodeToken(
  node: string,
  attributes: AdmissionAttributes,
  options: NodeTokenOptions,
  signal: AbortSignal,
): Promise<void> {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== 'token') return;
  const { spec } = attributes.object as unknown as TokenRequest;
  const reference = spec?.boundObjectRef;
  if (reference?.apiVersion !== 'v1' || reference.kind !== 'Pod' || !reference.name)
    throw refusal(attributes, 'node requested token not bound to a pod');
  if (!reference.uid) throw refusal(attributes, 'node requested token with a pod binding without a uid');
  const pod = await options.podOf(attributes.namespace, reference.name, signal);
  if (reference.uid !== pod.metadata.uid)
    throw refusal(
      attributes,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (pod.spec?.nodeName !== node)
    throw refusal(attributes, 'node requested token bound to a pod scheduled on a different node');
  const audiences = spec?.audiences ?? [];
  if (audiences.length > 1) throw refusal(attributes, 'node may only request 0 or 1 audiences');
  await checkAudience(attributes, pod, audiences[0] ?? '', options, signal);
}

async function checkAudience(
  attributes: AdmissionAttributes,
  pod: Pod,
  audience: string,
  { reader, authorizer }: NodeTokenOptions,
  signal: AbortSignal,
): Promise<void> {
  const failures: string[] = [];
  for (const volume of pod.spec?.volumes ?? []) {
    if (
      volume.projected?.sources?.some(
        (s) => s.serviceAccountToken && (s.serviceAccountToken.audience ?? '') === audience,
      )
    )
      return;
    try {
      const driver = driverOf(reader, pod, volume);
      if (driver !== undefined && driverHasAudience(reader, driver, audience)) return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failures.push(error.message);
    }
  }
  if (failures.length > 0) {
    const all = failures.length === 1 ? failures[0]! : `[${[...new Set(failures)].join(', ')}]`;
    throw refusal(attributes, `error validating audience ${JSON.stringify(audience)}: ${all}`);
  }
  if (authorizer === undefined) return;
  const decision = await authorizer.authorize(
    {
      user: attributes.user,
      verb: 'request-serviceaccounts-token-audience',
      namespace: attributes.namespace,
      apiGroup: '',
      apiVersion: 'v1',
      resource: audience,
      subresource: '',
      name: attributes.name,
      resourceRequest: true,
      path: '',
    },
    signal,
  );
  if (decision.kind === 'allow') return;
  throw refusal(
    attributes,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${attributes.user.name} is not authorized to request tokens for this audience`,
  );
}

/** Which driver mounts a volume: named, or found through its claim. */
function driverOf(reader: ObjectReader, pod: Pod, volume: Volume): string | undefined {
  if (volume.csi) return volume.csi.driver;
  const claimName = volume.ephemeral?.volumeClaimTemplate
    ? `${pod.metadata.name ?? ''}-${volume.name}`
    : volume.persistentVolumeClaim?.claimName;
  if (claimName === undefined) return migratedDriver(volume);
  const namespace = pod.metadata.namespace ?? '';
  const claim = reader.get('', 'persistentvolumeclaims', namespace, claimName);
  if (!claim) throw ApiError.notFound({ group: '', resource: 'persistentvolumeclaim' }, claimName);
  const volumeName = (claim as unknown as PersistentVolumeClaim).spec?.volumeName ?? '';
  const found = reader.get('', 'persistentvolumes', '', volumeName);
  if (!found) throw ApiError.notFound({ group: '', resource: 'persistentvolume' }, volumeName);
  const { spec } = found as unknown as PersistentVolume;
  return spec?.csi?.driver ?? (spec && migratedDriver(spec));
}

/** In-tree volumes that CSI drivers serve today. Source: k8s.io/csi-translation-lib. */
const migrated = {
  awsElasticBlockStore: 'ebs.csi.aws.com',
  azureDisk: 'disk.csi.azure.com',
  azureFile: 'file.csi.azure.com',
  cinder: 'cinder.csi.openstack.org',
  gcePersistentDisk: 'pd.csi.storage.gke.io',
  portworxVolume: 'pxd.portworx.com',
  vsphereVolume: 'csi.vsphere.vmware.com',
} as const;

function migratedDriver(source: { readonly [Field in keyof typeof migrated]?: unknown }): string | undefined {
  for (const field of Object.keys(migrated) as (keyof typeof migrated)[])
    if (source[field] !== undefined) return migrated[field];
  return undefined;
}

function driverHasAudience(reader: ObjectReader, name: string, audience: string): boolean {
  const driver = reader.get('storage.k8s.io', 'csidrivers', '', name) as unknown as CSIDriver | undefined;
  if (!driver) throw ApiError.notFound({ group: 'storage.k8s.io', resource: 'csidriver' }, name);
  return driver.spec?.tokenRequests?.some((request) => (request.audience ?? '') === audience) ?? false;
}
