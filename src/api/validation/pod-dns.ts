/** The DNS configuration of a pod. */
import { checkDns1123Subdomain, maxLengthMessage, regexMessage } from '../names.ts';
import type { PodSpec } from '../types/core-v1.ts';
import { checkIp } from './addresses.ts';
import { at, type ErrorList } from './error-list.ts';

const limits = { nameservers: 3, searches: 32, searchCharacters: 2048 } as const;

export function validatePodDns(errors: ErrorList, { dnsConfig: config, dnsPolicy }: PodSpec, field: string): void {
  if (dnsPolicy === 'None') {
    if (!config) {
      errors.required(field, 'must provide `dnsConfig` when `dnsPolicy` is None');
      return;
    }
    if (!config.nameservers?.length) {
      errors.required(`${field}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None');
      return;
    }
  }
  if (!config) return;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > limits.nameservers)
    errors.invalid(`${field}.nameservers`, nameservers, `must not have more than ${limits.nameservers} nameservers`);
  for (const [i, server] of nameservers.entries())
    errors.invalidEach(at(`${field}.nameservers`, i), server, checkIp(server));
  if (searches.length > limits.searches)
    errors.invalid(`${field}.searches`, searches, `must not have more than ${limits.searches} search paths`);
  if (searches.join(' ').length > limits.searchCharacters)
    errors.invalid(
      `${field}.searches`,
      searches,
      `must not have more than ${limits.searchCharacters} characters (including spaces) in the search list`,
    );
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.replace(/\.$/, '');
    errors.invalidEach(at(`${field}.searches`, i), name, checkSearchDomain(name));
  }
  for (const [i, option] of options.entries())
    if (!option.name) errors.required(at(`${field}.options`, i), 'must not be empty');
}

const label = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';

/** Search domains may have underscores. */
function checkSearchDomain(name: string): readonly string[] {
  if (checkDns1123Subdomain(name).length === 0) return [];
  const fine = new RegExp(`^${label}(\\.${label})*$`).test(name);
  const tooLong = Buffer.byteLength(name) > 253 ? [maxLengthMessage(253)] : [];
  if (fine) return tooLong;
  return [
    ...tooLong,
    regexMessage(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
      `${label}(\\.${label})*`,
      ['example.com'],
    ),
  ];
}
