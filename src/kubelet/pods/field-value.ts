/** The downward API: fields of the pod and resources of a container as text. Source: pkg/fieldpath, pkg/api/v1/resource. */
import { parseMilli, parseValue } from '../../api/quantity.ts';
import type { Container, Pod } from '../../api/types/core-v1.ts';

export interface FieldContext {
  readonly nodeName: string;
  readonly nodeIPs: readonly string[];
  readonly podIPs: readonly string[];
}

/** @returns undefined for a path that is no field; an empty text for one without a value. */
export function fieldValue(pod: Pod, path: string, context: FieldContext): string | undefined {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript) return pod.metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? '';
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec?.nodeName ?? context.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'spec.restartPolicy':
      return pod.spec?.restartPolicy ?? '';
    case 'spec.schedulerName':
      return pod.spec?.schedulerName ?? '';
    case 'status.phase':
      return pod.status?.phase ?? '';
    case 'status.hostIP':
      return context.nodeIPs[0] ?? '';
    case 'status.hostIPs':
      return context.nodeIPs.join(',');
    case 'status.podIP':
      return context.podIPs[0] ?? '';
    case 'status.podIPs':
      return context.podIPs.join(',');
    default:
      return undefined;
  }
}

/** `key="value"` lines sorted by key, values quoted as Go does. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${goQuote(map![key]!)}`)
    .join('\n');
}

const goQuote = (text: string): string =>
  `"${text.replace(/[\\"\n\t\r\u0000-\u001f\u007f]/g, (c) => escapes[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
const escapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\t': '\\t',
  '\r': '\\r',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
};

/** `limits.cpu` and the like, divided and rounded up. A limit that is not set is what the node offers. */
export function resourceValue(
  container: Container,
  path: string,
  divisor: string | undefined,
  allocatable: Readonly<Record<string, string>>,
): string {
  const [kind = '', ...rest] = path.split('.');
  const name = rest.join('.');
  const own = kind === 'limits' ? container.resources?.limits?.[name] : container.resources?.requests?.[name];
  const text = own ?? (kind === 'limits' ? (allocatable[name] ?? '0') : '0');
  const unit = divisor === undefined || divisor === '0' || divisor === '' ? '1' : divisor;
  if (name === 'cpu') return String(Math.ceil(parseMilli(text) / parseMilli(unit)));
  return String(Math.ceil(parseValue(text) / parseValue(unit)));
}
