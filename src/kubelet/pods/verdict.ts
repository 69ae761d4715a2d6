/** The node's decision about a pod as a whole: rejected, evicted, past its deadline. */
export interface Verdict {
  readonly phase: 'Failed';
  readonly reason: string;
  readonly message: string;
  /** Makes the condition DisruptionTarget: the pod did not fail by itself. */
  readonly disruption?: { readonly reason: string; readonly message: string };
}

const refusal = 'Pod was rejected: ';

/** The pod is not taken: it never ran here. @param message why */
export const rejection = (reason: string, message: string): Verdict => ({
  phase: 'Failed',
  reason,
  message: `${refusal}${message}`,
});

export const isRejection = ({ message }: Verdict): boolean => message.startsWith(refusal);

/** A pod is refused, or taken when these others have ended. */
export type Judgement = Verdict | { readonly after: readonly string[] };

/** What a node answers for a pod it sees first; it may have to ask the API server before it knows. */
export type Admission = Judgement | { readonly ask: (signal: AbortSignal) => Promise<Judgement | undefined> };
