/** Projected volumes: several sources in one directory, no file twice. */
import { checkQualifiedName } from '../names.ts';
import type { ProjectedVolumeSource, VolumeProjection } from '../types/core-v1.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateLabelSelector } from './metadata.ts';
import { validateUnreservedPath } from './paths.ts';
import { checkTrustBundleName, isKubernetesSigner, validateSignerName } from './signer-names.ts';
import { validateDownwardFile, validateItem } from './volume-sources.ts';

export function validateProjected(errors: ErrorList, projected: ProjectedVolumeSource, field: string): void {
  const paths = new Set<string>();
  /** @returns nothing; a path that is taken is reported under the whole volume. */
  const take = (path: string, shown: string): void => {
    if (paths.has(path)) errors.invalid(field, shown, 'conflicting duplicate paths');
    paths.add(path);
  };
  for (const [i, source] of (projected.sources ?? []).entries()) {
    const path = at(`${field}.sources`, i);
    let given = 0;
    for (const name of ['secret', 'configMap'] as const) {
      const from = source[name];
      if (!from) continue;
      given++;
      if (!from.name) errors.required(`${path}.${name}.name`);
      for (const [j, item] of (from.items ?? []).entries()) {
        validateItem(errors, item, at(`${path}.${name}.items`, j));
        if (item.path) take(item.path, from.name ?? '');
      }
    }
    if (source.downwardAPI) {
      given++;
      for (const file of source.downwardAPI.items ?? []) {
        validateDownwardFile(errors, file, `${path}.downwardAPI`);
        if (file.path) take(file.path, file.path);
      }
    }
    const token = source.serviceAccountToken;
    if (token) {
      given++;
      const seconds = Number(token.expirationSeconds ?? 0);
      const at_ = `${path}.serviceAccountToken.expirationSeconds`;
      if (seconds < 600) errors.invalid(at_, seconds, 'may not specify a duration less than 10 minutes');
      if (seconds > 2 ** 32) errors.invalid(at_, seconds, 'may not specify a duration larger than 2^32 seconds');
      if (!token.path) errors.required(`${field}.path`);
      else validateUnreservedPath(errors, token.path, `${field}.path`);
    }
    if (source.clusterTrustBundle) {
      given++;
      validateTrustBundle(errors, source.clusterTrustBundle, `${path}.clusterTrustBundle`);
      take(source.clusterTrustBundle.path ?? '', source.clusterTrustBundle.path ?? '');
    }
    if (source.podCertificate) {
      given++;
      validatePodCertificate(errors, source.podCertificate, `${path}.podCertificate`, take);
    }
    if (given > 1) errors.forbidden(path, 'may not specify more than 1 volume type per source');
  }
}

function validateTrustBundle(
  errors: ErrorList,
  bundle: NonNullable<VolumeProjection['clusterTrustBundle']>,
  field: string,
): void {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined)
    errors.invalid(
      field,
      {
        Name: name,
        SignerName: signerName,
        LabelSelector: labelSelector ?? null,
        Optional: bundle.optional ?? null,
        Path: bundle.path ?? '',
      },
      'only one of name and signerName may be used',
    );
  else if (name !== undefined) {
    if (name === '') errors.required(`${field}.name`, 'must be a valid object name');
    const colon = name.lastIndexOf(':');
    for (const message of checkTrustBundleName(name, colon < 0 ? '' : name.slice(0, colon).replaceAll(':', '/')))
      errors.invalid(`${field}.name`, name, `not a valid clustertrustbundlename: ${message}`);
    if (labelSelector)
      errors.invalid(`${field}.labelSelector`, labelSelector, 'labelSelector must be unset if name is specified');
  } else if (signerName !== undefined) {
    if (signerName === '') errors.required(`${field}.signerName`, 'must be a valid signer name');
    validateSignerName(errors, signerName, `${field}.signerName`);
    validateLabelSelector(errors, labelSelector, `${field}.labelSelector`);
  } else errors.required(field, 'either name or signerName must be specified');
  if (!bundle.path) errors.required(`${field}.path`);
  validateUnreservedPath(errors, bundle.path ?? '', `${field}.path`);
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519'];
const daySeconds = 86_400;

function validatePodCertificate(
  errors: ErrorList,
  certificate: NonNullable<VolumeProjection['podCertificate']>,
  field: string,
  take: (path: string, shown: string) => void,
): void {
  validateSignerName(errors, certificate.signerName, `${field}.signerName`);
  for (const key of Object.keys(certificate.userAnnotations ?? {}))
    errors.invalidEach(`${field}.userAnnotations`, key.toLowerCase(), checkDomainKey(key.toLowerCase()));
  if (!keyTypes.includes(certificate.keyType))
    errors.notSupported(`${field}.keyType`, certificate.keyType ?? '', keyTypes);
  const seconds = certificate.maxExpirationSeconds;
  if (seconds !== undefined) {
    const max = (isKubernetesSigner(certificate.signerName) ? 1 : 91) * daySeconds;
    const path = `${field}.maxExpirationSeconds`;
    if (seconds < 3600) errors.invalid(path, seconds, 'if provided, maxExpirationSeconds must be >= 3600');
    if (seconds > max) errors.invalid(path, seconds, `if provided, maxExpirationSeconds must be <= ${max}`);
  }
  let paths = 0;
  for (const name of ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const) {
    const path = certificate[name];
    if (!path) continue;
    paths++;
    validateUnreservedPath(errors, path, `${field}.${name}`);
    take(path, path);
  }
  if (paths === 0)
    errors.required(field, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
}

/** A label key that must have a domain. */
function checkDomainKey(key: string): readonly string[] {
  const messages = checkQualifiedName(key);
  if (messages.length > 0 || key.includes('/')) return messages;
  return ['must be a domain-prefixed key (such as "acme.io/foo")'];
}
