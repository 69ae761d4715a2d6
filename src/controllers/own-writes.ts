/**
 * Versions of an object that our own writes have replaced. A controller that counts in an object's status must not act on one of them: what it
 * has counted already would be counted again. Versions are opaque, so the replaced ones are remembered rather than compared by order.
 */
export class OwnWrites {
  private readonly replaced = new Map<string, Set<string>>();

  /** @param version the one that the write was based on. */
  wrote(key: string, version: string): void {
    const versions = this.replaced.get(key);
    if (versions) versions.add(version);
    else this.replaced.set(key, new Set([version]));
  }

  /** Whether the cache still shows a version from before our last write. The event that brings the next one wakes the key. */
  isBehind(key: string, cached: string): boolean {
    const versions = this.replaced.get(key);
    if (!versions) return false;
    if (versions.has(cached)) return true;
    this.replaced.delete(key);
    return false;
  }

  forget(key: string): void {
    this.replaced.delete(key);
  }
}
