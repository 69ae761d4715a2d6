/** Work that the scheduling loop starts and does not wait for: bindings, status writes, evictions. Its owner waits for all of it at the end. */
export class Background {
  private readonly running = new Set<Promise<void>>();

  /** @param work must not reject: its failure would have no reader. */
  add(work: Promise<void>): void {
    const task: Promise<void> = work.finally(() => this.running.delete(task));
    this.running.add(task);
  }
  get size(): number {
    return this.running.size;
  }
  /** Until something has ended. */
  async next(): Promise<void> {
    await Promise.race(this.running);
  }
  async drain(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
