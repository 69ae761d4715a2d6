/**
 * JSON Patch (RFC 6902) with the habits of the library upstream uses (evanphx/json-patch v4): `replace` and `copy` of a missing map key
 * work, negative array indexes count from the end, the first path segment is taken as empty whatever it holds.
 */
import { sameJson } from '../edit.ts';
import type { JsonObject, JsonValue } from '../json.ts';

export interface JsonPatchOperation {
  readonly op?: string | null;
  readonly path?: string | null;
  readonly from?: string | null;
  readonly value?: JsonValue;
}

export class JsonPatchError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonPatchError';
  }
}

/** Bytes that `copy` operations may add in all. Source: JSONPatchMaxCopyBytes of the generic API server. */
const copyBytesMax = 3 * 1024 * 1024;

/**
 * Levels that a document may come to have. A patch could nest a document into itself without end; every room walks trees by recursion.
 */
const depthMax = 2000;

/** @param document may be frozen; it is not changed. @throws JsonPatchError */
export function applyJsonPatch(document: JsonValue, operations: readonly JsonPatchOperation[]): JsonValue {
  const tree = new Tree(document);
  let copiedBytes = 0;
  // An upper bound of the depth; the true one is looked up only when the bound passes the limit.
  let depth = depthOf(document);
  for (const operation of operations) {
    const added = operation.op === 'copy' || operation.op === 'move' ? depth : depthOf(operation.value ?? null);
    depth = Math.max(depth, levelsOf(operation.path) + added);
    switch (operation.op) {
      case 'add':
        add(tree, operation);
        break;
      case 'remove':
        remove(tree, operation);
        break;
      case 'replace':
        replace(tree, operation);
        break;
      case 'move':
        move(tree, operation);
        break;
      case 'test':
        test(tree, operation);
        break;
      case 'copy':
        copiedBytes += copy(tree, operation, copyBytesMax - copiedBytes, copiedBytes);
        break;
      default:
        throw new JsonPatchError(`Unexpected kind: ${operation.op ?? 'unknown'}`);
    }
    if (depth > depthMax) {
      depth = depthOf(tree.root);
      if (depth > depthMax) throw new JsonPatchError(`exceeded max depth: ${depth} levels, the limit is ${depthMax}`);
    }
  }
  return tree.root;
}

function add(tree: Tree, operation: JsonPatchOperation): void {
  const path = requirePath(operation, 'add');
  const place = tree.find(path);
  if (!place)
    throw new JsonPatchError(
      `add operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`,
    );
  within(`error in add for path: '${path}'`, () => insert(place, operation.value ?? null));
}

function remove(tree: Tree, operation: JsonPatchOperation): void {
  const path = requirePath(operation, 'remove');
  const place = tree.find(path);
  if (!place)
    throw new JsonPatchError(
      `remove operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`,
    );
  within(`error in remove for path: '${path}'`, () => drop(place));
}

function replace(tree: Tree, operation: JsonPatchOperation): void {
  const path = requirePath(operation, 'replace');
  const value = operation.value ?? null;
  if (path === '') {
    if (typeof value !== 'object' || value === null)
      throw new JsonPatchError('replace operation value must be object or array');
    tree.root = value;
    return;
  }
  const place = tree.find(path);
  if (!place) throw new JsonPatchError(`replace operation does not apply: doc is missing path: ${path}: missing value`);
  if (!Array.isArray(place.container)) setKey(place.container as MutableObject, place.key, value);
  else {
    const index = arrayIndex(place.key, place.container.length);
    if (typeof index === 'string')
      throw new JsonPatchError(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    place.container[index] = value;
  }
}

function move(tree: Tree, operation: JsonPatchOperation): void {
  const from = operation.from;
  if (typeof from !== 'string')
    throw new JsonPatchError('move operation failed to decode from: operation, missing from field: missing value');
  const source = tree.find(from);
  if (!source)
    throw new JsonPatchError(`move operation does not apply: doc is missing from path: ${from}: missing value`);
  const value = within(`error in move for path: '${source.key}'`, () => {
    const found = read(source);
    drop(source);
    return found;
  });
  const path = requirePath(operation, 'move');
  const target = tree.find(path);
  if (!target)
    throw new JsonPatchError(`move operation does not apply: doc is missing destination path: ${path}: missing value`);
  within(`error in move for path: '${path}'`, () => insert(target, value ?? null));
}

function test(tree: Tree, operation: JsonPatchOperation): void {
  const path = requirePath(operation, 'test');
  let found: JsonValue | undefined;
  if (path === '') found = tree.root;
  else {
    const place = tree.find(path);
    if (!place) throw new JsonPatchError(`test operation does not apply: is missing path: ${path}: missing value`);
    found = within(`error in test for path: '${path}'`, () => read(place));
  }
  // A missing map key equals null, as upstream has it.
  if (!sameJson(found ?? null, operation.value ?? null))
    throw new JsonPatchError(`testing value ${path} failed: test failed`);
}

function copy(tree: Tree, operation: JsonPatchOperation, bytesLeft: number, copiedBytes: number): number {
  const from = operation.from;
  if (typeof from !== 'string')
    throw new JsonPatchError('copy operation failed to decode from: operation, missing from field: missing value');
  const source = tree.find(from);
  if (!source)
    throw new JsonPatchError(`copy operation does not apply: doc is missing from path: ${from}: missing value`);
  const value = within(`error in copy for from: '${from}'`, () => read(source));
  const path = requirePath(operation, 'copy');
  const target = tree.find(path);
  if (!target)
    throw new JsonPatchError(`copy operation does not apply: doc is missing destination path: ${path}: missing value`);
  const bytes = value === undefined ? 0 : encodedLength(value);
  if (bytes > bytesLeft)
    throw new JsonPatchError(
      `Unable to complete the copy, the accumulated size increase of copy is ${copiedBytes + bytes}, exceeding the limit ${copyBytesMax}`,
    );
  // A copy of its own: the target may lie inside the source. The limit bounds the cost.
  const copied = value === undefined ? null : structuredClone(value);
  within('error while adding value during copy', () => insert(target, copied));
  return bytes;
}

type MutableObject = Record<string, JsonValue>;
type Container = JsonValue[] | MutableObject;

interface Place {
  /** Owned by the tree: may be changed. */
  readonly container: Container;
  readonly key: string;
}

/** A tree that copies a container the first time it is written to, so that many operations on one list cost no copy each. */
class Tree {
  root: JsonValue;
  readonly #owned = new Set<object>();
  constructor(root: JsonValue) {
    this.root = root;
  }

  /** The container of a path's last segment; `undefined` when a segment before it is missing or no container. */
  find(path: string): Place | undefined {
    const segments = path.split('/');
    if (segments.length < 2) return undefined;
    let container = this.#own(this.root);
    if (!container) return undefined;
    this.root = container;
    for (let i = 1; i < segments.length - 1; i++) {
      const key = decodeSegment(segments[i]!);
      let next: Container | undefined;
      if (Array.isArray(container)) {
        const index = arrayIndex(key, container.length);
        if (typeof index === 'string') return undefined;
        next = this.#own(container[index]);
        if (next) container[index] = next;
      } else {
        next = this.#own(Object.hasOwn(container, key) ? container[key] : undefined);
        if (next) setKey(container, key, next);
      }
      if (!next) return undefined;
      container = next;
    }
    return { container, key: decodeSegment(segments[segments.length - 1]!) };
  }

  #own(value: JsonValue | undefined): Container | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    if (this.#owned.has(value)) return value as Container;
    const own: Container = Array.isArray(value) ? value.slice() : ({ ...(value as JsonObject) } as MutableObject);
    this.#owned.add(own);
    return own;
  }
}

const decodeSegment = (segment: string): string =>
  segment.includes('~') ? segment.replace(/~[01]/g, (code) => (code === '~1' ? '/' : '~')) : segment;

/** A key of any name: `__proto__` must not reach the prototype. */
function setKey(object: MutableObject, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else object[key] = value;
}

function read({ container, key }: Place): JsonValue | undefined {
  if (!Array.isArray(container)) return Object.hasOwn(container, key) ? container[key] : undefined;
  const index = arrayIndex(key, container.length);
  if (typeof index === 'string') throw new JsonPatchError(index);
  return container[index];
}

function insert({ container, key }: Place, value: JsonValue): void {
  if (!Array.isArray(container)) setKey(container, key, value);
  else if (key === '-') container.push(value);
  else {
    const index = arrayIndex(key, container.length + 1);
    if (typeof index === 'string') throw new JsonPatchError(index);
    container.splice(index, 0, value);
  }
}

function drop({ container, key }: Place): void {
  if (Array.isArray(container)) {
    const index = arrayIndex(key, container.length);
    if (typeof index === 'string') throw new JsonPatchError(index);
    container.splice(index, 1);
    return;
  }
  if (!Object.hasOwn(container, key))
    throw new JsonPatchError(`Unable to remove nonexistent key: ${key}: missing value`);
  delete container[key];
}

/** An index below `length`, negative ones counted from the end; or why not. */
function arrayIndex(key: string, length: number): number | string {
  if (!/^[+-]?[0-9]{1,15}$/.test(key)) return `strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`;
  const index = Number(key);
  if (index >= length || index < -length) return `Unable to access invalid index: ${index}: invalid index referenced`;
  return index < 0 ? index + length : index;
}

function requirePath(operation: JsonPatchOperation, name: string): string {
  if (typeof operation.path === 'string') return operation.path;
  throw new JsonPatchError(`${name} operation failed to decode path: missing value`);
}

function within<T>(prefix: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof JsonPatchError) throw new JsonPatchError(`${prefix}: ${error.message}`);
    throw error;
  }
}

const levelsOf = (path: string | null | undefined): number => (path ?? '').split('/').length;

/** Levels of containers; without recursion, as it may be any number. */
function depthOf(value: JsonValue): number {
  let depth = 0;
  for (let level = containersIn([value]); level.length > 0; depth++)
    level = containersIn(level.flatMap((container) => Object.values(container) as JsonValue[]));
  return depth;
}

const containersIn = (values: readonly JsonValue[]): object[] =>
  values.filter((value): value is JsonObject => typeof value === 'object' && value !== null);

/** Characters of the value's JSON, near enough for a limit. */
function encodedLength(value: JsonValue): number {
  if (value === null || typeof value !== 'object')
    return typeof value === 'string' ? value.length + 2 : String(value).length;
  let length = 2;
  if (Array.isArray(value)) for (const item of value as readonly JsonValue[]) length += encodedLength(item) + 1;
  else for (const [key, child] of Object.entries(value)) length += key.length + 4 + encodedLength(child ?? null);
  return length;
}
