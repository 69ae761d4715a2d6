/** A pod's priority is its class's. Source: plugin/pkg/admission/priority. */
import type { JsonObject } from '../../api/json.ts';
import type { PriorityClass } from '../../api/types/scheduling-v1.ts';
import type { ObjectReader } from '../registry/object-reader.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { isFor, metadataOf, refusal, withSpec } from './attributes.ts';

const group = 'scheduling.k8s.io';

interface Priority {
  readonly className: string;
  readonly value: number;
  readonly preemptionPolicy: string | undefined;
}

export function createPriorityPlugin(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'Priority',
    handles: (operation) => operation !== 'CONNECT',
    admit(attributes, signal) {
      const { object, oldObject, operation } = attributes;
      if (!object || !isFor(attributes, '', 'pods')) return object;
      if (operation === 'UPDATE') return keepPriority(object, oldObject);
      if (operation !== 'CREATE') return object;
      const className = (object.spec as JsonObject | undefined)?.priorityClassName;
      if (typeof className !== 'string' || className === '') return withPriority(attributes, object, defaultPriority());
      const cached = reader.get(group, 'priorityclasses', '', className);
      if (cached !== undefined) return withPriority(attributes, object, priorityOf(cached));
      return reader.fresh(group, 'priorityclasses', '', className, signal).then((fresh) => {
        if (fresh === undefined) throw refusal(attributes, `no PriorityClass with name ${className} was found`);
        return withPriority(attributes, object, priorityOf(fresh));
      });
    },
    validate(attributes) {
      const { object, operation } = attributes;
      if (!object || !isFor(attributes, group, 'priorityclasses') || operation === 'DELETE') return;
      if (object.globalDefault !== true) return;
      const existing = defaultPriorityClass()?.metadata.name;
      if (existing !== undefined && (operation === 'CREATE' || existing !== metadataOf(object).name))
        throw refusal(attributes, `PriorityClass ${existing} is already marked as default. Only one default can exist`);
    },
  };

  /** Two may be marked in a race; the lower one counts. */
  function defaultPriorityClass(): PriorityClass | undefined {
    let best: PriorityClass | undefined;
    for (const object of reader.list(group, 'priorityclasses', '')) {
      const each = object as unknown as PriorityClass;
      if (each.globalDefault === true && (best === undefined || (each.value ?? 0) < (best.value ?? 0))) best = each;
    }
    return best;
  }

  function defaultPriority(): Priority {
    const found = defaultPriorityClass();
    return found === undefined ? none : priorityOf(found as unknown as JsonObject);
  }
}

const none: Priority = Object.freeze({ className: '', value: 0, preemptionPolicy: 'PreemptLowerPriority' });

function priorityOf(object: JsonObject): Priority {
  const { metadata, value = 0, preemptionPolicy } = object as unknown as PriorityClass;
  return { className: metadata.name ?? '', value, preemptionPolicy };
}

function withPriority(attributes: AdmissionAttributes, object: JsonObject, priority: Priority): JsonObject {
  const spec = (object.spec ?? {}) as JsonObject;
  const { className, value, preemptionPolicy } = priority;
  if (spec.priority !== undefined && spec.priority !== null && spec.priority !== value)
    throw refusal(
      attributes,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    );
  if (
    preemptionPolicy !== undefined &&
    spec.preemptionPolicy !== undefined &&
    spec.preemptionPolicy !== null &&
    spec.preemptionPolicy !== preemptionPolicy
  )
    throw refusal(
      attributes,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`,
    );
  return withSpec(object, {
    ...(className === '' ? {} : { priorityClassName: className }),
    priority: value,
    ...(preemptionPolicy === undefined ? {} : { preemptionPolicy }),
  });
}

/** An old client's update may leave out what admission filled in. */
function keepPriority(object: JsonObject, oldObject: JsonObject | undefined): JsonObject {
  const spec = (object.spec ?? {}) as JsonObject;
  const before = (oldObject?.spec ?? {}) as JsonObject;
  const fields: Record<string, JsonObject[string]> = {};
  for (const field of ['priority', 'preemptionPolicy'] as const)
    if ((spec[field] ?? null) === null && (before[field] ?? null) !== null) fields[field] = before[field];
  return Object.keys(fields).length === 0 ? object : withSpec(object, fields);
}
