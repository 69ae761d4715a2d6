/** Labels, annotations and label selectors inside specs. Source: apimachinery/pkg/apis/meta/v1/validation. */
import { checkLabelValue, checkQualifiedName } from '../names.ts';
import type { LabelSelector, ObjectMeta } from '../types/meta-v1.ts';
import { at, type ErrorList } from './error-list.ts';

export function validateLabels(
  errors: ErrorList,
  labels: Readonly<Record<string, string>> | undefined,
  field: string,
): void {
  for (const key in labels) {
    errors.invalidEach(field, key, checkQualifiedName(key));
    const value = labels[key]!;
    errors.invalidEach(field, value, checkLabelValue(value));
  }
}

const annotationsMaxBytes = 256 * 1024;

export function validateAnnotations(
  errors: ErrorList,
  annotations: Readonly<Record<string, string>> | undefined,
  field: string,
): void {
  let bytes = 0;
  for (const key in annotations) {
    errors.invalidEach(field, key, checkQualifiedName(key.toLowerCase()));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (bytes > annotationsMaxBytes) errors.tooLong(field, annotationsMaxBytes);
}

/** Metadata of a template that takes labels and annotations only. */
export function validateTemplateMetadata(errors: ErrorList, metadata: ObjectMeta | undefined, field: string): void {
  if (!metadata) return;
  validateAnnotations(errors, metadata.annotations, `${field}.annotations`);
  validateLabels(errors, metadata.labels, `${field}.labels`);
  for (const name of Object.keys(metadata))
    if (name !== 'annotations' && name !== 'labels') errors.forbidden(`${field}.${name}`, 'cannot be set');
}

export interface SelectorOptions {
  /** The old object had such a value, so it may stay. */
  readonly allowInvalidValues?: boolean;
}

export function validateLabelSelector(
  errors: ErrorList,
  selector: LabelSelector | null | undefined,
  field: string,
  options: SelectorOptions = {},
): void {
  if (!selector) return;
  if (selector.matchLabels) validateLabels(errors, selector.matchLabels, `${field}.matchLabels`);
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
    if (options.allowInvalidValues) continue;
    for (const [j, value] of values.entries())
      errors.invalidEach(at(`${path}.values`, j), value, checkLabelValue(value));
  }
}

export const isEmptySelector = (selector: LabelSelector | undefined): boolean =>
  !selector || (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0);

/** Some value of the selector's expressions is no label value: older servers took those. */
export const hasInvalidValues = (selector: LabelSelector | undefined): boolean =>
  (selector?.matchExpressions ?? []).some((e) => e.values?.some((value) => checkLabelValue(value).length > 0));
