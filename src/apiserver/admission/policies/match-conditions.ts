/** `matchConditions` of webhooks and policies. Source: apiserver/pkg/admission/plugin/webhook/matchconditions. */
import type { MatchCondition } from '../../../api/types/admissionregistration-v1.ts';
import { matchConditionsBudget } from '../../../cel/index.ts';
import type { Authorizer } from '../../authorization/authorizer.ts';
import type { CompileMatchConditions, MatchResult } from '../webhooks/match-conditions.ts';
import { authorizerFor } from './authorize.ts';
import { BudgetError, type CompiledExpression, Compiler, Evaluation, type ExpressionInput } from './expressions.ts';

export function matchConditionsCompiler(authorizer: Authorizer | undefined): CompileMatchConditions {
  return (conditions, failurePolicy) => {
    const compiler = new Compiler({ params: false, authorizer: authorizer !== undefined });
    const compiled = compileConditions(compiler, conditions);
    return {
      match: ({ object, oldObject, request, attributes, signal }) =>
        matchConditions(
          compiled,
          { object, oldObject, request, authorizer: authorizer && authorizerFor(authorizer, attributes, signal) },
          compiler.variables,
          failurePolicy,
        ),
    };
  };
}

export interface CompiledCondition {
  readonly name: string;
  readonly expression: CompiledExpression;
}

export const compileConditions = (
  compiler: Compiler,
  conditions: readonly MatchCondition[],
): readonly CompiledCondition[] =>
  conditions.map(({ name, expression }) => ({ name, expression: compiler.compile(expression, 'bool') }));

export function matchConditions(
  conditions: readonly CompiledCondition[],
  input: ExpressionInput,
  variables: ReadonlyMap<string, CompiledExpression>,
  failurePolicy: string,
): MatchResult {
  const evaluation = new Evaluation(input, variables, matchConditionsBudget);
  const errors: string[] = [];
  for (const { name, expression } of conditions) {
    try {
      const result = evaluation.evaluate(expression);
      if ('error' in result) errors.push(result.error);
      else if (result.value === false) return { kind: 'excluded', condition: name };
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      return failurePolicy === 'Fail'
        ? { kind: 'error', message: error.message }
        : { kind: 'excluded', condition: name };
    }
  }
  if (errors.length === 0) return { kind: 'matches' };
  if (failurePolicy !== 'Fail') return { kind: 'excluded', condition: conditions[0]!.name };
  const all = [...new Set(errors)];
  return { kind: 'error', message: all.length === 1 ? all[0]! : `[${all.join(', ')}]` };
}
