/** An answer with all of its headers, for comparing what surrounds the body. */
import { gunzipSync } from 'node:zlib';
import type { Step } from '../case.ts';
import { type Normal, normalise } from '../normalise.ts';
import type { Answer, Target } from '../target.ts';

/** What every server or connection has its own of. */
const ownHeaders = new Set([
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'audit-id',
  'etag',
  'last-modified',
  'expires',
]);

/** FlowSchemas and PriorityLevelConfigurations, by uid: answers name those that treated the request. */
export async function namesOfUids(target: Target): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const resource of ['flowschemas', 'prioritylevelconfigurations']) {
    const { bytes } = await target.send({ method: 'GET', path: `/apis/flowcontrol.apiserver.k8s.io/v1/${resource}` });
    const list = JSON.parse(bytes.toString()) as { items: { metadata: { uid: string; name: string } }[] };
    for (const { metadata } of list.items) names.set(metadata.uid, metadata.name);
  }
  return names;
}

export function wholeAnswer(answer: Answer, sent: string, names: ReadonlyMap<string, string>, step: Step): Normal {
  const zipped = answer.headers['content-encoding'] === 'gzip' && answer.bytes.byteLength > 0;
  const plain = zipped ? { ...answer, bytes: gunzipSync(answer.bytes) } : answer;
  const { status, text, headers } = normalise(plain, sent);
  const whole: Record<string, string> = { ...headers };
  for (const [name, value] of Object.entries(answer.headers)) {
    if (name in whole) continue;
    // Of a date or a tag it only matters that there is one.
    if (ownHeaders.has(name)) {
      if (name === 'audit-id' || name === 'etag' || name === 'last-modified' || name === 'expires')
        whole[name] = 'given';
    } else whole[name] = name.startsWith('x-kubernetes-pf-') ? (names.get(value) ?? value) : value;
  }
  return { status, headers: whole, text: inNameOrder(settled(text, step)) };
}

/** What only the place of a server or the moment changes. */
function settled(text: string, step: Step): string {
  let out = text
    .replace(/(127\.0\.0\.1|172\.31\.255\.1):\d{4}/g, '<server>')
    .replace(/("continue": ?")[^"]+"/g, '$1<continue>"')
    .replace(/(Too large resource version: \d+, current: )\d+/g, '$1<rv>')
    .replace(/("?kid"?: ?")[^"]+"/g, '$1<kid>"')
    .replace(/(too old resource version: \d+ \()\d+/g, '$1<rv>');
  if (step.path.startsWith('/version'))
    out = out.replace(/"(git|build|go|compiler|platform)[A-Za-z]*": "[^"]*",?\s*/g, '');
  // Upstream repeats a bookmark about a second after the initial events; when it comes is no part of the protocol.
  if (step.readMs !== undefined) out = out.replace(/\{"type":"BOOKMARK","object":(?!.*initial-events-end).*\}\n/g, '');
  if (/^\/metrics/.test(step.path)) out = out === '' ? '' : out.startsWith('{') ? out : '<metrics>';
  return out;
}

/** Order of members is the other set's to compare; here upstream's order for custom kinds (by name) is not ours. */
function inNameOrder(text: string): string {
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      if (!line.startsWith('{')) return line;
      try {
        return `${JSON.stringify(JSON.parse(line), (_, value: unknown) => sorted(value))}\n`;
      } catch (error) {
        if (error instanceof SyntaxError) return line;
        throw error;
      }
    })
    .join('');
}

/** Resources of users' groups come out of an unordered cache. */
const sorted = (value: unknown): unknown => byName(value) ?? membersByName(value);

function byName(value: unknown): unknown {
  const { kind, groupVersion, resources } = (value ?? {}) as {
    kind?: unknown;
    groupVersion?: unknown;
    resources?: readonly { readonly name: string }[];
  };
  return kind === 'APIResourceList' && groupVersion !== undefined && Array.isArray(resources)
    ? membersByName({ ...(value as object), resources: resources.toSorted((a, b) => (a.name < b.name ? -1 : 1)) })
    : undefined;
}

const membersByName = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
