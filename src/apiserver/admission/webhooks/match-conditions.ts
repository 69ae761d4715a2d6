/** What admission needs of an expression language: `matchConditions` compiled once and asked for each request. */
import type { JsonObject } from '../../../api/json.ts';
import type { MatchCondition } from '../../../api/types/admissionregistration-v1.ts';
import type { AdmissionAttributes } from '../admission.ts';

/** What an expression sees. */
export interface MatchInput {
  /** In the version the webhook asked for; null where there is none. */
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
  /** `request`: as in an AdmissionReview, without object and oldObject. */
  readonly request: JsonObject;
  /** For `authorizer`. */
  readonly attributes: AdmissionAttributes;
  readonly signal: AbortSignal;
}

export type MatchResult =
  | { readonly kind: 'matches' }
  /** A condition is false. */
  | { readonly kind: 'excluded'; readonly condition: string }
  /** None is false, some cannot be told; only with the failure policy Fail. Upstream's text. */
  | { readonly kind: 'error'; readonly message: string };

export interface MatchConditions {
  match(input: MatchInput): MatchResult | Promise<MatchResult>;
}

/** Never throws: what cannot be compiled fails when it is asked. With `Ignore` an error is `excluded`. */
export type CompileMatchConditions = (
  conditions: readonly MatchCondition[],
  failurePolicy: 'Fail' | 'Ignore',
) => MatchConditions;
