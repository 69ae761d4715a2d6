/** Cluster IPs of a Service, their families and the policy, against each other. Allocation checks what is free. */
import type { ServiceSpec } from '../types/core-v1.ts';
import { checkIp, parseAddress } from './addresses.ts';
import { at, type ErrorList } from './error-list.ts';

const families = ['IPv4', 'IPv6'];
const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

export function validateServiceAddresses(errors: ErrorList, spec: ServiceSpec, before: ServiceSpec | undefined): void {
  if (spec.type === 'ExternalName') return;
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (clusterIP !== '') {
    if (clusterIPs.length === 0) errors.required('spec.clusterIPs');
    else if (clusterIPs[0] !== clusterIP)
      errors.invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`');
  } else if (clusterIPs.length > 0)
    errors.invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified');
  const seen = new Set<string>();
  for (const [i, family] of ipFamilies.entries()) {
    if (!families.includes(family)) errors.notSupported(at('spec.ipFamilies', i), family, families);
    if (seen.has(family)) errors.duplicate(at('spec.ipFamilies', i), family);
    seen.add(family);
  }
  if (ipFamilyPolicy !== undefined && !policies.includes(ipFamilyPolicy))
    errors.notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, policies);
  const headless = clusterIPs[0] === 'None';
  let wrong = false;
  for (const [i, ip] of clusterIPs.entries()) {
    if (i === 0 && ip === 'None') {
      if (clusterIPs.length > 1) {
        wrong = true;
        errors.invalid('spec.clusterIPs', clusterIPs, "'None' must be the first and only value");
      }
      continue;
    }
    const messages = checkIp(ip, before?.clusterIPs);
    wrong ||= messages.length > 0;
    errors.invalidEach(at('spec.clusterIPs', i), ip, messages);
  }
  if (clusterIPs.length > 2) errors.invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values');
  if (wrong) return;
  const kinds = clusterIPs.map((ip) => parseAddress(ip)?.family);
  if (clusterIPs.length > 1 && new Set(kinds).size < 2)
    errors.invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family');
  if (headless) return;
  for (const [i, ip] of clusterIPs.entries()) {
    const family = ipFamilies[i];
    const other = kinds[i] === 6 ? 'IPv4' : 'IPv6';
    if (family === other)
      errors.invalid(at('spec.clusterIPs', i), ip, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``);
  }
}
