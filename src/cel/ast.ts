/** The syntax tree. Macros are expanded by the parser: `all`, `exists`, `map` and their like are comprehensions. */
import type { Value } from './values.ts';

interface Node {
  readonly id: number;
  /** Where errors about the node are shown, in code points. */
  readonly offset: number;
}

export type Expr =
  | (Node & { readonly kind: 'literal'; readonly value: Value })
  | (Node & { readonly kind: 'ident'; readonly name: string })
  | (Node & { readonly kind: 'select'; readonly operand: Expr; readonly field: string; readonly testOnly: boolean })
  | (Node & { readonly kind: 'call'; readonly name: string; readonly target?: Expr; readonly args: readonly Expr[] })
  | (Node & { readonly kind: 'list'; readonly elements: readonly Expr[]; readonly optionals: ReadonlySet<number> })
  | (Node & { readonly kind: 'map'; readonly entries: readonly MapEntry[] })
  | (Node & { readonly kind: 'struct'; readonly type: string; readonly fields: readonly StructField[] })
  | Comprehension;

export interface Comprehension extends Node {
  readonly kind: 'comprehension';
  readonly range: Expr;
  readonly iterVar: string;
  /** Of two-variable macros: the value (list items, map values); `iterVar` is then the index or key. */
  readonly iterVar2?: string;
  readonly accuVar: string;
  readonly accuInit: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

export interface MapEntry {
  readonly id: number;
  readonly offset: number;
  readonly key: Expr;
  readonly value: Expr;
  readonly optional: boolean;
}

export interface StructField {
  readonly id: number;
  readonly offset: number;
  readonly name: string;
  readonly value: Expr;
  readonly optional: boolean;
}

/** Names of operators as the language calls them. */
export const operators = {
  '||': '_||_',
  '&&': '_&&_',
  '?': '_?_:_',
  '==': '_==_',
  '!=': '_!=_',
  '<': '_<_',
  '<=': '_<=_',
  '>': '_>_',
  '>=': '_>=_',
  in: '@in',
  '+': '_+_',
  '-': '_-_',
  '*': '_*_',
  '/': '_/_',
  '%': '_%_',
  '[]': '_[_]',
  '[?]': '_[?_]',
  '.?': '_?._',
  '!': '!_',
  neg: '-_',
} as const;
