/** Index lists of indexed jobs, such as `1,3-5,7`. */
import type { ErrorList } from './error-list.ts';

/** @returns how many indexes there are, or what is wrong. */
export function indexesOf(text: string, completions: number): number | string {
  if (text === '') return 0;
  let total = 0;
  let last: number | undefined;
  for (const fragment of text.split(',')) {
    const interval = intervalOf(fragment, completions);
    if (typeof interval === 'string') return interval;
    const [first, end] = interval;
    if (last !== undefined && last >= first) return `non-increasing order, previous: ${last}, current: ${first}`;
    total += end - first + 1;
    last = end;
  }
  return total;
}

function intervalOf(text: string, completions: number): readonly [first: number, last: number] | string {
  const limits = text.split('-');
  if (limits.length > 2)
    return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  const numbers: number[] = [];
  for (const limit of limits) {
    if (!/^[-+]?\d+$/.test(limit)) return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
    if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`;
    numbers.push(Number(limit));
  }
  const [first, last = first] = numbers as [number, number?];
  if (limits.length === 2 && first >= last!) return `non-increasing order, previous: ${first}, current: ${last}`;
  return [first, last!];
}

/** The first index both lists have; undefined when there is none. What cannot be read is left out. */
export function overlapOf(a: string, b: string, completions: number): number | undefined {
  const intervals = (text: string): (readonly [number, number])[] =>
    text
      .split(',')
      .map((fragment) => intervalOf(fragment, completions))
      .filter((interval) => typeof interval !== 'string');
  for (const [first, last] of intervals(a))
    for (const [otherFirst, otherLast] of intervals(b))
      if (first <= otherLast && otherFirst <= last) return Math.max(first, otherFirst);
  return undefined;
}

/** An invalid field whose value is not shown. */
export function omitted(errors: ErrorList, field: string, detail: string): void {
  errors.append([{ type: 'FieldValueInvalid', field, message: `Invalid value: ${detail}` }]);
}
