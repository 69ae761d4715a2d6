/** IP addresses as bytes: 4 or 16 of them. */
import { isIPv6 } from 'node:net';

/** @returns undefined for what is no address; a zone (`%eth0`) is none. An IPv4-mapped address stays IPv6. */
export function addressBytes(text: string): Uint8Array | undefined {
  const v4 = ipv4Bytes(text);
  if (v4) return v4;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const plain = dotted
    ? `${dotted[1]}${hexPair(Number(dotted[2]), Number(dotted[3]))}:${hexPair(Number(dotted[4]), Number(dotted[5]))}`
    : text;
  const [left = '', right] = plain.split('::');
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const out = new Uint8Array(16);
  for (const [i, group] of head.entries()) put(out, i, group);
  for (const [i, group] of tail.entries()) put(out, 8 - tail.length + i, group);
  return out;
}

/** By hand: lists of thousands of endpoints are read again when one of them changes. Leading zeros are refused, as everywhere in Kubernetes. */
function ipv4Bytes(text: string): Uint8Array | undefined {
  if (text.length > 15) return undefined;
  const out = new Uint8Array(4);
  let part = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 46 : text.charCodeAt(i);
    if (code === 46) {
      if (value < 0 || part > 3) return undefined;
      out[part++] = value;
      value = -1;
    } else {
      if (code < 48 || code > 57 || value === 0) return undefined;
      value = (value < 0 ? 0 : value * 10) + code - 48;
      if (value > 255) return undefined;
    }
  }
  return part === 4 ? out : undefined;
}

/** One string for one address, however it was written: the key of maps. Of an IPv4 address its text, of which caches are full anyway. */
export function addressKey(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/**
 * The address that a name under `in-addr.arpa` or `ip6.arpa` stands for.
 * @param labels of the whole name, lower case. @returns undefined when it names no single address.
 */
export function reverseAddress(labels: readonly string[]): Uint8Array | undefined {
  if (labels.length === 6 && labels[4] === 'in-addr') {
    const out = new Uint8Array(4);
    for (let i = 0; i < 4; i++) {
      const label = labels[3 - i]!;
      if (!/^(0|[1-9]\d{0,2})$/.test(label) || Number(label) > 255) return undefined;
      out[i] = Number(label);
    }
    return out;
  }
  if (labels.length === 34 && labels[32] === 'ip6') {
    const out = new Uint8Array(16);
    for (let i = 0; i < 32; i++) {
      const label = labels[31 - i]!;
      if (!/^[0-9a-f]$/.test(label)) return undefined;
      out[i >> 1] = (out[i >> 1]! << 4) | Number.parseInt(label, 16);
    }
    return out;
  }
  return undefined;
}

const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((g) => Number.parseInt(g, 16)));
const hexPair = (a: number, b: number): string => ((a << 8) | b).toString(16);
const put = (out: Uint8Array, index: number, group: number): void => {
  out[index * 2] = group >> 8;
  out[index * 2 + 1] = group & 255;
};
