/**
 * Label selectors: what they mean and how they match. Parsing text is in `parse-label-selector.ts`.
 * Source: k8s.io/apimachinery/pkg/labels and meta/v1.LabelSelectorAsSelector.
 */
import { checkLabelValue, checkQualifiedName } from '../names.ts';
import type { LabelSelector } from '../types/meta-v1.ts';

/** Operators as upstream names them in messages and in its canonical text. */
export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'exists' | '!' | 'gt' | 'lt';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted and without duplicates when parsed from text; as given when made from a LabelSelector. */
  readonly values: readonly string[];
}

/** Matches what meets all requirements; none: everything, unless `nothing` is set (a missing LabelSelector). */
export interface LabelMatcher {
  readonly requirements: readonly LabelRequirement[];
  readonly nothing: boolean;
}

export type Labels = Readonly<Record<string, string>>;

/** The selector is malformed. The message is upstream's; the API server answers 400 with it. */
export class SelectorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SelectorError';
  }
}

export const everyLabel: LabelMatcher = Object.freeze({ requirements: Object.freeze([]), nothing: false });
export const noLabel: LabelMatcher = Object.freeze({ requirements: Object.freeze([]), nothing: true });

/** Label keys such as `constructor` must not find inherited properties: only strings count. */
export function matchLabels(matcher: LabelMatcher, labels: Labels | undefined): boolean {
  if (matcher.nothing) return false;
  const { requirements } = matcher;
  for (let i = 0; i < requirements.length; i++) if (!meets(requirements[i]!, labels)) return false;
  return true;
}

function meets(requirement: LabelRequirement, labels: Labels | undefined): boolean {
  const found: unknown = labels?.[requirement.key];
  const value = typeof found === 'string' ? found : undefined;
  switch (requirement.operator) {
    case '=':
    case '==':
    case 'in':
      return value !== undefined && requirement.values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !requirement.values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
    case 'lt': {
      const left = value === undefined ? undefined : parseInt64(value);
      const right = parseInt64(requirement.values[0] ?? '');
      if (left === undefined || right === undefined) return false;
      return requirement.operator === 'gt' ? left > right : left < right;
    }
  }
}

/** Base 10 as Go's ParseInt: an optional sign and digits, within 64 bits. */
export function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text[0] === '+' ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/**
 * Checks and makes one requirement. @param path prefix of the field path in messages (`''` for none).
 * @throws SelectorError naming every violation
 */
export function makeRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const problems: string[] = [];
  const keyProblems = checkQualifiedName(key);
  if (keyProblems.length > 0) problems.push(`key: Invalid value: ${JSON.stringify(key)}: ${keyProblems.join('; ')}`);
  const listed = values.length === 0 ? 'null' : JSON.stringify(values);
  switch (operator) {
    case 'in':
    case 'notin':
      if (values.length === 0)
        problems.push(`values: Invalid value: ${listed}: for 'in', 'notin' operators, values set can't be empty`);
      break;
    case '=':
    case '==':
    case '!=':
      if (values.length !== 1)
        problems.push(`values: Invalid value: ${listed}: exact-match compatibility requires one single value`);
      break;
    case 'exists':
    case '!':
      if (values.length !== 0)
        problems.push(`values: Invalid value: ${listed}: values set must be empty for exists and does not exist`);
      break;
    case 'gt':
    case 'lt':
      if (values.length !== 1)
        problems.push(`values: Invalid value: ${listed}: for 'Gt', 'Lt' operators, exactly one value is required`);
      for (const [i, value] of values.entries())
        if (parseInt64(value) === undefined)
          problems.push(
            `values[${i}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
      break;
  }
  for (const [i, value] of values.entries()) {
    const valueProblems = checkLabelValue(value);
    if (valueProblems.length > 0)
      problems.push(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${valueProblems.join('; ')}`);
  }
  if (problems.length > 0) throw new SelectorError(aggregate(problems));
  return { key, operator, values };
}

/** One message as it is; several in brackets, repeated ones once. Source: util/errors.Aggregate. */
function aggregate(messages: readonly string[]): string {
  const unique = [...new Set(messages)];
  return unique.length === 1 ? unique[0]! : `[${unique.join(', ')}]`;
}

const operators: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/**
 * From the API type: a missing selector matches nothing, an empty one everything. @throws SelectorError for a malformed one.
 */
export function labelMatcherFrom(selector: LabelSelector | undefined | null): LabelMatcher {
  if (selector === undefined || selector === null) return noLabel;
  const requirements: LabelRequirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push(makeRequirement(key, '=', [value]));
  for (const expression of selector.matchExpressions ?? []) {
    const operator = Object.hasOwn(operators, expression.operator) ? operators[expression.operator] : undefined;
    if (operator === undefined)
      throw new SelectorError(`${JSON.stringify(expression.operator)} is not a valid label selector operator`);
    requirements.push(makeRequirement(expression.key, operator, expression.values ?? []));
  }
  if (requirements.length === 0) return everyLabel;
  return { requirements: requirements.sort(byKey), nothing: false };
}

/** From a plain map (Service and ReplicationController selectors), unchecked. An empty or missing map matches everything. */
export function labelMatcherFromMap(labels: Labels | undefined): LabelMatcher {
  const requirements = Object.entries(labels ?? {}).map(
    ([key, value]): LabelRequirement => ({ key, operator: '=', values: [value] }),
  );
  return requirements.length === 0 ? everyLabel : { requirements: requirements.sort(byKey), nothing: false };
}

export const byKey = (a: LabelRequirement, b: LabelRequirement): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** The value a label must have exactly, if the selector demands one: lets an index answer. */
export function requiredLabelValue(matcher: LabelMatcher, key: string): string | undefined {
  for (const { key: candidate, operator, values } of matcher.requirements) {
    if (candidate !== key) continue;
    return (operator === '=' || operator === '==' || operator === 'in') && values.length === 1 ? values[0] : undefined;
  }
  return undefined;
}

/** Upstream's canonical text, which `parseLabelSelector` reads back. A selector that matches nothing has none: `''`. */
export function formatLabelMatcher(matcher: LabelMatcher): string {
  return matcher.requirements.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  const listed = values.length === 1 ? values[0] : [...values].sort().join(',');
  switch (operator) {
    case '=':
    case '==':
    case '!=':
      return `${key}${operator}${listed}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${listed})`;
    case 'gt':
      return `${key}>${listed}`;
    case 'lt':
      return `${key}<${listed}`;
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
  }
}

/** As kubectl and `scale.status.selector` show a LabelSelector; `<none>`, `<error>` as upstream's FormatLabelSelector. */
export function formatLabelSelector(selector: LabelSelector | undefined): string {
  try {
    const text = formatLabelMatcher(labelMatcherFrom(selector));
    return text === '' ? '<none>' : text;
  } catch (error) {
    if (error instanceof SelectorError) return '<error>';
    throw error;
  }
}
