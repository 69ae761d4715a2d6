/** Aggregated API services. */
import { checkDns1035Label, checkDns1123Subdomain, checkPortNumber } from '../names.ts';
import type { APIService } from '../types/apiregistration-v1.ts';
import { at, type ErrorList } from './error-list.ts';

export function validateApiService(errors: ErrorList, { metadata, spec }: APIService): void {
  const { group = '', version = '', groupPriorityMinimum: minimum = 0, versionPriority: priority = 0 } = spec ?? {};
  const name = `${version}.${group}`;
  if (metadata.name !== name)
    errors.invalid(
      'metadata.name',
      metadata.name ?? '',
      `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`,
    );
  if (group === '' && version !== 'v1')
    errors.required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  if (group !== '') errors.invalidEach('spec.group', group, checkDns1123Subdomain(group));
  errors.invalidEach('spec.version', version, checkDns1035Label(version));
  if (minimum <= 0 || minimum > 20_000)
    errors.invalid('spec.groupPriorityMinimum', minimum, 'must be positive and less than 20000');
  if (priority <= 0 || priority > 1000)
    errors.invalid('spec.versionPriority', priority, 'must be positive and less than 1000');
  const bundle = spec?.caBundle ? Buffer.byteLength(spec.caBundle, 'base64') : 0;
  const insecure = spec?.insecureSkipTLSVerify === true;
  const service = spec?.service;
  if (!service) {
    if (bundle > 0) errors.invalid('spec.caBundle', `${bundle} bytes`, 'local APIServices may not have a caBundle');
    if (insecure)
      errors.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify');
    return;
  }
  if (!service.namespace) errors.required('spec.service.namespace');
  if (!service.name) errors.required('spec.service.name');
  const port = service.port ?? 0;
  const messages = checkPortNumber(port);
  if (messages.length > 0) errors.invalid('spec.service.port', port, `port is not valid: ${messages.join(', ')}`);
  if (insecure && bundle > 0)
    errors.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
}

const statuses = ['True', 'False', 'Unknown'];

export function validateApiServiceStatus(errors: ErrorList, { status }: APIService): void {
  for (const [i, condition] of (status?.conditions ?? []).entries())
    if (!statuses.includes(condition.status))
      errors.notSupported(`${at('status.conditions', i)}.status`, condition.status, statuses);
}
