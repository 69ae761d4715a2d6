/** Records as values. They are made once, when an index entry is made, and written into many answers. */
import type { Name } from './name.ts';
import { recordType } from './protocol.ts';

export interface DnsRecord {
  /** undefined: the question's own name. */
  readonly owner: Name | undefined;
  readonly type: number;
  readonly ttlSeconds: number;
  /** The data, or what comes before the name in it. */
  readonly data: Uint8Array;
  /** The name that ends the data (CNAME, PTR, NS, SRV); SRV's may not be compressed. */
  readonly target: Name | undefined;
}

const empty = new Uint8Array(0);

export function addressRecord(owner: Name | undefined, address: Uint8Array, ttlSeconds: number): DnsRecord {
  return {
    owner,
    type: address.length === 4 ? recordType.A : recordType.AAAA,
    ttlSeconds,
    data: address,
    target: undefined,
  };
}

export function nameRecord(
  type: 'CNAME' | 'PTR' | 'NS',
  owner: Name | undefined,
  target: Name,
  ttlSeconds: number,
): DnsRecord {
  return { owner, type: recordType[type], ttlSeconds, data: empty, target };
}

export function serviceRecord(
  { priority, weight, port }: { readonly priority: number; readonly weight: number; readonly port: number },
  target: Name,
  ttlSeconds: number,
): DnsRecord {
  const data = Uint8Array.of(priority >> 8, priority & 255, weight >> 8, weight & 255, port >> 8, port & 255);
  return { owner: undefined, type: recordType.SRV, ttlSeconds, data, target };
}

/** One character string. @param text at most 255 bytes. */
export function textRecord(text: string, ttlSeconds: number): DnsRecord {
  const bytes = Buffer.from(text, 'latin1');
  return {
    owner: undefined,
    type: recordType.TXT,
    ttlSeconds,
    data: Uint8Array.of(bytes.length, ...bytes),
    target: undefined,
  };
}

/** The zone's SOA: its last number is how long an answer "no such name" may be kept (RFC 2308). */
export function authorityRecord(
  zone: Name,
  names: { readonly server: Name; readonly mailbox: Name },
  numbers: { readonly serial: number; readonly ttlSeconds: number },
): DnsRecord {
  const { server, mailbox } = names;
  const data = Buffer.alloc(server.length + mailbox.length + 20);
  data.set(server, 0);
  data.set(mailbox, server.length);
  let at = server.length + mailbox.length;
  for (const value of [numbers.serial, 7200, 1800, 86_400, numbers.ttlSeconds]) at = data.writeUInt32BE(value, at);
  return { owner: zone, type: recordType.SOA, ttlSeconds: numbers.ttlSeconds, data, target: undefined };
}
