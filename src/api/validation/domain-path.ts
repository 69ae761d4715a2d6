/** Names such as `example.com/controller`: who manages something. */
import { checkDns1123Subdomain } from '../names.ts';
import type { ErrorList } from './error-list.ts';

const pathFormat = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

export function checkDomainPath(errors: ErrorList, name: string, field: string): void {
  const slash = name.indexOf('/');
  if (name === '') errors.required(field);
  else if (slash <= 0 || slash === name.length - 1)
    errors.invalid(field, name, 'must be a domain-prefixed path (such as "acme.io/foo")');
  else {
    const domain = name.slice(0, slash);
    const path = name.slice(slash + 1);
    errors.invalidEach(field, domain, checkDns1123Subdomain(domain));
    if (!new RegExp(`^${pathFormat}$`).test(path))
      errors.invalid(field, path, `Invalid path (regex used for validation is '${pathFormat}')`);
  }
}
