/** Label and field selectors as one test on cached objects, and the narrowest index that can answer. */
import { ApiError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/json.ts';
import type { ResourceSchema } from '../../api/schema/model.ts';
import { type FieldMatcher, parseFieldSelector } from '../../api/selectors/field-selector.ts';
import { type LabelMatcher, matchLabels, SelectorError } from '../../api/selectors/label-selector.ts';
import { parseLabelSelector } from '../../api/selectors/parse-label-selector.ts';
import { unknownFieldLabel } from '../../api/selectors/unknown-field-label.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import type { LabelTerm } from '../watch-cache/label-index.ts';
import type { FieldLabels } from './field-labels.ts';

export interface Selectors {
  /** Undefined: everything in the scope below matches. */
  readonly match: ((object: CachedObject) => boolean) | undefined;
  /** `metadata.name=x` stands among the terms. */
  readonly name: string | undefined;
  /** `spec.nodeName=x` for pods, x not empty. */
  readonly node: string | undefined;
  /** Labels that must have exactly these values. */
  readonly labels: readonly LabelTerm[];
  /** Neither selector was given. */
  readonly everything: boolean;
}

/**
 * @param served knows the field labels. @param fieldsOf their values where they differ from version to version. Default: the stored object's.
 * @throws ApiError 400 with upstream's message.
 */
export function parseSelectors(
  labelSelector: string,
  fieldSelector: string,
  fields: FieldLabels,
  served: Pick<ResourceSchema, 'group' | 'version' | 'kind' | 'fieldSelectors'>,
  isPods: boolean,
  fieldsOf?: (object: CachedObject) => readonly string[],
  /** Runs between reading the selectors and asking whether the kind knows their fields. */
  between: () => void = () => undefined,
): Selectors {
  if (labelSelector === '' && fieldSelector === '') {
    between();
    return { match: undefined, name: undefined, node: undefined, labels: noLabels, everything: true };
  }
  let labels: LabelMatcher;
  let terms: FieldMatcher;
  try {
    labels = parseLabelSelector(labelSelector);
    terms = parseFieldSelector(fieldSelector, (label, value) => [label, value]);
    between();
    for (const { field } of terms)
      if (!served.fieldSelectors.includes(field)) throw new SelectorError(unknownFieldLabel(served, field));
  } catch (error) {
    if (error instanceof SelectorError) throw ApiError.badRequest(error.message);
    throw error;
  }
  const tests: ((object: CachedObject) => boolean)[] = [];
  let name: string | undefined;
  let node: string | undefined;
  for (const { field, value, negated } of terms) {
    if (field === 'metadata.name') {
      if (!negated) name = value;
      tests.push(negated ? (o) => o.name !== value : (o) => o.name === value);
    } else if (field === 'metadata.namespace') {
      tests.push(negated ? (o) => o.namespace !== value : (o) => o.namespace === value);
    } else {
      const at = fields.position(field)!;
      if (isPods && !negated && value !== '' && (field === 'spec.nodeName' || field === 'spec.host')) node = value;
      if (fieldsOf) tests.push((o) => (fieldsOf(o)[at] === value) !== negated);
      else tests.push(negated ? (o) => o.fields[at] !== value : (o) => o.fields[at] === value);
    }
  }
  if (labels.nothing || labels.requirements.length > 0) tests.push(labelTest(labels));
  return { match: all(tests), name, node, labels: demanded(labels), everything: tests.length === 0 };
}

const noLabels: readonly LabelTerm[] = Object.freeze([]);

function demanded({ nothing, requirements }: LabelMatcher): readonly LabelTerm[] {
  if (nothing) return noLabels;
  const terms: LabelTerm[] = [];
  for (const { key, operator, values } of requirements)
    if ((operator === '=' || operator === '==' || operator === 'in') && values.length === 1)
      terms.push({ key, value: values[0]! });
  return terms;
}

/** The commonest selectors, one label with one value, without a walk over requirements. */
function labelTest(labels: LabelMatcher): (object: CachedObject) => boolean {
  const only = labels.requirements.length === 1 && !labels.nothing ? labels.requirements[0]! : undefined;
  if (only && (only.operator === '=' || only.operator === '==') && only.values.length === 1) {
    const key = only.key;
    const value = only.values[0]!;
    return (object) => object.labels !== undefined && object.labels[key] === value;
  }
  return (object) => matchLabels(labels, object.labels);
}

function all(tests: readonly ((object: CachedObject) => boolean)[]): ((object: CachedObject) => boolean) | undefined {
  const [first, second] = tests;
  if (first === undefined) return undefined;
  if (second === undefined) return first;
  if (tests.length === 2) return (object) => first(object) && second(object);
  return (object) => {
    for (let i = 0; i < tests.length; i++) if (!tests[i]!(object)) return false;
    return true;
  };
}

/** Labels of a decoded object, for the few places that select before anything is cached. */
export const labelsOf = (object: JsonObject): Readonly<Record<string, string>> | undefined =>
  (object.metadata as JsonObject | undefined)?.labels as Readonly<Record<string, string>> | undefined;
