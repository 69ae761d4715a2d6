/** A pod stays five minutes on a node that is not ready or cannot be reached, unless it says otherwise. Source: plugin/pkg/admission/defaulttolerationseconds. */
import type { JsonObject } from '../../api/json.ts';
import type { Toleration } from '../../api/types/core-v1.ts';
import type { AdmissionPlugin } from './admission.ts';
import { isFor, withSpec } from './attributes.ts';

/** `--default-not-ready-toleration-seconds`, `--default-unreachable-toleration-seconds` */
export interface DefaultTolerationOptions {
  readonly notReadySeconds?: number;
  readonly unreachableSeconds?: number;
}

export function createDefaultTolerationSeconds(options: DefaultTolerationOptions = {}): AdmissionPlugin {
  const defaults = [
    toleration('node.kubernetes.io/not-ready', options.notReadySeconds ?? 300),
    toleration('node.kubernetes.io/unreachable', options.unreachableSeconds ?? 300),
  ];
  return {
    name: 'DefaultTolerationSeconds',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    admit(attributes) {
      const { object } = attributes;
      if (!object || !isFor(attributes, '', 'pods')) return object;
      const tolerations = ((object.spec as JsonObject | undefined)?.tolerations ?? []) as readonly Toleration[];
      const missing = defaults.filter(({ key }) => !tolerations.some((each) => covers(each, key)));
      if (missing.length === 0) return object;
      return withSpec(object, { tolerations: Object.freeze([...tolerations, ...missing]) as never });
    },
  };
}

const toleration = (key: string, tolerationSeconds: number) =>
  Object.freeze({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds });

const covers = (each: Toleration, key: string): boolean =>
  (!each.key || each.key === key) && (!each.effect || each.effect === 'NoExecute');
