/**
 * A histogram for hot paths: a caller keeps the child of its labels, and an observation is two additions. prom-client sorts and hashes label
 * values each time, which costs more than the rest of a small request.
 */
import { boundText, labelText } from './metric-text.ts';

export interface Timing {
  /** In base units: seconds, bytes. */
  observe(value: number): void;
}

export interface Timings<L extends string> {
  /** The same for the same labels: keep it. */
  child(labels: Readonly<Record<L, string>>): Timing;
  /** Ends a series. */
  remove(labels: Readonly<Record<L, string>>): void;
}

export interface TimingsDefinition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly L[];
  /** Ascending. */
  readonly buckets: readonly number[];
}

export class TimingSet<L extends string> implements Timings<L> {
  readonly #definition: TimingsDefinition<L>;
  readonly #children = new Map<string, Cell>();

  constructor(definition: TimingsDefinition<L>) {
    this.#definition = definition;
    // Without labels there is one series, from the start.
    if (definition.labels.length === 0) this.child({} as Record<L, string>);
  }

  child(labels: Readonly<Record<L, string>>): Timing {
    const key = labelText(this.#definition.labels, labels);
    let cell = this.#children.get(key);
    if (!cell) this.#children.set(key, (cell = new Cell(this.#definition.buckets)));
    return cell;
  }

  remove(labels: Readonly<Record<L, string>>): void {
    this.#children.delete(labelText(this.#definition.labels, labels));
  }

  /** Prometheus text format 0.0.4. */
  text(): string {
    const { name, help, buckets } = this.#definition;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const [labels, cell] of this.#children) {
      const before = labels === '' ? '' : `${labels},`;
      let total = 0;
      buckets.forEach((bound, i) => {
        total += cell.counts[i]!;
        lines.push(`${name}_bucket{${before}le="${boundText(bound)}"} ${total}`);
      });
      total += cell.counts[buckets.length]!;
      lines.push(`${name}_bucket{${before}le="+Inf"} ${total}`);
      const braces = labels === '' ? '' : `{${labels}}`;
      lines.push(`${name}_sum${braces} ${cell.sum}`, `${name}_count${braces} ${total}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

class Cell implements Timing {
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    // Most requests are short: the first bound already holds.
    let i = 0;
    while (i < this.#bounds.length && value > this.#bounds[i]!) i++;
    this.counts[i]!++;
    this.sum += value;
  }
}
