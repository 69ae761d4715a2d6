/** Label selectors compiled once and asked on every pod: the API's matcher, with a canonical text as key and a short way for `key = value`. */
import {
  formatLabelMatcher,
  type Labels,
  labelMatcherFrom,
  labelMatcherFromMap,
  matchLabels,
  type LabelMatcher as ParsedMatcher,
  SelectorError,
} from '../../api/selectors/label-selector.ts';
import type { LabelSelector } from '../../api/types/meta-v1.ts';

export type { Labels };
export const noLabels: Labels = Object.freeze({});

export interface LabelMatcher {
  /** Two selectors with the same text match the same labels. */
  readonly text: string;
  /** True when it matches everything. */
  readonly empty: boolean;
  matches(labels: Labels): boolean;
}

export const matchesNothing: LabelMatcher = { text: '!', empty: false, matches: () => false };
export const matchesEverything: LabelMatcher = { text: '', empty: true, matches: () => true };

/** An absent selector matches nothing, an empty one everything; one that validation would refuse matches nothing. */
export function compileLabelSelector(selector: LabelSelector | undefined): LabelMatcher {
  try {
    return compiled(labelMatcherFrom(selector));
  } catch (error) {
    if (error instanceof SelectorError) return matchesNothing;
    throw error;
  }
}

/** A Service's or ReplicationController's selector. */
export function compileLabelMap(labels: Labels | undefined): LabelMatcher {
  return compiled(labelMatcherFromMap(labels));
}

/** Both must match. */
export function bothMatch(a: LabelMatcher, b: LabelMatcher): LabelMatcher {
  if (a.empty) return b;
  if (b.empty) return a;
  return { text: `${a.text},${b.text}`, empty: false, matches: (labels) => a.matches(labels) && b.matches(labels) };
}

function compiled(parsed: ParsedMatcher): LabelMatcher {
  if (parsed.nothing) return matchesNothing;
  const { requirements } = parsed;
  if (requirements.length === 0) return matchesEverything;
  const text = formatLabelMatcher(parsed);
  if (!requirements.every(({ operator, values }) => operator === '=' && values.length === 1))
    return { text, empty: false, matches: (labels) => matchLabels(parsed, labels) };
  const keys = requirements.map(({ key }) => key);
  const wanted = requirements.map(({ values }) => values[0]);
  return {
    text,
    empty: false,
    matches(labels) {
      for (let i = 0; i < keys.length; i++) if (labels[keys[i]!] !== wanted[i]) return false;
      return true;
    },
  };
}
