/** What the API server does with a pod at its creation, for one that never passes through it: defaults, then validation. */
import { createBuiltinDefaulter } from '../../api/defaulting/index.ts';
import type { JsonObject } from '../../api/json.ts';
import { builtinSchema } from '../../api/schema/builtin.ts';
import { validateNew } from '../../api/validation/index.ts';

const podType = 'core.v1.Pod';

/** @returns a function that loads what it needs on its first call. */
export function createPodCompleter(): (pod: JsonObject) => JsonObject {
  let defaulter: ReturnType<typeof createBuiltinDefaulter> | undefined;
  return (pod) => {
    defaulter ??= createBuiltinDefaulter(builtinSchema);
    const complete = defaulter(pod, builtinSchema.type(podType)!);
    const errors = validateNew('/pods', complete);
    if (errors.length > 0)
      throw new Error(`invalid pod: ${errors.map(({ field, message }) => `${field}: ${message}`).join(', ')}`);
    return complete;
  };
}
