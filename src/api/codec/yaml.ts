/**
 * YAML in both directions. A module of its own because its parser is loaded only when somebody sends or asks for YAML.
 * Values mean what sigs.k8s.io/yaml makes of them: YAML is turned into JSON first.
 */
import { LineCounter, parseDocument, Scalar, stringify, type Tags } from 'yaml';
import type { JsonValue } from '../json.ts';
import { decodeUtf8 } from './json-text.ts';
import { setOwn, sortedKeys } from './own.ts';

export interface ParsedYaml {
  readonly value: JsonValue;
  /** `line 3: key "name" already set in map` for every key that came twice. */
  readonly duplicates: readonly string[];
}

export class YamlError extends Error {
  override readonly name = 'YamlError';
}

/** Aliases may multiply a document (the "billion laughs"); more than this many resolutions are refused. */
const maxAliasCount = 100;

/** The first document only, as upstream. @throws YamlError in upstream's form, `error converting YAML to JSON: yaml: line 2: ...` */
export function parseYaml(bytes: Uint8Array): ParsedYaml {
  const lineCounter = new LineCounter();
  const document = parseDocument(decodeUtf8(bytes), {
    intAsBigInt: true,
    uniqueKeys: false,
    merge: true,
    version: '1.1',
    lineCounter,
    prettyErrors: false,
    customTags: readTags,
  });
  const [error] = document.errors;
  if (error && error.code !== 'MULTIPLE_DOCS') {
    const { line } = lineCounter.linePos(error.pos[0]);
    throw new YamlError(`error converting YAML to JSON: yaml: line ${line}: ${error.message}`);
  }
  const duplicates: string[] = [];
  let value: JsonValue;
  try {
    const plain: unknown = document.toJS({ mapAsMap: true, maxAliasCount });
    collectDuplicates(document.contents, lineCounter, duplicates);
    value = toJson(plain);
  } catch (failure) {
    if (failure instanceof YamlError) throw failure;
    // An alias inside of what it stands for has no end.
    const own = failure instanceof RangeError ? /&([^\s,[\]{}]+)/.exec(decodeUtf8(bytes)) : null;
    if (own) throw new YamlError(`yaml: anchor '${own[1]}' value contains itself`);
    throw new YamlError(`error converting YAML to JSON: yaml: ${failure instanceof Error ? failure.message : failure}`);
  }
  return { value, duplicates };
}

/** Types of YAML 1.1 that mean nothing to JSON; a Map would be written as an ordered map, too. */
const dropped = new Set(['binary', 'set', 'omap', 'pairs'].map((name) => `tag:yaml.org,2002:${name}`));
const plainTags = (tags: Tags): Tags => tags.filter((tag) => typeof tag === 'string' || !dropped.has(tag.tag));

/** A point without a digit is no number: the library would make NaN of it. */
const withoutBarePoint = (tag: Tags[number]): Tags[number] =>
  typeof tag === 'object' && 'test' in tag && tag.tag === 'tag:yaml.org,2002:float' && tag.test?.test('.')
    ? { ...tag, test: new RegExp(`^(?![-+]?[._]*$)${tag.test.source}`) }
    : tag;

/** Upstream's parser leaves timestamps and numbers to the base of 60 (`12:30`) as text; when writing, both kinds of text are quoted. */
const readTags = (tags: Tags): Tags =>
  plainTags(tags)
    .map(withoutBarePoint)
    .filter(
      (tag) =>
        typeof tag === 'string' ||
        !(tag.tag === 'tag:yaml.org,2002:timestamp' || ('format' in tag && tag.format === 'TIME')),
    );

function toJson(value: unknown): JsonValue {
  if (value instanceof Map) {
    const out: Record<string, JsonValue> = {};
    for (const [key, member] of value) setOwn(out, keyText(key), toJson(member));
    return out;
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new YamlError(`error converting YAML to JSON: json: unsupported value: ${value}`);
  if (value === undefined) return null;
  return value as JsonValue;
}

function keyText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
  if (key === null) return 'null';
  throw new YamlError(`error converting YAML to JSON: unsupported map key of type: ${typeof key}`);
}

interface YamlNode {
  readonly items?: readonly { readonly key?: unknown; readonly value?: unknown }[];
}

function collectDuplicates(node: unknown, lines: LineCounter, out: string[]): void {
  const items = (node as YamlNode | null)?.items;
  if (!items) return;
  const seen = new Set<unknown>();
  for (const item of items) {
    const key = (item as { key?: { value?: unknown; range?: readonly number[] } }).key;
    if (key && typeof key === 'object' && 'value' in key) {
      if (seen.has(key.value))
        out.push(
          `line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(String(key.value))} already set in map`,
        );
      seen.add(key.value);
      collectDuplicates(item.value, lines, out);
    } else collectDuplicates(item, lines, out);
  }
}

/** Nothing that is written merges. */
const writeTags = (tags: Tags): Tags =>
  plainTags(tags).filter((tag) => (typeof tag === 'string' ? tag !== 'merge' : tag.tag !== 'tag:yaml.org,2002:merge'));

/** Keys sorted, as upstream writes YAML. Ends with a line feed. */
export function encodeYaml(value: JsonValue | object): Uint8Array {
  const text = stringify(sorted(value as JsonValue), {
    version: '1.1',
    lineWidth: 0,
    indentSeq: false,
    customTags: writeTags,
    aliasDuplicateObjects: false,
  });
  // A lone dot is no number to upstream's writer, which leaves it bare.
  return new TextEncoder().encode(text.replace(/^(\s*(?:- )*)"\.":/gm, '$1.:'));
}

/** Bare, it would merge what it stands before into the map, and be lost. */
function quoted(key: string): Scalar {
  const scalar = new Scalar(key);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}

/** A Map keeps the order of keys that an object would move (numeric ones). */
function sorted(value: JsonValue): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Readonly<Record<string, JsonValue | undefined>>;
  const out = new Map<unknown, unknown>();
  for (const key of sortedKeys(object))
    if (object[key] !== undefined) out.set(key === '<<' ? quoted(key) : key, sorted(object[key]));
  return out;
}
