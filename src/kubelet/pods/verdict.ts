/** The node's decision about a pod as a whole: rejected, evicted, past its deadline. */
export interface Verdict {
  readonly phase: 'Failed';
  readonly reason: string;
  readonly message: string;
  /** Makes the condition DisruptionTarget: the pod did not fail by itself. */
  readonly disruption?: { readonly reason: string; readonly message: string };
}
