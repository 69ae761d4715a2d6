/** The rules of one kind. */
import type { ErrorList } from './error-list.ts';

export type ObjectRule = (errors: ErrorList, object: never) => void;
export type ChangeRule = (errors: ErrorList, next: never, previous: never) => void;

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
    update(errors, next, previous) {
      if (order.changeFirst) change?.(errors, next, previous);
      object(errors, next);
      if (!order.changeFirst) change?.(errors, next, previous);
    },
  };
}

/** The kind's rules and those of its status. */
export const withStatus = (kind: KindRules, status: ChangeRule): KindRules => ({
  ...kind,
  subresources: { ...kind.subresources, status },
});
