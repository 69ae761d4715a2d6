/** Pods whose tracking finalizer we have taken off although the cache still shows it: they are counted already. By Job and uid. */
export class FinalizerExpectations {
  private readonly byJob = new Map<string, Set<string>>();

  removing(key: string, uid: string): void {
    const uids = this.byJob.get(key);
    if (uids) uids.add(uid);
    else this.byJob.set(key, new Set([uid]));
  }
  /** The cache shows it, the pod is gone, or the removal failed. */
  observed(key: string, uid: string): void {
    const uids = this.byJob.get(key);
    if (uids?.delete(uid) && uids.size === 0) this.byJob.delete(key);
  }
  has(key: string, uid: string): boolean {
    return this.byJob.get(key)?.has(uid) ?? false;
  }
  forget(key: string): void {
    this.byJob.delete(key);
  }
}
