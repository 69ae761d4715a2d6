/** A counter for hot paths: a caller keeps the child of its labels, and to count is one addition. See `timings.ts`. */
import { labelText } from './metric-text.ts';

export interface Tally {
  add(by?: number): void;
}

export interface Tallies<L extends string> {
  /** The same for the same labels: keep it. */
  child(labels: Readonly<Record<L, string>>): Tally;
  /** Ends a series: what it counted is gone. */
  remove(labels: Readonly<Record<L, string>>): void;
}

export interface TalliesDefinition<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly L[];
}

export class TallySet<L extends string> implements Tallies<L> {
  readonly #definition: TalliesDefinition<L>;
  readonly #children = new Map<string, Count>();

  constructor(definition: TalliesDefinition<L>) {
    this.#definition = definition;
    // Without labels there is one series, from the start.
    if (definition.labels.length === 0) this.child({} as Record<L, string>);
  }

  child(labels: Readonly<Record<L, string>>): Tally {
    const key = labelText(this.#definition.labels, labels);
    let count = this.#children.get(key);
    if (!count) this.#children.set(key, (count = new Count()));
    return count;
  }

  remove(labels: Readonly<Record<L, string>>): void {
    this.#children.delete(labelText(this.#definition.labels, labels));
  }

  text(): string {
    const { name, help } = this.#definition;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} counter`];
    for (const [labels, { value }] of this.#children)
      lines.push(labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`);
    return `${lines.join('\n')}\n`;
  }
}

class Count implements Tally {
  value = 0;
  add(by = 1): void {
    this.value += by;
  }
}
