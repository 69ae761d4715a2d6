/** Policies and webhooks are also judged by what only a compiler can tell of their expressions. Loaded with the first write of one. */
import type { FieldError } from '../../../api/errors.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { Strategy } from '../../strategies/strategy.ts';

const group = 'admissionregistration.k8s.io';
const kinds = [
  'validatingadmissionpolicies',
  'mutatingadmissionpolicies',
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
] as const;
export type ExpressionKind = (typeof kinds)[number];

export function withExpressionRules(
  strategies: Readonly<Record<string, Strategy>>,
): Readonly<Record<string, Strategy>> {
  let judge: typeof import('./write-errors.ts') | undefined;
  const load = (): Promise<void> | undefined =>
    judge === undefined
      ? import('./write-errors.ts').then((loaded) => {
          judge = loaded;
        })
      : undefined;
  const out: Record<string, Strategy> = { ...strategies };
  for (const kind of kinds) {
    const strategy = strategies[`${group}/${kind}`];
    if (strategy === undefined) continue;
    const after = (errors: readonly FieldError[], next: JsonObject, previous?: JsonObject): readonly FieldError[] => [
      ...errors,
      ...judge!.expressionErrors(kind, next, previous),
    ];
    out[`${group}/${kind}`] = {
      ...strategy,
      load,
      validate: (object) => after(strategy.validate?.(object) ?? [], object),
      validateUpdate: (next, previous) => after(strategy.validateUpdate?.(next, previous) ?? [], next, previous),
    };
  }
  return out;
}
