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
    const after = (errors: readonly FieldError[], next: JsonObject, previous?: JsonObject): readonly FieldError[] =>
      inPlace([...errors, ...judge!.expressionErrors(kind, next, previous)]);
    out[`${group}/${kind}`] = {
      ...strategy,
      load,
      validate: (object) => after(strategy.validate?.(object) ?? [], object),
      validateUpdate: (next, previous) => after(strategy.validateUpdate?.(next, previous) ?? [], next, previous),
    };
  }
  return out;
}

/** The parts of a policy in which expressions stand, in the order in which they are judged. */
const parts = ['matchConditions', 'variables', 'validations', 'auditAnnotations', 'mutations', 'reinvocationPolicy'];

/** What is wrong with an expression stands among what is wrong with its neighbours, not behind all of it. Webhooks have no such parts. */
function inPlace(errors: readonly FieldError[]): readonly FieldError[] {
  const rank = ({ field = '' }: FieldError): readonly number[] => {
    const [, part = '', index = '-1', own = ''] = /^spec\.(\w+)(?:\[(\d+)\](?:\.(.*))?)?$/.exec(field) ?? [];
    const at = parts.indexOf(part);
    if (at < 0) return [-1, 0, 0];
    return [at, Number(index), /^(name|key|patchType)$/.test(own) ? 0 : /expression$/i.test(own) ? 1 : 2];
  };
  return errors
    .map((error) => ({ error, at: rank(error) }))
    .sort((a, b) => a.at[0]! - b.at[0]! || a.at[1]! - b.at[1]! || a.at[2]! - b.at[2]!)
    .map(({ error }) => error);
}
