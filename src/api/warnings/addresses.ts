/** Addresses that are valid, but not written the way every program reads alike. */
import { formatAddress, parseAddress, parseRange, rangeNetwork } from '../validation/addresses.ts';

export function addressWarnings(field: string, text: string): readonly string[] {
  const address = parseAddress(text);
  if (!address) return [];
  const canonical = formatAddress(address);
  if (address.mapped || address.leadingZeros)
    return [`${field}: non-standard IP address ${quoted(text)} is invalid: use ${quoted(canonical)}`];
  if (address.family === 6 && canonical !== text)
    return [`${field}: IPv6 address ${quoted(text)} should be in RFC 5952 canonical format (${quoted(canonical)})`];
  return [];
}

export function rangeWarnings(field: string, text: string): readonly string[] {
  const range = parseRange(text);
  if (!range) return [];
  const { address, bits } = range;
  const width = address.family === 4 ? 32 : 128;
  const base = `${formatAddress({ family: address.family, value: rangeNetwork(range) })}/${bits}`;
  const out: string[] = [];
  if (rangeNetwork(range) !== address.value) {
    const single = `${formatAddress(address)}/${width}`;
    out.push(
      `${field}: CIDR value ${quoted(text)} is ambiguous in this context (should be ${quoted(base)} or ${quoted(single)}?)`,
    );
  }
  if (address.mapped || address.leadingZeros || /\/0\d/.test(text))
    out.push(`${field}: non-standard CIDR value ${quoted(text)} is invalid: use ${quoted(base)}`);
  if (out.length === 0 && address.family === 6 && base !== text)
    out.push(`${field}: IPv6 CIDR value ${quoted(text)} should be in RFC 5952 canonical format (${quoted(base)})`);
  return out;
}

const quoted = (text: string): string => JSON.stringify(text);
