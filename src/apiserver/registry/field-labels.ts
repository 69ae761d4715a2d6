/** Selectable fields: which labels a kind answers to, and their values, extracted once per stored object. */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import type { Extracted } from '../watch-cache/cached-object.ts';

/** Labels that are another name of a field of the stored form. Source: the AddFieldLabelConversionFunc registrations. */
const aliases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/pods': { 'spec.host': 'spec.nodeName' },
  '/events': {
    'regarding.kind': 'involvedObject.kind',
    'regarding.namespace': 'involvedObject.namespace',
    'regarding.name': 'involvedObject.name',
    'regarding.uid': 'involvedObject.uid',
    'regarding.apiVersion': 'involvedObject.apiVersion',
    'regarding.resourceVersion': 'involvedObject.resourceVersion',
    'regarding.fieldPath': 'involvedObject.fieldPath',
    reportingController: 'reportingComponent',
  },
};

/** Where a label's value stands when it is not at the path of the same name; after `|` where it stands if that is empty. */
const places: Readonly<Record<string, string>> = {
  '/events:source': 'source.component|reportingComponent',
  '/namespaces:name': 'metadata.name',
  'batch/jobs:status.successful': 'status.succeeded',
  // Accepted as a label, but never set: no pod matches a value.
  '/pods:status.podIPs': '',
};
const booleans: ReadonlySet<string> = new Set(['spec.hostNetwork', 'spec.unschedulable']);
const numbers: ReadonlySet<string> = new Set(['status.replicas', 'status.successful']);

export interface FieldLabels {
  /** Position of a label's value in `CachedObject.fields`; `undefined` when the kind does not know the label. */
  position(label: string): number | undefined;
  extract(value: JsonObject): Extracted;
}

/** @param served all versions of one stored resource. @param id `group/resource` of the stored one. */
export function fieldLabels(id: string, served: readonly ResourceSchema[]): FieldLabels {
  const aliasOf = aliases[id] ?? {};
  const canonical = new Set<string>();
  for (const { fieldSelectors } of served)
    for (const label of fieldSelectors)
      if (label !== 'metadata.name' && label !== 'metadata.namespace') canonical.add(aliasOf[label] ?? label);
  const labels = [...canonical];
  const positions = new Map(labels.map((label, i) => [label, i]));
  for (const [alias, label] of Object.entries(aliasOf)) {
    const at = positions.get(label);
    if (at !== undefined) positions.set(alias, at);
  }
  const readers = labels.map((label) => reader(places[`${id}:${label}`] ?? label, zeroOf(label)));
  const isPod = id === '/pods';
  const nodeAt = positions.get('spec.nodeName');
  return {
    position: (label) => positions.get(label),
    extract(value) {
      const fields = readers.length === 0 ? none : new Array<string>(readers.length);
      if (fields !== none) for (let i = 0; i < readers.length; i++) (fields as string[])[i] = readers[i]!(value);
      const metadata = value.metadata as JsonObject | undefined;
      return {
        labels: metadata?.labels as Readonly<Record<string, string>> | undefined,
        fields,
        node: isPod && nodeAt !== undefined ? fields[nodeAt]! : '',
      };
    },
  };
}

const none: readonly string[] = Object.freeze([]);
const zeroOf = (label: string): string => (booleans.has(label) ? 'false' : numbers.has(label) ? '0' : '');

function reader(path: string, zero: string): (value: JsonObject) => string {
  if (path === '') return () => '';
  const alternative = path.indexOf('|');
  if (alternative >= 0) {
    const first = reader(path.slice(0, alternative), zero);
    const second = reader(path.slice(alternative + 1), zero);
    return (value) => first(value) || second(value);
  }
  const steps = path.split('.');
  return (value) => {
    let at: JsonValue | undefined = value;
    for (let i = 0; i < steps.length; i++) {
      if (typeof at !== 'object' || at === null) return zero;
      at = (at as JsonObject)[steps[i]!];
    }
    return at === undefined || at === null || typeof at === 'object' ? zero : String(at);
  };
}
