/**
 * Whether a history of reads and writes, made by clients at the same time, could have come from one register for each key: each operation takes
 * effect at one moment between its call and its answer. Source of the method: Wing and Gong, with the memory of Lowe.
 */
export interface Operation {
  readonly key: string;
  readonly kind: 'write' | 'read';
  /** What was written, or what the read answered; undefined: the key was not there. */
  readonly value: string | undefined;
  readonly startMs: number;
  /** Infinity for a write whose answer never came: it may take effect at any later time, or never. */
  readonly endMs: number;
}

export interface Violation {
  readonly key: string;
  /** Operations of that key in the order they began. */
  readonly history: readonly Operation[];
  /** The longest part that could be put in an order. */
  readonly explained: number;
}

/** @returns the first key whose operations no order explains; undefined when all is well. @param initial of every key. */
export function findViolation(operations: readonly Operation[], initial: string | undefined): Violation | undefined {
  const byKey = new Map<string, Operation[]>();
  const read = new Set<string>();
  for (const { key, kind, value } of operations) if (kind === 'read') read.add(`${key}|${value}`);
  for (const operation of operations) {
    // Nor does a write without an answer whose value nobody read: it may as well have never happened.
    if (operation.endMs === Number.POSITIVE_INFINITY && !read.has(`${operation.key}|${operation.value}`)) continue;
    // A read without an answer says nothing.
    if (operation.kind === 'read' && operation.endMs === Number.POSITIVE_INFINITY) continue;
    const list = byKey.get(operation.key);
    if (list) list.push(operation);
    else byKey.set(operation.key, [operation]);
  }
  for (const [key, list] of byKey) {
    list.sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
    const explained = explain(list, initial);
    const mustBe = list.filter(({ endMs }) => endMs !== Number.POSITIVE_INFINITY).length;
    if (explained < mustBe) return { key, history: list, explained };
  }
  return undefined;
}

/** @param list in the order of their starts. @returns how many answered operations the best order explains. */
function explain(list: readonly Operation[], initial: string | undefined): number {
  const answered = list.filter(({ endMs }) => endMs !== Number.POSITIVE_INFINITY).length;
  const done = new Uint8Array(list.length);
  const seen = new Set<string>();
  let best = 0;
  interface Step {
    readonly index: number;
    readonly value: string | undefined;
    readonly candidates: readonly number[];
    next: number;
  }
  const candidatesNow = (value: string | undefined): readonly number[] => {
    // Whatever starts after the first end among those still to be placed comes after that one.
    let horizon = Number.POSITIVE_INFINITY;
    for (let i = 0; i < list.length; i++) if (!done[i] && list[i]!.endMs < horizon) horizon = list[i]!.endMs;
    const found: number[] = [];
    for (let i = 0; i < list.length && list[i]!.startMs <= horizon; i++) {
      const operation = list[i]!;
      if (!done[i] && (operation.kind === 'write' || operation.value === value)) found.push(i);
    }
    return found;
  };
  const stateOf = (value: string | undefined): string => `${done.join('')}|${value}`;
  let count = 0;
  const stack: Step[] = [{ index: -1, value: initial, candidates: candidatesNow(initial), next: 0 }];
  while (stack.length > 0) {
    if (count === answered) return answered;
    const top = stack.at(-1)!;
    const index = top.candidates[top.next++];
    if (index === undefined) {
      stack.pop();
      if (top.index >= 0) {
        done[top.index] = 0;
        if (list[top.index]!.endMs !== Number.POSITIVE_INFINITY) count--;
      }
      continue;
    }
    const operation = list[index]!;
    const value = operation.kind === 'write' ? operation.value : top.value;
    done[index] = 1;
    const state = stateOf(value);
    if (seen.has(state)) {
      done[index] = 0;
      continue;
    }
    seen.add(state);
    if (operation.endMs !== Number.POSITIVE_INFINITY) count++;
    best = Math.max(best, count);
    stack.push({ index, value, candidates: candidatesNow(value), next: 0 });
  }
  return best;
}

export interface Observed {
  readonly key: string;
  readonly value: string | undefined;
  readonly resourceVersion: string;
}

/**
 * What one watcher saw of keys that were each written with values of their own.
 * @param acknowledged values that were written and answered. @returns a sentence for the first thing that is wrong.
 */
export function findWatchFault(events: readonly Observed[], acknowledged: readonly Observed[]): string | undefined {
  const seen = new Map<string, Set<string>>();
  let last = 0n;
  for (const { key, value, resourceVersion } of events) {
    const revision = BigInt(resourceVersion);
    if (revision <= last) return `an event of ${key} at ${revision} came after one at ${last}`;
    last = revision;
    const values = seen.get(key) ?? new Set();
    seen.set(key, values);
    if (values.has(String(value))) return `the value ${value} of ${key} came twice`;
    values.add(String(value));
  }
  for (const { key, value } of acknowledged)
    if (!seen.get(key)?.has(String(value))) return `the value ${value} of ${key} was acknowledged and never seen`;
  return undefined;
}
