/** The contract's property: any sequence of operations gives what a naive twin gives, and replaying a watch gives the state. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { StoreHarness } from './contract.ts';
import { type Compare, type Op, type OpResult, type Store, StoreError, type TxnRequest } from './store.ts';

const keys = ['a', 'b', 'b/1', 'b/2', 'c', 'é', '\uffee', '\u{1F600}'];
const all = { key: '\0', end: '\0' };

const key = fc.constantFrom(...keys);
const end = fc.option(fc.constantFrom(...keys, '\0'), { nil: undefined });
const bounds = fc.record({ key, end }).map(({ key, end }) => (end === undefined ? { key } : { key, end }));
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(key, fc.string({ maxLength: 4 }))
      .map(([key, text]): Op => ({ type: 'put', key, value: Buffer.from(text) })),
  },
  { weight: 2, arbitrary: bounds.map((range): Op => ({ type: 'delete', ...range, prevKv: true })) },
  {
    weight: 2,
    arbitrary: fc.tuple(bounds, fc.nat(3)).map(([range, limit]): Op => ({ type: 'range', ...range, limit })),
  },
);
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({
    key,
    target: fc.constantFrom('version' as const),
    op: fc.constantFrom('=' as const, '!=' as const, '<' as const, '>' as const),
    value: fc.nat(3),
  }),
  fc.record({
    key,
    target: fc.constant('value' as const),
    op: fc.constantFrom('=' as const, '!=' as const),
    value: fc.string({ maxLength: 1 }).map((text) => Buffer.from(text)),
  }),
);
type Step =
  | { readonly type: 'txn'; readonly request: TxnRequest }
  | {
      readonly type: 'range';
      readonly range: { key: string; end?: string };
      readonly limit: number;
      readonly back: number;
    }
  | { readonly type: 'compact'; readonly back: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .record({
        compare: fc.array(compare, { maxLength: 2 }),
        success: fc.array(op, { maxLength: 3 }),
        failure: fc.array(op, { maxLength: 2 }),
      })
      .map((request): Step => ({ type: 'txn', request })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('range' as const), range: bounds, limit: fc.nat(3), back: fc.nat(6) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('compact' as const), back: fc.nat(4) }) },
);

interface Cell {
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
}
type State = ReadonlyMap<string, Cell>;

/** Every state there ever was, whole. Revisions count from `base`. */
class Twin {
  readonly states: State[] = [new Map()];
  compacted = -1;

  get newest(): number {
    return this.states.length - 1;
  }

  range(state: State, range: { key: string; end?: string }, limit: number): string {
    const found = inRange(state, range);
    const shown = limit === 0 ? found : found.slice(0, limit);
    return JSON.stringify([shown.map((k) => [k, state.get(k)]), found.length, shown.length < found.length]);
  }

  /** The answer as text, or what refuses it. */
  txn(request: TxnRequest): string {
    for (const branch of [request.success, request.failure ?? []]) if (hasDuplicates(branch)) return 'invalid';
    const state = this.states[this.newest]!;
    const succeeded = request.compare.every((c) => {
      const cell = state.get(c.key);
      if (c.target === 'value') return cell !== undefined && (cell.value === text(c.value)) === (c.op === '=');
      const version = cell?.version ?? 0;
      return { '=': version === c.value, '!=': version !== c.value, '<': version < c.value, '>': version > c.value }[
        c.op
      ];
    });
    const next = new Map(state);
    const revision = this.newest + 1;
    let wrote = false;
    const results = (succeeded ? request.success : (request.failure ?? [])).map((operation) => {
      if (operation.type === 'range') return this.range(next, operation, operation.limit ?? 0);
      if (operation.type === 'put') {
        const before = next.get(operation.key);
        next.set(operation.key, {
          value: text(operation.value),
          create: before?.create ?? revision,
          mod: revision,
          version: (before?.version ?? 0) + 1,
        });
        wrote = true;
        return 'put';
      }
      const doomed = inRange(next, operation);
      const prev = doomed.map((k) => [k, next.get(k)]);
      for (const k of doomed) next.delete(k);
      wrote ||= doomed.length > 0;
      return JSON.stringify(prev);
    });
    if (wrote) this.states.push(next);
    return JSON.stringify([succeeded, this.newest, results]);
  }
}

const text = (value: Uint8Array): string => Buffer.from(value).toString();
const before = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
const within = (k: string, { key, end }: { key: string; end?: string }): boolean =>
  end === undefined ? k === key : !before(k, key) && (end === '\0' || before(k, end));
const inRange = (state: State, range: { key: string; end?: string }): string[] =>
  [...state.keys()].filter((k) => within(k, range)).sort((a, b) => (before(a, b) ? -1 : 1));
function hasDuplicates(ops: readonly Op[]): boolean {
  const puts = ops.flatMap((o) => (o.type === 'put' ? [o.key] : []));
  return new Set(puts).size < puts.length || ops.some((o) => o.type === 'delete' && puts.some((k) => within(k, o)));
}

/** The store's answers in the twin's words. */
function speak(base: number): {
  kvs: (
    kvs: readonly { key: string; value: Uint8Array; createRevision: number; modRevision: number; version: number }[],
  ) => unknown[];
  result: (result: OpResult) => string;
} {
  const kvs: ReturnType<typeof speak>['kvs'] = (list) =>
    list.map((kv) => [
      kv.key,
      { value: text(kv.value), create: kv.createRevision - base, mod: kv.modRevision - base, version: kv.version },
    ]);
  return {
    kvs,
    result: (r) =>
      r.type === 'put' ? 'put' : JSON.stringify(r.type === 'delete' ? kvs(r.prevKvs) : [kvs(r.kvs), r.count, r.more]),
  };
}
const attempt = async (run: () => Promise<string>): Promise<string> => {
  try {
    return await run();
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
};

async function compareWithTwin(store: Store, steps: readonly Step[]): Promise<void> {
  const twin = new Twin();
  const base = await store.currentRevision();
  const { kvs, result } = speak(base);
  for (const current of steps) {
    if (current.type === 'txn') {
      const got = await attempt(async () => {
        const answer = await store.txn(current.request);
        return JSON.stringify([answer.succeeded, answer.revision - base, answer.results.map(result)]);
      });
      assert.equal(got, twin.txn(current.request));
    } else if (current.type === 'range') {
      const revision = twin.newest - current.back;
      if (revision < 0) continue;
      const got = await attempt(async () => {
        const answer = await store.range({ ...current.range, limit: current.limit, revision: base + revision });
        return JSON.stringify([kvs(answer.kvs), answer.count, answer.more]);
      });
      const want =
        revision < twin.compacted ? 'compacted' : twin.range(twin.states[revision]!, current.range, current.limit);
      assert.equal(got, want);
    } else {
      const revision = twin.newest - current.back;
      if (revision <= Math.max(0, twin.compacted)) continue;
      await store.compact(base + revision);
      twin.compacted = revision;
    }
  }
  await replay(store, base, twin);
}

/** From the compacted revision's state on, the watched events must give each later state. */
async function replay(store: Store, base: number, twin: Twin): Promise<void> {
  const from = Math.max(0, twin.compacted);
  const state = new Map(twin.states[from]);
  if (from === twin.newest) return;
  const stop = new AbortController();
  for await (const batch of store.watch({ ...all, startRevision: base + from + 1, signal: stop.signal })) {
    for (const [i, event] of batch.events.entries()) {
      const { kv, prevKv } = event;
      assert.equal(prevKv && text(prevKv.value), state.get(kv.key)?.value, 'the state before');
      if (event.type === 'delete') state.delete(kv.key);
      else
        state.set(kv.key, {
          value: text(kv.value),
          create: kv.createRevision - base,
          mod: kv.modRevision - base,
          version: kv.version,
        });
      if (batch.events[i + 1]?.kv.modRevision === kv.modRevision) continue;
      const want = twin.states[kv.modRevision - base]!;
      assert.deepEqual(new Map([...state].sort()), new Map([...want].sort()));
    }
    if (batch.revision >= base + twin.newest) stop.abort();
  }
  assert.ok(stop.signal.aborted);
}

export function storeProperty(
  name: string,
  open: () => Promise<StoreHarness>,
  options: { readonly runs: number; readonly skip?: (t: TestContext) => boolean },
): void {
  test(`${name} store: random operations answer as a naive twin does, and a watch replays the state`, async (t) => {
    if (options.skip?.(t)) return;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const harness = await open();
        try {
          await compareWithTwin(harness.store, steps);
        } finally {
          await harness.end();
        }
      }),
      { numRuns: options.runs },
    );
  });
}
