/** Containers get a namespace's defaults; pods and claims stay within its LimitRanges. Source: plugin/pkg/admission/limitranger. */
import type { JsonObject } from '../../api/json.ts';
import { canonicalQuantity } from '../../api/quantity.ts';
import type { Container, LimitRange, PersistentVolumeClaim, Pod } from '../../api/types/core-v1.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { metadataOf, refusal } from './attributes.ts';
import { claimViolations, podViolations } from './limit-range-checks.ts';

const annotation = 'kubernetes.io/limit-ranger';

export function createLimitRanger(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'LimitRanger',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit(attributes) {
      let { object } = attributes;
      if (!object || subjectOf(attributes) !== 'pod') return object;
      for (const range of rangesFor(attributes)) object = withDefaults(object, range);
      return object;
    },
    validate(attributes) {
      const { object } = attributes;
      const subject = subjectOf(attributes);
      if (!object || subject === undefined) return;
      for (const range of rangesFor(attributes)) {
        const found =
          subject === 'pod'
            ? podViolations(range, object as unknown as Pod)
            : claimViolations(range, object as unknown as PersistentVolumeClaim);
        if (found.length > 0) throw refusal(attributes, aggregate(found));
      }
    },
  };

  function rangesFor({ namespace, oldObject }: AdmissionAttributes): readonly LimitRange[] {
    const ranges = reader.list('', 'limitranges', namespace);
    if (ranges.length === 0 || (oldObject?.metadata as JsonObject | undefined)?.deletionTimestamp !== undefined)
      return [];
    return ranges as unknown as readonly LimitRange[];
  }
}

function subjectOf({ resource, subresource, operation, kind }: AdmissionAttributes): 'pod' | 'claim' | undefined {
  if (resource.group !== '') return undefined;
  if (resource.resource === 'persistentvolumeclaims') return subresource === '' ? 'claim' : undefined;
  if (resource.resource !== 'pods' || kind.kind !== 'Pod') return undefined;
  // An update of a pod cannot change what its containers ask for; a resize can.
  return subresource === (operation === 'CREATE' ? '' : 'resize') ? 'pod' : undefined;
}

const aggregate = (messages: readonly string[]): string => {
  const distinct = [...new Set(messages)];
  return distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`;
};

type Texts = Readonly<Record<string, string>>;

function withDefaults(object: JsonObject, range: LimitRange): JsonObject {
  const limits: Record<string, string> = {};
  const requests: Record<string, string> = {};
  for (const limit of range.spec?.limits ?? [])
    if (limit.type === 'Container') {
      Object.assign(limits, limit.default);
      Object.assign(requests, limit.defaultRequest);
    }
  const notes: string[] = [];
  const { spec = {} } = object as unknown as { readonly spec?: Partial<Pod['spec'] & object> };
  const filled = (containers: readonly Container[] | undefined, what: string): readonly Container[] | undefined => {
    if (!containers) return undefined;
    return Object.freeze(containers.map((container) => filledContainer(container, requests, limits, what, notes)));
  };
  const containers = filled(spec.containers, 'container');
  const initContainers = filled(spec.initContainers, 'init container');
  if (notes.length === 0) return object;
  const metadata = object.metadata as JsonObject;
  const annotations = Object.freeze({
    ...metadataOf(object).annotations,
    [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
  });
  return Object.freeze({
    ...object,
    metadata: Object.freeze({ ...metadata, annotations }),
    spec: Object.freeze({
      ...spec,
      ...(initContainers ? { initContainers } : {}),
      ...(containers ? { containers } : {}),
    }) as unknown as JsonObject,
  });
}

function filledContainer(
  container: Container,
  requests: Texts,
  limits: Texts,
  what: string,
  notes: string[],
): Container {
  const own = container.resources ?? {};
  const newRequests = missing(own.requests, requests);
  const newLimits = missing(own.limits, limits);
  if (newRequests.length > 0) notes.push(`${newRequests.join(', ')} request for ${what} ${container.name}`);
  if (newLimits.length > 0) notes.push(`${newLimits.join(', ')} limit for ${what} ${container.name}`);
  if (newRequests.length === 0 && newLimits.length === 0) return container;
  const { limits: ownLimits, requests: ownRequests, ...rest } = own;
  const all = { limits: merged(ownLimits, limits, newLimits), requests: merged(ownRequests, requests, newRequests) };
  return Object.freeze({ ...container, resources: Object.freeze({ ...pruned(all), ...rest }) });
}

const missing = (own: Texts | undefined, defaults: Texts): readonly string[] =>
  Object.keys(defaults)
    .filter((name) => own?.[name] === undefined)
    .sort();

function merged(own: Texts | undefined, defaults: Texts, names: readonly string[]): Texts | undefined {
  if (names.length === 0) return own;
  const all: Record<string, string> = { ...own };
  for (const name of names) all[name] = canonicalQuantity(defaults[name]!);
  return Object.freeze(Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function pruned(lists: { limits: Texts | undefined; requests: Texts | undefined }): {
  limits?: Texts;
  requests?: Texts;
} {
  const { limits, requests } = lists;
  return { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) };
}
