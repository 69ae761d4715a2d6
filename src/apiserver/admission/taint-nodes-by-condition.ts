/** A new node takes no pods until the node lifecycle controller has seen it ready. Source: plugin/pkg/admission/nodetaint. */
import type { JsonArray, JsonObject } from '../../api/json.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isFor, withSpec } from './attributes.ts';

const taint = Object.freeze({ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' });

export const taintNodesByCondition: AdmissionPlugin = Object.freeze<AdmissionPlugin>({
  name: 'TaintNodesByCondition',
  handles: (operation) => operation === 'CREATE',
  admit(attributes) {
    const { object } = attributes;
    if (!object || !isFor(attributes, '', 'nodes')) return object;
    const taints = ((object.spec as JsonObject | undefined)?.taints ?? []) as JsonArray;
    const tainted = (taints as readonly JsonObject[]).some(
      (each) => each.key === taint.key && each.effect === taint.effect,
    );
    return tainted ? object : withSpec(object, { taints: Object.freeze([...taints, taint]) });
  },
});
