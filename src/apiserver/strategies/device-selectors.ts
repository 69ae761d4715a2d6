/** Kinds with device selectors are also judged by what only a compiler can tell of their expressions. Loaded with the first write of one. */
import type { JudgeSelector } from '../../api/validation/kind-rules.ts';
import type { Strategy } from './strategy.ts';

const kinds = ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates'] as const;

export function withSelectorRules(strategies: Readonly<Record<string, Strategy>>): Readonly<Record<string, Strategy>> {
  let judge: JudgeSelector | undefined;
  const load = (): Promise<void> | undefined =>
    judge === undefined
      ? import('./device-selector-rules.ts').then(({ createSelectorJudge }) => {
          judge = createSelectorJudge();
        })
      : undefined;
  const out: Record<string, Strategy> = { ...strategies };
  for (const kind of kinds) {
    const id = `resource.k8s.io/${kind}`;
    const strategy = strategies[id];
    if (strategy === undefined) continue;
    const withJudge = (request: { readonly apiVersion: string } | undefined) => ({
      apiVersion: request?.apiVersion ?? 'resource.k8s.io/v1',
      judgeSelector: judge!,
    });
    out[id] = {
      ...strategy,
      load,
      validate: (object, request) => strategy.validate?.(object, withJudge(request)) ?? [],
      validateUpdate: (next, previous, request) => strategy.validateUpdate?.(next, previous, withJudge(request)) ?? [],
    };
  }
  return out;
}
