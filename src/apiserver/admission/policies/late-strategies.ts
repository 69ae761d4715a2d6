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

/** Of a condition the expression is judged first, then its name, then whether another has the name; of other parts the name comes first. */
function within(part: string, own: string, type: FieldError['type']): number {
  if (type === 'FieldValueDuplicate') return 3;
  if (/^(name|key|patchType)$/.test(own)) return part === 'matchConditions' ? 2 : 0;
  return /expression$/i.test(own) ? 1 : 2;
}

/** The parts of a webhook that are judged after all others. */
const lastOfWebhook = ['matchConditions', 'admissionReviewVersions'];

/** What is wrong with an expression stands among what is wrong with its neighbours, not behind all of it. */
function inPlace(errors: readonly FieldError[]): readonly FieldError[] {
  const rank = ({ field = '', type }: FieldError): readonly number[] => {
    const webhook = /^webhooks\[(\d+)\]\.(\w+)(?:\[(\d+)\](?:\.(.*))?)?/.exec(field);
    if (webhook) {
      const [, index, part = '', inner = '-1', own = ''] = webhook;
      const at = part === 'name' && type === 'FieldValueDuplicate' ? lastOfWebhook.length : lastOfWebhook.indexOf(part);
      return part === 'matchConditions'
        ? [Number(index), at, Number(inner), within(part, own, type)]
        : [Number(index), at, 0, 0];
    }
    const [, part = '', index = '-1', own = ''] = /^spec\.(\w+)(?:\[(\d+)\](?:\.(.*))?)?$/.exec(field) ?? [];
    const at = parts.indexOf(part);
    return at < 0 ? [-1, 0, 0, 0] : [at, Number(index), within(part, own, type), 0];
  };
  return errors
    .map((error) => ({ error, at: rank(error) }))
    .sort(({ at: a }, { at: b }) => a[0]! - b[0]! || a[1]! - b[1]! || a[2]! - b[2]! || a[3]! - b[3]!)
    .map(({ error }) => error);
}
