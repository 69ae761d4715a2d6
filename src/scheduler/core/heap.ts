/** A binary heap whose items can be removed by key: O(log n) each. */
export class Heap<T> {
  private readonly items: T[] = [];
  private readonly positions = new Map<string, number>();
  private readonly keyOf: (item: T) => string;
  private readonly less: (a: T, b: T) => boolean;

  constructor(keyOf: (item: T) => string, less: (a: T, b: T) => boolean) {
    this.keyOf = keyOf;
    this.less = less;
  }
  get size(): number {
    return this.items.length;
  }
  peek(): T | undefined {
    return this.items[0];
  }
  get(key: string): T | undefined {
    const at = this.positions.get(key);
    return at === undefined ? undefined : this.items[at];
  }
  /** Adds it, or puts it in its new place. */
  push(item: T): void {
    const at = this.positions.get(this.keyOf(item));
    if (at !== undefined) {
      this.items[at] = item;
      this.down(this.up(at));
      return;
    }
    this.items.push(item);
    this.positions.set(this.keyOf(item), this.items.length - 1);
    this.up(this.items.length - 1);
  }
  pop(): T | undefined {
    const top = this.items[0];
    if (top !== undefined) this.removeAt(0);
    return top;
  }
  remove(key: string): T | undefined {
    const at = this.positions.get(key);
    if (at === undefined) return undefined;
    const item = this.items[at]!;
    this.removeAt(at);
    return item;
  }
  values(): readonly T[] {
    return this.items;
  }

  private removeAt(at: number): void {
    this.positions.delete(this.keyOf(this.items[at]!));
    const last = this.items.pop()!;
    if (at === this.items.length) return;
    this.put(last, at);
    this.down(this.up(at));
  }
  private put(item: T, at: number): void {
    this.items[at] = item;
    this.positions.set(this.keyOf(item), at);
  }
  private up(at: number): number {
    const item = this.items[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.less(item, this.items[parent]!)) break;
      this.put(this.items[parent]!, at);
      at = parent;
    }
    this.put(item, at);
    return at;
  }
  private down(at: number): void {
    const item = this.items[at]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.items.length) break;
      if (child + 1 < this.items.length && this.less(this.items[child + 1]!, this.items[child]!)) child++;
      if (!this.less(this.items[child]!, item)) break;
      this.put(this.items[child]!, at);
      at = child;
    }
    this.put(item, at);
  }
}
