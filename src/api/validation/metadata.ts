/** Label selectors and label maps inside specs. Source: apimachinery/pkg/apis/meta/v1/validation. */
import { checkLabelValue, checkQualifiedName } from '../names.ts';
import type { LabelSelector } from '../types/meta-v1.ts';
import { at, type ErrorList } from './error-list.ts';

export function validateLabels(
  errors: ErrorList,
  labels: Readonly<Record<string, string>> | undefined,
  field: string,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    errors.invalidEach(field, key, checkQualifiedName(key));
    errors.invalidEach(field, value, checkLabelValue(value));
  }
}

export function validateLabelSelector(errors: ErrorList, selector: LabelSelector | undefined, field: string): void {
  if (!selector) return;
  validateLabels(errors, selector.matchLabels, `${field}.matchLabels`);
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const path = at(`${field}.matchExpressions`, i);
    const values = expression.values ?? [];
    switch (expression.operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0)
          errors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0)
          errors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        break;
      default:
        errors.invalid(`${path}.operator`, expression.operator, 'not a valid selector operator');
    }
    errors.invalidEach(`${path}.key`, expression.key, checkQualifiedName(expression.key));
    for (const [j, value] of values.entries())
      errors.invalidEach(at(`${path}.values`, j), value, checkLabelValue(value));
  }
}

export const isEmptySelector = (selector: LabelSelector | undefined): boolean =>
  !selector || (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0);
