/** How the server reaches a webhook: of admission, or of conversion. */
import { checkDns1123Subdomain, checkPortNumber } from '../names.ts';
import type { ErrorList } from './error-list.ts';

export interface WebhookService {
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string | null;
  readonly port?: number;
}

const form = '; desired format: https://host[/path]';

export function validateWebhookUrl(errors: ErrorList, text: string, field: string): void {
  const parts = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  const [, scheme = '', authority = '', query = '', fragment = ''] = parts ?? [];
  const user = /^(.*)@/.exec(authority)?.[1];
  const host = authority.slice(user === undefined ? 0 : user.length + 1);
  if (scheme.toLowerCase() !== 'https')
    errors.invalid(field, scheme.toLowerCase(), `'https' is the only allowed URL scheme${form}`);
  if (host === '') errors.invalid(field, host, `host must be specified${form}`);
  if (user !== undefined) errors.invalid(field, user, 'user information is not permitted in the URL');
  if (fragment !== '') errors.invalid(field, fragment, 'fragments are not permitted in the URL');
  if (query !== '') errors.invalid(field, query, 'query parameters are not permitted in the URL');
}

export function validateWebhookService(errors: ErrorList, service: WebhookService, field: string): void {
  // Upstream takes the one for the other when it looks which is missing, and clients see it.
  if (!service.namespace) errors.required(`${field}.name`);
  if (!service.name) errors.required(`${field}.namespace`);
  const port = Number(service.port ?? 0);
  const wrong = checkPortNumber(port);
  if (wrong.length > 0) errors.invalid(`${field}.port`, port, `port is not valid: ${wrong.join(', ')}`);
  const { path } = service;
  if (!path || path === '/') return;
  if (path === '//') {
    errors.invalid(`${field}.path`, path, 'segment[0] may not be empty');
    return;
  }
  if (!path.startsWith('/')) errors.invalid(`${field}.path`, path, "must start with a '/'");
  for (const [i, step] of path.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (step === '') errors.invalid(`${field}.path`, path, `segment[${i}] may not be empty`);
    else
      for (const message of checkDns1123Subdomain(step))
        errors.invalid(`${field}.path`, path, `segment[${i}]: ${message}`);
  }
}
