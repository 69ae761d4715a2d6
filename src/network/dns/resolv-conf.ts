/** The name servers of a resolv.conf. Pure. Source: resolv.conf(5). */
import { isIP } from 'node:net';

export interface UpstreamAddress {
  readonly address: string;
  readonly port: number;
}

/** @returns in the order of the file, each once; lines that name no address are skipped, as the C library does. */
export function upstreamsOf(text: string): UpstreamAddress[] {
  const out: UpstreamAddress[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address = ''] = line.trim().split(/\s+/);
    if (keyword !== 'nameserver' || isIP(address) === 0) continue;
    if (!out.some((known) => known.address === address)) out.push({ address, port: 53 });
  }
  return out;
}
