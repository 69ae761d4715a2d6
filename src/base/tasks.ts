/**
 * Background work with an owner (decision 13). Every loop has a name; its failure reaches the owner; stopping waits for its end.
 */
export interface TaskGroup {
  /** Aborted when the group stops or its parent signal aborts. */
  readonly signal: AbortSignal;
  /**
   * Starts `body` now. A rejection that is not the group's own abort stops the whole group and rejects `done`.
   * `body` must return soon after `signal` aborts.
   */
  run(name: string, body: (signal: AbortSignal) => Promise<void>): void;
  /** Aborts the signal and waits for every body. Idempotent. Never rejects (failures come out of `done`). */
  stop(): Promise<void>;
  /** Settles when all bodies ended after a stop or failure; rejects with the first failure (an Error naming the task, with `cause`). */
  readonly done: Promise<void>;
}
