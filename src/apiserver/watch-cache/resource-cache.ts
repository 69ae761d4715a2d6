/**
 * All objects of one stored resource: an ordered tree with cheap snapshots, recent history, and the watchers. Changed only by the cache that owns the
 * store's watch, one event at a time, in revision order.
 */
import type { JsonObject } from '../../api/json.ts';
import type { ObjectChange } from '../registry/object-reader.ts';
import { CacheEvent } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';
import { History } from './history.ts';
import { LabelIndex, type LabelTerm } from './label-index.ts';
import { byKey, type OrderedTree, orderedTree } from './ordered-tree.ts';
import type { Watcher } from './watcher.ts';
import { WatcherIndex, type WatchScope } from './watcher-index.ts';

/** The resource's state at one revision; never changes. */
export interface Snapshot {
  /** The revision it shows. */
  readonly revision: number;
  readonly tree: OrderedTree<CachedObject>;
}

export interface Selection {
  /** Empty: all namespaces. */
  readonly namespace: string;
  readonly match?: (object: CachedObject) => boolean;
  /** First key to consider (`namespace/name` or `name`). */
  readonly startKey?: string;
  /** Only this object. */
  readonly key?: string;
  /** Only pods on this node. */
  readonly node?: string;
  /** Labels that `match` demands: lets an index answer. */
  readonly labels?: readonly LabelTerm[];
}

/** Snapshots kept for continued lists; older ones are read from the store's history. */
const snapshotsMax = 8;

export class ResourceCache {
  readonly #tree = orderedTree<CachedObject>();
  readonly #byNode = new Map<string, Map<string, CachedObject>>();
  readonly #byLabel = new LabelIndex();
  /** What was selected whole since the last change, by namespace: a thousand watches or lists that start together share it. */
  readonly #whole = new Map<string, readonly CachedObject[]>();
  readonly watchers = new WatcherIndex();
  readonly history: History;
  readonly #listeners: ((change: ObjectChange) => void)[] = [];
  readonly #snapshots: Snapshot[] = [];
  readonly #valueOf: (object: CachedObject) => JsonObject;
  readonly #indexNodes: boolean;
  /** Bytes of all objects as they are stored. */
  bytes = 0;
  /** For metrics: what came, what was listed. Only ever added to. */
  readonly seen = { events: 0, fills: 0, initial: 0, lists: 0, returned: 0 };

  constructor(options: {
    readonly revision: number;
    readonly valueOf: (object: CachedObject) => JsonObject;
    readonly indexNodes: boolean;
  }) {
    this.history = new History(options.revision);
    this.#valueOf = options.valueOf;
    this.#indexNodes = options.indexNodes;
  }

  get size(): number {
    return this.#tree.size;
  }

  get(key: string): CachedObject | undefined {
    return this.#tree.get(key);
  }

  upsert(object: CachedObject, at: number): CachedObject | undefined {
    const previous = this.#tree.get(object.key);
    this.#put(object, previous);
    this.#publish(new CacheEvent(object.revision, object, previous, false, at), at);
    return previous;
  }

  /** @returns what was there. */
  remove(key: string, revision: number, at: number): CachedObject | undefined {
    const previous = this.#tree.get(key);
    if (previous === undefined) return undefined;
    this.#tree.delete(key);
    this.#whole.clear();
    this.bytes -= previous.bytes.length;
    this.#byLabel.replace(previous, undefined);
    if (previous.node !== '') this.#dropFromNode(previous);
    this.#publish(new CacheEvent(revision, previous, previous, true, at), at);
    return previous;
  }

  #put(object: CachedObject, previous: CachedObject | undefined): void {
    this.#tree.set(object.key, object);
    this.#whole.clear();
    this.bytes += object.bytes.length - (previous?.bytes.length ?? 0);
    this.#byLabel.replace(previous, object);
    if (!this.#indexNodes) return;
    if (previous !== undefined && previous.node !== '' && previous.node !== object.node) this.#dropFromNode(previous);
    if (object.node === '') return;
    let onNode = this.#byNode.get(object.node);
    if (onNode === undefined) this.#byNode.set(object.node, (onNode = new Map()));
    onNode.set(object.key, object);
  }

  #dropFromNode(object: CachedObject): void {
    const onNode = this.#byNode.get(object.node);
    onNode?.delete(object.key);
    if (onNode?.size === 0) this.#byNode.delete(object.node);
  }

  #publish(event: CacheEvent, at: number): void {
    this.seen.events++;
    this.history.push(event, at);
    this.watchers.dispatch(event);
    if (this.#listeners.length > 0) this.#tellListeners(event);
  }

  #tellListeners(event: CacheEvent): void {
    const object = this.#valueOf(event.current);
    const change: ObjectChange = {
      type: event.deleted ? 'DELETED' : event.previous === undefined ? 'ADDED' : 'MODIFIED',
      object,
      ...(event.previous === undefined || event.deleted ? {} : { previous: this.#valueOf(event.previous) }),
    };
    this.#tell(change);
  }

  #tell(change: ObjectChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  onChange(listener: (change: ObjectChange) => void): () => void {
    this.#listeners.push(listener);
    return () => {
      const i = this.#listeners.indexOf(listener);
      if (i >= 0) this.#listeners.splice(i, 1);
    };
  }

  /** Everything selected now, in key order. */
  select(selection: Selection): readonly CachedObject[] {
    const { labels, key, node, namespace, match, startKey } = selection;
    if (match === undefined && key === undefined && startKey === undefined && (node === undefined || node === '')) {
      let whole = this.#whole.get(namespace);
      if (whole === undefined) {
        whole = selectFrom(this.#tree, selection);
        this.#whole.set(namespace, whole);
      }
      return whole;
    }
    if (labels !== undefined && key === undefined && (node === undefined || node === '')) {
      const tree = this.#tree;
      const candidates = this.#byLabel.candidates(labels, tree.size, () => tree.values());
      if (candidates !== undefined) return selectAmong(candidates, selection);
    }
    return selectFrom(this.#tree, selection, this.#byNode);
  }

  /** Keeps the present state readable at `revision` for continued lists. */
  snapshot(revision: number): Snapshot {
    const last = this.#snapshots.at(-1);
    if (last?.revision === revision) return last;
    const snapshot = { revision, tree: this.#tree.clone() };
    this.#snapshots.push(snapshot);
    if (this.#snapshots.length > snapshotsMax) this.#snapshots.shift();
    return snapshot;
  }

  snapshotAt(revision: number): Snapshot | undefined {
    return this.#snapshots.find((s) => s.revision === revision);
  }

  /** Snapshots and history at or before this revision go. */
  compact(revision: number): void {
    this.history.compact(revision);
    while (this.#snapshots.length > 0 && this.#snapshots[0]!.revision < revision) this.#snapshots.shift();
  }

  addWatcher(watcher: Watcher, scope: WatchScope): void {
    watcher.onClose(this.watchers.add(watcher, scope));
  }

  *objects(): Iterable<CachedObject> {
    yield* this.#tree.values();
  }

  /**
   * Takes over a whole new state, at the first fill or after a gap in the store's watch. Subscribers hear the difference (their indexes start empty);
   * watchers end and list again, as upstream's do.
   */
  replace(objects: readonly CachedObject[], revision: number): void {
    const before = this.#listeners.length > 0 ? this.#tree.clone() : undefined;
    this.seen.fills++;
    this.bytes = 0;
    this.#tree.clear();
    this.#whole.clear();
    this.#byNode.clear();
    this.#byLabel.clear();
    this.#snapshots.length = 0;
    this.history.reset(revision);
    for (const object of objects) this.#put(object, undefined);
    this.watchers.forEach((watcher) => {
      watcher.end();
    });
    if (before !== undefined) this.#tellDifference(before);
  }

  #tellDifference(before: OrderedTree<CachedObject>): void {
    for (const [key, previous] of before.entries())
      if (!this.#tree.has(key)) this.#tell({ type: 'DELETED', object: this.#valueOf(previous) });
    for (const object of this.#tree.values()) {
      const previous = before.get(object.key);
      if (previous?.revision === object.revision) continue;
      this.#tell(
        previous === undefined
          ? { type: 'ADDED', object: this.#valueOf(object) }
          : { type: 'MODIFIED', object: this.#valueOf(object), previous: this.#valueOf(previous) },
      );
    }
  }
}

/** Everything selected in a tree, in key order. */
export function selectFrom(
  tree: OrderedTree<CachedObject>,
  selection: Selection,
  byNode?: ReadonlyMap<string, ReadonlyMap<string, CachedObject>>,
): CachedObject[] {
  const { namespace, match, startKey, key, node } = selection;
  const found: CachedObject[] = [];
  if (key !== undefined) {
    const object = tree.get(key);
    if (object !== undefined && (match === undefined || match(object)) && (startKey === undefined || key >= startKey))
      found.push(object);
    return found;
  }
  if (node !== undefined && node !== '' && byNode !== undefined)
    return selectAmong(byNode.get(node)?.values() ?? [], selection);
  const visit =
    match === undefined
      ? (_: string, object: CachedObject): void => {
          found.push(object);
        }
      : (_: string, object: CachedObject): void => {
          if (match(object)) found.push(object);
        };
  if (namespace === '' && startKey === undefined) tree.forEachPair(visit);
  else {
    const first = namespace === '' ? '' : `${namespace}/`;
    const low = startKey !== undefined && startKey > first ? startKey : first;
    // '0' follows '/' in ASCII: the exclusive end of a namespace.
    const high = namespace === '' ? '\uffff' : `${namespace}0`;
    tree.forRange(low, high, false, visit);
  }
  return found;
}

/** Everything selected among what an index found, in key order. */
function selectAmong(candidates: Iterable<CachedObject>, { namespace, startKey, match }: Selection): CachedObject[] {
  const found: CachedObject[] = [];
  for (const object of candidates)
    if (
      (namespace === '' || object.namespace === namespace) &&
      (startKey === undefined || object.key >= startKey) &&
      (match === undefined || match(object))
    )
      found.push(object);
  return found.sort((a, b) => byKey(a.key, b.key));
}
