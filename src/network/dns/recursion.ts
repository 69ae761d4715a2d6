/**
 * Who may ask for names outside the cluster: pods, this machine, and hosts on its own segments. Anybody else would make of a node's port an
 * open resolver, the tool of amplification attacks (RFC 5358; BIND's `localnets`).
 */
import { BlockList, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

export function createRecursionRule(
  podCidrs: readonly string[],
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): (address: string) => boolean {
  const allowed = new BlockList();
  const ranges = [...podCidrs, '127.0.0.0/8', '::1/128'];
  for (const list of Object.values(interfaces)) for (const { cidr } of list ?? []) if (cidr) ranges.push(cidr);
  for (const range of ranges) {
    const [base = '', length = ''] = range.split('/');
    allowed.addSubnet(base, Number(length), isIPv6(base) ? 'ipv6' : 'ipv4');
  }
  // Asked for every datagram, of few clients: the answer is remembered, for a bounded number of them.
  const known = new Map<string, boolean>();
  return (address) => {
    let answer = known.get(address);
    if (answer === undefined) {
      answer = address !== '' && allowed.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
      if (known.size >= 1024) known.clear();
      known.set(address, answer);
    }
    return answer;
  };
}
