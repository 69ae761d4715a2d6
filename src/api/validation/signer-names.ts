/** Names of certificate signers and of the bundles that belong to them. */
import { checkDns1123Label, checkDns1123Subdomain } from '../names.ts';
import type { ErrorList } from './error-list.ts';

/** `example.com/my-signer`: a domain and a path. */
export function validateSignerName(errors: ErrorList, name: string, field: string): void {
  if (!name) {
    errors.required(field);
    return;
  }
  const segments = name.split('/');
  if (segments.length !== 2) {
    errors.invalid(field, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  const [domain, path] = segments as [string, string];
  if (domain.length > 253) errors.tooLong(field, 253);
  const labels = domain.split('.');
  firstWrong(errors, labels, checkDns1123Label, domain, field);
  if (labels.length < 2)
    errors.invalid(field, domain, 'should be a domain with at least two segments separated by dots');
  firstWrong(errors, path.split('.'), checkDns1123Subdomain, path, field);
  if (name.length > 571) errors.tooLong(field, 571);
}

function firstWrong(
  errors: ErrorList,
  labels: readonly string[],
  check: (label: string) => readonly string[],
  shown: string,
  field: string,
): void {
  for (const label of labels) {
    const messages = check(label);
    if (messages.length === 0) continue;
    for (const message of messages)
      errors.invalid(field, shown, `validating label ${JSON.stringify(label)}: ${message}`);
    return;
  }
}

export function isKubernetesSigner(name: string): boolean {
  const host = name.split('/')[0]!;
  return host === 'kubernetes.io' || host.endsWith('.kubernetes.io');
}

/** Bundles of a signer are called after it, with `:` for `/`. */
export function checkTrustBundleName(name: string, signer: string): readonly string[] {
  if (signer === '')
    return name.includes(':')
      ? ['ClusterTrustBundle without signer name must not have ":" in its name']
      : checkDns1123Subdomain(name);
  const prefix = `${signer.replaceAll('/', ':')}:`;
  return name.startsWith(prefix)
    ? checkDns1123Subdomain(name.slice(prefix.length))
    : [`ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`];
}
