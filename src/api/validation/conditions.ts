/** Conditions of the common form, `meta/v1.Condition`. Source: apimachinery/pkg/apis/meta/v1/validation. */
import { checkQualifiedName } from '../names.ts';
import { at, type ErrorList } from './error-list.ts';
import type { ChangeRule } from './kind-rules.ts';

export interface ObservedCondition {
  readonly type?: string;
  readonly status?: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string | null;
  readonly reason?: string;
  readonly message?: string;
}

export function validateObservedConditions(
  errors: ErrorList,
  conditions: readonly ObservedCondition[],
  field: string,
): void {
  const types = new Set<string>();
  for (const [i, condition] of conditions.entries()) {
    const path = at(field, i);
    const { type = '', status = '', observedGeneration = 0, reason = '', message = '' } = condition;
    if (types.has(type)) errors.duplicate(`${path}.type`, type);
    types.add(type);
    errors.invalidEach(`${path}.type`, type, checkQualifiedName(type));
    if (!['True', 'False', 'Unknown'].includes(status))
      errors.notSupported(`${path}.status`, status, ['False', 'True', 'Unknown']);
    if (observedGeneration < 0)
      errors.invalid(`${path}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero');
    if (!condition.lastTransitionTime) errors.required(`${path}.lastTransitionTime`);
    if (reason === '') errors.required(`${path}.reason`);
    else if (!/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason))
      errors.invalid(
        `${path}.reason`,
        reason,
        "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
      );
    if (Buffer.byteLength(reason) > 1024) errors.tooLong(`${path}.reason`, 1024);
    if (Buffer.byteLength(message) > 32 * 1024) errors.tooLong(`${path}.message`, 32 * 1024);
  }
}

/** A rule of a status, after the one of its conditions. */
export const withConditions =
  (rule?: ChangeRule): ChangeRule =>
  (errors, next, previous, request) => {
    const { status } = next as { readonly status?: { readonly conditions?: readonly ObservedCondition[] } };
    validateObservedConditions(errors, status?.conditions ?? [], 'status.conditions');
    rule?.(errors, next, previous, request);
  };
