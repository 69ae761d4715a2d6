/** Certificate signing requests: who may write which part is a matter of the endpoint. */
import { sameJson } from '../edit.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../types/certificates-v1.ts';
import { certificateProblem, certificateRequestProblem } from './certificate-requests.ts';
import { at, type ErrorList } from './error-list.ts';
import { validateSignerName } from './signer-names.ts';

const legacySigner = 'kubernetes.io/legacy-unknown';
const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];
const decisions = ['Approved', 'Denied'];
const final = [...decisions, 'Failed'];
const statuses = ['False', 'True', 'Unknown'];

/** @param previous what it already got wrong is not held against the new one. */
export function validateSigningRequest(
  errors: ErrorList,
  csr: CertificateSigningRequest,
  previous?: CertificateSigningRequest,
): void {
  const { spec, status } = csr;
  const given = spec?.usages ?? [];
  const before = previous?.spec.usages ?? [];
  const problem = certificateRequestProblem(spec?.request ?? '');
  if (problem) errors.invalid('spec.request', spec?.request ?? null, problem);
  if (given.length === 0) errors.required('spec.usages');
  if (before.every((usage) => usages.includes(usage)))
    for (const [i, usage] of given.entries())
      if (!usages.includes(usage)) errors.notSupported(at('spec.usages', i), usage, usages);
  if (new Set(before).size === before.length)
    for (const [i, usage] of given.entries())
      if (given.indexOf(usage) < i) errors.duplicate(at('spec.usages', i), usage);
  const signer = spec?.signerName ?? '';
  if (signer === legacySigner && previous?.spec.signerName !== legacySigner)
    errors.invalid('spec.signerName', signer, 'the legacy signerName is not allowed via this API version');
  else validateSignerName(errors, signer, 'spec.signerName');
  const seconds = Number(spec?.expirationSeconds ?? 600);
  if (seconds < 600)
    errors.invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 600 seconds (10 minutes)');
  validateConditions(errors, conditionsOf(csr), previous ? conditionsOf(previous) : []);
  const certificate = status?.certificate ?? '';
  const old = previous?.status?.certificate ?? '';
  if (previous && (certificate === old || certificateProblem(old))) return;
  const wrong = certificateProblem(certificate);
  if (wrong) errors.invalid('status.certificate', '<certificate data>', wrong);
}

const conditionsOf = ({ status }: CertificateSigningRequest): readonly CertificateSigningRequestCondition[] =>
  status?.conditions ?? [];

function validateConditions(
  errors: ErrorList,
  conditions: readonly CertificateSigningRequestCondition[],
  before: readonly CertificateSigningRequestCondition[],
): void {
  const types = before.map(({ type }) => type);
  const seen = new Set<string>();
  for (const [i, { type = '', status }] of conditions.entries()) {
    const path = at('status.conditions', i);
    if (!type && !types.includes('')) errors.required(`${path}.type`);
    const supported = final.includes(type) ? ['True'] : statuses;
    if (!status) errors.required(`${path}.status`);
    else if (!supported.includes(status)) errors.notSupported(`${path}.status`, status, supported);
    const opposite = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (opposite && seen.has(opposite) && !decisions.every((decision) => types.includes(decision)))
      errors.invalid('status.conditions', type, 'Approved and Denied conditions are mutually exclusive');
    if (seen.has(type) && new Set(types).size === types.length) errors.duplicate(`${path}.type`, type);
    seen.add(type);
  }
}

/** @param may what the endpoint is for. */
export function validateSigningRequestUpdate(
  errors: ErrorList,
  next: CertificateSigningRequest,
  previous: CertificateSigningRequest,
  may: { readonly decide?: boolean; readonly issue?: boolean } = {},
): void {
  validateSigningRequest(errors, next, previous);
  const ofType = (csr: CertificateSigningRequest, type: string): readonly CertificateSigningRequestCondition[] =>
    conditionsOf(csr).filter((condition) => condition.type === type);
  const refuse = (what: string, type: string): void =>
    errors.forbidden('status.conditions', `updates may not ${what} a condition of type ${JSON.stringify(type)}`);
  for (const type of final) if (ofType(next, type).length < ofType(previous, type).length) refuse('remove', type);
  if (!may.decide)
    for (const type of decisions) {
      const [now, before] = [ofType(next, type), ofType(previous, type)];
      if (now.length > before.length) refuse('add', type);
      else if (now.length === before.length && !sameJson(now, before)) refuse('modify', type);
    }
  const [certificate, old] = [next.status?.certificate ?? '', previous.status?.certificate ?? ''];
  if (certificate === old) return;
  if (!may.issue) errors.forbidden('status.certificate', 'updates may not set certificate content');
  else if (old) errors.forbidden('status.certificate', 'updates may not modify existing certificate content');
}
