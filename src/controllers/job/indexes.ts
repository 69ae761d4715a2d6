/** Sets of completion indexes as ordered intervals, written `1,3-5,7`. Immutable. Source: pkg/controller/job/indexed_job_utils.go. */

interface Interval {
  readonly first: number;
  readonly last: number;
}

export class Indexes {
  static readonly none = new Indexes([]);
  private readonly intervals: readonly Interval[];
  readonly size: number;

  private constructor(intervals: readonly Interval[]) {
    this.intervals = intervals;
    this.size = intervals.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** Ignores what is malformed and what is not below `completions`. */
  static parse(text: string | undefined, completions: number): Indexes {
    if (!text) return Indexes.none;
    const intervals: Interval[] = [];
    for (const part of text.split(',')) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) continue;
      const first = Number(match[1]);
      if (first < completions) intervals.push({ first, last: Math.min(Number(match[2] ?? first), completions - 1) });
    }
    return new Indexes(merged(intervals));
  }
  static of(indexes: Iterable<number>): Indexes {
    return new Indexes(merged([...indexes].map((index) => ({ first: index, last: index }))));
  }

  union(other: Indexes): Indexes {
    if (other.size === 0) return this;
    return this.size === 0 ? other : new Indexes(merged([...this.intervals, ...other.intervals]));
  }
  has(index: number): boolean {
    return this.intervals.some(({ first, last }) => first <= index && index <= last);
  }
  /** How many of them are in `other`, too. */
  overlap(other: Indexes): number {
    let shared = 0;
    for (const a of this.intervals)
      for (const b of other.intervals) shared += Math.max(0, Math.min(a.last, b.last) - Math.max(a.first, b.first) + 1);
    return shared;
  }
  /** The first `count` numbers below `completions` that are not in the set. */
  firstMissing(count: number, completions: number): readonly number[] {
    const missing: number[] = [];
    let candidate = 0;
    const upTo = (end: number): void => {
      for (; candidate < end && missing.length < count; candidate++) missing.push(candidate);
    };
    for (const { first, last } of this.intervals) {
      upTo(Math.min(first, completions));
      candidate = Math.max(candidate, last + 1);
    }
    upTo(completions);
    return missing;
  }

  /** Two neighbours are written `1,2`, three `1-3`. */
  toString(): string {
    return this.intervals
      .map(({ first, last }) => (first === last ? `${first}` : `${first}${last === first + 1 ? ',' : '-'}${last}`))
      .join(',');
  }
}

function merged(intervals: Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const next of intervals.sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (!before || next.first > before.last + 1) result.push(next);
    else if (next.last > before.last) result[result.length - 1] = { first: before.first, last: next.last };
  }
  return result;
}
