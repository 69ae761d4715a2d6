/**
 * Cases about the protocol around the objects: paths, methods, parameters, headers, rights, discovery, watches, and objects of custom kinds.
 * Objects that stand for all cases are only read or written dry; the rest belongs to its case.
 */
import type { Case, Step } from '../case.ts';
import type { GenerateOptions } from '../generate.ts';
import { type Pick, pickFor } from '../pick.ts';
import { customMakers } from './custom.ts';
import { discovery } from './discovery.ts';
import { bodies, headers } from './headers.ts';
import { parameters } from './parameters.ts';
import { paths } from './paths.ts';
import { reviews, rights } from './rights.ts';
import { watches } from './watches.ts';

export { protocolPreparation } from './preparation.ts';

/** What a maker of cases gets: the draw and a name of the case's own. */
export interface Draw {
  readonly pick: Pick;
  /** A DNS label. */
  readonly name: string;
}

export interface Drawn {
  readonly what: string;
  readonly steps: readonly Step[];
}

export type Maker = (draw: Draw) => Drawn;

const makers: readonly (readonly [cause: string, make: Maker, weight: number])[] = [
  ['paths', paths, 18],
  ['parameters', parameters, 16],
  ['headers', headers, 16],
  ['bodies', bodies, 8],
  ['rights', rights, 9],
  ['reviews', reviews, 7],
  ['discovery', discovery, 8],
  ['watch', watches, 5],
  ...customMakers,
];

export function generateProtocol(index: number, { seed, run = '', causes }: GenerateOptions): Case {
  const pick = pickFor(seed, index);
  const some = makers.filter(([cause]) => !causes || causes.has(cause));
  const [cause, make] = pick.weighted(some.map((each) => [each, each[2]] as const));
  const { what, steps } = make({ pick, name: `q${run}-${seed}-${index}` });
  return { index, name: `${cause} ${what}`, kind: cause, cause, steps };
}
