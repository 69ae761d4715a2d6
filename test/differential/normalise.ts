/**
 * Takes out of an answer what differs between any two servers: ids, versions, times, allocated addresses and ports. Works on text, so that the order
 * of fields and the way numbers are written are compared too. What the request itself contained stays.
 */

import { decodeProtobuf } from '../../src/api/codec/protobuf/index.ts';
import { builtinSchema } from '../../src/api/schema/builtin.ts';
import type { Answer } from './target.ts';

export interface Normal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

const comparedHeaders = ['content-type', 'warning', 'retry-after', 'allow', 'location'];

/** @param sent everything the case sent, to know what was given. */
export function normalise({ status, headers, bytes }: Answer, sent: string): Normal {
  const kept: Record<string, string> = {};
  for (const name of comparedHeaders) if (headers[name] !== undefined) kept[name] = mask(headers[name], sent);
  const protobuf = bytes.subarray(0, 4).toString('latin1') === 'k8s\0';
  const text = protobuf ? protobufText(bytes) : bytes.toString();
  return { status, headers: kept, text: mask(text, sent) };
}

function protobufText(bytes: Buffer): string {
  // The envelope starts with its TypeMeta: apiVersion and kind, each short.
  const versionEnd = 8 + bytes[7]!;
  const apiVersion = bytes.toString('utf8', 8, versionEnd);
  const kind = bytes.toString('utf8', versionEnd + 2, versionEnd + 2 + bytes[versionEnd + 1]!);
  const [group, version] = apiVersion.includes('/') ? (apiVersion.split('/') as [string, string]) : ['', apiVersion];
  return JSON.stringify(decodeProtobuf(bytes, { group, version, kind }, builtinSchema));
}

/** What of a prefix goes into the name. */
const generatedFrom = 58;

function mask(original: string, sent: string): string {
  let text = original;
  // Names made from a prefix end in five letters of the server's own.
  for (const [, prefix] of sent.matchAll(/"generateName":"((?:[^"\\]|\\.)+)"/g))
    text = text.replace(
      new RegExp(
        `(${prefix!.slice(0, generatedFrom).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')})[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9])`,
        'g',
      ),
      '$1<rand5>',
    );
  const given = (whole: string, placeholder: string): string => (sent.includes(whole) ? whole : placeholder);
  return (
    text
      .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, (v) => given(v, '<uid>'))
      .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/g, (v) => given(v, '<microtime>'))
      .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, (v) => given(v, '<time>'))
      .replace(/("resourceVersion": ?")(\d+)"/g, (whole, start: string, v: string) =>
        sent.includes(`"${v}"`) ? whole : `${start}<rv>"`,
      )
      .replace(/(resourceVersion(?:: |\\*": ?)\\*")(\d+)(?=\\*")/g, '$1<rv>')
      .replace(/("format":"[^"]*","description":)"(?:[^"\\]|\\.)*"/g, '$1"<description>"')
      .replace(/(in record \()\d+/g, '$1<rv>')
      .replace(/(current: )\d+/g, '$1<rv>')
      .replace(/("continue": ?")[^"]+"/g, '$1<continue>"')
      // The status of policies is written by upstream's controller manager, which does not run here; ours is the API server's own.
      .replace(
        /,?\{"manager":"kube-apiserver","operation":"Update","apiVersion":"admissionregistration[^{}]*"fieldsV1":\{"f:status":\{"f:observedGeneration":\{\},"f:typeChecking":\{[^}]*\}\}\},"subresource":"status"\}/g,
        '',
      )
      .replace(/"observedGeneration":\d+,"typeChecking":\{\}/g, '')
      // The server at hand may be built from OpenShift's tree, whose ServiceAccount admission mounts one thing more.
      .replace(
        /,\{"configMap":\{"name":"openshift-service-ca\.crt","items":\[\{"key":"service-ca\.crt","path":"service-ca\.crt"\}\]\}\}/g,
        '',
      )
      .replace(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-<rand5>')
      .replace(/"(g-)[a-z0-9]{5}"/g, '"$1<rand5>"')
      .replace(/X509SHA256=[0-9a-f]{64}/g, 'X509SHA256=<hash>')
      .replace(/https:\/\/kubernetes\.default\.svc(?:\.cluster\.local)?(?=")/g, '<issuer>')
      .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '<token>')
      .replace(/(\\*")(10\.0\.\d+\.\d+)(?=\\*")/g, (v, quote: string, ip: string) =>
        sent.includes(ip) ? v : `${quote}<clusterIP>`,
      )
      .replace(/(nodePort: Duplicate value: )\d{5}/g, '$1"<nodePort>"')
      .replace(/(RBAC: allowed by ClusterRoleBinding )[^<]*( to Group \\*"system:authenticated)/g, '$1<some>$2')
      .replace(/(\\*"(?:nodePort|healthCheckNodePort)\\*": ?)(\d{5})/g, (whole, start: string, v: string) =>
        sent.includes(v) ? whole : `${start}"<nodePort>"`,
      )
      .replace(/(\d+:)(\d{5})(\/(?:TCP|UDP|SCTP))/g, (whole, start: string, v: string, end: string) =>
        sent.includes(v) ? whole : `${start}<nodePort>${end}`,
      )
      .replace(/"(?:<invalid>|\d+[smhd](?:\d+[smh])?)"(?=[,\]])/g, (v) => given(v, '"<age>"'))
  );
}

/**
 * The same text with the causes of a refusal in a fixed order where Go's maps have none: entries of one map field, managers of one conflict.
 */
export function inFixedOrder(text: string): string {
  const value = parsed(text) as
    | {
        kind?: unknown;
        message?: string;
        status?: { resourceRules?: unknown[]; nonResourceRules?: unknown[] };
        details?: { causes?: { field?: string; message?: string; reason?: string }[] };
      }
    | undefined;
  // Rules of a caller come out of an unordered cache.
  if (typeof value === 'object' && value.kind === 'SelfSubjectRulesReview' && value.status) {
    // OpenShift's tree lets everybody discover the issuer.
    const ordered = (rules: unknown[] | undefined): unknown =>
      rules
        ?.map((rule) => JSON.stringify(rule))
        .filter((rule) => !rule.includes('/.well-known'))
        .sort();
    const { resourceRules, nonResourceRules } = value.status;
    return JSON.stringify({
      ...value,
      status: { ...value.status, resourceRules: ordered(resourceRules), nonResourceRules: ordered(nonResourceRules) },
    });
  }
  const causes =
    typeof value === 'object' && value !== null && value.kind === 'Status' ? value.details?.causes : undefined;
  if (!value || !causes || causes.length < 2) return text;
  const place = causes.map(({ field = '' }) =>
    // New scheduling gates come out of a set, with their index.
    field
      .replace(/^spec\.schedulingGates\[.*/, 'spec.schedulingGates')
      .replace(/\[[^\]]*[^\]\d][^\]]*\](?:\..*)?$/, ''),
  );
  const sorted = causes
    .map((cause, i) => ({ cause, i }))
    .sort((x, y) => {
      const [a, b] = [place[x.i]!, place[y.i]!];
      return a === b ? compare(JSON.stringify(x.cause), JSON.stringify(y.cause)) : place.indexOf(a) - place.indexOf(b);
    });
  return JSON.stringify({
    ...value,
    message: (value.message ?? '').split('').sort().join(''),
    details: { ...value.details, causes: sorted.map(({ cause }) => cause) },
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Where two texts part, in a few lines: by path when both are JSON, by position otherwise. */
export function explain(ours: string, theirs: string): string[] {
  const a = parsed(ours);
  const b = parsed(theirs);
  if (a === undefined || b === undefined) return [`ours:   ${cut(ours)}`, `theirs: ${cut(theirs)}`];
  const [left, right] = [failure(a), failure(b)];
  // Of two refusals, or of a refusal and an object, the message says it all.
  if (left !== right) return fromDifference(left ?? 'done', right ?? 'done');
  const lines = walk(a, b, '$');
  return lines.length > 0
    ? lines
    : [
        `same value, written differently`,
        `ours:   ${cut(around(ours, theirs))}`,
        `theirs: ${cut(around(theirs, ours))}`,
      ];
}

function walk(a: unknown, b: unknown, path: string): string[] {
  if (Object.is(a, b)) return [];
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null ||
    Array.isArray(a) !== Array.isArray(b)
  )
    return [`${path}`, `  ours:   ${cut(JSON.stringify(a))}`, `  theirs: ${cut(JSON.stringify(b))}`];
  const found: string[] = [];
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const left = (a as Record<string, unknown>)[key];
    const right = (b as Record<string, unknown>)[key];
    if (left === undefined) found.push(`${path}.${key} only theirs: ${cut(JSON.stringify(right))}`);
    else if (right === undefined) found.push(`${path}.${key} only ours: ${cut(JSON.stringify(left))}`);
    else found.push(...walk(left, right, `${path}.${key}`));
  }
  return found;
}

/** Long texts that begin alike are shown from shortly before they part. */
function fromDifference(ours: string, theirs: string): string[] {
  let i = 0;
  while (i < ours.length && ours[i] === theirs[i]) i++;
  const start = i > 200 ? i - 120 : 0;
  const shown = (text: string): string => cut(`${start > 0 ? `${text.slice(0, 60)} ... ` : ''}${text.slice(start)}`);
  return [`ours:   ${shown(ours)}`, `theirs: ${shown(theirs)}`];
}

function failure(value: unknown): string | undefined {
  const { kind, message } = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly kind?: unknown;
    readonly message?: unknown;
  };
  return kind === 'Status' ? String(message) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function around(text: string, other: string): string {
  let i = 0;
  while (i < text.length && text[i] === other[i]) i++;
  return text.slice(Math.max(0, i - 80), i + 200);
}

const cut = (text: string | undefined): string =>
  text === undefined ? 'nothing' : text.length > 1200 ? `${text.slice(0, 1200)}...` : text;
