/**
 * A table that changes Service by Service: what is wanted, what the kernel has, and one transaction from the one to the other. The work of a
 * change is the size of the change, whatever the size of the table.
 *
 * Invariants:
 * 1. `loaded` is what the kernel has as far as we know; undefined: unknown, the next transaction replaces the whole table.
 * 2. Where two Services want the same key (an external IP and port given twice), the first that asked has it until it asks no more.
 * 3. Every name in which wanted and loaded may differ is in `dirty`.
 */
import { baseChains, baseSets, type TableOptions } from './base-table.ts';
import type { Fragment } from './fragment.ts';
import { declareChain, declareSet, elementCommands, type NftChain, type NftSet, sameChain } from './table.ts';

interface Contents {
  readonly chains: Map<string, NftChain>;
  readonly sets: Map<string, NftSet>;
  /** Set -> key -> value. */
  readonly elements: Map<string, Map<string, string>>;
}

interface Dirty {
  readonly chains: Set<string>;
  readonly sets: Set<string>;
  readonly elements: Map<string, Set<string>>;
}

const nothing: Fragment = { elements: [], shared: new Map(), chains: new Map(), sets: new Map() };
const newDirty = (): Dirty => ({ chains: new Set(), sets: new Set(), elements: new Map() });

export class LiveTable {
  private readonly options: TableOptions;
  private readonly wanted: Contents = { chains: new Map(), sets: new Map(), elements: new Map() };
  private loaded: Contents | undefined;
  private dirty = newDirty();
  private readonly fragments = new Map<string, Fragment>();
  /** Set and key -> who else wants it, in order, with values. Only keys that more than one Service wants. */
  private readonly contested = new Map<string, { readonly owner: string; readonly value: string }[]>();
  /** Set and key -> who has it. */
  private readonly owners = new Map<string, string>();
  /** Uses of shared chains. */
  private readonly uses = new Map<string, number>();

  constructor(options: TableOptions) {
    this.options = options;
    for (const [name, chain] of baseChains(options)) this.wanted.chains.set(name, chain);
    for (const [name, set] of baseSets(options)) {
      this.wanted.sets.set(name, set);
      this.wanted.elements.set(name, new Map());
    }
  }

  /** Sets what a Service wants; undefined: nothing any more. */
  set(owner: string, fragment: Fragment | undefined): void {
    const before = this.fragments.get(owner) ?? nothing;
    const after = fragment ?? nothing;
    if (fragment) this.fragments.set(owner, fragment);
    else this.fragments.delete(owner);
    const kept = new Map(after.elements.map(([set, key, value]) => [`${set} ${key}`, value]));
    for (const [set, key, value] of before.elements)
      if (kept.get(`${set} ${key}`) !== value) this.release(owner, set, key);
    const had = new Map(before.elements.map(([set, key, value]) => [`${set} ${key}`, value]));
    for (const [set, key, value] of after.elements)
      if (had.get(`${set} ${key}`) !== value) this.claim(owner, set, key, value);

    for (const [name, chain] of after.shared) {
      if (before.shared.has(name)) continue;
      this.uses.set(name, (this.uses.get(name) ?? 0) + 1);
      this.setChain(name, chain);
    }
    for (const name of before.shared.keys()) {
      if (after.shared.has(name)) continue;
      const left = this.uses.get(name)! - 1;
      if (left > 0) this.uses.set(name, left);
      else {
        this.uses.delete(name);
        this.setChain(name, undefined);
      }
    }
    for (const [name, chain] of after.chains) this.setChain(name, chain);
    for (const name of before.chains.keys()) if (!after.chains.has(name)) this.setChain(name, undefined);
    for (const [name, set] of after.sets) this.setSet(name, set);
    for (const name of before.sets.keys()) if (!after.sets.has(name)) this.setSet(name, undefined);
  }

  has(owner: string): boolean {
    return this.fragments.has(owner);
  }

  /** Nothing is known of what the kernel has: the next transaction loads everything. */
  forget(): void {
    this.loaded = undefined;
  }

  /** The commands that make it so; empty when it is so. Nothing may be set between this and `done`. */
  transaction(): string {
    const lines = this.loaded ? this.difference(this.loaded) : this.whole();
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  /** The transaction was loaded. */
  done(): void {
    const { wanted, dirty, loaded } = this;
    if (!loaded) {
      this.loaded = {
        chains: new Map(wanted.chains),
        sets: new Map(wanted.sets),
        elements: new Map([...wanted.elements].map(([name, elements]) => [name, new Map(elements)])),
      };
    } else {
      for (const name of dirty.chains) move(wanted.chains, loaded.chains, name);
      for (const name of dirty.sets) move(wanted.sets, loaded.sets, name);
      for (const [name, keys] of dirty.elements) {
        const from = wanted.elements.get(name)!;
        const to = loaded.elements.get(name) ?? new Map<string, string>();
        loaded.elements.set(name, to);
        for (const key of keys) move(from, to, key);
      }
    }
    this.dirty = newDirty();
  }

  private claim(owner: string, set: string, key: string, value: string): void {
    const id = `${set} ${key}`;
    const holder = this.owners.get(id);
    if (holder === undefined || holder === owner) {
      this.owners.set(id, owner);
      this.setElement(set, key, value);
      return;
    }
    const others = (this.contested.get(id) ?? []).filter((other) => other.owner !== owner);
    this.contested.set(id, [...others, { owner, value }]);
  }

  private release(owner: string, set: string, key: string): void {
    const id = `${set} ${key}`;
    const others = this.contested.get(id)?.filter((other) => other.owner !== owner);
    if (this.owners.get(id) !== owner) {
      if (others) this.contested.set(id, others);
      return;
    }
    const [next, ...rest] = others ?? [];
    if (rest.length > 0) this.contested.set(id, rest);
    else this.contested.delete(id);
    if (next) this.owners.set(id, next.owner);
    else this.owners.delete(id);
    this.setElement(set, key, next?.value);
  }

  private setElement(set: string, key: string, value: string | undefined): void {
    const elements = this.wanted.elements.get(set)!;
    if (value === undefined) elements.delete(key);
    else elements.set(key, value);
    const dirty = this.dirty.elements.get(set);
    if (dirty) dirty.add(key);
    else this.dirty.elements.set(set, new Set([key]));
  }

  private setChain(name: string, chain: NftChain | undefined): void {
    if (chain) this.wanted.chains.set(name, chain);
    else this.wanted.chains.delete(name);
    this.dirty.chains.add(name);
  }

  private setSet(name: string, set: NftSet | undefined): void {
    if (set) this.wanted.sets.set(name, set);
    else this.wanted.sets.delete(name);
    this.dirty.sets.add(name);
  }

  private get at(): string {
    return `${this.options.family.ip} ${this.options.tableName}`;
  }

  private whole(): string[] {
    const { at, wanted } = this;
    const comment = '{ comment "rules of the bireme service proxy"; }';
    const lines = [`add table ${at} ${comment}`, `delete table ${at}`, `add table ${at} ${comment}`];
    for (const [name, set] of wanted.sets) lines.push(declareSet(at, name, set));
    for (const [name, chain] of wanted.chains) lines.push(declareChain(at, name, chain));
    for (const [name, chain] of wanted.chains)
      for (const rule of chain.rules) lines.push(`add rule ${at} ${name} ${rule}`);
    for (const [name, elements] of wanted.elements)
      lines.push(
        ...elementCommands(
          'add',
          at,
          name,
          [...elements].map(([key, value]) => withValue(key, value)),
        ),
      );
    return lines;
  }

  private difference(loaded: Contents): string[] {
    const { at, wanted, dirty } = this;
    const added: string[] = [];
    const rules: string[] = [];
    const emptied: string[] = [];
    const removed: string[] = [];
    for (const name of dirty.sets) {
      const [before, after] = [loaded.sets.get(name), wanted.sets.get(name)];
      if (before && after && declareSet(at, name, before) === declareSet(at, name, after)) continue;
      // Another timeout: a set of the same name cannot be declared twice, so it is taken away and made anew below its users.
      if (before && after) return this.whole();
      if (after) added.push(declareSet(at, name, after));
      else if (before) removed.push(`delete ${before.kind} ${at} ${name}`);
    }
    for (const name of dirty.chains) {
      const [before, after] = [loaded.chains.get(name), wanted.chains.get(name)];
      if (before && after && sameChain(before, after)) continue;
      if (!after) {
        if (before) emptied.push(name);
        continue;
      }
      if (!before) added.push(declareChain(at, name, after));
      else rules.push(`flush chain ${at} ${name}`);
      for (const rule of after.rules) rules.push(`add rule ${at} ${name} ${rule}`);
    }
    const gone: string[] = [];
    const fresh: string[] = [];
    for (const [name, keys] of dirty.elements) {
      const from = loaded.elements.get(name);
      const to = wanted.elements.get(name)!;
      const out: string[] = [];
      const into: string[] = [];
      for (const key of keys) {
        const [before, after] = [from?.get(key), to.get(key)];
        if (before === after) continue;
        if (before !== undefined) out.push(key);
        if (after !== undefined) into.push(withValue(key, after));
      }
      gone.push(...elementCommands('delete', at, name, out));
      fresh.push(...elementCommands('add', at, name, into));
    }
    // Elements and rules refer to chains, so what goes away goes last.
    const chains = [
      ...emptied.map((name) => `flush chain ${at} ${name}`),
      ...emptied.map((name) => `delete chain ${at} ${name}`),
    ];
    return [...added, ...gone, ...rules, ...fresh, ...chains, ...removed];
  }
}

const withValue = (key: string, value: string): string => (value === '' ? key : `${key} : ${value}`);

function move<V>(from: ReadonlyMap<string, V>, to: Map<string, V>, key: string): void {
  const value = from.get(key);
  if (value === undefined) to.delete(key);
  else to.set(key, value);
}
