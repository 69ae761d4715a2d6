/** The expression language with Kubernetes' libraries and cost limits. Loaded on first use (decision 18). */
import { type Checked, check } from './checker.ts';
import { Environment, type EnvironmentOptions, type Library } from './environment.ts';
import { type Program, program } from './evaluate.ts';
import { authorizerLibrary } from './libraries/authorizer.ts';
import { extensionLibrary } from './libraries/extensions.ts';
import { kubernetesLibrary } from './libraries/kubernetes.ts';
import { standardLibrary } from './libraries/standard.ts';
import { parse } from './parser.ts';
import type { Type } from './types.ts';

export type { Checked } from './checker.ts';
export { Environment, type EnvironmentOptions, type Library } from './environment.ts';
export type { Outcome, Program, Variables } from './evaluate.ts';
export { fromJson, toJson } from './json.ts';
export { CelCompileError } from './source.ts';
export { type Type, typeText } from './types.ts';
export { CelError, CostLimitError, type Value } from './values.ts';

/** Limits of cost. Source: apiserver/pkg/apis/cel/config.go. */
export const perCallLimit = 1_000_000;
export const runtimeBudget = 10_000_000;
export const matchConditionsBudget = 2_500_000;

export interface Compiled {
  readonly checked: Checked;
  readonly type: Type;
  readonly program: Program;
}

/** Kubernetes' environment with variables of one's own. */
export function createEnvironment(
  options: Omit<EnvironmentOptions, 'libraries'> & { readonly libraries?: readonly Library[] },
): Environment {
  return new Environment({
    ...options,
    libraries: [
      standardLibrary,
      extensionLibrary,
      kubernetesLibrary(),
      authorizerLibrary,
      ...(options.libraries ?? []),
    ],
  });
}

/** @throws CelCompileError */
export function compile(text: string, environment: Environment): Compiled {
  const checked = check(text, parse(text), environment);
  return { checked, type: checked.type, program: program(checked, environment) };
}
