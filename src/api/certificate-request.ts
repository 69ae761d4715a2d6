/** What a PKCS #10 request asks for: the subject and the alternative names. Source: crypto/x509.ParseCertificateRequest. */
import { type Element, elements, pemBlocks } from './der.ts';

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** @param request base64 of a PEM text, as in `spec.request`. @throws Error with upstream's words. */
export function parseCertificateRequest(request: string): CertificateRequest {
  const [block] = pemBlocks(Buffer.from(request, 'base64').toString('latin1'));
  if (block?.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const outer = elements(block.bytes)[0];
  const info = outer?.tag === sequence ? elements(outer.content)[0] : undefined;
  const parts = info?.tag === sequence ? elements(info.content) : [];
  const subject = parts[1];
  if (subject?.tag !== sequence) throw new Error("asn1: structure error: tags don't match");
  const commonNames: string[] = [];
  const organizations: string[] = [];
  for (const set of elements(subject.content))
    for (const attribute of elements(set.content)) {
      const [type, value] = elements(attribute.content);
      const oid = type?.content.toString('hex');
      if (oid === '550403') commonNames.push(textOf(value));
      if (oid === '55040a') organizations.push(textOf(value));
    }
  const attributes = parts.find(({ tag }) => tag === 0xa0);
  return { commonName: commonNames.at(-1) ?? '', organizations, ...alternativeNames(attributes) };
}

const sequence = 0x30;
/** PKCS #9 extensionRequest, and X.509 subjectAltName. */
const extensionRequest = '2a864886f70d01090e';
const subjectAltName = '551d11';

function alternativeNames(attributes: Element | undefined): Omit<CertificateRequest, 'commonName' | 'organizations'> {
  const dnsNames: string[] = [];
  const emails: string[] = [];
  const ipAddresses: string[] = [];
  const uris: string[] = [];
  for (const attribute of attributes ? elements(attributes.content) : []) {
    const [type, values] = elements(attribute.content);
    if (type?.content.toString('hex') !== extensionRequest || !values) continue;
    for (const list of elements(values.content))
      for (const extension of elements(list.content)) {
        const fields = elements(extension.content);
        const value = fields.at(-1);
        if (fields[0]?.content.toString('hex') !== subjectAltName || value?.tag !== 0x04) continue;
        const names = elements(value.content)[0];
        for (const name of names ? elements(names.content) : []) {
          if (name.tag === 0x81) emails.push(name.content.toString('latin1'));
          if (name.tag === 0x82) dnsNames.push(name.content.toString('latin1'));
          if (name.tag === 0x86) uris.push(name.content.toString('latin1'));
          if (name.tag === 0x87) ipAddresses.push(addressOf(name.content));
        }
      }
  }
  return { dnsNames, emails, ipAddresses, uris };
}

const textOf = (value: Element | undefined): string =>
  value === undefined ? '' : value.tag === 0x1e ? value.content.toString('latin1') : value.content.toString('utf8');

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new Error(`x509: cannot parse IP address of length ${bytes.length}`);
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':');
}
