/**
 * What a plugin may answer at each extension point. Closed sets, so that the FailedScheduling message, the re-queue hints and preemption
 * can be built from them. Plugins hand out shared constants: nothing is allocated for a node that is looked at.
 */
export interface Rejected {
  readonly kind: 'rejected';
  readonly plugin: string;
  /** Texts counted over all nodes into `0/5 nodes are available: 3 Insufficient cpu, ...`. */
  readonly reasons: readonly string[];
  /** False is upstream's UnschedulableAndUnresolvable: removing pods from the node would not help. */
  readonly preemptionMayHelp: boolean;
}
export interface Fits {
  readonly kind: 'fits';
}
export type FilterStatus = Fits | Rejected;
export const fits: Fits = { kind: 'fits' };

/** What Permit says: bind now, hold the pod until the plugin has decided (at most `timeoutMs`, then it is rejected), or not at all. */
export type PermitStatus =
  | { readonly kind: 'allow' }
  | {
      readonly kind: 'wait';
      readonly timeoutMs: number;
      readonly decided: Promise<{ readonly kind: 'allow' } | Rejected>;
    }
  | Rejected;

export function rejected(plugin: string, reason: string, options: { readonly preemptionMayHelp: boolean }): Rejected {
  return { kind: 'rejected', plugin, reasons: [reason], preemptionMayHelp: options.preemptionMayHelp };
}

export function unreachable(value: never): never {
  throw new Error(`Unreachable variant: ${JSON.stringify(value)}`);
}
