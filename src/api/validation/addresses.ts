/** IP addresses and ranges as upstream reads them: no leading zeros, no zones. */
import { isIP, isIPv4 } from 'node:net';

const notAnIp = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const notACidr = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

export function checkIp(text: string): readonly string[] {
  return isIP(text) === 0 || text.includes('%') ? [notAnIp] : [];
}

export function checkCidr(text: string): readonly string[] {
  const slash = text.indexOf('/');
  if (slash < 0) return [notACidr];
  const ip = text.slice(0, slash);
  const bits = text.slice(slash + 1);
  const max = isIPv4(ip) ? 32 : 128;
  return isIP(ip) === 0 || !/^(0|[1-9]\d*)$/.test(bits) || Number(bits) > max ? [notACidr] : [];
}
