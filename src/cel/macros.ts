/** Calls that are no calls: comprehensions in disguise. Source: cel-go/parser/macro.go, cel-go/ext (comprehensions, optionals). */
import { type Expr, operators } from './ast.ts';
import type { NodeMaker } from './parser.ts';
import type { Value } from './values.ts';

/** Not a name anybody can write. */
export const accumulator = '@result';

type Expand = (make: Make, target: Expr, args: readonly Expr[]) => Expr | undefined;

/** @returns undefined when the call is none of a macro. */
export function expandMacro(
  maker: NodeMaker,
  name: string,
  target: Expr | undefined,
  args: readonly Expr[],
  offset: number,
): Expr | undefined {
  const make = new Make(maker, offset);
  if (target === undefined) {
    if (name === 'has' && args.length === 1) return has(make, args[0]!);
    return undefined;
  }
  const expand = receivers[`${name}/${args.length}`];
  return expand?.(make, target, args);
}

class Make {
  readonly #maker: NodeMaker;
  readonly offset: number;
  constructor(maker: NodeMaker, offset: number) {
    this.#maker = maker;
    this.offset = offset;
  }
  get #node() {
    return { id: this.#maker.id(), offset: this.offset };
  }
  literal(value: Value): Expr {
    return { ...this.#node, kind: 'literal', value };
  }
  ident(name: string): Expr {
    return { ...this.#node, kind: 'ident', name };
  }
  get accu(): Expr {
    return this.ident(accumulator);
  }
  call(name: string, ...args: readonly Expr[]): Expr {
    return { ...this.#node, kind: 'call', name, args };
  }
  list(...elements: readonly Expr[]): Expr {
    return { ...this.#node, kind: 'list', elements, optionals: new Set() };
  }
  map(...entries: readonly (readonly [Expr, Expr])[]): Expr {
    return {
      ...this.#node,
      kind: 'map',
      entries: entries.map(([key, value]) => ({ ...this.#node, key, value, optional: false })),
    };
  }
  test(operand: Expr, field: string): Expr {
    return { ...this.#node, kind: 'select', operand, field, testOnly: true };
  }
  fold(
    range: Expr,
    vars: readonly [string, string?],
    parts: { readonly init: Expr; readonly condition?: Expr; readonly step: Expr; readonly result?: Expr },
    accuVar = accumulator,
  ): Expr {
    const [iterVar, iterVar2] = vars;
    return {
      ...this.#node,
      kind: 'comprehension',
      range,
      iterVar,
      ...(iterVar2 === undefined ? {} : { iterVar2 }),
      accuVar,
      accuInit: parts.init,
      condition: parts.condition ?? this.literal(true),
      step: parts.step,
      result: parts.result ?? this.accu,
    };
  }
  /** The name of a variable a macro introduces. */
  variable(expr: Expr, message: string): string | undefined {
    if (expr.kind === 'ident' && expr.name !== accumulator && expr.name !== '__result__') return expr.name;
    this.#maker.issue(
      expr.offset,
      expr.kind === 'ident' ? 'iteration variable overwrites accumulator variable' : message,
    );
    return undefined;
  }
  issue(offset: number, message: string): void {
    this.#maker.issue(offset, message);
  }
}

function has(make: Make, arg: Expr): Expr {
  if (arg.kind === 'select' && !arg.testOnly) return make.test(arg.operand, arg.field);
  make.issue(arg.offset, 'invalid argument to has() macro');
  return make.literal(false);
}

const simpleName = 'argument must be a simple name';

/** One variable. */
const one =
  (build: (make: Make, range: Expr, name: string, args: readonly Expr[]) => Expr): Expand =>
  (make, range, args) => {
    const name = make.variable(args[0]!, 'argument must be a simple name');
    return build(make, range, name ?? '#error', args.slice(1));
  };

/** Two: index or key, and value. */
const two =
  (build: (make: Make, range: Expr, vars: readonly [string, string], args: readonly Expr[]) => Expr): Expand =>
  (make, range, args) => {
    const first = make.variable(args[0]!, simpleName);
    const second = make.variable(args[1]!, simpleName);
    if (first !== undefined && first === second) make.issue(args[1]!.offset, `duplicate variable name: ${first}`);
    return build(make, range, [first ?? '#error', second ?? '#error2'], args.slice(2));
  };

const all = (make: Make, range: Expr, vars: readonly [string, string?], condition: Expr): Expr =>
  make.fold(range, vars, {
    init: make.literal(true),
    condition: make.call('@not_strictly_false', make.accu),
    step: make.call(operators['&&'], make.accu, condition),
  });
const exists = (make: Make, range: Expr, vars: readonly [string, string?], condition: Expr): Expr =>
  make.fold(range, vars, {
    init: make.literal(false),
    condition: make.call('@not_strictly_false', make.call(operators['!'], make.accu)),
    step: make.call(operators['||'], make.accu, condition),
  });
const existsOne = (make: Make, range: Expr, vars: readonly [string, string?], condition: Expr): Expr =>
  make.fold(range, vars, {
    init: make.literal(0n),
    step: make.call(operators['?'], condition, make.call(operators['+'], make.accu, make.literal(1n)), make.accu),
    result: make.call(operators['=='], make.accu, make.literal(1n)),
  });
/** Adds a value for each item, where a condition holds. */
const mapped = (make: Make, range: Expr, vars: readonly [string, string?], value: Expr, condition?: Expr): Expr => {
  const step = make.call(operators['+'], make.accu, make.list(value));
  return make.fold(range, vars, {
    init: make.list(),
    step: condition === undefined ? step : make.call(operators['?'], condition, step, make.accu),
  });
};
const keyed = (make: Make, range: Expr, vars: readonly [string, string], put: Expr, condition?: Expr): Expr =>
  make.fold(range, vars, {
    init: make.map(),
    step: condition === undefined ? put : make.call(operators['?'], condition, put, make.accu),
  });
const insert = (make: Make, key: string, value: Expr): Expr =>
  make.call('cel.@mapInsert', make.accu, make.ident(key), value);

const receivers: Readonly<Record<string, Expand>> = {
  'all/2': one((make, range, name, [condition]) => all(make, range, [name], condition!)),
  'all/3': two((make, range, vars, [condition]) => all(make, range, vars, condition!)),
  'exists/2': one((make, range, name, [condition]) => exists(make, range, [name], condition!)),
  'exists/3': two((make, range, vars, [condition]) => exists(make, range, vars, condition!)),
  'exists_one/2': one((make, range, name, [condition]) => existsOne(make, range, [name], condition!)),
  'existsOne/2': one((make, range, name, [condition]) => existsOne(make, range, [name], condition!)),
  'existsOne/3': two((make, range, vars, [condition]) => existsOne(make, range, vars, condition!)),
  'map/2': one((make, range, name, [value]) => mapped(make, range, [name], value!)),
  'map/3': one((make, range, name, [condition, value]) => mapped(make, range, [name], value!, condition)),
  'filter/2': one((make, range, name, [condition]) => mapped(make, range, [name], make.ident(name), condition)),
  'transformList/3': two((make, range, vars, [value]) => mapped(make, range, vars, value!)),
  'transformList/4': two((make, range, vars, [condition, value]) => mapped(make, range, vars, value!, condition)),
  'transformMap/3': two((make, range, vars, [value]) => keyed(make, range, vars, insert(make, vars[0], value!))),
  'transformMap/4': two((make, range, vars, [condition, value]) =>
    keyed(make, range, vars, insert(make, vars[0], value!), condition),
  ),
  'transformMapEntry/3': two((make, range, vars, [entry]) =>
    keyed(make, range, vars, make.call('cel.@mapInsert', make.accu, entry!)),
  ),
  'transformMapEntry/4': two((make, range, vars, [condition, entry]) =>
    keyed(make, range, vars, make.call('cel.@mapInsert', make.accu, entry!), condition),
  ),
  'optMap/2': one((make, target, name, [value]) =>
    make.call(
      operators['?'],
      { ...make.call('hasValue'), target } as Expr,
      make.call(
        'optional.of',
        make.fold(
          make.list(),
          ['#unused'],
          {
            init: { ...make.call('value'), target } as Expr,
            condition: make.literal(false),
            step: make.ident(name),
            result: value!,
          },
          name,
        ),
      ),
      make.call('optional.none'),
    ),
  ),
  'optFlatMap/2': one((make, target, name, [value]) =>
    make.call(
      operators['?'],
      { ...make.call('hasValue'), target } as Expr,
      make.fold(
        make.list(),
        ['#unused'],
        {
          init: { ...make.call('value'), target } as Expr,
          condition: make.literal(false),
          step: make.ident(name),
          result: value!,
        },
        name,
      ),
      make.call('optional.none'),
    ),
  ),
};
