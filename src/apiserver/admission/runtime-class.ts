/** A pod with a RuntimeClass gets its overhead and goes only where it runs. Source: plugin/pkg/admission/runtimeclass. */
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { readResources, sameResources } from '../../api/resource-list.ts';
import type { Pod, Toleration } from '../../api/types/core-v1.ts';
import type { RuntimeClass } from '../../api/types/node-v1.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { isFor, refusal, withSpec } from './attributes.ts';
import { sameValue } from './same-value.ts';

const group = 'node.k8s.io';
const mismatch = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

export function createRuntimeClassPlugin(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    handles: (operation) => operation === 'CREATE',
    admit(attributes, signal) {
      const { object } = attributes;
      const name = object && isFor(attributes, '', 'pods') ? classNameOf(object) : undefined;
      if (!object || name === undefined) return object;
      return withClass(attributes, name, signal, (found) => fitted(attributes, object, found));
    },
    validate(attributes, signal) {
      const { object } = attributes;
      if (!object || !isFor(attributes, '', 'pods')) return;
      const name = classNameOf(object);
      if (name === undefined) return checkOverhead(attributes, object, undefined);
      return withClass(attributes, name, signal, (found) => checkOverhead(attributes, object, found));
    },
  };

  function withClass<T>(
    attributes: AdmissionAttributes,
    name: string,
    signal: AbortSignal,
    go: (found: RuntimeClass) => T,
  ): T | Promise<T> {
    const cached = reader.get(group, 'runtimeclasses', '', name);
    if (cached) return go(cached as unknown as RuntimeClass);
    return reader.fresh(group, 'runtimeclasses', '', name, signal).then((fresh) => {
      if (!fresh) throw refusal(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
      return go(fresh as unknown as RuntimeClass);
    });
  }
}

function classNameOf(object: JsonObject): string | undefined {
  const name = (object.spec as JsonObject | undefined)?.runtimeClassName;
  return typeof name === 'string' ? name : undefined;
}

const overheadOf = (object: JsonObject): Readonly<Record<string, string>> | undefined =>
  (object as unknown as Pod).spec?.overhead;

function checkOverhead(attributes: AdmissionAttributes, object: JsonObject, found: RuntimeClass | undefined): void {
  const own = overheadOf(object);
  const defined = found?.overhead;
  if (defined) {
    if (!sameResources(readResources(defined.podFixed), readResources(own))) throw refusal(attributes, mismatch);
  } else if (own)
    throw refusal(attributes, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
}

function fitted(
  attributes: AdmissionAttributes,
  object: JsonObject,
  { overhead, scheduling }: RuntimeClass,
): JsonObject {
  const fields: Record<string, JsonValue> = {};
  if (overhead) {
    const own = overheadOf(object);
    if (own && Object.keys(own).length > 0 && !sameResources(readResources(overhead.podFixed), readResources(own)))
      throw refusal(attributes, mismatch);
    if (overhead.podFixed) fields.overhead = overhead.podFixed;
  }
  if (scheduling) {
    const { spec } = object as unknown as Pod;
    const selector: Record<string, string> = { ...spec?.nodeSelector };
    for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
      if (Object.hasOwn(selector, key) && selector[key] !== value)
        throw refusal(
          attributes,
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${selector[key]}`,
        );
      selector[key] = value;
    }
    const keys = Object.keys(selector).sort();
    if (keys.length > 0)
      fields.nodeSelector = Object.freeze(Object.fromEntries(keys.map((key) => [key, selector[key]!])));
    const tolerations = mergedTolerations([...(spec?.tolerations ?? []), ...(scheduling.tolerations ?? [])]);
    if (tolerations.length > 0) fields.tolerations = Object.freeze(tolerations) as unknown as JsonValue;
  }
  return Object.keys(fields).length === 0 ? object : withSpec(object, fields);
}

/** Without those that another one covers; of equals the first stays. Source: pkg/util/tolerations. */
function mergedTolerations(all: readonly Toleration[]): readonly Toleration[] {
  const merged: Toleration[] = [];
  for (const [i, one] of all.entries()) {
    if (merged.some((kept) => covers(kept, one))) continue;
    if (all.slice(i + 1).some((later) => covers(later, one) && !sameValue(later, one))) continue;
    merged.push(one);
  }
  return merged;
}

function covers(wide: Toleration, narrow: Toleration): boolean {
  if (sameValue(wide, narrow)) return true;
  const { key: wideKey = '', operator = 'Equal', effect = '', tolerationSeconds } = wide;
  if (wideKey !== (narrow.key ?? '') && !(wideKey === '' && operator === 'Exists')) return false;
  if (effect !== '' && effect !== (narrow.effect ?? '')) return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined) {
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > tolerationSeconds) return false;
  }
  if (operator === 'Exists') return true;
  return operator === 'Equal' && narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '');
}
