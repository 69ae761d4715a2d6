/**
 * Unified diffs of two values as pretty JSON, cut as upstream's messages cut them (Ratcliff-Obershelp matching with the "popular line" heuristic of
 * difflib, three lines of context). Source: k8s.io/apimachinery/pkg/util/diff.
 */
import { encodeText } from '../codec/index.ts';

const contextLines = 3;

/** @returns hunks, each line with its end; empty when both are the same. */
export function jsonDiff(before: unknown, after: unknown): string {
  return unifiedDiff(prettyLines(before), prettyLines(after));
}

function prettyLines(value: unknown): string[] {
  const text = JSON.stringify(JSON.parse(encodeText(value as object)), undefined, 1);
  // Go writes empty lists and objects closed up, as JSON.stringify does.
  return text.split('\n').map((line) => `${line}\n`);
}

interface Operation {
  readonly tag: 'equal' | 'replace' | 'delete' | 'insert';
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
}

export function unifiedDiff(a: readonly string[], b: readonly string[]): string {
  let out = '';
  for (const group of grouped(operations(a, b))) {
    const first = group[0]!;
    const last = group.at(-1)!;
    out += `@@ -${range(first.a1, last.a2)} +${range(first.b1, last.b2)} @@\n`;
    for (const { tag, a1, a2, b1, b2 } of group) {
      if (tag === 'equal') {
        for (let i = a1; i < a2; i++) out += ` ${a[i]}`;
        continue;
      }
      for (let i = a1; i < a2; i++) out += `-${a[i]}`;
      for (let i = b1; i < b2; i++) out += `+${b[i]}`;
    }
  }
  return out;
}

function range(start: number, stop: number): string {
  const length = stop - start;
  if (length === 1) return String(start + 1);
  return `${length === 0 ? start : start + 1},${length}`;
}

function operations(a: readonly string[], b: readonly string[]): Operation[] {
  const out: Operation[] = [];
  let i = 0;
  let j = 0;
  for (const [ai, bj, size] of [...matchingBlocks(a, b), [a.length, b.length, 0] as const]) {
    const tag = i < ai && j < bj ? 'replace' : i < ai ? 'delete' : j < bj ? 'insert' : undefined;
    if (tag) out.push({ tag, a1: i, a2: ai, b1: j, b2: bj });
    i = ai + size;
    j = bj + size;
    if (size > 0) out.push({ tag: 'equal', a1: ai, a2: i, b1: bj, b2: j });
  }
  return out;
}

type Block = readonly [a: number, b: number, size: number];

function matchingBlocks(a: readonly string[], b: readonly string[]): Block[] {
  const places = new Map<string, number[]>();
  for (const [j, line] of b.entries()) {
    const known = places.get(line);
    if (known) known.push(j);
    else places.set(line, [j]);
  }
  // Lines that make up more than a hundredth of a long text do not start a match.
  if (b.length >= 200)
    for (const [line, known] of places) if (known.length > Math.floor(b.length / 100) + 1) places.delete(line);
  const found: Block[] = [];
  const search = (a1: number, a2: number, b1: number, b2: number): void => {
    const match = longestMatch(a, b, places, a1, a2, b1, b2);
    const [i, j, size] = match;
    if (size === 0) return;
    if (a1 < i && b1 < j) search(a1, i, b1, j);
    found.push(match);
    if (i + size < a2 && j + size < b2) search(i + size, a2, j + size, b2);
  };
  search(0, a.length, 0, b.length);
  const joined: Block[] = [];
  for (const block of found) {
    const last = joined.at(-1);
    if (last && last[0] + last[2] === block[0] && last[1] + last[2] === block[1])
      joined[joined.length - 1] = [last[0], last[1], last[2] + block[2]];
    else joined.push(block);
  }
  return joined;
}

function longestMatch(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, readonly number[]>,
  a1: number,
  a2: number,
  b1: number,
  b2: number,
): Block {
  let besti = a1;
  let bestj = b1;
  let best = 0;
  let lengths = new Map<number, number>();
  for (let i = a1; i < a2; i++) {
    const next = new Map<number, number>();
    for (const j of places.get(a[i]!) ?? []) {
      if (j < b1) continue;
      if (j >= b2) break;
      const length = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, length);
      if (length > best) {
        besti = i - length + 1;
        bestj = j - length + 1;
        best = length;
      }
    }
    lengths = next;
  }
  while (besti > a1 && bestj > b1 && a[besti - 1] === b[bestj - 1]) {
    besti--;
    bestj--;
    best++;
  }
  while (besti + best < a2 && bestj + best < b2 && a[besti + best] === b[bestj + best]) best++;
  return [besti, bestj, best];
}

/** Changes with their context; what stands far from any change is left out. */
function grouped(all: readonly Operation[]): Operation[][] {
  if (all.every(({ tag }) => tag === 'equal')) return [];
  const codes = [...all];
  const first = codes[0]!;
  if (first.tag === 'equal')
    codes[0] = {
      ...first,
      a1: Math.max(first.a1, first.a2 - contextLines),
      b1: Math.max(first.b1, first.b2 - contextLines),
    };
  const last = codes.at(-1)!;
  if (last.tag === 'equal')
    codes[codes.length - 1] = {
      ...last,
      a2: Math.min(last.a2, last.a1 + contextLines),
      b2: Math.min(last.b2, last.b1 + contextLines),
    };
  const groups: Operation[][] = [];
  let group: Operation[] = [];
  for (const code of codes) {
    if (code.tag === 'equal' && code.a2 - code.a1 > 2 * contextLines) {
      group.push({ ...code, a2: code.a1 + contextLines, b2: code.b1 + contextLines });
      groups.push(group);
      group = [{ ...code, a1: code.a2 - contextLines, b1: code.b2 - contextLines }];
    } else group.push(code);
  }
  if (group.length > 1 || group[0]?.tag !== 'equal') groups.push(group);
  return groups.filter((g) => g.length > 0);
}
