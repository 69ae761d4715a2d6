/**
 * An nft table as a value: chains with rules, maps and sets with elements. Rendered in full once, then as the difference to what is loaded,
 * always as one transaction. Pure: the text is what a golden test reads.
 */
export interface NftSet {
  readonly kind: 'map' | 'set';
  /** e.g. `ipv4_addr . inet_proto . inet_service : verdict`. */
  readonly type: string;
  /** key -> value; the value is empty for a set. */
  readonly elements: ReadonlyMap<string, string>;
  /** e.g. `timeout` for sets that rules fill themselves; their elements are never written or removed here. */
  readonly flags?: string;
  readonly timeoutSeconds?: number;
}

export interface NftChain {
  /** e.g. `type nat hook prerouting priority dstnat; policy accept;`. Absent for a regular chain. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

export interface NftTable {
  /** `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly name: string;
  readonly comment: string;
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/** Elements in one command: keeps lines bounded without a command for each. */
const elementsPerCommand = 500;

/** Replaces whatever stands under the table's name, atomically. */
export function renderFull(table: NftTable): string {
  const at = `${table.family} ${table.name}`;
  const lines = [
    `add table ${at} { comment "${table.comment}"; }`,
    `delete table ${at}`,
    `add table ${at} { comment "${table.comment}"; }`,
  ];
  for (const [name, set] of table.sets) lines.push(declareSet(at, name, set));
  for (const [name, chain] of table.chains) lines.push(declareChain(at, name, chain));
  for (const [name, chain] of table.chains)
    for (const rule of chain.rules) lines.push(`add rule ${at} ${name} ${rule}`);
  for (const [name, set] of table.sets) lines.push(...elementCommands('add', at, name, set, [...set.elements.keys()]));
  return `${lines.join('\n')}\n`;
}

/** The commands that turn `previous` into `next`; an empty string when they are equal. Both have the same family and name. */
export function renderDifference(previous: NftTable, next: NftTable): string {
  const at = `${next.family} ${next.name}`;
  const added: string[] = [];
  const rules: string[] = [];
  const removedElements: string[] = [];
  const addedElements: string[] = [];
  const removed: string[] = [];
  for (const [name, chain] of next.chains) {
    const before = previous.chains.get(name);
    if (!before) added.push(declareChain(at, name, chain));
    else if (same(before.rules, chain.rules)) continue;
    else rules.push(`flush chain ${at} ${name}`);
    for (const rule of chain.rules) rules.push(`add rule ${at} ${name} ${rule}`);
  }
  for (const [name, set] of next.sets) {
    const before = previous.sets.get(name);
    if (!before) added.unshift(declareSet(at, name, set));
    const gone: string[] = [];
    const fresh: string[] = [];
    for (const [key, value] of before?.elements ?? []) if (set.elements.get(key) !== value) gone.push(key);
    for (const [key, value] of set.elements) if (before?.elements.get(key) !== value) fresh.push(key);
    if (before) removedElements.push(...elementCommands('delete', at, name, before, gone));
    addedElements.push(...elementCommands('add', at, name, set, fresh));
  }
  // Elements and rules refer to chains, so what goes away goes last.
  for (const name of previous.chains.keys()) if (!next.chains.has(name)) removed.push(`flush chain ${at} ${name}`);
  for (const name of previous.chains.keys()) if (!next.chains.has(name)) removed.push(`delete chain ${at} ${name}`);
  for (const [name, set] of previous.sets) if (!next.sets.has(name)) removed.push(`delete ${set.kind} ${at} ${name}`);
  const lines = [...added, ...removedElements, ...rules, ...addedElements, ...removed];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function declareSet(at: string, name: string, set: NftSet): string {
  const flags = set.flags ? ` flags ${set.flags};` : '';
  const timeout = set.timeoutSeconds ? ` timeout ${set.timeoutSeconds}s;` : '';
  return `add ${set.kind} ${at} ${name} { type ${set.type};${flags}${timeout} }`;
}

function declareChain(at: string, name: string, chain: NftChain): string {
  return chain.hook ? `add chain ${at} ${name} { ${chain.hook} }` : `add chain ${at} ${name}`;
}

function elementCommands(
  verb: 'add' | 'delete',
  at: string,
  name: string,
  set: NftSet,
  keys: readonly string[],
): string[] {
  const out: string[] = [];
  for (let i = 0; i < keys.length; i += elementsPerCommand) {
    const some = keys.slice(i, i + elementsPerCommand).map((key) => {
      const value = set.elements.get(key);
      return verb === 'add' && value ? `${key} : ${value}` : key;
    });
    out.push(`${verb} element ${at} ${name} { ${some.join(', ')} }`);
  }
  return out;
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((rule, i) => rule === b[i]);
