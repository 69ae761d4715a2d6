/** An ObjectReader over a map that a test fills by hand. */
import { deepFreeze } from '../../../api/freeze.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { ObjectChange, ObjectReader } from '../../registry/object-reader.ts';

export class MapReader implements ObjectReader {
  readonly #objects = new Map<string, JsonObject>();
  readonly #handlers = new Map<string, Set<(change: ObjectChange) => void>>();
  /** What only the store has: the cache lags. */
  readonly ahead = new Map<string, JsonObject>();

  set(group: string, resource: string, value: object): this {
    const object = deepFreeze(value) as JsonObject;
    const key = keyOf(group, resource, object);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#tell(group, resource, previous ? { type: 'MODIFIED', object, previous } : { type: 'ADDED', object });
    return this;
  }
  delete(group: string, resource: string, namespace: string, name: string): void {
    const key = `${group}/${resource}/${namespace}/${name}`;
    const object = this.#objects.get(key);
    if (!object) return;
    this.#objects.delete(key);
    this.#tell(group, resource, { type: 'DELETED', object });
  }
  get(group: string, resource: string, namespace: string, name: string): JsonObject | undefined {
    return this.#objects.get(`${group}/${resource}/${namespace}/${name}`);
  }
  list(group: string, resource: string, namespace: string): readonly JsonObject[] {
    const prefix = namespace === '' ? `${group}/${resource}/` : `${group}/${resource}/${namespace}/`;
    return [...this.#objects].filter(([key]) => key.startsWith(prefix)).map(([, object]) => object);
  }
  async fresh(group: string, resource: string, namespace: string, name: string): Promise<JsonObject | undefined> {
    return this.ahead.get(`${group}/${resource}/${namespace}/${name}`) ?? this.get(group, resource, namespace, name);
  }
  onChange(group: string, resource: string, handler: (change: ObjectChange) => void): () => void {
    const key = `${group}/${resource}`;
    const set = this.#handlers.get(key) ?? new Set();
    this.#handlers.set(key, set.add(handler));
    return () => set.delete(handler);
  }
  #tell(group: string, resource: string, change: ObjectChange): void {
    for (const handler of this.#handlers.get(`${group}/${resource}`) ?? []) handler(change);
  }
}

function keyOf(group: string, resource: string, object: JsonObject): string {
  const { namespace = '', name } = object.metadata as { namespace?: string; name: string };
  return `${group}/${resource}/${namespace}/${name}`;
}
