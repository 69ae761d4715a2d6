/** The rules of one kind. */
import type { ErrorList } from './error-list.ts';

/** The version in which the request was made: a few rules hold for newer ones only. */
export interface RuleRequest {
  readonly apiVersion: string;
  /** Who can tell what is wrong with the expression of a device selector: a compiler, loaded when there is one to judge. */
  readonly judgeSelector?: JudgeSelector;
}
/** @returns why the expression will not do, `tooComplex` when it may cost too much, undefined when it is good. */
export type JudgeSelector = (expression: string) => string | typeof tooComplex | undefined;
export const tooComplex = Symbol('too complex');
export type ObjectRule = (errors: ErrorList, object: never, request: RuleRequest) => void;
export type ChangeRule = (errors: ErrorList, next: never, previous: never, request: RuleRequest) => void;

export interface KindRules {
  readonly create?: ObjectRule;
  /** Of an update through the object's own endpoint: the whole of it. */
  readonly update?: ChangeRule;
  /** Changes through a subresource that writes the same object. */
  readonly subresources?: Readonly<Record<string, ChangeRule>>;
}

/**
 * The usual kind: rules of the object alone, run on create and on update, and what a change may not do.
 * @param order.changeFirst report what the change broke before what is wrong with the object.
 */
export function rules(
  object: ObjectRule,
  change?: ChangeRule,
  order: { readonly changeFirst?: boolean } = {},
): KindRules {
  return {
    create: object,
    update(errors, next, previous, request) {
      if (order.changeFirst) change?.(errors, next, previous, request);
      object(errors, next, request);
      if (!order.changeFirst) change?.(errors, next, previous, request);
    },
  };
}

/** The kind's rules and those of its status. */
export const withStatus = (kind: KindRules, status: ChangeRule): KindRules => ({
  ...kind,
  subresources: { ...kind.subresources, status },
});
