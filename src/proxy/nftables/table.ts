/** Parts of an nft table as values, and the commands that make them. Pure. */
export interface NftSet {
  readonly kind: 'map' | 'set';
  /** e.g. `ipv4_addr . inet_proto . inet_service : verdict`. */
  readonly type: string;
  /** Instead of `type`, by expressions: for keys that no named type describes. */
  readonly typeOf?: string;
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

/** Elements in one command: keeps lines bounded without a command for each. */
const elementsPerCommand = 500;

export function declareSet(at: string, name: string, set: NftSet): string {
  const flags = set.flags ? ` flags ${set.flags};` : '';
  const timeout = set.timeoutSeconds ? ` timeout ${set.timeoutSeconds}s;` : '';
  const type = set.typeOf === undefined ? `type ${set.type}` : `typeof ${set.typeOf}`;
  return `add ${set.kind} ${at} ${name} { ${type};${flags}${timeout} }`;
}

export function declareChain(at: string, name: string, chain: NftChain): string {
  return chain.hook ? `add chain ${at} ${name} { ${chain.hook} }` : `add chain ${at} ${name}`;
}

/** @param elements `key` or `key : value`. */
export function elementCommands(
  verb: 'add' | 'delete',
  at: string,
  name: string,
  elements: readonly string[],
): string[] {
  const out: string[] = [];
  for (let i = 0; i < elements.length; i += elementsPerCommand)
    out.push(`${verb} element ${at} ${name} { ${elements.slice(i, i + elementsPerCommand).join(', ')} }`);
  return out;
}

export const sameChain = (a: NftChain, b: NftChain): boolean =>
  a === b ||
  (a.hook === b.hook && a.rules.length === b.rules.length && a.rules.every((rule, i) => rule === b.rules[i]));
